//go:build unix

package train

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// nodeProcess is a node that is another process.
func nodeProcess(b *testing.B) (l *Link, root string) {
	b.Helper()
	root = filepath.Join(b.TempDir(), "node")
	cmd := exec.Command(os.Args[0], "agent", "serve", root)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	l = NewLink(pipes{out, in})
	b.Cleanup(func() {
		l.Close()
		_ = cmd.Wait() // how it ends is not measured
	})
	return l, root
}

func usage(b *testing.B) (cpu float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkFollow mirrors a log that grows by 10 MB/s for 5 seconds, as a process of its own writes it.
func BenchmarkFollow(b *testing.B) {
	l, root := nodeProcess(b)
	file, err := os.Create(filepath.Join(b.TempDir(), "mirror"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if _, err := l.Hello(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		grows := exec.Command("sh", "-c", `for i in $(seq 50); do head -c 1000000 /dev/zero | tr '\0' x; sleep 0.1; done >output; : >result.json`)
		grows.Dir = root
		if err := grows.Start(); err != nil {
			b.Fatal(err)
		}
		var got int64
		start, cpu := time.Now(), usage(b)
		err = l.Follow(b.Context(), []Tail{{Name: "output"}, {Name: ResultName}}, 0, func(name string, at int64, data []byte) error {
			if name == "output" {
				got = at + int64(len(data))
				_, err := file.WriteAt(data, at)
				return err
			}
			return nil
		})
		if err := errors.Join(err, grows.Wait()); err != nil {
			b.Fatal(err)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		took := time.Since(start).Seconds()
		b.ReportMetric(100*(usage(b)-cpu)/took, "%core")
		b.ReportMetric(float64(got)/1e6/took, "MB/s-log")
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
		for _, name := range []string{"output", ResultName} {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkLinkRead reads a file of 256 MiB.
func BenchmarkLinkRead(b *testing.B) {
	l, root := nodeProcess(b)
	if _, err := l.Hello(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "big"), bytes.Repeat([]byte("0123456789abcdef"), 16<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(256 << 20)
	for b.Loop() {
		cpu := usage(b)
		if n, err := l.Read(b.Context(), "big", 0, io.Discard); err != nil || n != 256<<20 {
			b.Fatal(n, err)
		}
		b.ReportMetric(usage(b)-cpu, "client-cpu-s")
	}
}
