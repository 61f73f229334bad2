//go:build unix

package run

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/snapshot"
)

// openBench opens the ledger and the store of a folder as another process does.
func openBench(dir string) (Runner, error) {
	ledger, err := lineage.Open(lineage.Options{Dir: filepath.Join(dir, "ledger"), Now: time.Now, By: "ana", Host: host, PID: os.Getpid()})
	if err != nil {
		return Runner{}, err
	}
	store, err := snapshot.Open(snapshot.Options{
		Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: time.Now,
		Clone: snapshot.Clone{ID: strings.Repeat("0", 32), Dir: dir},
	})
	return Runner{Ledger: ledger, Store: store, Now: time.Now, Host: host, Tmp: filepath.Join(dir, "tmp"), Runs: filepath.Join(dir, "runs"),
		Environ: os.Environ(), Grace: time.Minute}, err
}

// playRunner is an mlx that runs a command in a folder, until it is killed.
func playRunner(dir string, command []string) int {
	r, err := openBench(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r.Environ = append(r.Environ, "RUN_TEST_ROLE="+os.Getenv("RUNS_ROLE"))
	r.Stdout = os.Stdout
	if _, err := r.Run(context.Background(), Spec{Command: command, Dir: dir, Folder: ".", Worktree: "main"}); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// playTraining writes metrics and output, then waits to be told to end, or ends by itself when its output is gone.
func playTraining() int {
	if err := os.WriteFile(os.Getenv("MLX_METRICS"), []byte("{\"step\": 1, \"loss\": 0.5}\n{\"step\": 2, \"loss\": 0.25}\n"), 0o666); err != nil {
		return 1
	}
	fmt.Println("pid", os.Getpid())
	time.Sleep(time.Hour)
	return 0
}

// orphaned starts a run in another process and kills that when the command is under way. It returns the command.
func orphaned(t *testing.T, dir string) (command int) {
	t.Helper()
	mlx := exec.Command(os.Args[0], dir, os.Args[0])
	mlx.Env = append(os.Environ(), "RUN_TEST_ROLE=runner", "RUNS_ROLE=train")
	out, err := mlx.StdoutPipe()
	if err != nil || mlx.Start() != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if text := line(t, lines); !strings.HasPrefix(text, "pid ") {
		t.Fatalf("got %q", text)
	} else {
		fmt.Sscanf(text, "pid %d", &command)
	}
	await(t, func() bool {
		live, _ := LiveRuns(filepath.Join(dir, "runs"))
		return len(live) == 1 && live[0].Child != nil
	})
	_ = mlx.Process.Kill()
	_ = mlx.Wait()
	t.Cleanup(func() { _ = syscall.Kill(command, syscall.SIGKILL) })
	return command
}

func await(t *testing.T, what func() bool) {
	t.Helper()
	for range 1000 {
		if what() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come about")
}

func endCommand(t *testing.T, pid int) {
	t.Helper()
	_ = syscall.Kill(pid, syscall.SIGKILL)
	await(t, func() bool { return startOf(pid) == "" })
}

// A killed mlx leaves a run that is running as long as its command is, and recorded as lost after, with what is known.
func TestRecover(t *testing.T) {
	dir := t.TempDir()
	command := orphaned(t, dir)
	r, err := openBench(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	history := History{Ledger: r.Ledger, Host: host, Now: time.Now, Runs: r.Runs}
	if ended, err := r.Recover(ctx); err != nil || len(ended) > 0 {
		t.Fatalf("the command lives: %v %v", ended, err)
	}
	if v, err := history.Last(ctx, "main", 0); err != nil || v.State != Running {
		t.Errorf("%s %v", v.State, err)
	}
	endCommand(t, command)
	if v, err := history.Last(ctx, "main", 0); err != nil || v.State != Lost || v.EndedAt != nil {
		t.Errorf("%s %v", v.State, err)
	}
	ended, err := r.Recover(ctx)
	if err != nil || len(ended) != 1 {
		t.Fatalf("%v %v", ended, err)
	}
	v := ended[0]
	if v.State != Lost || v.Cause == nil || *v.Cause != "mlx was gone before the command ended" || v.Metrics["loss"] != 0.25 || *v.DurationS < 0 {
		t.Errorf("%s %v %v", v.State, v.Cause, v.Metrics)
	}
	b := bench{dir: dir, runner: r}
	if _, all, _ := b.log(t, v); all != fmt.Sprintf("pid %d\n", command) {
		t.Errorf("the log is %q", all)
	}
	if left, err := os.ReadDir(r.Runs); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if ended, err := r.Recover(ctx); err != nil || len(ended) > 0 {
		t.Errorf("again: %v %v", ended, err)
	}
}

// Of many that recover at once, in this process and in others, one records the end.
func TestRecoverRace(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		endCommand(t, orphaned(t, dir))
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if i%2 == 0 {
					cmd := exec.Command(os.Args[0], dir)
					cmd.Env = append(os.Environ(), "RUN_TEST_ROLE=recover")
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("%v: %s", err, out)
					}
				} else if r, err := openBench(dir); err != nil {
					t.Error(err)
				} else if _, err := r.Recover(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		r, err := openBench(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rec, err := range r.Ledger.Select(context.Background(), lineage.Query{Nouns: []string{"run"}, All: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if Ended.Is(rec) {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%d ends of one run are recorded", n)
		}
	}
}

func playRecover(dir string) int {
	r, err := openBench(dir)
	if err == nil {
		_, err = r.Recover(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// Who asked the command of a run to end, whose mlx is gone, is its end.
func TestCancelOrphan(t *testing.T) {
	dir := t.TempDir()
	command := orphaned(t, dir)
	r, err := openBench(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	v, err := History{Ledger: r.Ledger, Host: host, Now: time.Now, Runs: r.Runs}.Last(ctx, "main", 0)
	if err != nil {
		t.Fatal(err)
	}
	l, ok := LiveRun(r.Runs, v.ID)
	if !ok || !v.Watched(host) || v.Watched("elsewhere") {
		t.Fatalf("%+v", v)
	}
	if err := r.AskToEnd(v, l, Cancel{By: "li", Why: "no money left"}, false); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return startOf(command) == "" })
	ended, err := r.Recover(ctx)
	if err != nil || len(ended) != 1 || ended[0].State != Cancelled || *ended[0].Cause != "cancelled by li: no money left" {
		t.Errorf("%+v %v", ended, err)
	}
}

// TestRecoverNeverBegan: only a run that left no sign of its command is one whose command certainly did not start.
func TestRecoverNeverBegan(t *testing.T) {
	for _, c := range []struct {
		gone []string
		want string
	}{
		{[]string{childName, beginsName}, CauseNeverBegan},
		{[]string{childName}, "mlx was gone before the command ended"},
		{[]string{beginsName}, "mlx was gone before the command ended"},
	} {
		dir := t.TempDir()
		command := orphaned(t, dir)
		endCommand(t, command)
		r, err := openBench(dir)
		if err != nil {
			t.Fatal(err)
		}
		live, err := LiveRuns(r.Runs)
		if err != nil || len(live) != 1 {
			t.Fatalf("%v %v", live, err)
		}
		for _, name := range c.gone {
			if err := os.Remove(filepath.Join(live[0].Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		ended, err := r.Recover(t.Context())
		if err != nil || len(ended) != 1 || ended[0].State != Lost || *ended[0].Cause != c.want {
			t.Errorf("without %v: %+v %v", c.gone, ended, err)
		}
	}
}

// After a power failure the process ids of before mean nothing: a folder without a sign of life decides.
func TestOverAfterReboot(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, childName), "{}")
	now := time.Now()
	before := Self(host, os.Getpid())
	before.Boot = "another start"
	child := before
	l := Live{Dir: dir, Child: &child}
	tests := []struct {
		name string
		b    Body
		at   time.Time
		want bool
	}{
		{"a moment ago", Body{Process: before}, now.Add(time.Minute), false},
		{"long ago", Body{Process: before}, now.Add(time.Hour), true},
		{"another host", Body{Process: Process{Host: "elsewhere", Boot: "x"}}, now.Add(time.Hour), false},
		{"its mlx lives", Body{Process: Self(host, os.Getpid())}, now.Add(time.Hour), false},
	}
	for _, tt := range tests {
		if got := l.over(tt.b, host, tt.at); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// A command that ignores being asked is killed after the grace of whoever cancels, and the record says all of it.
func TestCancelStubborn(t *testing.T) {
	b := newBench(t).plays("stubborn")
	signals := make(chan os.Signal, 1)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b.runner.Stdout, b.runner.Signals = w, signals
	go func() {
		if line(t, bufio.NewReader(r)) != "ready" {
			return
		}
		live, err := LiveRuns(b.runner.Runs)
		if err != nil || len(live) != 1 {
			t.Errorf("%v %v", live, err)
			return
		}
		text, _ := json.Marshal(Cancel{By: "ana", GraceS: 0.05})
		_ = os.WriteFile(filepath.Join(live[0].Dir, cancelName), text, 0o666)
		signals <- syscall.SIGTERM
	}()
	v := b.run(t, b.spec()).View
	if v.State != Cancelled || *v.Signal != "SIGKILL" || *v.Cause != "cancelled by ana; killed, because it did not end" {
		t.Errorf("%s %v", v.State, *v.Cause)
	}
}
