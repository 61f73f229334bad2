package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/source"
)

// maxObjects bounds the objects that are looked at for one table.
const maxObjects = 1 << 20

// urlTable is a table at a URL: a file of this machine, what a web server sends, or objects of a bucket.
func (a *app) urlTable(ctx context.Context, where string) (*tableFiles, error) {
	scheme, rest, _ := strings.Cut(where, "://")
	switch scheme {
	case "file":
		u, err := url.Parse(where)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
			return nil, fault.New(fault.Usage, "cannot read %s: it names no file of this machine", shownURL(where)).Hint("file:///PATH   # three slashes")
		}
		return a.localTable(ctx, where, filepath.FromSlash(u.Path))
	case "http", "https":
		return a.webTable(ctx, where)
	}
	host, name, _ := strings.Cut(rest, "/")
	name, query, _ := strings.Cut(name, "?")
	if isPattern(query) { // a pattern may hold a question mark; settings of a bucket are name=value
		return nil, fault.New(fault.Usage, "cannot read %s: what follows ? are settings of the bucket", shownURL(where)).Hint("use * in a pattern")
	}
	return a.bucketTable(ctx, bucketWhere{typed: where, scheme: scheme, host: host, key: strings.Trim(name, "/"), query: query})
}

// webTable fetches a file into a temporary folder: its digest is of what came.
func (a *app) webTable(ctx context.Context, where string) (*tableFiles, error) {
	dir, err := os.MkdirTemp("", "mlx-table-*")
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", shownURL(where), err)
	}
	t := &tableFiles{closes: []func() error{func() error { return os.RemoveAll(dir) }}}
	from, err := source.Parse(where, dir)
	if err != nil {
		return nil, t.close(err)
	}
	progress := a.streams.Progress("fetching", "bytes", 0)
	fetch := source.New(source.Options{Dir: dir, Tmp: dir, Progress: &meter{progress}})
	res, err := fetch.Fetch(ctx, source.Request{Source: from, Dest: filepath.Join(dir, spoolName)})
	progress.Done()
	if err == nil && len(res.Pins) != 1 {
		err = fault.New(fault.Internal, "cannot read %s: %d files came", from.Shown, len(res.Pins))
	}
	if err != nil {
		return nil, t.close(err)
	}
	f, err := dataset.FromFS(os.DirFS(dir), spoolName, shownURL(where))
	if err != nil {
		return nil, t.close(err)
	}
	t.files = []dataset.File{f}
	t.refer = func(context.Context) (gate.Ref, error) {
		return gate.Ref{Kind: refURL, ID: res.Pins[0].Digest, Name: from.Shown}, nil
	}
	return t, nil
}

// bucketWhere is a URL of a bucket, taken apart.
type bucketWhere struct {
	typed, scheme, host, key, query string
}

func (w bucketWhere) shown(key string) string { return w.scheme + "://" + w.host + "/" + key }

// bucketTable is an object, all objects below a prefix, or those that fit a pattern. Of Parquet only the parts are read that are asked for.
func (a *app) bucketTable(ctx context.Context, w bucketWhere) (*tableFiles, error) {
	place := w.scheme + "://" + w.host
	if w.query != "" {
		place += "?" + w.query
	}
	b, err := bucket.Open(ctx, place, bucket.Options{Now: a.now, Note: a.streams.Why, Env: os.Getenv})
	if err != nil {
		return nil, err
	}
	t := &tableFiles{closes: []func() error{b.Close}}
	objects, err := w.objects(ctx, b)
	if err != nil {
		return nil, t.close(fault.New(fault.KindOf(err), "cannot read %s: %w", w.shown(w.key), err))
	}
	h := sha256.New()
	for _, o := range objects {
		t.files = append(t.files, objectFile(b, o, w.shown(o.Key)))
		fmt.Fprintf(h, "%d %s %q\n", o.Size, o.Modified.UTC().Format(time.RFC3339Nano), w.shown(o.Key))
	}
	t.refer = func(context.Context) (gate.Ref, error) {
		return gate.Ref{Kind: refBucket, ID: object.Digest(h.Sum(nil)), Name: w.shown(w.key)}, nil
	}
	return t, nil
}

// objects lists the objects of the table in natural order.
func (w bucketWhere) objects(ctx context.Context, b *bucket.Bucket) ([]bucket.Object, error) {
	prefix, pattern := w.key, ""
	if strings.ContainsAny(w.key, "*[") {
		prefix, pattern = splitTablePattern(w.key)
		if prefix == "." {
			prefix = ""
		}
	}
	byName := map[string]bucket.Object{}
	var names []string
	looked := 0
	for o, err := range b.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if looked++; looked > maxObjects {
			return nil, fault.New(fault.Usage, "there are more than %d objects below it", maxObjects)
		}
		if pattern == "" && o.Key == prefix {
			return []bucket.Object{o}, nil
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(o.Key, prefix), "/")
		inside := prefix == "" || strings.HasPrefix(o.Key, prefix+"/")
		if inside && !strings.HasSuffix(rel, "/") && (pattern == "" || repo.Match(pattern, rel)) && dataset.Counts(rel) {
			byName[o.Key] = o
			names = append(names, o.Key)
		}
	}
	if pattern == "" {
		names = dataset.OnlyTables(names)
	}
	if len(names) == 0 {
		return nil, fault.New(fault.NotFound, "there is no object of this name, nor any below it")
	}
	slices.SortFunc(names, dataset.Natural)
	found := make([]bucket.Object, len(names))
	for i, name := range names {
		found[i] = byName[name]
	}
	return found, nil
}

func objectFile(b *bucket.Bucket, o bucket.Object, shown string) dataset.File {
	return dataset.File{Name: shown, Size: o.Size,
		Open: func(ctx context.Context) (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { w.CloseWithError(b.ReadTo(ctx, o.Key, 0, o.Size, w)) }()
			return r, nil
		},
		At: func(ctx context.Context) (dataset.Random, error) { return &objectAt{ctx, b, o}, nil },
	}
}

// objectAt reads parts of an object.
type objectAt struct {
	ctx context.Context //nolint:containedctx // io.ReaderAt has no other way to carry it
	b   *bucket.Bucket
	o   bucket.Object
}

func (r *objectAt) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), r.o.Size-off)
	if off < 0 || n < 0 {
		return 0, io.EOF
	}
	data, err := r.b.ReadRange(r.ctx, r.o.Key, off, n)
	if err != nil {
		return 0, err
	}
	if k := copy(p, data); k < len(p) {
		return k, io.EOF
	}
	return len(p), nil
}

func (r *objectAt) Close() error { return nil }
