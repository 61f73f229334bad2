package filedriver

import (
	"context"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gocloud.dev/blob/driver"
)

const defaultPage = 10000

// ListPaged implements driver.Bucket. A page begins with the first key after the token, which is a key.
func (b *bucket) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	if err := before(opts.BeforeList); err != nil {
		return nil, err
	}
	l := &listing{ctx: ctx, b: b, opts: opts, after: string(opts.PageToken), most: opts.PageSize}
	if l.most == 0 {
		l.most = defaultPage
	}
	if _, err := l.folder(".", ""); err != nil {
		return nil, err
	}
	return &l.page, nil
}

// listing walks the folders in the order of keys: a folder sorts as its name with a slash.
type listing struct {
	ctx   context.Context
	b     *bucket
	opts  *driver.ListOptions
	after string
	most  int
	page  driver.ListPage
}

type entry struct {
	key, name string
	folder    bool
	d         fs.DirEntry
}

// folder lists what lies below a folder whose keys begin with key. It returns false when the page is full.
func (l *listing) folder(name, key string) (bool, error) {
	if err := l.ctx.Err(); err != nil {
		return false, err
	}
	entries, err := l.entries(name, key)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !e.folder {
			if more, err := l.object(e); !more || err != nil {
				return false, err
			}
			continue
		}
		if more, err := l.folder(filepath.Join(name, e.name), e.key); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// entries returns what of a folder could belong to the page, sorted by key.
func (l *listing) entries(name, key string) ([]entry, error) {
	d, err := l.b.root.Open(name)
	if isNotThere(err) { // deleted since its name was read
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var found []entry
	for {
		batch, err := d.ReadDir(1024)
		for _, e := range batch {
			if part, ok := unescape(e.Name()); ok {
				found = l.add(found, entry{key: key + part, name: e.Name(), folder: e.IsDir(), d: e})
			}
		}
		if err == io.EOF || isNotThere(err) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return found, nil
}

func (l *listing) add(found []entry, e entry) []entry {
	prefix := l.opts.Prefix
	switch {
	case e.folder:
		e.key += "/"
		outside := !strings.HasPrefix(e.key, prefix) && !strings.HasPrefix(prefix, e.key)
		before := e.key < l.after && !strings.HasPrefix(l.after, e.key)
		if outside || before {
			return found
		}
	case !e.d.Type().IsRegular() || !strings.HasPrefix(e.key, prefix) || e.key <= l.after:
		return found
	}
	return append(found, e)
}

// object adds a key to the page, or the part of it up to the delimiter.
func (l *listing) object(e entry) (bool, error) {
	o := &driver.ListObject{Key: e.key, AsFunc: asNothing}
	if d := l.opts.Delimiter; d != "" {
		if i := strings.Index(e.key[len(l.opts.Prefix):], d); i >= 0 {
			o.Key, o.IsDir = e.key[:len(l.opts.Prefix)+i+len(d)], true
		}
	}
	if o.Key <= l.after {
		return true, nil
	}
	if len(l.page.Objects) == l.most {
		l.page.NextPageToken = []byte(l.after)
		return false, nil
	}
	if !o.IsDir {
		info, err := e.d.Info()
		if isNotThere(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		o.Size, o.ModTime = info.Size(), info.ModTime()
	}
	l.after = o.Key
	l.page.Objects = append(l.page.Objects, o)
	return true, nil
}
