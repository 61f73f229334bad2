package local

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
)

// maxSocketPath is how long the path of a socket may be: the shortest limit of the systems that mlx runs on.
const maxSocketPath = 100

// socketPath is a name of a socket in a folder that is short enough: where the folder's is not, one by way of a link in the folder for
// temporary files.
func socketPath(dir, name string) (path string, done func(), err error) {
	path = filepath.Join(dir, name)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	short, err := os.MkdirTemp("", "mlx-")
	if err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(short) } // it is in the folder for temporary files
	if err := os.Symlink(dir, filepath.Join(short, "d")); err != nil {
		done()
		return "", nil, err
	}
	return filepath.Join(short, "d", name), done, nil
}

// listenUnix listens on a socket in a folder, in place of one that nobody listens on any more.
func listenUnix(ctx context.Context, dir, name string) (net.Listener, error) {
	if err := private(dir); err != nil {
		return nil, err
	}
	path, done, err := socketPath(dir, name)
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
	path, done, err := socketPath(dir, name)
	if err != nil {
		return nil, err
	}
	defer done()
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
