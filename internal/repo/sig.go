package repo

import (
	"context"
	"iter"
)

type InitOptions struct{ NoGit, Hooks bool }
type Created struct {
	Config, Home bool
	Hooks        []string
}

func Init(ctx context.Context, dir string, o InitOptions) (*Repo, Created, error) { panic(1) }

type Settings struct{}
type Setting struct{ Key, Value, Source string }

func LoadSettings(r *Repo, environ []string, userDir string, flags map[string]string) (*Settings, error) {
	panic(1)
}
func (s *Settings) Get(key string) (value, source string)  { panic(1) }
func (s *Settings) List() []Setting                        { panic(1) }
func (s *Settings) Set(key, value string, user bool) error { panic(1) }

type GitState struct {
	Branch, Commit    string
	Detached, Shallow bool
}
type File struct {
	Path string
	Data []byte
}
type Tracked struct {
	Git   bool
	LFS   bool
	Files int
}
type Seen struct {
	Path  string
	Data  []byte
	Where string
}

func (r *Repo) Head(ctx context.Context) (GitState, error)                        { panic(1) }
func (r *Repo) Dirty(ctx context.Context) (bool, error)                           { panic(1) }
func (r *Repo) Patch(ctx context.Context) ([]byte, error)                         { panic(1) }
func (r *Repo) Resolve(ctx context.Context, rev string) (string, error)           { panic(1) }
func (r *Repo) FileAt(ctx context.Context, commit, path string) ([]byte, error)   { panic(1) }
func (r *Repo) FilesAt(ctx context.Context, commit string) iter.Seq2[File, error] { panic(1) }
func (r *Repo) IsTracked(ctx context.Context, path string) (Tracked, error)       { panic(1) }
func (r *Repo) PointerRoots(ctx context.Context) iter.Seq2[Seen, error]           { panic(1) }
func (r *Repo) Pointers(ctx context.Context) ([]string, error)                    { panic(1) }
func (r *Repo) IgnoreData(path string) (changed bool, err error)                  { panic(1) }
func (r *Repo) Matcher(dir string) (func(rel string, isDir bool) bool, error)     { panic(1) }
func (r *Repo) InstallHooks(ctx context.Context) ([]string, error)                { panic(1) }
