package run

import (
	"context"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"mlx/internal/fault"
)

// Tool is a command that mlx wants an answer from, or a server that it needs for a while. No run is recorded of it. It leads a process
// group of its own, and nothing that it started outlives it.
type Tool struct {
	Argv    []string
	Dir     string
	Env     []string
	Stdin   io.Reader     // nil is empty
	Timeout time.Duration // 0: none
	Most    int           // bytes of stdout that are kept; with more it is killed. 0 keeps the end of it, whatever comes
}

// ToolEnd is how a tool ended.
type ToolEnd struct {
	Status   int // exit status; 128 and the number of the signal that ended it
	Stdout   []byte
	Stderr   []byte // its end
	TimedOut bool
	TooLong  bool // it printed more than Tool.Most
	Usage    ToolUsage
}

// ToolUsage is what a tool and all that it started have used so far.
type ToolUsage struct {
	Known  bool          // false: this system does not say while it runs
	CPU    time.Duration // user and system
	Memory int64         // peak, in bytes; a page that several processes share counts for each
	GPUs   []GPUUsage    // of the machine, while it ran; empty where there is no nvidia-smi
}

// GPUUsage is how one GPU of the machine was used.
type GPUUsage struct {
	Percent float64 // highest
	Memory  int64   // highest, in bytes
}

// Times of tools.
const (
	toolLook   = 100 * time.Millisecond // between looks at what it uses
	toolStderr = 16 << 10
)

// Tooling is a tool at work.
type Tooling struct {
	cmd    *exec.Cmd
	group  *group
	stdout interface {
		io.Writer
		bytes() []byte
	}
	stderr *tailBuffer
	done   chan struct{}
	own    int64           // peak memory of this process before the tool began
	cause  context.Context // cancelled with errToolTime, errToolLong, or because nobody wants the answer any more
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	tree  tree
	usage ToolUsage
	gpus  gpus
	end   ToolEnd
}

// Run executes the tool to its end. An error says that it could not be started, or that ctx ended first.
func (t Tool) Run(ctx context.Context) (ToolEnd, error) {
	w, err := t.Start(ctx)
	if err != nil {
		return ToolEnd{}, err
	}
	<-w.done
	if err := ctx.Err(); err != nil {
		return ToolEnd{}, err
	}
	return w.end, nil
}

// Start starts the tool. When ctx ends, it is killed with all that it started.
func (t Tool) Start(ctx context.Context) (*Tooling, error) {
	if err := lookup(t.Argv[0], t.Dir); err != nil {
		return nil, err
	}
	w := &Tooling{stderr: &tailBuffer{most: toolStderr}, done: make(chan struct{})}
	w.cause, w.cancel = context.WithCancelCause(ctx)
	stop := func() {}
	if t.Timeout > 0 {
		w.cause, stop = context.WithTimeoutCause(w.cause, t.Timeout, errToolTime)
	}
	cmd := exec.Command(t.Argv[0], t.Argv[1:]...) //nolint:gosec // its user allowed it
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.WaitDelay = t.Dir, t.Env, t.Stdin, drainGrace
	w.stdout = &tailBuffer{most: toolStderr}
	if t.Most > 0 {
		w.stdout = &headBuffer{most: t.Most, full: func() { w.cancel(errToolLong) }}
	}
	cmd.Stdout, cmd.Stderr = w.stdout, w.stderr
	w.cmd, w.group, w.own = cmd, prepare(cmd), highWater(os.Getpid())
	if err := cmd.Start(); err != nil {
		stop()
		w.cancel(nil)
		return nil, fault.New(fault.KindOf(err), "cannot start %s: %w", t.Argv[0], err)
	}
	w.tree = newTree(cmd.Process.Pid)
	go func() {
		defer stop()
		w.follow()
	}()
	return w, nil
}

// follow looks at the tool until it has ended.
func (w *Tooling) follow() {
	defer close(w.done)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = w.cmd.Wait() // the process state says how it ended; what could not be written to stdin is the tool's own choice
	}()
	look := time.NewTicker(toolLook)
	defer look.Stop()
	gone := w.cause.Done()
	for {
		select {
		case <-over:
			w.group.kill(w.cmd.Process) // what it left behind
			w.finish()
			return
		case <-gone:
			gone = nil
			w.group.kill(w.cmd.Process)
		case <-look.C:
			w.look()
		}
	}
}

func (w *Tooling) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gpus.end()
	state := w.cmd.ProcessState
	w.usage.Known = true
	w.usage.CPU = max(w.usage.CPU, state.UserTime()+state.SystemTime())
	w.usage.Memory = max(w.usage.Memory, residentOf(state, w.own))
	why := context.Cause(w.cause)
	w.end = ToolEnd{Status: statusOf(outcomeOf(state)), Stdout: w.stdout.bytes(), Stderr: w.stderr.bytes(), Usage: w.usage,
		TimedOut: why == errToolTime, TooLong: why == errToolLong} //nolint:errorlint // the very values of this file
}

// look notes what the tool uses now.
func (w *Tooling) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, ok := w.tree.read()
	w.usage.Known = w.usage.Known || ok
	w.usage.CPU, w.usage.Memory = max(w.usage.CPU, now.cpu), max(w.usage.Memory, now.memory)
	w.usage.GPUs = w.gpus.peaks(w.usage.GPUs)
}

// WatchGPUs begins to look at the GPUs of the machine, if there are any.
func (w *Tooling) WatchGPUs() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gpus.begin()
}

// Usage is what the tool has used until now.
func (w *Tooling) Usage() ToolUsage {
	select {
	case <-w.done:
	default:
		w.look()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.usage
}

// Ended is closed when the tool has ended.
func (w *Tooling) Ended() <-chan struct{} { return w.done }

// Stop asks the tool to end, kills what has not ended after the grace, and says how it ended.
func (w *Tooling) Stop(grace time.Duration) ToolEnd {
	select {
	case <-w.done:
		return w.end
	default:
	}
	w.group.ask(w.cmd.Process)
	limit := time.NewTimer(grace)
	defer limit.Stop()
	select {
	case <-w.done:
	case <-limit.C:
		w.cancel(nil)
		<-w.done
	}
	return w.end
}

// peaks adds to the greatest use that was seen of each GPU.
func (g *gpus) peaks(seen []GPUUsage) []GPUUsage {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, use := range g.last {
		if !use.known {
			continue
		}
		for len(seen) <= i {
			seen = append(seen, GPUUsage{})
		}
		seen[i] = GPUUsage{Percent: max(seen[i].Percent, use.percent), Memory: max(seen[i].Memory, use.memory)}
	}
	return seen
}
