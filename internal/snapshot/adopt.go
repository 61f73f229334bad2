package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// abandoned is how old a temporary file of another machine must be before its writer counts as dead.
const abandoned = 24 * time.Hour

// writerName begins the names of this process's temporary files: which machine, which process.
func (s *Store) writerName() string { return hostName() + "-" + strconv.Itoa(os.Getpid()) }

// hostName tells apart whose process numbers mean anything here: machines, and the containers on one.
func hostName() string {
	h, err := os.Hostname()
	if err != nil {
		h = "unknown"
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		space = "" // not Linux: there is one space of process numbers
	}
	sum := sha256.Sum256([]byte(h + "\x00" + space))
	return fmt.Sprintf("%x", sum[:4])
}

// dead says whether the writer of a temporary file is gone: its process on this machine, or a day without a write.
func (s *Store) dead(name string, st fs.FileInfo) bool {
	part := strings.SplitN(name, "-", 3)
	if len(part) == 3 && part[0] == hostName() {
		if pid, err := strconv.Atoi(part[1]); err == nil && pid != os.Getpid() {
			return !alive(pid)
		}
	}
	return s.o.Now().Sub(st.ModTime()) > abandoned
}

// announce tells gc that a save is in progress, so that it does not take for garbage what no root names yet. That is a
// courtesy: without it, the save notices and starts again.
func (s *Store) announce() (end func(), err error) {
	f, err := os.CreateTemp(s.tmp(), s.writerName()+"-*"+saveSuffix)
	if err != nil {
		return nil, fmt.Errorf("start a save: %w", err)
	}
	f.Close()
	return func() { os.Remove(f.Name()) }, nil
}

const saveSuffix = ".save"

// saving returns when the oldest save that is in progress began; zero for none.
func (s *Store) saving() (time.Time, error) {
	list, err := filepath.Glob(filepath.Join(s.tmp(), "*"+saveSuffix))
	if err != nil {
		return time.Time{}, fmt.Errorf("list saves in progress: %w", err)
	}
	var oldest time.Time
	for _, path := range list {
		st, err := os.Lstat(path)
		if err == nil && !s.dead(filepath.Base(path), st) && (oldest.IsZero() || st.ModTime().Before(oldest)) {
			oldest = st.ModTime()
		}
	}
	return oldest, nil
}

// leftovers lists the temporary files of dead writers.
func (s *Store) leftovers() ([]string, error) {
	list, err := os.ReadDir(s.tmp())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list temporary packs: %w", err)
	}
	var out []string
	for _, e := range list {
		if st, err := e.Info(); err == nil && s.dead(e.Name(), st) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// adopt finishes the packs that dead writers left, so that nothing which they wrote is written again.
func (s *Store) adopt() error {
	names, err := s.leftovers()
	if err != nil || len(names) == 0 {
		return err
	}
	r, err := s.reader()
	if err != nil {
		return err
	}
	erased, err := s.Erased()
	if err != nil {
		return err
	}
	o := pack.AdoptOptions{}
	if len(erased) > 0 {
		o.Refuse = func(d object.Digest) bool { return erased[d] }
	}
	for _, n := range names {
		if !strings.HasSuffix(n, pack.TempSuffix) {
			continue
		}
		if err := s.adoptOne(r, n, o); err != nil {
			return err
		}
	}
	if err := syncDir(s.packs()); err != nil {
		return err
	}
	return s.set.Refresh()
}

// adoptOne takes one temporary pack over under this process's name: of several who try, one succeeds. One that belongs
// to another user stays.
func (s *Store) adoptOne(r *reader, name string, o pack.AdoptOptions) error {
	from := filepath.Join(s.tmp(), name)
	own := filepath.Join(s.tmp(), s.writerName()+"-"+name[strings.LastIndexByte(name, '-')+1:])
	err := os.Chmod(from, 0o600) // a finished pack is read-only
	if err == nil {
		err = os.Rename(from, own)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("adopt %s: %w", name, err)
	}
	var buf []byte
	o.Decode = func(f pack.Frame, payload []byte) ([]byte, error) {
		raw, err := r.Decode(f, payload, buf[:0])
		if f.Codec != pack.Raw {
			buf = raw
		}
		return raw, err
	}
	_, _, err = pack.Adopt(own, s.packs(), o)
	if err != nil && fault.KindOf(err) != fault.Integrity {
		return err
	}
	return nil
}
