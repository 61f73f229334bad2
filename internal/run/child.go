package run

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
)

// order is a command to execute, and what may end it early.
type order struct {
	argv    []string
	dir     string
	env     []string
	stdin   *os.File
	stdout  io.Writer // where its output is shown as it comes; nil is nowhere
	stderr  io.Writer
	timeout time.Duration
	grace   time.Duration // between asking and killing, once the time is over
	signals <-chan os.Signal
	stops   <-chan Stop
	mask    Mask // of its output
	host    string
	folder  string // of the run: what it writes and uses is recorded there; empty records nothing
	kept    logLimits
	now     func() time.Time

	base     []string // environment of this process, which says what GPUs the machine has for it
	powercap string   // folder of the counters of the processors; empty is that of this machine
}

// outcome is how a process ended.
type outcome struct {
	status    int    // exit status; -1 when a signal ended it
	signal    string // "SIGKILL", or "" when it exited
	number    int    // of the signal
	asked     os.Signal
	cancel    *Cancel // who is behind asked, if it is known
	stop      *Stop   // why it was ended, where the caller did
	timedOut  bool
	forced    bool // it did not end when it was asked, and was killed here
	memory    bool // the system ended it, or a part of it, because memory was short
	cpu       time.Duration
	peakBytes int64
	drawn     []Drawn // electricity
	trouble   error   // what could not be shown or recorded of its output
	openLine  bool    // the last line that it wrote to a terminal has no end
}

// lookup finds the program, from the folder that it shall start in, so that a misspelt command leaves no run behind.
func lookup(name, dir string) error {
	at := name
	if strings.ContainsRune(filepath.ToSlash(name), '/') && !filepath.IsAbs(name) {
		at = filepath.Join(dir, name)
	}
	_, err := exec.LookPath(at)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return nil // Start says the rest
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		missing := fault.New(fault.NotFound, "cannot start the run: there is no program %q", name)
		if strings.ContainsAny(name, " \t") {
			return missing.Hint("mlx run -- sh -c '%s'   # a shell splits words and knows its own syntax", strings.ReplaceAll(name, "'", `'\''`))
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return missing.Hint("mlx run ./%s   # a program in this folder", name)
		}
		return missing.Hint("command -v %s   # finds what the shell would run", name)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "cannot start the run: %s is not executable", name).Hint("chmod +x %s", name)
	}
	if info, statErr := os.Stat(at); statErr == nil && info.IsDir() {
		return fault.New(fault.Usage, "cannot start the run: %s is a folder", name).Hint("mlx run -d %s COMMAND…   # runs a command on its data", name)
	}
	return fault.New(fault.KindOf(err), "cannot start the run: %w", err)
}

// command is the child before it starts. A program that is named without a folder is looked for where the child itself would look for
// one: in the PATH that it is given, which need not be that of this process.
func (o order) command() *exec.Cmd {
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Dir, cmd.Env = o.dir, o.env
	if filepath.Base(o.argv[0]) != o.argv[0] {
		return cmd
	}
	for _, dir := range filepath.SplitList(Variable(o.env, "PATH")) {
		if !filepath.IsAbs(dir) {
			continue // as os/exec does: a program of the current folder is never meant
		}
		if found, err := exec.LookPath(filepath.Join(dir, o.argv[0])); err == nil {
			cmd.Path, cmd.Err = found, nil
			break
		}
	}
	return cmd
}

