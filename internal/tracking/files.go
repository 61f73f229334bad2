package tracking

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeState replaces a file below the folder of what is not in the ledger: whoever reads sees the old bytes or the new ones, also
// after a crash.
func (s *Server) writeState(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Join(s.o.Dir, filepath.Dir(name)), 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(s.o.Dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a folder
	tmp := filepath.Join(filepath.Dir(name), uploadPrefix+rand.Text())
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		_ = root.Remove(tmp)
		return err
	}
	return syncUp(root, filepath.Dir(name))
}

// readAtMost reads all of r, which may not be longer than a limit.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return b, err
}
