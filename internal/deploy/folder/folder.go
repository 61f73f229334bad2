// Package folder hides how the processes of a service meet in its folder: by files that are there as a whole or not at all, also after the
// machine has lost its power, and by sockets however long the path of the folder is.
package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// maxSocket is how many bytes the path of a socket may have: less than the shortest limit of the systems that mlx runs on.
const maxSocket = 100

// SocketPath is a name for a socket in a folder that is short enough, and what ends its use.
func SocketPath(dir, name string) (path string, done func(), err error) {
	path = filepath.Join(dir, name)
	if len(path) <= maxSocket {
		return path, func() {}, nil
	}
	if runtime.GOOS == "linux" {
		f, err := os.Open(dir)
		if err != nil {
			return "", nil, err
		}
		return fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name), func() { _ = f.Close() }, nil // it was only opened to have a short name
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

// WriteJSON writes a file that only this user can read. The folder must be there.
func WriteJSON(name string, v any) (err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what went wrong is told already
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return sync(filepath.Dir(name))
}
