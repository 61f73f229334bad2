//go:build unix

package run

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/object"
)

// playOutput is the commands of these tests.
func playOutput(role string, args []string) int {
	switch role {
	case "say": // NAME=TEXT to either stream
		for _, arg := range args {
			name, text, _ := strings.Cut(arg, "=")
			f := os.Stdout
			if name == "err" {
				f = os.Stderr
			}
			fmt.Fprint(f, text)
		}
	case "flood": // numbered lines, without an end if a count is missing
		n := 1 << 62
		if len(args) > 0 {
			fmt.Sscan(args[0], &n)
		}
		line := bytes.Repeat([]byte("x"), 1<<16)
		line[len(line)-1] = '\n'
		for i := range n {
			copy(line, fmt.Sprintf("%10d ", i))
			if _, err := os.Stdout.Write(line); err != nil {
				return 3
			}
		}
	case "screen":
		resized := make(chan os.Signal, 1)
		signal.Notify(resized, syscall.SIGWINCH)
		playScreen(resized)
	case "family", "cousin":
		return playFamily(role == "family")
	case "devour":
		for all := [][]byte{}; len(all) < 1000; {
			block := bytes.Repeat([]byte{1}, 1<<20)
			all = append(all, block)
		}
	case "smi":
		return playSMI(args)
	case "runner":
		return playRunner(args[0], args[1:])
	case "train":
		return playTraining()
	case "recover":
		return playRecover(args[0])
	case "leave": // a process that outlives this one and holds its output
		child := exec.Command("sleep", "60")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		fmt.Println("last words")
		if err := child.Start(); err != nil {
			return 1
		}
		return writeFiles([]string{"$LEFT=" + fmt.Sprint(child.Process.Pid)})
	}
	return 0
}

// log reads back what the run kept of its output.
func (b *bench) log(t *testing.T, v View) (by map[string]string, all string, cut int64) {
	t.Helper()
	if v.Log == nil {
		t.Fatal("no log was kept")
	}
	files, err := b.runner.Store.FS(context.Background(), v.Log.Root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(files, outputName)
	if err != nil || object.Sum(text) != v.Log.Digest || int64(len(text)) != v.Log.Bytes {
		t.Errorf("the log has %d bytes, not %d, or another digest: %v", len(text), v.Log.Bytes, err)
	}
	r := NewLogReader(files, 0)
	defer r.Close()
	by, all, cut = readAll(t, r)
	if cut != v.Log.Cut {
		t.Errorf("%d bytes were cut, the record says %d", cut, v.Log.Cut)
	}
	return by, all, cut
}

func (b *bench) plays(role string) *bench {
	b.runner.Environ = append(b.runner.Environ, "RUN_TEST_ROLE="+role)
	return b
}

func TestRunKeepsOutput(t *testing.T) {
	b := newBench(t).plays("say")
	var out, problem bytes.Buffer
	b.runner.Stdout, b.runner.Stderr = &out, &problem
	v := b.run(t, b.spec("out=one\n", "err=\xff\xfetwo", "out=three")).View
	by, _, _ := b.log(t, v)
	if by[Stdout] != "one\nthree" || by[Stderr] != "\xff\xfetwo" || out.String() != by[Stdout] || problem.String() != by[Stderr] {
		t.Errorf("kept %q, shown %q and %q", by, out.String(), problem.String())
	}
	b.plays("exit")
	if v := b.run(t, b.spec("0")).View; v.Log != nil {
		t.Errorf("a command that says nothing has the log %+v", v.Log)
	}
}

// Where both streams are one file the command gets one: the order in which it writes is kept.
func TestRunKeepsOrderOfOneFile(t *testing.T) {
	b := newBench(t).plays("say")
	f, err := os.Create(b.dir + "/both")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b.runner.Stdout, b.runner.Stderr = f, f
	words := []string{"out=1", "err=2", "out=3", "err=4", "err=5", "out=6", "err=7", "out=8", "err=9"}
	by, _, _ := b.log(t, b.run(t, b.spec(words...)).View)
	if text, err := os.ReadFile(f.Name()); err != nil || string(text) != "123456789" || by[Both] != "123456789" {
		t.Errorf("shown %q, kept %q, %v", text, by, err)
	}
}

// Of 300 MB the beginning and the end are kept, at the scale of this test; all of it is shown.
func TestRunOfMuchOutput(t *testing.T) {
	b := newBench(t).plays("flood")
	b.runner.kept = logLimits{head: 4 << 20, tail: 1 << 20}
	shown := &counter{}
	b.runner.Stdout = shown
	const lines = 300_000_000 >> 16
	v := b.run(t, b.spec(fmt.Sprint(lines))).View
	_, all, cut := b.log(t, v)
	if shown.n != lines<<16 || int64(len(all))+cut != shown.n || cut == 0 {
		t.Errorf("shown %d, kept %d, cut %d", shown.n, len(all), cut)
	}
	last := all[len(all)-1<<16:]
	if !strings.HasPrefix(all, "         0 ") || !strings.HasPrefix(last, fmt.Sprintf("%10d ", lines-1)) {
		t.Errorf("the first line is %.12q, the last %.12q", all, last)
	}
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

// A reader that goes away ends the command as it would without mlx.
func TestRunWithBrokenPipe(t *testing.T) {
	b := newBench(t).plays("flood")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b.runner.Stdout = w
	go func() {
		_, _ = io.ReadFull(r, make([]byte, 100))
		r.Close()
	}()
	res := b.run(t, b.spec())
	if v := res.View; v.State != Killed || v.Signal == nil || *v.Signal != "SIGPIPE" || res.Status != 128+13 || len(res.Troubles) > 0 {
		t.Errorf("%s %v, status %d, %v", v.State, v.Cause, res.Status, res.Troubles)
	}
}

// A slow reader loses nothing, and holds the command up as without mlx.
func TestRunWithSlowReader(t *testing.T) {
	b := newBench(t).plays("flood")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b.runner.Stdout = w
	read := make(chan int64)
	go func() {
		var n int64
		buf := make([]byte, 8192)
		for {
			got, err := r.Read(buf)
			if n += int64(got); err != nil {
				read <- n
				return
			}
			if n < 200_000 { // longer than the grace in all
				time.Sleep(40 * time.Millisecond)
			}
		}
	}()
	v := b.run(t, b.spec("60")).View
	w.Close()
	_, all, _ := b.log(t, v)
	if n := <-read; n != 60<<16 || len(all) != 60<<16 {
		t.Errorf("shown %d, kept %d of %d", n, len(all), 60<<16)
	}
}

// What the command left running may hold its output: the run ends all the same, with everything that the command said.
func TestRunThatLeavesAProcess(t *testing.T) {
	b := newBench(t).plays("leave")
	pid := b.dir + "/pid"
	b.runner.Environ = append(b.runner.Environ, "LEFT="+pid)
	v := b.run(t, b.spec()).View
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	var left int
	fmt.Sscan(string(text), &left)
	if err := syscall.Kill(left, syscall.SIGKILL); err != nil {
		t.Errorf("what was left had ended: %v", err)
	}
	if _, all, _ := b.log(t, v); all != "last words\n" || v.State != Succeeded {
		t.Errorf("%s, kept %q", v.State, all)
	}
}
