//go:build !windows

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/run"
)

// againScript says which attempt it is and what the one before it left, and lasts until go-ATTEMPT is there. One that finds another of
// its kind alive says so.
const againScript = `cd "$1"
[ ! -e pid ] || case $(ps -o stat= -p "$(cat pid)") in ''|Z*) ;; *) echo TWICE >>count ;; esac
echo $$ >pid
echo "$MLX_RUN_ID $MLX_ATTEMPT" >>count
echo "began $MLX_ATTEMPT after $(cat "$MLX_CHECKPOINT/n" 2>/dev/null)"
echo "$MLX_ATTEMPT" >"$MLX_CHECKPOINT/n"
touch "ready-$MLX_ATTEMPT"
while [ ! -e "go-$MLX_ATTEMPT" ]; do sleep 0.05; done
cp "$MLX_CHECKPOINT/n" "$OLDPWD/out.txt"
`

// lossy is a project whose runs lose their places.
type lossy struct {
	*agentNode
	mark string // folder that the command and the test tell each other things in
	node string // folder of mlx on the node
}

func newLossy(t *testing.T) *lossy {
	t.Helper()
	l := &lossy{agentNode: newAgentNode(t, againScript)}
	l.mark, l.node = l.path("mark"), l.path(".cache/mlx/node")
	if err := os.MkdirAll(l.mark, 0o755); err != nil {
		t.Fatal(err)
	}
	l.do("p", "git", "add", "-A")
	l.do("p", "git", "commit", "-qm", "first")
	return l
}

// leave hands the script over and goes away.
func (l *lossy) leave(words ...string) {
	l.t.Helper()
	client, _, problem := l.begin(append(words, "--detach")...)
	if err := client.Wait(); err != nil {
		l.t.Fatalf("%v: %s", err, problem)
	}
}

// begin starts a client that runs the script and follows it.
func (l *lossy) begin(words ...string) (cmd *exec.Cmd, out, problem *bytes.Buffer) {
	l.t.Helper()
	cmd = l.command("p", append(append([]string{"mlx", "run", "--on"}, words...), "-o", "out.txt", "--", "sh", "train.sh", l.mark)...)
	out, problem = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, problem
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	return cmd, out, problem
}

// attempt waits until the command of an attempt has begun.
func (l *lossy) attempt(n int) {
	l.t.Helper()
	l.until(func() bool { return isThere(filepath.Join(l.mark, fmt.Sprintf("ready-%d", n))) }, fmt.Sprintf("attempt %d", n))
}

// let lets the command of an attempt end.
func (l *lossy) let(n int) { l.write(nil, "mark", fmt.Sprintf("go-%d", n)) }

// agent is the agent of the only job of the node that goes on, and the folder of that.
func (l *lossy) agent() (dir string, pid int) {
	l.t.Helper()
	all, err := filepath.Glob(filepath.Join(l.node, "jobs/*/state.json"))
	if err != nil || len(all) == 0 {
		l.t.Fatalf("agents %v, %v", all, err)
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		var a struct{ PID int }
		if err == nil {
			err = json.Unmarshal(text, &a)
		}
		if err != nil {
			l.t.Fatal(err)
		}
		if dir = filepath.Dir(file); !isThere(filepath.Join(dir, "result.json")) {
			return dir, a.PID
		}
	}
	l.t.Fatal("no job goes on")
	return "", 0
}

// lose kills the agent at once, and not its command.
func (l *lossy) lose() {
	l.t.Helper()
	_, pid := l.agent()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		l.t.Fatal(err)
	}
	l.until(func() bool { return ended(pid) }, "the agent to be gone")
}

