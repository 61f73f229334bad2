package train

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
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
	st, err := os.Stat(cmd.Dir)
	if err == nil && !st.IsDir() {
		err = fault.New(fault.Usage, "%s is no folder", cmd.Dir)
	}
	return cmd, err
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
