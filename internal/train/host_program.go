package train

import (
	"context"

	"mlx/internal/fault"
)

// programScript starts a program in a folder, which may be below the home folder.
const programScript = `d=$1; shift; case $d in [~]/*) d=$HOME${d#[~]};; esac; cd "$d" || exit 125; exec "$@"`

// Program starts a program that is on the host in its folder Dir, and connects to its stdin and stdout. No shell sees argv. ctx bounds the
// connecting only.
func (h *Host) Program(ctx context.Context, argv []string) (*Conn, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	if h.Name == "" {
		return nil, fault.New(fault.Internal, "cannot start a program on no host")
	}
	if err := noZero(argv); err != nil {
		return nil, err
	}
	text := Quote(append([]string{"exec", "sh", "-c", programScript, "sh", h.Dir}, argv...))
	cmd, err := h.command(ctx, text, false)
	if err != nil {
		return nil, err
	}
	return h.start(ctx, cmd)
}
