// Package source hides how bytes are brought from elsewhere: what a place is called, how it says that nothing changed,
// how a transfer that breaks is taken up again, and what of a name must never be written down. Callers see one request
// and get a file or folder beside the pins that tell, next time, what need not be read again.
package source

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// Pin is one file as it was when it was read: enough to tell later, without reading it, whether it is still the same.
type Pin struct {
	Name     string        `json:"name,omitempty"` // path inside the folder, with slashes; empty for a single file
	Bytes    int64         `json:"bytes"`
	ETag     string        `json:"etag,omitempty"`     // as the place wrote it: entity tag, MD5 of dvc, commit of mlx
	Modified string        `json:"modified,omitempty"` // as the place wrote it
	Digest   object.Digest `json:"digest"`             // SHA-256 of the bytes
}

// same reports whether two pins describe the same bytes without a digest: one of them was only looked at. A pin that says
// neither tag nor time proves nothing.
func (p Pin) same(o Pin) bool {
	sized := p.Bytes == o.Bytes || o.Bytes < 0 && p.ETag != "" // a sum needs no size
	return p.Name == o.Name && sized && p.ETag == o.ETag && p.Modified == o.Modified && (p.ETag != "" || p.Modified != "")
}

// Progress receives how many bytes are known and done. Add may be negative when a transfer starts again.
type Progress interface {
	SetTotal(n int64)
	Add(n int64)
}

// Options are what a Fetcher needs of the world. Config is needed for dvc, From for other repositories.
type Options struct {
	Dir      string                                         // folder in which commands run
	Tmp      string                                         // folder for clones, on any file system
	Environ  []string                                       // of commands
	Buckets  bucket.Options                                 // how buckets are opened
	Config   func(file string) (map[string]any, error)      // reads a YAML file
	From     func(ctx context.Context, w From) (Pin, error) // copies from another repository of mlx
	Progress Progress
	Jobs     int           // files of a folder read at once; 0 is 8
	Stall    time.Duration // no byte for so long is a broken connection; 0 is a minute
	Retries  int           // tries in a row without a byte; 0 is 6
	Wait     func(ctx context.Context, d time.Duration) error
	HTTP     http.RoundTripper // nil: with the proxy of the environment and the system's authorities
}

// From names a file or folder of a version in another repository, and where its copy goes.
type From struct {
	Repo, Ref, Inner string
	Dest             string
	Known            string // ETag of the pin at hand: the same again copies nothing
}

// Request is one import. Dest must not exist; its last name is that of the data.
type Request struct {
	Source Source
	Query  string
	Dest   string
	Pins   []Pin // of the version at hand
	Base   fs.FS // that version; nil when its bytes are not here

	Only func(name string) bool // of a bucket: which of the objects below the prefix are brought; nil is all of them
}

// Result is what was brought. When Changed is false, the version at hand is what the source holds, and whatever is at Dest
// has no use. Pins may differ from those of the request even then.
type Result struct {
	Changed bool
	Folder  bool
	Pins    []Pin
	Rows    *int64 // of a query
	Server  string // what a database said of the state that was read
}

// Fetcher brings bytes. Close removes the clones that it made.
type Fetcher struct {
	o      Options
	client *http.Client
	clones map[string]*dvcRepo
}

// New makes a Fetcher.
func New(o Options) *Fetcher {
	if o.Jobs <= 0 {
		o.Jobs = 8
	}
	if o.Stall <= 0 {
		o.Stall = time.Minute
	}
	if o.Retries <= 0 {
		o.Retries = 6
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Progress == nil {
		o.Progress = silent{}
	}
	return &Fetcher{o: o, client: newClient(o.HTTP), clones: make(map[string]*dvcRepo)}
}

// Close removes what was cloned.
func (f *Fetcher) Close() error {
	for _, r := range f.clones {
		r.close()
	}
	clear(f.clones)
	return nil
}

// Fetch brings what a request names. After an error nothing that matters is at Dest, and the caller removes it.
func (f *Fetcher) Fetch(ctx context.Context, q Request) (Result, error) {
	if q.Source.Kind != Query && q.Source.Kind != Command && q.Query != "" {
		return Result{}, fault.New(fault.Usage, "cannot import %s: a query needs a database", q.Source.Shown).
			Hint("mlx import --query SQL postgres://HOST/DB PATH").Hint("mlx import --query SQL exec:COMMAND PATH   # the query is $MLX_QUERY and stdin")
	}
	var res Result
	var err error
	switch q.Source.Kind {
	case HTTP:
		res, err = f.web(ctx, q)
	case Local:
		res, err = f.local(ctx, q)
	case Bucket:
		res, err = f.bucket(ctx, q)
	case DVC:
		res, err = f.dvc(ctx, q)
	case Mlx:
		res, err = f.mlx(ctx, q)
	case Query:
		res, err = f.postgres(ctx, q)
	case Command:
		res, err = f.command(ctx, q)
	default:
		return Result{}, fault.New(fault.Usage, "cannot import %s: no such kind of source", q.Source.Shown)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Result{}, q.Source.failed(err)
	}
	return res, nil
}

// mlx copies from another repository of mlx.
func (f *Fetcher) mlx(ctx context.Context, q Request) (Result, error) {
	if f.o.From == nil {
		return Result{}, fault.New(fault.Usage, "another repository cannot be read here")
	}
	w := From{Repo: q.Source.repo, Ref: q.Source.ref, Inner: q.Source.inner, Dest: q.Dest}
	if len(q.Pins) == 1 {
		w.Known = q.Pins[0].ETag
	}
	pin, err := f.o.From(ctx, w)
	if err != nil {
		return Result{}, err
	}
	info, err := os.Lstat(q.Dest)
	if err != nil && pin.ETag == w.Known {
		return Result{Pins: q.Pins}, nil
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Changed: true, Folder: info.IsDir(), Pins: []Pin{pin}}, nil
}

type silent struct{}

func (silent) SetTotal(int64) {}
func (silent) Add(int64)      {}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
