// Command image measures what packages of models cost: finding the digest of one with many megabytes of weights beside tar and sha256sum of
// the same bytes, writing it as one file, pushing it, and asking again for what is there; and how much memory that takes. A registry
// of this process gets the pushes; with .ci/registry that of Debian as well. With model-signing the signature of the files is checked, and
// must be refused after one flipped byte.
//
//	export MLX_TEST_MODEL_SIGNING=$(.ci/python cmd/mlx/testdata/python/model-signing.txt)
//	.ci/registry up; eval "$(.ci/registry env)"
//	make build && go run ./bench/image -mlx bin/mlx
//
// Wall time depends on who else uses the machine; of several tries the one with the least CPU is taken, for both sides in turn.
package main

import (
	"flag"
	"fmt"
	"io"
	"log" //nolint:depguard // the registry takes no other logger
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"

	"mlx/bench/internal/measure"
)

func main() {
	mlx := flag.String("mlx", "bin/mlx", "`program` to measure")
	times := flag.Int("n", 3, "how often each is tried")
	size := flag.Int64("mb", 500, "megabytes of weights")
	flag.Parse()
	if err := start(*mlx, *times, *size); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// bench is a project with one version of a model.
type bench struct {
	mlx, dir, project string

	times  int
	size   int64 // megabytes
	report measure.Report
}

func start(mlx string, times int, size int64) error {
	b := &bench{times: times, size: size, report: measure.Report{Out: os.Stdout, NoBars: size != 500}}
	var err error
	if b.mlx, err = filepath.Abs(mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project("", "image")
	if err != nil {
		return err
	}
	defer remove()
	b.dir, b.project = dir, filepath.Join(dir, "project")
	if err := b.prepare(); err != nil {
		return err
	}
	for _, row := range []struct {
		name string
		do   func() error
	}{{"digest", b.digest}, {"file", b.file}, {"push", b.push}, {"debian", b.debian}, {"signing", b.signing}} {
		if err := row.do(); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	fmt.Printf("%d bars met, %d missed\n", b.report.Met, b.report.Missed)
	return nil
}

// prepare writes the weights, which do not compress, and registers them.
func (b *bench) prepare() error {
	if err := measure.Init(b.mlx, b.project); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(b.project, "weights.bin"))
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{7}), b.size*1_000_000); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return b.each([]string{"ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-C", "release", "-f", "release"},
		[]string{b.mlx, "key", "add", "release.pub"}, []string{b.mlx, "model", "register", "big", "weights.bin"})
}

func (b *bench) command(words ...string) measure.Command {
	return measure.Command{Dir: b.project, Args: words}
}

// pack is `mlx model package` of the version.
func (b *bench) pack(words ...string) measure.Command {
	return b.command(append([]string{b.mlx, "model", "package", "big@v1"}, words...)...)
}

func (b *bench) each(commands ...[]string) error {
	for _, words := range commands {
		if _, err := measure.Run(b.command(words...)); err != nil {
			return err
		}
	}
	return nil
}

// digest finds the digest of a package that nobody has made before: each try is in a copy of the project, where nothing is remembered. Its bar is on the wall, because tar and sha256sum are two processes that run side by side.
func (b *bench) digest() error {
	var mine, theirs measure.Cost
	var digests []string
	for i := range b.times {
		theirs = b.better(i, theirs, b.command("sh", "-c", "tar c weights.bin | sha256sum"))
		clone := filepath.Join(b.dir, fmt.Sprintf("clone%d", i)) // with a ledger of its own, which knows no package
		if err := b.each([]string{"cp", "-r", b.project, clone}); err != nil {
			return err
		}
		var out strings.Builder
		c := b.pack("--json")
		c.Dir, c.Out = clone, &out
		cost, err := measure.Run(c)
		if err != nil {
			return err
		}
		if i == 0 || cost.Wall < mine.Wall {
			mine = cost
		}
		_, digest, _ := strings.Cut(out.String(), `"image":"`)
		digests = append(digests, digest[:71])
		if err := os.RemoveAll(clone); err != nil {
			return err
		}
	}
	same := 1.0
	for _, d := range digests {
		if d != digests[0] {
			same = 0
		}
	}
	what := fmt.Sprintf("package of %d MB of weights", b.size)
	b.report.Add(measure.Line{Measure: what + ": same digest each time", Value: same, Unit: "x", Bar: 1, AtLeast: true})
	b.report.Add(measure.Line{Measure: what + ": digest, wall", Value: mine.Wall, Unit: "s", Peer: "tar c|sha256sum", Theirs: theirs.Wall, Bar: 1.3 * theirs.Wall})
	b.report.Add(measure.Line{Measure: what + ": digest, CPU", Value: mine.CPU, Unit: "s", Peer: "tar c|sha256sum", Theirs: theirs.CPU})
	b.report.Add(measure.Line{Measure: what + ": memory", Value: mine.PeakMiB(), Unit: "MiB"})
	return nil
}

