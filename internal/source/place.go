package source

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // dvc names its objects by it
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/bucket"
	"mlx/internal/fault"
)

// place is where dvc keeps objects: a folder, a bucket, or a web server.
type place struct {
	name   string // for messages
	folder string
	bucket *bucket.Bucket
	web    string
}

// dvcKey names an object of dvc.
type dvcKey struct {
	md5    string
	folder bool // the list of one
}

// layouts are the paths that an object may have: of version 3, then of those before.
func (k dvcKey) layouts() []string {
	name := k.md5[:2] + "/" + k.md5[2:]
	if k.folder {
		name += ".dir"
	}
	return []string{"files/md5/" + name, name}
}

// dvcBytes writes an object from the first place that has it: the cache, the remote of the output, the default remote,
// and at last the work tree, where dvc leaves what it does not cache.
func (f *Fetcher) dvcBytes(ctx context.Context, r *dvcRepo, o dvcOut, k dvcKey, w io.Writer) error {
	var looked []string
	for _, name := range r.candidates(o) {
		p, err := r.place(name, func() (*place, error) { return f.openPlace(ctx, r, name) })
		if err != nil {
			looked = append(looked, err.Error())
			continue
		}
		for _, key := range k.layouts() {
			err := f.readPlace(ctx, p, key, w)
			if err == nil || !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		looked = append(looked, "not in "+p.name)
	}
	if !k.folder && !o.folder {
		if done, err := inWorkTree(r, o, k, w); done || err != nil {
			return err
		}
	}
	return fault.New(fault.NotFound, "md5 %s cannot be found: %s", k.md5, strings.Join(looked, "; ")).
		Hint("dvc fetch   # in its repository; or dvc push where the bytes are")
}

func (r *dvcRepo) candidates(o dvcOut) []string {
	names := []string{""}
	for _, n := range []string{o.remote, r.config.remote} {
		if n != "" && n != names[len(names)-1] {
			names = append(names, n)
		}
	}
	return names
}

// inWorkTree takes the file itself where it has the recorded sum.
func inWorkTree(r *dvcRepo, o dvcOut, k dvcKey, w io.Writer) (bool, error) {
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return false, err
	}
	defer func() { _ = root.Close() }() // it was only read
	in, err := root.Open(filepath.FromSlash(o.path))
	if err != nil {
		return false, nil //nolint:nilerr // not there
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	sum := md5.New() //nolint:gosec // see the import
	if _, err := io.Copy(sum, in); err != nil || hexSum(sum) != k.md5 {
		return false, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	_, err = io.Copy(w, in)
	return true, err
}

// place returns the cache or a remote, opened once for all the files that are read at the same time.
func (r *dvcRepo) place(name string, open func() (*place, error)) (*place, error) {
	r.lockPlaces.Lock()
	defer r.lockPlaces.Unlock()
	if p := r.places[name]; p != nil {
		return p, nil
	}
	p, err := open()
	if err == nil {
		r.places[name] = p
	}
	return p, err
}

// openPlace finds where a remote is by what .dvc/config says of it.
func (f *Fetcher) openPlace(ctx context.Context, r *dvcRepo, name string) (*place, error) {
	if name == "" {
		return &place{name: "the cache", folder: r.config.cache}, nil
	}
	settings, ok := r.config.remotes[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "remote %q is not in .dvc/config", name)
	}
	raw := settings["url"]
	p := &place{name: "remote " + name}
	scheme, rest, isURL := strings.Cut(raw, "://")
	switch {
	case raw == "":
		return nil, fault.New(fault.Usage, "remote %q has no url", name)
	case !isURL:
		p.folder = r.config.path(raw)
		return p, nil
	case scheme == "http" || scheme == "https":
		p.web = strings.TrimSuffix(raw, "/")
		return p, nil
	case scheme == "remote":
		return nil, fault.New(fault.Usage, "remote %q refers to another by %s", name, scheme)
	case scheme == "azure":
		raw = "azblob://" + rest
	case scheme != "s3" && scheme != "gs":
		return nil, fault.New(fault.Usage, "remote %q is reached by %s, which mlx does not speak", name, scheme).Hint("dvc fetch   # in its repository")
	}
	var err error
	p.bucket, err = bucket.Open(ctx, bucketURL(raw, settings), f.o.Buckets)
	return p, err
}

// bucketURL writes dvc's settings of a remote into its URL.
func bucketURL(raw string, settings map[string]string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" {
		return raw
	}
	query := u.Query()
	for from, to := range map[string]string{"region": "region", "profile": "profile", "endpointurl": "endpoint"} {
		if settings[from] != "" {
			query.Set(to, settings[from])
		}
	}
	if settings["endpointurl"] != "" {
		query.Set("use_path_style", "true")
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// readPlace writes an object, or says fs.ErrNotExist before it has written anything.
func (f *Fetcher) readPlace(ctx context.Context, p *place, key string, w io.Writer) error {
	switch {
	case p.bucket != nil:
		size, err := p.bucket.Size(ctx, key)
		if err != nil {
			return err
		}
		return p.bucket.ReadTo(ctx, key, 0, size, w)
	case p.web != "":
		return f.readWeb(ctx, p.web+"/"+key, w)
	}
	full := filepath.Join(p.folder, filepath.FromSlash(key))
	info, err := os.Stat(full)
	if err != nil {
		return bareNotExist(err)
	}
	if !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	return copySteady(ctx, full, info, w)
}

func bareNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return bare(err)
}

// readWeb reads a small file by http: objects of dvc are judged by their sum, so a cut one is noticed there.
func (f *Fetcher) readWeb(ctx context.Context, address string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fault.New(fault.Usage, "%s is no URL", Plain(address))
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := f.client.Do(req)
	if err != nil {
		return lost(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return fs.ErrNotExist
	case resp.StatusCode != http.StatusOK:
		return fault.New(fault.Unavailable, "%s answers %s", Plain(address), resp.Status)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

// dvcList reads the list of a folder and holds it against its sum.
func (f *Fetcher) dvcList(ctx context.Context, r *dvcRepo, o dvcOut) ([]listed, error) {
	text := &bounded{most: maxList}
	if err := f.dvcBytes(ctx, r, o, dvcKey{o.md5, true}, text); err != nil {
		return nil, err
	}
	sum := md5.New() //nolint:gosec // see the import
	sum.Write(text.b.Bytes())
	if hexSum(sum) != o.md5 {
		return nil, fault.New(fault.Integrity, "the list kept as md5 %s.dir has the sum %s", o.md5, hexSum(sum))
	}
	return parseList(text.b.Bytes())
}

// bounded keeps what is written, up to a limit.
type bounded struct {
	b    bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.b.Len()+len(p) > b.most {
		return 0, fault.New(fault.Usage, "more than %d bytes", b.most)
	}
	return b.b.Write(p)
}
