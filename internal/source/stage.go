package source

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // dvc and Content-MD5 name bytes by it; mlx itself trusts SHA-256
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

	"mlx/internal/fault"
	"mlx/internal/object"
)

// errDisk marks a failure of this machine's disk: asking the source again cannot help.
var errDisk = errors.New("cannot write here")

// part is a file that is being written, with the sums of what it holds so far.
type part struct {
	f        *os.File
	sha, md5 hash.Hash
	n        int64
	progress Progress
}

func newPart(name string, p Progress) (*part, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	return &part{f: f, sha: sha256.New(), md5: md5.New(), progress: p}, nil //nolint:gosec // see the import
}

func (p *part) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.sha.Write(b[:n])
	p.md5.Write(b[:n])
	p.n += int64(n)
	p.progress.Add(int64(n))
	if err != nil {
		err = errors.Join(errDisk, err)
	}
	return n, err
}

// reset begins again.
func (p *part) reset() error {
	p.progress.Add(-p.n)
	p.sha.Reset()
	p.md5.Reset()
	p.n = 0
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return errors.Join(errDisk, err)
	}
	if err := p.f.Truncate(0); err != nil {
		return errors.Join(errDisk, err)
	}
	return nil
}

// finish returns the digest of the bytes. A file of its own is made durable; the many of a folder are not, one by one:
// the store keeps them durably before anybody is told of them.
func (p *part) finish(alone bool) (object.Digest, error) {
	var err error
	if alone {
		err = p.f.Sync()
	}
	if closeErr := p.f.Close(); err == nil {
		err = closeErr
	}
	return object.Digest(p.sha.Sum(nil)), err
}

// item is a file of a source that was looked at, and how to read it.
type item struct {
	pin  Pin // without a digest
	link string
	exec bool
	read func(ctx context.Context, w io.Writer) error // writes pin.Bytes bytes
	md5  func(raw, text string) error                 // judges the sums of the bytes; nil for none
}

// assemble makes a folder (or with one item without a name a file) of items. What a pin proves to be the same is taken
// from the version at hand; when nothing differs, nothing is written.
func (f *Fetcher) assemble(ctx context.Context, q Request, items []item) (Result, error) {
	folder := len(items) != 1 || items[0].pin.Name != ""
	known := make(map[string]Pin, len(q.Pins))
	for _, p := range q.Pins {
		known[p.Name] = p
	}
	res := Result{Folder: folder, Pins: make([]Pin, len(items))}
	same, total := 0, int64(0)
	for i, it := range items {
		if old := known[it.pin.Name]; old.same(it.pin) {
			res.Pins[i], same = old, same+1
		}
		total += it.pin.Bytes
	}
	if same == len(items) && same == len(q.Pins) && same > 0 {
		return res, nil
	}
	f.o.Progress.SetTotal(total)
	if folder {
		if err := os.Mkdir(q.Dest, 0o777); err != nil {
			return Result{}, err
		}
	}
	err := each(ctx, len(items), f.o.Jobs, func(ctx context.Context, i int) error {
		pin, err := f.place(ctx, q, items[i], res.Pins[i])
		res.Pins[i] = pin
		return err
	})
	res.Changed = differs(res.Pins, known)
	return res, err
}

func differs(pins []Pin, known map[string]Pin) bool {
	for _, p := range pins {
		if old, ok := known[p.Name]; !ok || old.Digest != p.Digest {
			return true
		}
	}
	return len(pins) != len(known)
}

// place writes one file of a folder, or the only one.
func (f *Fetcher) place(ctx context.Context, q Request, it item, known Pin) (Pin, error) {
	dest := q.Dest
	if it.pin.Name != "" {
		if err := goodName(it.pin.Name); err != nil {
			return Pin{}, err
		}
		dest = filepath.Join(dest, filepath.FromSlash(it.pin.Name))
		if err := os.MkdirAll(filepath.Dir(dest), 0o777); err != nil {
			return Pin{}, err
		}
	}
	if it.link != "" {
		it.pin.Digest = object.Sum([]byte(it.link))
		return it.pin, os.Symlink(it.link, dest)
	}
	if !known.Digest.IsZero() && q.Base != nil {
		if ok, err := f.reuse(q, known, dest); ok || err != nil {
			return known, err
		}
	}
	pin, err := f.write(ctx, it, dest)
	if err == nil && it.exec {
		err = os.Chmod(dest, 0o777&^0o022)
	}
	return pin, err
}

