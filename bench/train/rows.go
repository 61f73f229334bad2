//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"mlx/bench/internal/measure"
)

// again submits a project of 10,000 files with 1 GB of data twice, the second time unchanged, and counts what ssh is given.
func (b *bench) again() error {
	const files, data = 10_000, 1_000_000_000
	for i := range files {
		name := filepath.Join(b.project, "code", strconv.Itoa(i/100), strconv.Itoa(i)+".py")
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, fmt.Appendf(nil, "print(%d)\n", i), 0o666); err != nil {
			return err
		}
	}
	if err := fill(filepath.Join(b.project, "data", "big.bin"), data); err != nil {
		return err
	}
	submit := b.on("box", "true", "--detach", "-d", "data")
	if err := b.each([]string{b.mlx, "snapshot", "data"}, []string{"git", "add", "-A"},
		[]string{"git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "many"}, submit, submit); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	counted := filepath.Join(b.dir, "sent")
	cost, err := measure.Lowest(b.times, func() error { return errors.Join(b.idle(), os.RemoveAll(counted)) }, measure.Command{
		Dir: b.project, Args: submit, Env: []string{fmt.Sprintf("MLX_SSH='%s' %s '%s' ssh -F '%s'", self, countVerb, counted, b.config)},
	})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(counted)
	if err != nil {
		return err
	}
	sent := 0
	for _, word := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		sent += n
	}
	b.report.Add(measure.Line{Measure: "second submit, 1 GB and 10,000 files unchanged", Value: cost.Wall, Unit: "s", Bar: 1})
	b.report.Add(measure.Line{Measure: "second submit: sent", Value: float64(sent) / 1000, Unit: "KB", Bar: 100})
	return nil
}

// fill writes a file of random bytes.
func fill(name string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), size)
	return errors.Join(err, f.Close())
}

// log follows 10 MB a second for ten seconds. The bar is for a core: CPU of the client and of its ssh, which decrypts, by the time that it took.
func (b *bench) log() error {
	line := `l=$(head -c 99 /dev/zero | tr '\0' x); block=$(i=0; while [ $i -lt 10000 ]; do echo "$l"; i=$((i+1)); done); ` +
		`i=0; while [ $i -lt 100 ]; do echo "$block"; i=$((i+1)); sleep 0.09; done`
	if err := b.each(b.on("box", line, "--detach", "--name", "log")); err != nil {
		return err
	}
	cost, err := measure.Run(b.command(b.mlx, "job", "logs", "-f", "run:log"))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "following 100 MB of log: took", Value: cost.Wall, Unit: "s"})
	b.report.Add(measure.Line{Measure: "following a log: CPU, share of a core at 10 MB/s", Value: 100 * cost.CPU / 10, Unit: "%", Bar: 5})
	b.report.Add(measure.Line{Measure: "following a log: memory", Value: cost.PeakMiB(), Unit: "MiB", Bar: 64})
	return nil
}

// list lists many jobs of one backend, of which none was collected.
func (b *bench) list() error {
	queue := make(chan int)
	errs := make([]error, 4)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			for range queue {
				if errs[i] == nil {
					errs[i] = b.each(b.on("box", "true", "--detach"))
				}
			}
		})
	}
	for i := range b.jobs {
		queue <- i
	}
	close(queue)
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	cost, err := measure.Lowest(b.times, nil, b.command(b.mlx, "job", "list"))
	if err != nil {
		return err
	}
	b.report.NoBars = b.jobs != 1000
	b.report.Add(measure.Line{Measure: fmt.Sprintf("%d jobs listed", b.jobs), Value: cost.Wall, Unit: "s", Bar: 0.5})
	b.report.NoBars = false
	return nil
}

// ranks lets 64 ranks of two nodes meet.
func (b *bench) ranks() error {
	line := `if [ "$RANK" != 0 ]; then exec mlx agent meet --rank "$RANK" "$MASTER_ADDR:$MASTER_PORT"; fi; mlx agent meet --ranks "$WORLD_SIZE" "$MASTER_ADDR:$MASTER_PORT" > met.txt`
	cost, err := measure.Lowest(b.times, nil, b.command(b.on("slurm", line, "--nodes", "2", "--ranks", "32", "-o", "met.txt")...))
	if err != nil {
		return err
	}
	met, err := os.ReadFile(filepath.Join(b.project, "met.txt"))
	if err != nil {
		return err
	}
	if n := strings.Count(string(met), "met "); n != 63 {
		return fmt.Errorf("%d of 63 ranks met rank 0", n)
	}
	b.report.Add(measure.Line{Measure: "64 ranks on two nodes of Slurm, from the command to its results", Value: cost.Wall, Unit: "s", Bar: 10})
	return nil
}

// shards profiles a table on two nodes, and holds the profile against that of one pass.
func (b *bench) shards() error {
	var text bytes.Buffer
	text.WriteString("a,b,c\n")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 500_000 {
		fmt.Fprintf(&text, "%d,%.6f,g%d\n", i, random.NormFloat64(), random.IntN(50))
	}
	table := filepath.Join(b.project, "table.csv")
	if err := os.WriteFile(table, text.Bytes(), 0o666); err != nil {
		return err
	}
	alone, err := measure.Run(b.command(b.mlx, "profile", "table.csv", "-q", "-o", "alone.prof"))
	if err != nil {
		return err
	}
	if err := b.each([]string{b.mlx, "snapshot", "table.csv"}); err != nil {
		return err
	}
	cost, err := measure.Run(b.command(b.mlx, "profile", "table.csv", "-q", "-o", "shards.prof", "--on", "slurm", "--shards", "4"))
	if err != nil {
		return err
	}
	one, err := os.ReadFile(filepath.Join(b.project, "alone.prof"))
	if err != nil {
		return err
	}
	many, err := os.ReadFile(filepath.Join(b.project, "shards.prof"))
	if err != nil {
		return err
	}
	if !bytes.Equal(one, many) {
		return errors.New("the profile of four shards is not that of one pass")
	}
	b.report.Add(measure.Line{Measure: "profile in 4 shards on two nodes, same bytes", Value: cost.Wall, Unit: "s", Peer: "one pass", Theirs: alone.Wall})
	return nil
}
