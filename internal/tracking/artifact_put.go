package tracking

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"mlx/internal/object"
)

// uploadPrefix begins the names of files that are on their way. They lie beside the folder of artifacts, never in it.
const uploadPrefix = ".upload-"

// putFile writes what r gives under rel of a folder: it is there whole, and survives a crash, or it is not there at all. want is how
// many bytes must come; below zero: whatever comes.
func putFile(folder, rel string, r io.Reader, want int64) (object.Digest, error) {
	if rel == "." {
		return object.Digest{}, invalidPath()
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return object.Digest{}, err
	}
	root, err := os.OpenRoot(filepath.Dir(folder))
	if err != nil {
		return object.Digest{}, err
	}
	defer root.Close() //nolint:errcheck // a folder
	target := filepath.Join(filepath.Base(folder), filepath.FromSlash(rel))
	if err := root.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return object.Digest{}, pathTrouble(err)
	}
	if info, err := root.Lstat(target); err == nil && !info.Mode().IsRegular() {
		return object.Digest{}, invalid("Cannot write '%s': it is a folder", rel)
	}
	tmp := uploadPrefix + rand.Text()
	digest, err := receive(root, tmp, r, want)
	if err == nil {
		err = pathTrouble(root.Rename(tmp, target))
	}
	if err != nil {
		_ = root.Remove(tmp)
		return object.Digest{}, err
	}
	return digest, syncUp(root, filepath.Dir(target))
}

// receive streams r into a new file and makes it durable.
func receive(root *os.Root, name string, r io.Reader, want int64) (object.Digest, error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return object.Digest{}, err
	}
	sum := sha256.New()
	n, err := copyBoth(f, sum, r)
	switch {
	case err != nil:
		err = failf(BadRequest, "The upload broke off after %d bytes: %v", n, err)
	case want >= 0 && n != want:
		err = failf(BadRequest, "The upload broke off: %d of %d bytes came", n, want)
	default:
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return object.Digest(sum.Sum(nil)), err
}

// copyBoth copies through one buffer of fixed size, whatever the length of the upload.
func copyBoth(f io.Writer, sum hash.Hash, r io.Reader) (int64, error) {
	return io.CopyBuffer(io.MultiWriter(f, sum), struct{ io.Reader }{r}, make([]byte, 256<<10))
}

// syncUp makes the names in a folder, and the folders above it within the root, durable.
func syncUp(root *os.Root, dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	for ; ; dir = filepath.Dir(dir) {
		d, err := root.Open(dir)
		if err != nil {
			return err
		}
		err = d.Sync()
		_ = d.Close()
		if err != nil || dir == "." {
			return err
		}
	}
}

// removePath removes a file or a folder of artifacts with all that is in it.
func removePath(folder, rel string) error {
	if rel == "." {
		return emptyFolder(folder)
	}
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a folder
	name := filepath.FromSlash(rel)
	if err := root.RemoveAll(name); err != nil {
		return pathTrouble(err)
	}
	if _, err := root.Stat(filepath.Dir(name)); err != nil {
		return nil
	}
	return syncUp(root, filepath.Dir(name))
}

func emptyFolder(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.MkdirAll(folder, 0o777)
}

// pathTrouble turns what the system says of a path that cannot be into what a client understands.
func pathTrouble(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist), strings.HasSuffix(err.Error(), "path escapes from parent"):
		return invalidPath()
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ELOOP):
		return invalidPath()
	}
	return err
}

// maxSums bounds how many digests of files on disk are remembered.
const maxSums = 4096

// sums remembers the digests of files on disk, as long as they look the same.
type sums struct {
	mu  sync.Mutex
	all map[string]summed
}

type summed struct {
	size   int64
	time   time.Time
	digest object.Digest
}

func (s *sums) put(key string, v summed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil || len(s.all) >= maxSums {
		s.all = map[string]summed{}
	}
	s.all[key] = v
}

func (s *sums) get(key string, size int64, at time.Time) (object.Digest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.all[key]
	return v.digest, ok && v.size == size && v.time.Equal(at)
}

// remember keeps the digest of a file that was just written.
func (s *sums) remember(folder, rel string, digest object.Digest) {
	if info, err := os.Lstat(filepath.Join(folder, filepath.FromSlash(rel))); err == nil {
		s.put(path.Join(filepath.ToSlash(folder), rel), summed{info.Size(), info.ModTime(), digest})
	}
}

// of returns the digest of an opened file, reading it when need be, and leaves it at its beginning.
func (s *sums) of(o *opened) (object.Digest, error) {
	if !o.digest.IsZero() {
		return o.digest, nil
	}
	if d, ok := s.get(o.key, o.size, o.time); ok {
		return d, nil
	}
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{o}, make([]byte, 256<<10)); err != nil {
		return object.Digest{}, err
	}
	_, err := o.Seek(0, io.SeekStart)
	d := object.Digest(sum.Sum(nil))
	s.put(o.key, summed{o.size, o.time, d})
	return d, err
}