// better is the run of a peer that took less time, of this and those before.
func (b *bench) better(i int, best measure.Cost, c measure.Command) measure.Cost {
	cost, err := measure.Run(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		return best
	}
	if i == 0 || cost.Wall < best.Wall {
		return cost
	}
	return best
}

// file writes the package as one file, signed.
func (b *bench) file() error {
	cost, err := measure.Run(b.pack("--key", "release", "-o", "big.tar"))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "the same as one file, signed, wall", Value: cost.Wall, Unit: "s"})
	again, err := measure.Lowest(b.times, nil, b.pack("--key", "release", "-o", "big.tar"))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "again: nothing changed, wall", Value: again.Wall * 1000, Unit: "ms"})
	check, err := measure.Run(b.pack("--from", "big.tar"))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "every byte of the file and who signed it, wall", Value: check.Wall, Unit: "s"})
	return nil
}

// push brings the package to a registry of this process.
func (b *bench) push() error {
	blobs := filepath.Join(b.dir, "blobs")
	if err := os.Mkdir(blobs, 0o777); err != nil {
		return err
	}
	s := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs))))
	defer s.Close()
	return b.pushTo("a registry of Go", strings.TrimPrefix(s.URL, "http://"), 50)
}

func (b *bench) pushTo(name, address string, bar float64) error {
	to := []string{"--key", "release", "--push", address + "/bench/big"}
	cost, err := measure.Run(b.pack(to...))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "push to " + name + ", wall", Value: cost.Wall, Unit: "s"})
	again, err := measure.Lowest(max(b.times, 10), nil, b.pack(to...))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "push of what is there to " + name + ", wall", Value: again.Wall * 1000, Unit: "ms", Bar: bar})
	return nil
}

// debian brings it to the registry of Debian, which hashes a password for each request.
func (b *bench) debian() error {
	address := os.Getenv("MLX_TEST_REGISTRY")
	if address == "" {
		fmt.Println("no docker-registry: .ci/registry up; eval \"$(.ci/registry env)\"")
		return nil
	}
	if err := os.Setenv("DOCKER_CONFIG", os.Getenv("MLX_TEST_REGISTRY_CONFIG")); err != nil {
		return err
	}
	return b.pushTo("docker-registry", address, 50)
}

// signing has model-signing check the files against the signature that went with them, and after one flipped byte.
func (b *bench) signing() error {
	python := os.Getenv("MLX_TEST_MODEL_SIGNING")
	if python == "" {
		fmt.Println("no model-signing: export MLX_TEST_MODEL_SIGNING=$(.ci/python cmd/mlx/testdata/python/model-signing.txt)")
		return nil
	}
	script := `set -e
ssh-keygen -e -m PKCS8 -f release.pub >release.pem
mkdir -p layout files
tar xf big.tar -C layout
for blob in layout/blobs/sha256/*; do
	if grep -q model_signing "$blob" 2>/dev/null && grep -q '"layers"' "$blob"; then
		signature=$(sed 's/.*"layers":\[{[^]]*"digest":"sha256:\([0-9a-f]*\)".*/\1/' "$blob")
	fi
done
tar xf "$(ls -S layout/blobs/sha256/* | head -1)" -C files
verify() { "$(dirname "$1")/model_signing" verify key files/models --signature "layout/blobs/sha256/$signature" --public_key release.pem >/dev/null 2>&1; }
verify "$1"
printf 'X' | dd of=files/models/weights.bin bs=1 seek=12345 conv=notrunc 2>/dev/null
if verify "$1"; then exit 9; fi`
	status := 1.0
	if _, err := measure.Run(b.command("sh", "-c", script, "sh", python)); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		status = 0
	}
	b.report.Add(measure.Line{Measure: "model-signing verifies, refuses a flipped byte", Value: status, Unit: "x", Bar: 1, AtLeast: true})
	return nil
}