// reboot leaves a job as a machine does that was started anew.
func (l *lossy) reboot() {
	l.t.Helper()
	l.lose()
	text, err := os.ReadFile(filepath.Join(l.mark, "pid"))
	if err != nil {
		l.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.until(func() bool { return ended(pid) }, "the command to be gone")
	dir, _ := l.agent()
	file := filepath.Join(dir, "agent.json")
	var a map[string]any
	if text, err = os.ReadFile(file); err == nil {
		err = json.Unmarshal(text, &a)
	}
	a["boot"] = "before"
	if text, _ = json.Marshal(a); err == nil { // it was JSON
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// executed holds that one run began these many attempts, one after the other, and begins anew with the files that tell.
func (l *lossy) executed(attempts int) {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.mark, "count"))
	if err != nil {
		l.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, line := range lines {
		id, n, _ := strings.Cut(line, " ")
		first, _, _ := strings.Cut(lines[0], " ")
		if id != first || n != strconv.Itoa(i+1) {
			l.t.Errorf("line %d of the executions is %q:\n%s", i+1, line, text)
		}
	}
	if len(lines) != attempts {
		l.t.Errorf("it was executed %d times, not %d:\n%s", len(lines), attempts, text)
	}
	all, err := os.ReadDir(l.mark)
	for _, e := range all {
		if err == nil {
			err = os.Remove(filepath.Join(l.mark, e.Name()))
		}
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// went holds that the newest run ended so, after attempts with these causes.
func (l *lossy) went(state run.State, causes ...string) {
	l.t.Helper()
	out := l.do("p", "mlx", "show", "@last")
	if !strings.Contains(out, "\t"+string(state)+"\t") {
		l.t.Errorf("it is not %s:\n%s", state, out)
	}
	n := 0
	for line := range strings.Lines(out) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if cells[0] != "attempt" || len(cells) < 4 {
			continue
		}
		n++
		if cells[1] != strconv.Itoa(n) || n > len(causes) || !strings.Contains(strings.Join(cells[2:], " "), causes[n-1]) {
			l.t.Errorf("attempt %d: %q", n, line)
		}
	}
	if n != len(causes) {
		l.t.Errorf("%d attempts, not %q:\n%s", n, causes, out)
	}
	if left := l.do("p", "mlx", "job", "list"); left != "" {
		out, _ := exec.Command("sh", "-c", "cd "+l.path("p")+"; find .git/mlx/jobs").CombinedOutput()
		l.t.Errorf("is left: %s%s", left, out)
	}
}

// TestRunOnAgain: a run whose place is lost goes on as its next attempt when somebody looks, once, from its checkpoint, as often as it may.
func TestRunOnAgain(t *testing.T) {
	l := newLossy(t)
	t.Run("followed", func(t *testing.T) {
		l.t = t
		client, out, problem := l.begin("local", "--retries", "1")
		l.attempt(1)
		l.lose()
		l.attempt(2)
		l.let(2)
		if err := client.Wait(); err != nil || !strings.Contains(out.String(), "began 2 after 1\n") {
			t.Errorf("%v\n%s%s", err, out, problem)
		}
		if said := problem.String(); !strings.Contains(said, ": attempt 2: its agent was gone before the command ended; it goes on from its checkpoint folder") {
			t.Errorf("it says %s", said)
		}
		if got := string(must(os.ReadFile(l.path("p", "out.txt")))); got != "2\n" {
			t.Errorf("out.txt is %q", got)
		}
		l.executed(2)
		l.went(run.Succeeded, lostAgent, "")
	})
	t.Run("found by many", func(t *testing.T) {
		l.t = t
		l.leave("local", "--retries", "2")
		l.attempt(1)
		l.reboot()
		if row := l.do("p", "mlx", "job", "list"); !strings.Contains(row, "was started anew") || !strings.Contains(row, "begins attempt 2") {
			t.Errorf("listed as %q", row)
		}
		var waits []*exec.Cmd
		for range 3 {
			cmd := l.command("p", "mlx", "job", "wait", "@last")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waits = append(waits, cmd)
		}
		l.attempt(2)
		l.let(2)
		for _, cmd := range waits {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
		l.executed(2)
		l.went(run.Succeeded, lostAgent, "")
	})
	t.Run("no attempts are left", func(t *testing.T) {
		l.t = t
		l.leave("local", "--retries", "1")
		l.attempt(1)
		l.lose()
		attach := l.command("p", "mlx", "job", "attach", "@last")
		if err := attach.Start(); err != nil {
			t.Fatal(err)
		}
		l.attempt(2)
		_ = attach.Process.Kill()
		_ = attach.Wait()
		l.reboot()
		if _, _, status := l.try("p", "mlx", "job", "wait", "@last"); status != 1 {
			t.Errorf("a run that was lost ends with status %d", status)
		}
		l.executed(2)
		l.went(run.Lost, lostAgent, "node lost")
	})
	t.Run("cancelled", func(t *testing.T) {
		l.t = t
		l.leave("local", "--retries", "5")
		l.attempt(1)
		l.lose()
		if said := l.do("p", "mlx", "job", "cancel", "@last", "-m", "enough"); !strings.Contains(said, "enough") {
			t.Errorf("cancelled: %q", said)
		}
		l.executed(1)
		l.went(run.Cancelled) // the only one is no list
	})
	t.Run("nobody asked for attempts", func(t *testing.T) {
		l.t = t
		l.leave("local")
		l.attempt(1)
		l.lose()
		if _, _, status := l.try("p", "mlx", "job", "wait", "@last"); status != 1 {
			t.Errorf("status %d", status)
		}
		l.executed(1)
		l.went(run.Lost)
	})
}

// TestRunOnAgainKilled: a client that is killed at any moment around the handing over neither loses the run nor executes it beside itself.
func TestRunOnAgainKilled(t *testing.T) {
	l := newLossy(t)
	for round := range 4 {
		l.leave("local", "--retries", "1")
		l.attempt(1)
		l.lose()
		for _, after := range []int{20, 60, 120, 200} {
			l.killed(time.Duration(after+13*round)*time.Millisecond, "p", "mlx", "job", "wait", "@last")
		}
		l.let(2)
		l.do("p", "mlx", "job", "wait", "@last")
		l.attempt(2)
		l.executed(2)
		l.went(run.Succeeded, lostAgent, "")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
