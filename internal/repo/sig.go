package repo

import (
	"context"
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

func (r *Repo) IsTracked(ctx context.Context, path string) (Tracked, error) { panic(1) }
func (r *Repo) IgnoreData(path string) (changed bool, err error)            { panic(1) }
func (r *Repo) InstallHooks(ctx context.Context) ([]string, error)          { panic(1) }
