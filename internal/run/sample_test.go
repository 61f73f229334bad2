//go:build unix

package run

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// samples reads a file of them.
func samples(t *testing.T, dir string) []map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, resourcesName))
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]float64
	for line := range strings.Lines(string(text)) {
		var one map[string]float64
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, one)
	}
	return all
}

// Of a run of any length there are some ten thousand samples, the first of them early.
func TestSampleTimes(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		age      time.Duration
		min, max int
	}{{time.Second, 3, 5}, {10 * time.Minute, 590, 610}, {day, 5000, 9000}, {3 * day, 7000, 10000}, {30 * day, 9000, 15000}} {
		s := &sampler{}
		n := 0
		for at := s.first(); at < tt.age; n++ {
			at += s.advance(3)
		}
		if n < tt.min || n > tt.max {
			t.Errorf("%v: %d samples", tt.age, n)
		}
	}
	s := &sampler{ticks: 100}
	if pause := s.advance(5000); pause != 5*time.Second {
		t.Errorf("a tree that takes 5000 files to look at is looked at every %v", pause)
	}
}

// playFamily starts a child that eats memory and processor time, as it does itself.
func playFamily(deep bool) int {
	block := make([]byte, 48<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	if deep {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "RUN_TEST_ROLE=cousin")
		child.Stdin, child.Stdout = os.Stdin, os.Stdout
		if err := child.Run(); err != nil {
			return 1
		}
		fmt.Println("waited")
	} else {
		for i, until := 0, time.Now().Add(500*time.Millisecond); time.Now().Before(until); i++ {
			block[i%len(block)]++
		}
		fmt.Println("ready")
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	runtime.KeepAlive(block)
	return 0
}

// A sample counts what the command started, and what that used before it ended.
func TestSampleTree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUN_TEST_ROLE=family")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	dir := t.TempDir()
	s := newSampler(order{folder: dir, now: time.Now}, cmd.Process.Pid)
	s.ticks = peeks + 1
	if got := line(t, lines); got != "ready" {
		t.Fatalf("got %q", got)
	}
	s.tick()
	fmt.Fprintln(in) // for the child
	if got := line(t, lines); got != "waited" {
		t.Fatalf("got %q", got)
	}
	u, ok := s.tree.read()
	in.Close()
	_ = cmd.Wait()
	if peak, _ := s.end(); peak < 96<<20 || peak > 500<<20 {
		t.Errorf("peak of two processes with 48 MiB each: %d", peak)
	}
	if !ok || u.cpu < 100*time.Millisecond {
		t.Errorf("processor time of a child that was waited for: %v", u.cpu)
	}
	all := samples(t, dir)
	if len(all) != 1 || all[0]["system/cpu_percent"] <= 0 || all[0]["system/memory_bytes"] < 96<<20 || all[0]["time"] < 1e9 {
		t.Errorf("%v", all)
	}
	if _, ok := s.tree.read(); ok {
		t.Error("a tree that is gone was found")
	}
	g := Live{Dir: dir}.Glance()
	if g.CPUPercent == nil || *g.CPUPercent != all[0]["system/cpu_percent"] || g.MemoryBytes == nil {
		t.Errorf("%+v", g)
	}
}

// playSMI is nvidia-smi: it must be asked as the real one understands it.
func playSMI(args []string) int {
	if got := strings.Join(args, " "); got != "--query-gpu=index,utilization.gpu,memory.used,power.draw,uuid --format=csv,noheader,nounits -l 2" {
		fmt.Println("0, 1, 1")
		return 2
	}
	fmt.Println("0, 87, 1024, 301.5, GPU-0")
	fmt.Println("1, [N/A], [N/A], [N/A], GPU-1")
	fmt.Println("7, 0, 3, [N/A], GPU-7")
	fmt.Println("nonsense")
	fmt.Println("99999, 1, 1, 1, GPU-9")
	time.Sleep(time.Hour)
	return 0
}

func TestSampleGPUs(t *testing.T) {
	bin := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "nvidia-smi")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv("RUN_TEST_ROLE", "smi")
	g := &gpus{now: time.Now}
	g.begin()
	g.begin() // once
	var line string
	await(t, func() bool {
		line = string(g.append([]byte(line)))
		return strings.Contains(line, "gpu7")
	})
	if want := `,"system/gpu0_percent":87,"system/gpu0_memory_bytes":1073741824,"system/gpu0_watts":301.5,"system/gpu7_percent":0,"system/gpu7_memory_bytes":3145728`; !strings.HasSuffix(line, want) {
		t.Errorf("got %s", line)
	}
	if more := g.append(nil); len(more) > 0 {
		t.Errorf("told twice: %s", more)
	}
	pid := g.cmd.Process.Pid
	g.end()
	await(t, func() bool { return startOf(pid) == "" })
	t.Setenv("PATH", t.TempDir())
	none := &gpus{now: time.Now}
	none.begin()
	none.end()
	if none.cmd != nil {
		t.Error("a program that is not there was started")
	}
}
