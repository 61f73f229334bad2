package train

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"mlx/internal/fault"
)

// command prepares what a request asks for. It is the user's own account: what is executed is not restricted.
func (v *server) command(ctx context.Context, q request) (*exec.Cmd, error) {
	words := make([]string, len(q.Argv))
	for i, w := range q.Argv {
		words[i] = string(w)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = v.o.Root
	if dir := string(q.Dir); filepath.IsAbs(dir) {
		cmd.Dir = dir
	} else if dir != "" {
		cmd.Dir = filepath.Join(v.o.Root, filepath.FromSlash(dir))
	}
	cmd.Env = cmd.Environ()
	for _, e := range q.Env {
		cmd.Env = append(cmd.Env, string(e))
	}
	if st, err := os.Stat(cmd.Dir); err != nil || !st.IsDir() {
		return nil, errors.Join(err, notFolder(cmd.Dir, err))
	}
	return cmd, nil
}

func notFolder(dir string, err error) error {
	if err != nil {
		return nil
	}
	return fault.New(fault.Usage, "%s is no folder", dir)
}

// exec executes a command, and passes on what it says.
func (v *server) exec(ctx context.Context, c *serverCall, q request) (reply, error) {
	cmd, err := v.command(ctx, q)
	if err != nil {
		return reply{}, err
	}
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second // for what it left behind, and that holds its outputs open
	cmd.Stdout, cmd.Stderr = &marked{w: c, mark: 1}, &marked{w: c, mark: 2}
	in, err := cmd.StdinPipe()
	if err != nil {
		return reply{}, err
	}
	if err := cmd.Start(); err != nil {
		return reply{}, cannotStart(q, err)
	}
	go func() {
		_, _ = io.Copy(in, c) // a command need not read what it is given
		in.Close()
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return reply{}, ctx.Err()
	case errors.As(err, &exit):
		return reply{Status: statusOf(exit.ProcessState)}, nil
	case errors.Is(err, exec.ErrWaitDelay):
		return reply{Status: statusOf(cmd.ProcessState)}, nil
	}
	return reply{}, err
}

func cannotStart(q request, err error) error {
	kind := fault.KindOf(err)
	if errors.Is(err, exec.ErrNotFound) {
		kind = fault.NotFound
	}
	if errors.Is(err, syscall.E2BIG) {
		kind = fault.Usage
	}
	return fault.New(kind, "cannot execute %.200q: %w", q.Argv[0], err)
}

// marked puts a byte that names the output in front of each piece.
type marked struct {
	w    io.Writer
	mark byte
	buf  []byte
}

// Write implements io.Writer.
func (m *marked) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		k := min(len(p)-n, maxData-1)
		m.buf = append(append(m.buf[:0], m.mark), p[n:n+k]...)
		if _, err = m.w.Write(m.buf); err == nil {
			n += k
		}
	}
	return n, err
}

// start starts a command that outlives the link.
func (v *server) start(q request) (reply, error) {
	cmd, err := v.command(context.WithoutCancel(v.ctx), q)
	if err != nil {
		return reply{}, err
	}
	if err := ownSession(cmd); err != nil {
		return reply{}, err
	}
	name := string(q.Output)
	if dir := path.Dir(name); dir != "." {
		if err := v.root.MkdirAll(dir, 0o700); err != nil {
			return reply{}, err
		}
	}
	out, err := v.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return reply{}, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return reply{}, cannotStart(q, err)
	}
	began, _ := startOf(cmd.Process.Pid) // before it is collected: a dead one still has its number
	go func() { _ = cmd.Wait() }()       // how it ends is told by what it leaves
	return reply{PID: cmd.Process.Pid, Start: began}, nil
}

// signal signals the group of a process, if the process is still the one that was started.
func (v *server) signal(q request) error {
	sig, ok := signals()[q.Signal]
	if !ok {
		return fault.New(fault.Usage, "no signal %.20q", q.Signal)
	}
	if start, alive := startOf(q.PID); q.PID <= 1 || !alive || start != q.Start {
		return fault.New(fault.NotFound, "process %d is not there any more", q.PID)
	}
	if err := signalGroup(q.PID, sig); err != nil {
		return fault.New(fault.KindOf(err), "cannot signal process %d: %w", q.PID, err)
	}
	return nil
}
