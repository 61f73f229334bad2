package train

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"mlx/internal/fault"
)

// connectHere is a connection to mlx on this machine. It is a copy in Dir that runs, as on every host: a job outlives the
// program that started it, also when that is replaced meanwhile, and other nodes of a cluster see the same folder.
func (h *Host) connectHere(ctx context.Context, verb string) (*Conn, error) {
	at, err := h.installHere()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(at.Program, "agent", verb, at.Root) //nolint:gosec // this very program
	apart(cmd)
	cmd.WaitDelay = reapLimit
	c, err := h.start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	c.Installed = at
	return c, nil
}

func (h *Host) installHere() (Installed, error) {
	fail := func(err error) (Installed, error) {
		return Installed{}, fault.New(fault.KindOf(err), "cannot bring mlx to %s: %w", h.Dir, err).
			Hint("edit mlx.yaml   # dir: of the backend names a folder on another disk")
	}
	root := h.Dir
	if rest, ok := strings.CutPrefix(root, "~/"); ok {
		if h.Home == "" {
			return fail(errors.New("this user has no home folder"))
		}
		root = filepath.Join(h.Home, rest)
	}
	info, err := os.Stat(h.Self)
	if err != nil {
		return fail(err)
	}
	digest, err := h.digestOf(h.Self, info)
	if err != nil {
		return fail(err)
	}
	dir := filepath.Join(root, "bin", digest)
	at := Installed{Program: filepath.Join(dir, "mlx"), Root: root}
	if there, err := os.Stat(at.Program); err == nil && there.Size() == info.Size() && there.Mode()&0o100 != 0 {
		return at, nil
	}
	if h.Untouched {
		return Installed{}, &AbsentError{Host: h.label(), Bytes: info.Size()}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	if err := copyProgram(h.Self, at.Program); err != nil {
		return fail(err)
	}
	return at, nil
}

// copyProgram copies a program beside its place and moves it there. No process is started meanwhile: it would have the file open
// until it becomes what it will be, and a program that somebody may write to cannot be executed.
func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return putFile(to, func(out *os.File) error {
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
		return out.Chmod(0o700)
	})
}
