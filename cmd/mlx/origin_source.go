package main

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

// sourceKind is what a SOURCE of --from is.
type sourceKind int

const (
	sourceRepository sourceKind = iota // an mlx repository on this machine
	sourceGit                          // a git repository, by its address
	sourceBucket                       // a remote, by its address
)

// fromPlace is SOURCE of --from.
type fromPlace struct {
	kind  sourceKind
	typed string
	value string // folder, address for git, URL of a bucket
}

// sourceOf finds out what SOURCE is: by its scheme, and for a folder by what lies in it.
func (a *app) sourceOf(typed string) (fromPlace, error) {
	s := fromPlace{typed: typed, value: typed}
	scheme, _, hasScheme := strings.Cut(typed, "://")
	rest := typed
	switch {
	case hasScheme && (scheme == "s3" || scheme == "gs" || scheme == "azblob"):
		s.kind = sourceBucket
		return s, nil
	case hasScheme && scheme == "file":
		u, err := url.Parse(typed)
		if err != nil || u.Host != "" {
			return s, fault.New(fault.Usage, "cannot use %s: it is no URL of a folder", typed).Hint("--from file:///PATH   # three slashes")
		}
		rest = filepath.FromSlash(u.Path)
	case hasScheme || regexp.MustCompile(`^[^/\\:@]+@[^/\\:]+:`).MatchString(typed):
		s.kind = sourceGit
		return s, nil
	}
	dir, err := a.cwd()
	if err != nil {
		return s, err
	}
	if !filepath.IsAbs(rest) {
		rest = filepath.Join(dir, rest)
	}
	return s.inFolder(rest)
}

// inFolder finds out what a folder of this machine is.
func (s fromPlace) inFolder(dir string) (fromPlace, error) {
	s.value = dir
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return s, fault.New(fault.NotFound, "cannot use %s: there is no such folder", s.typed).
			Hint("--from takes a repository on this machine, an address that git understands, or s3:// gs:// azblob:// file://")
	}
	switch {
	case isRemoteFolder(dir):
		s.kind, s.value = sourceBucket, remoteURL(dir, dir)
		return s, nil
	case repo.IsBareGit(dir):
		s.kind = sourceGit
		return s, nil
	}
	if _, err := repo.Find(dir); err == nil {
		s.kind = sourceRepository
		return s, nil
	} else if _, gitErr := os.Lstat(filepath.Join(dir, ".git")); gitErr == nil {
		s.kind = sourceGit
		return s, nil
	}
	return s, fault.New(fault.NotFound, "cannot use %s: it is no mlx repository, no git repository and no remote", s.typed).
		Hint("ls %s   # a remote has a folder log, a repository mlx.yaml", shellWord(dir))
}

// isRemoteFolder says whether a folder holds the log of a remote.
func isRemoteFolder(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "log", "0000000000000000"))
	return err == nil && info.Mode().IsRegular()
}
