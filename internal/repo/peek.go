package repo

import (
	"context"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// Peek is one commit of a git repository elsewhere, without a clone of it: git fetches the commit, its trees, and of the
// files only those that are read. It uses the git program, so that whatever gives the user access for git does so here.
type Peek struct {
	Commit string // full hex
	dir    string
	url    string
}

// OpenPeek fetches what rev names in the repository at url into a folder below tmp. rev is a branch, tag or commit, or what
// git says of one (HEAD~2): for that the whole history is fetched, still without files.
func OpenPeek(ctx context.Context, tmp, url, rev string) (*Peek, error) {
	if strings.HasPrefix(url, "-") || strings.Contains(url, "::") || strings.HasPrefix(rev, "-") || strings.ContainsAny(rev, " :\x00\n") {
		return nil, fault.New(fault.Usage, "cannot ask git for %s of %s: neither may be a flag or a helper program of git", rev, PlainURL(url))
	}
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	dir, err := os.MkdirTemp(tmp, "peek-*")
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	p := &Peek{dir: dir, url: url}
	if err := p.fetch(ctx, rev); err != nil {
		_ = p.Close() // the first error is the one that matters
		return nil, err
	}
	return p, nil
}

// Close removes what was fetched.
func (p *Peek) Close() error { return os.RemoveAll(p.dir) }

func (p *Peek) fetch(ctx context.Context, rev string) error {
	for _, args := range [][]string{{"init", "-q", "--bare"}, {"remote", "add", "origin", p.url}} {
		if _, err := p.git(ctx, args...); err != nil {
			return err
		}
	}
	_, err := p.git(ctx, "fetch", "-q", "--no-tags", "--depth=1", "--filter=blob:none", "origin", rev)
	if err == nil {
		return p.resolve(ctx, "FETCH_HEAD", rev)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if unreachable(err) {
		return p.failed(err)
	}
	if _, err := p.git(ctx, "fetch", "-q", "--filter=blob:none", "origin", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "HEAD"); err != nil {
		return p.failed(err)
	}
	if name, ok := strings.CutPrefix(rev, "HEAD"); ok {
		rev = "FETCH_HEAD" + name
		if _, err := p.git(ctx, "update-ref", "--no-deref", "HEAD", "FETCH_HEAD"); err == nil {
			rev = "HEAD" + name
		}
	}
	return p.resolve(ctx, rev, rev)
}

func (p *Peek) resolve(ctx context.Context, name, rev string) error {
	out, err := p.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return fault.New(fault.NotFound, "cannot find %s in %s: git knows no such revision there", rev, PlainURL(p.url)).
			Hint("git ls-remote %s   # lists branches and tags", shellWord(PlainURL(p.url)))
	}
	p.Commit = strings.TrimSpace(string(out))
	return nil
}

// unreachable says whether git could not talk to the repository at all.
func unreachable(err error) bool {
	text := err.Error()
	for _, part := range []string{"not appear to be a git repository", "Could not read from remote", "unable to access", "not found", "Authentication failed",
		"could not read Username", "Permission denied"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func (p *Peek) failed(err error) error {
	kind := fault.KindOf(err)
	switch text := err.Error(); {
	case strings.Contains(text, "not appear to be a git repository"), strings.Contains(text, "not found"):
		kind = fault.NotFound
	case strings.Contains(text, "Authentication"), strings.Contains(text, "Username"), strings.Contains(text, "ermission denied"):
		kind = fault.Denied
	case kind == fault.Conflict:
		kind = fault.Unavailable
	}
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "cannot ask git: "), p.url, PlainURL(p.url))
	return fault.New(kind, "cannot read %s: %s", PlainURL(p.url), text).
		Hint("git ls-remote %s   # what git itself says", shellWord(PlainURL(p.url)))
}

// git runs git in the folder. Unlike elsewhere it may fetch the files that it needs.
func (p *Peek) git(ctx context.Context, args ...string) ([]byte, error) {
	cmd := gitCommand(ctx, p.dir, append([]string{"-c", "protocol.ext.allow=never", "-c", "gc.auto=0"}, args...)...)
	cmd.Env = append(cmd.Env, "GIT_NO_LAZY_FETCH=0", "GIT_DIR="+p.dir)
	return runGit(ctx, cmd)
}

// Read returns a file of the commit, by its path from the root of the git repository. One that is not there is
// fs.ErrNotExist.
func (p *Peek) Read(ctx context.Context, name string) ([]byte, error) {
	out, err := p.git(ctx, "ls-tree", "-z", "--full-tree", p.Commit, "--", ":(literal)"+name)
	if err != nil {
		return nil, p.failed(err)
	}
	for _, line := range splitZ(out) {
		head, at, _ := strings.Cut(line, "\t")
		words := strings.Fields(head)
		if at != name || len(words) != 3 || words[1] != "blob" || words[0] == "120000" {
			continue
		}
		text, err := p.git(ctx, "cat-file", "blob", words[2])
		if err == nil && len(text) > maxConfig {
			err = fault.New(fault.Usage, "cannot read %s of %s: it is larger than %d bytes", name, PlainURL(p.url), maxConfig)
		}
		if err != nil {
			return nil, p.failed(err)
		}
		return text, nil
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}

// Pointers lists the data that the commit tracks in a folder, by path from the root of the git repository.
func (p *Peek) Pointers(ctx context.Context, folder string) ([]string, error) {
	args := []string{"ls-tree", "-r", "-z", "--full-tree", "--name-only", p.Commit}
	if folder != "" && folder != "." {
		args = append(args, "--", ":(literal)"+folder)
	}
	out, err := p.git(ctx, args...)
	if err != nil {
		return nil, p.failed(err)
	}
	var all []string
	for _, name := range splitZ(out) {
		if isPointerName(path.Base(name)) {
			all = append(all, strings.TrimSuffix(name, PointerExt))
		}
	}
	return all, nil
}

// Config reads the mlx.yaml that a path of the commit belongs to: the nearest one above it.
func (p *Peek) Config(ctx context.Context, name string) (*Config, error) {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		text, err := p.Read(ctx, path.Join(dir, ConfigName))
		if err == nil {
			c, err := ParseConfig(text)
			if err != nil {
				return nil, fault.New(fault.KindOf(err), "cannot read %s of %s: %w", ConfigName, PlainURL(p.url), err)
			}
			return c, nil
		}
		if fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		if dir == "." || dir == "/" {
			return nil, fault.New(fault.NotFound, "cannot use %s: it has no %s", PlainURL(p.url), ConfigName).
				Hint("mlx init   # there")
		}
	}
}

// PlainURL is a URL without a password in it.
func PlainURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	return u.Redacted()
}

// IsBareGit says whether a folder is a git repository without a work tree.
func IsBareGit(dir string) bool {
	return isFile(filepath.Join(dir, "HEAD")) && isDir(filepath.Join(dir, "objects")) && isDir(filepath.Join(dir, "refs"))
}
