package train

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// maxWrite bounds a file that is written by one call.
const maxWrite = 256 << 20

// write puts a file in its place by rename, made durable first.
func (v *server) write(c *serverCall, q request) error {
	name := string(q.Name)
	if dir := path.Dir(name); dir != "." {
		if err := v.root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	var salt [6]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	temp := path.Join(path.Dir(name), ".mlx-"+hex.EncodeToString(salt[:])+".tmp")
	f, err := v.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(c, maxWrite+1))
	if err == nil && n > maxWrite {
		err = fault.New(fault.Usage, "%s has more than %d bytes", name, maxWrite)
	}
	if err == nil {
		err = errors.Join(f.Chmod(fs.FileMode(q.Mode).Perm()), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = v.root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, v.root.Remove(temp))
	}
	return v.syncDir(path.Dir(name))
}

// syncDir makes the names in a folder durable.
func (v *server) syncDir(name string) error {
	d, err := v.root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// open opens a regular file. Nothing else is read: it may never end, or never begin.
func (v *server) open(name string) (*os.File, fs.FileInfo, error) {
	st, err := v.root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fault.New(fault.Usage, "%s is no file", name)
	}
	f, err := v.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if st, err = f.Stat(); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, st, nil
}

func (v *server) read(c *serverCall, q request) error {
	f, st, err := v.open(string(q.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	if q.From > st.Size() {
		return fault.New(fault.Conflict, "%s has %d bytes: none from %d on", q.Name, st.Size(), q.From)
	}
	_, err = io.CopyBuffer(c, io.NewSectionReader(f, q.From, st.Size()-q.From), make([]byte, maxData))
	return err
}

func (v *server) list(c *serverCall, q request) error {
	d, err := v.root.Open(string(q.Name))
	if err != nil {
		return err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	out := bufio.NewWriterSize(c, 64<<10)
	enc := json.NewEncoder(out)
	for _, e := range entries {
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = enc.Encode(listed{Name: []byte(e.Name()), Size: st.Size(), Mode: uint32(st.Mode()), Mod: st.ModTime()})
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

func (v *server) remove(q request) error {
	name := string(q.Name)
	if name == "." {
		return fault.New(fault.Usage, "cannot remove the folder of the node itself")
	}
	if err := v.root.RemoveAll(name); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}