// execute runs the order to its end. Its context is not asked: a signal arrives through order.signals, where it is
// handed to the child, whose own answer decides.
func (o order) execute() (outcome, error) {
	cmd := o.command()
	if o.stdin != nil {
		cmd.Stdin = o.stdin
	}
	out, err := openOutput(cmd, o)
	if err != nil {
		return outcome{}, err
	}
	own := highWater(os.Getpid())
	group := prepare(cmd, o.stdin, o.stdout, o.stderr)
	short, _ := outOfMemory()
	if o.folder != "" {
		if err := note(o.folder, beginsName, Self(o.host, os.Getpid())); err != nil {
			out.abandon()
			return outcome{}, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
		}
	}
	if err := cmd.Start(); err != nil {
		out.abandon()
		return outcome{}, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	out.begin()
	w := watch{order: o, cmd: cmd, group: group, out: out, sampler: newSampler(o, cmd.Process.Pid)}
	w.register()
	w.follow()
	if w.timedOut || w.stop != nil {
		group.kill(cmd.Process) // whatever it started and left behind when it was asked to end
	}
	end := outcomeOf(cmd.ProcessState)
	end.asked, end.cancel, end.stop, end.timedOut, end.forced = w.asked, w.cancel, w.stop, w.timedOut, w.forced
	end.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	peak, drawn := w.sampler.end()
	end.peakBytes, end.drawn = max(peak, residentOf(cmd.ProcessState, own)), drawn
	if now, ok := outOfMemory(); ok && now > short && !w.forced {
		end.memory = end.signal == "SIGKILL" || end.status == 128+9
	}
	end.trouble = errors.Join(w.trouble, out.finish(drainGrace))
	end.openLine = out.openLine()
	return end, nil
}

// statusOf is what others are told of it.
func statusOf(o outcome) int {
	switch {
	case o.signal != "":
		return 128 + o.number
	case o.status == 0 && o.timedOut:
		return ownTrouble
	}
	return o.status
}

// residentOf returns the peak memory of a child in bytes; 0 where nothing tells. A child begins as a copy of this process, and the system
// counts that against it: what is below our own peak, as it was before the child began, is no news.
func residentOf(state *os.ProcessState, own int64) int64 {
	if used := maxResident(state); used > own {
		return used
	}
	return 0
}

// watch follows one child.
type watch struct {
	order
	cmd      *exec.Cmd
	group    *group
	out      *output
	sampler  *sampler
	asked    os.Signal // first signal that this process was sent
	cancel   *Cancel
	stop     *Stop
	timedOut bool
	forced   bool
	trouble  error
}

// register notes which process the command is, for whoever comes when this one is gone.
func (w *watch) register() {
	if w.folder == "" {
		return
	}
	if err := note(w.folder, childName, Self(w.host, w.cmd.Process.Pid)); err != nil {
		w.trouble = fault.New(fault.KindOf(err), "cannot note the process of the command: %w", err)
	}
}

// follow returns when the child has ended. The first signal is handed on, the second one kills; so does the time limit,
// after it asked.
func (w *watch) follow() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.cmd.Wait() // the process state says how it ended; no other error can occur, files are given as they are
	}()
	var limit, kill <-chan time.Time
	if w.timeout > 0 {
		limit = time.After(w.timeout)
	}
	look := time.NewTimer(w.sampler.first())
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case s := <-w.signals:
			if grace := w.hear(s); grace > 0 {
				kill = time.After(grace)
			}
		case s := <-w.stops:
			kill = time.After(w.told(s))
		case <-limit:
			limit, w.timedOut = nil, true
			w.group.ask(w.cmd.Process)
			kill = time.After(w.grace)
		case <-kill:
			kill = nil
			w.force()
		case <-look.C:
			look.Reset(w.sampler.tick())
			if w.asked == nil && pollsCancel && w.readCancel() {
				w.hear(polite)
			}
		}
	}
}

// hear acts on a signal that this process was sent. It returns after what time the child is killed, if that was said.
func (w *watch) hear(s os.Signal) (grace time.Duration) {
	switch {
	case IsWarning(s):
		w.warned(s)
		return 0
	case isResize(s):
		w.out.resize()
		_ = w.cmd.Process.Signal(s) // it may have asked its terminal too early; it may have ended
		return 0
	case w.asked != nil || w.timedOut || w.stop != nil:
		w.force()
		return 0
	}
	if s == polite && w.readCancel() {
		grace = time.Duration(w.cancel.GraceS * float64(time.Second))
	}
	w.asked = s
	w.group.pass(w.cmd.Process, s)
	return grace
}

func (w *watch) force() {
	w.forced = true
	w.group.kill(w.cmd.Process)
}

// readCancel looks who asked the run to end.
func (w *watch) readCancel() bool {
	if w.folder == "" {
		return false
	}
	c, ok := noted[Cancel](w.folder, cancelName)
	if ok {
		w.cancel = &c
	}
	return ok
}