func (f *Fetcher) write(ctx context.Context, it item, dest string) (Pin, error) {
	out, err := newPart(dest, f.o.Progress)
	if err != nil {
		return Pin{}, err
	}
	defer out.f.Close()
	var text *unixSum
	var w io.Writer = out
	if it.md5 != nil {
		text = newUnixSum()
		w = io.MultiWriter(out, text)
	}
	if err := it.read(ctx, w); err != nil {
		return Pin{}, naming(it.pin.Name, err)
	}
	if out.n != it.pin.Bytes && it.pin.Bytes >= 0 {
		return Pin{}, naming(it.pin.Name, fault.New(fault.Unavailable, "%d bytes came, %d were announced", out.n, it.pin.Bytes))
	}
	if it.md5 != nil {
		if err := it.md5(hexSum(out.md5), text.sum()); err != nil {
			return Pin{}, naming(it.pin.Name, err)
		}
	}
	it.pin.Bytes = out.n
	it.pin.Digest, err = out.finish(it.pin.Name == "")
	return it.pin, err
}

// reuse copies a file from the version at hand. It says no when that version has other bytes than the pin says.
func (f *Fetcher) reuse(q Request, known Pin, dest string) (bool, error) {
	name := known.Name
	if name == "" {
		name = path.Base(filepath.ToSlash(q.Dest))
	}
	in, err := q.Base.Open(name)
	if err != nil {
		return false, nil //nolint:nilerr // what is not at hand is read from the source
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, nil //nolint:nilerr // as above
	}
	out, err := newPart(dest, f.o.Progress)
	if err != nil {
		return false, err
	}
	defer out.f.Close()
	if _, err := io.Copy(out, in); err != nil {
		return false, err
	}
	digest, err := out.finish(known.Name == "")
	if err != nil {
		return false, err
	}
	if digest != known.Digest {
		return false, os.Remove(dest)
	}
	if info.Mode()&0o111 != 0 {
		err = os.Chmod(dest, 0o755)
	}
	return true, err
}

func naming(name string, err error) error {
	if name == "" || err == nil {
		return err
	}
	return fault.New(fault.KindOf(err), "%s: %w", name, err)
}

// goodName refuses names that would leave the folder, or that this system would take for others.
func goodName(name string) error {
	if len(name) > 4096 || !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) ||
		strings.ContainsRune(name, 0) || runtime.GOOS == "windows" && strings.ContainsAny(name, `\:`) {
		return fault.New(fault.Usage, "%.200q is no name for a file here", name)
	}
	return nil
}

// each runs work for 0 to n-1, a few at once, until the first error.
func each(ctx context.Context, n, jobs int, work func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(jobs, n) {
		wg.Go(func() {
			for i := range next {
				if err := work(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// unixSum is the MD5 of text with CR LF read as LF, by which older versions of dvc name text files.
type unixSum struct {
	h  hash.Hash
	cr bool
}

func newUnixSum() *unixSum { return &unixSum{h: md5.New()} } //nolint:gosec // see the import

func (u *unixSum) Write(b []byte) (int, error) {
	n := len(b)
	if u.cr && n > 0 {
		u.cr = false
		if b[0] != '\n' {
			u.h.Write([]byte{'\r'})
		}
	}
	if n > 0 && b[n-1] == '\r' {
		u.cr, b = true, b[:n-1]
	}
	u.h.Write(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
	return n, nil
}

func (u *unixSum) sum() string {
	if u.cr {
		u.h.Write([]byte{'\r'})
		u.cr = false
	}
	return hexSum(u.h)
}
