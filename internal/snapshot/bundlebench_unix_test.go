//go:build unix

package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mlx/internal/object"
)

// BenchmarkBundleRandom sends data that nothing makes smaller through a pipe.
func BenchmarkBundleRandom(b *testing.B) {
	const size = 1 << 30
	from, to := benchOf(b), benchOf(b)
	f, err := os.Create(filepath.Join(from.dir, "random"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		b.Fatal(err)
	}
	f.Close()
	v, err := from.s.Save(context.Background(), SaveOptions{Path: f.Name()})
	if err != nil {
		b.Fatal(err)
	}
	os.Remove(f.Name())
	b.SetBytes(size)
	for b.Loop() {
		start := cpu(b)
		through(b, from.s, to.s, BundleOptions{Roots: []object.Digest{v.Root}})
		b.ReportMetric(cpu(b)-start, "cpu-s")
	}
}

// BenchmarkBundleSmallFiles sends 10,000 files again of which one has changed.
func BenchmarkBundleSmallFiles(b *testing.B) {
	from, to := benchOf(b), benchOf(b)
	for i := range 10_000 {
		dir := filepath.Join(from.data, fmt.Sprint(i%100))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), fmt.Appendf(nil, "file %d\n%0*d", i, i%5000, i), 0o666); err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	v, err := from.s.Save(ctx, SaveOptions{Path: from.data})
	if err != nil {
		b.Fatal(err)
	}
	last := v.Root
	through(b, from.s, to.s, BundleOptions{Roots: []object.Digest{last}})
	n := 0
	for b.Loop() {
		n++
		if err := os.WriteFile(filepath.Join(from.data, "7", "7"), fmt.Appendf(nil, "changed %d", n), 0o666); err != nil {
			b.Fatal(err)
		}
		if v, err = from.s.Save(ctx, SaveOptions{Path: from.data, Previous: last}); err != nil {
			b.Fatal(err)
		}
		from.reopen()
		to.reopen()
		start := cpu(b)
		var sent bytes.Buffer
		info, err := from.s.WriteBundle(ctx, &sent, BundleOptions{Roots: []object.Digest{v.Root}, Held: []object.Digest{last}})
		if err != nil {
			b.Fatal(err)
		}
		mid := cpu(b)
		if _, err := to.s.ReadBundle(ctx, &sent, TakeOptions{}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(1000*(mid-start), "send-cpu-ms")
		b.ReportMetric(1000*(cpu(b)-mid), "take-cpu-ms")
		b.ReportMetric(float64(info.Bytes), "sent-B")
		last = v.Root
	}
}

// through sends a bundle through a pipe of the system.
func through(b *testing.B, from, to *Store, o BundleOptions) {
	b.Helper()
	ctx := context.Background()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := from.WriteBundle(ctx, w, o)
		w.Close()
		sent <- err
	}()
	done, err := to.ReadBundle(ctx, r, TakeOptions{})
	if serr := <-sent; err != nil || serr != nil {
		b.Fatal(err, serr)
	}
	if err := done.Release(); err != nil {
		b.Fatal(err)
	}
}

func benchOf(b *testing.B) *bench {
	k := newBenchAt(b.TempDir())
	k.data = filepath.Join(k.dir, "data")
	k.now = time.Now()
	return k
}

// cpu returns the seconds of processor that this process has used.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
