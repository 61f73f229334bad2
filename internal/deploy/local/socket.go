package local

import (
	"context"
	"errors"
	"net"
	"os"

	"mlx/internal/deploy/folder"
)

// listenUnix listens on a socket in a folder, in place of one that nobody listens on any more.
func listenUnix(ctx context.Context, dir, name string) (net.Listener, error) {
	if err := private(dir); err != nil {
		return nil, err
	}
	path, done, err := folder.SocketPath(dir, name)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the next one may have its own there already
	}
	return l, os.Chmod(path, 0o600)
}

// dialUnix connects to a socket in a folder.
func dialUnix(ctx context.Context, dir, name string) (net.Conn, error) {
	path, done, err := folder.SocketPath(dir, name)
	if err != nil {
		return nil, err
	}
	defer done()
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
