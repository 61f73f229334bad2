package source

import (
	"errors"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"mlx/internal/fault"
)

// Kind says how a source is read.
type Kind string

// The kinds of source, as records name them.
const (
	HTTP    Kind = "http"
	Local   Kind = "file"
	Bucket  Kind = "bucket"
	DVC     Kind = "dvc"
	Mlx     Kind = "mlx"
	Query   Kind = "postgres"
	Command Kind = "exec"
)

// Source is a place to import from.
type Source struct {
	Kind     Kind
	Shown    string // may be printed and recorded: without credentials; Parse reads it again
	Withheld bool   // the name had credentials that Shown has not

	given            string // as typed
	repo, ref, inner string // of dvc and mlx
}

const maxSource = 8 << 10

// Parse reads the name of a source; relative paths start in dir.
func Parse(word, dir string) (Source, error) {
	if word == "" || len(word) > maxSource || strings.ContainsAny(word, "\x00\n\r") && !strings.HasPrefix(word, "exec:") {
		return Source{}, fault.New(fault.Usage, "cannot import: a source is a URL or a path of one line").Hint("mlx help import")
	}
	scheme, rest, ok := strings.Cut(word, ":")
	if !ok || strings.ContainsAny(scheme, `/\.`) || len(scheme) < 2 || runtime.GOOS == "windows" && filepath.VolumeName(word) != "" {
		return localSource(word, dir)
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		return webSource(word)
	case "file":
		u, err := url.Parse(word)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
			return Source{}, fault.New(fault.Usage, "cannot import %s: it names no file of this machine", Plain(word)).Hint("mlx import file:///PATH")
		}
		return localSource(filepath.FromSlash(u.Path), dir)
	case "s3", "gs", "azblob":
		shown, found := Redact(word)
		return Source{Kind: Bucket, Shown: shown, Withheld: found, given: word}, nil
	case "postgres", "postgresql":
		shown, found := redactDatabase(word)
		return Source{Kind: Query, Shown: shown, Withheld: found, given: word}, nil
	case "exec":
		return commandSource(word, rest)
	case "dvc":
		return dvcSource(rest, dir)
	case "mlx":
		return mlxSource(rest, dir)
	}
	return Source{}, fault.New(fault.Usage, "cannot import %s: unknown kind of source %q", Plain(word), scheme).
		Hint("mlx help import   # lists the kinds; ./%s if it is a file", path.Base(Plain(word)))
}

// Plain is a word that somebody typed, fit to be printed.
func Plain(word string) string {
	clean, _ := Redact(word)
	return clean
}

func webSource(word string) (Source, error) {
	u, err := url.Parse(word)
	if err != nil || u.Host == "" {
		return Source{}, fault.New(fault.Usage, "cannot import %s: it is no URL", Plain(word)).Hint("mlx import https://HOST/PATH")
	}
	shown, found := Redact(word)
	return Source{Kind: HTTP, Shown: shown, Withheld: found, given: word}, nil
}

func localSource(word, dir string) (Source, error) {
	full := word
	if !filepath.IsAbs(full) {
		full = filepath.Join(dir, full)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Clean(full))}
	if !strings.HasPrefix(u.Path, "/") {
		u.Path = "/" + u.Path
	}
	return Source{Kind: Local, Shown: u.String(), given: filepath.Clean(full)}, nil
}

func commandSource(word, command string) (Source, error) {
	if strings.TrimSpace(command) == "" {
		return Source{}, fault.New(fault.Usage, "cannot import exec: it names no command").Hint("mlx import 'exec:snowsql -f export.sql' data/x.csv")
	}
	if holdsSecret(command) {
		return Source{}, fault.New(fault.Usage, "cannot import from a command line that holds a password: it would be recorded").
			Hint(`mlx import 'exec:export --password "$DB_PASSWORD"' PATH   # let the command read it from the environment`)
	}
	return Source{Kind: Command, Shown: word, given: command}, nil
}

// dvcSource splits REPO[:PATH]. A colon belongs to REPO when what stands before it is neither a folder nor a whole URL.
func dvcSource(rest, dir string) (Source, error) {
	repo, inner := rest, ""
	if at := strings.LastIndex(rest, ":"); at > 0 && !isFolder(rest, dir) && wholeRepo(rest[:at], dir) {
		repo, inner = rest[:at], rest[at+1:]
	}
	inner = strings.TrimSuffix(filepath.ToSlash(inner), "/")
	if repo == "" || strings.HasPrefix(repo, "-") || inner != "" && !validInner(inner) {
		return Source{}, fault.New(fault.Usage, "cannot import dvc:%s: it names no repository, or a path outside it", Plain(rest)).Hint("mlx import dvc:REPO:PATH")
	}
	s := Source{Kind: DVC, inner: inner}
	s.repo = absoluteRepo(repo, dir)
	shown, found := redactRepo(s.repo)
	s.Shown, s.Withheld, s.given = "dvc:"+shown, found, s.repo
	if inner != "" {
		s.Shown += ":" + inner
	}
	return s, nil
}

// At returns the source of one path of a dvc repository.
func (s Source) At(inner string) Source {
	s.Shown += ":" + inner
	s.inner = inner
	return s
}

// Whole reports whether a dvc source names a repository and no path in it.
func (s Source) Whole() bool { return s.Kind == DVC && s.inner == "" }

// Inner is the path inside a repository that is named, or "".
func (s Source) Inner() string { return s.inner }

func validInner(p string) bool { return path.Clean(p) == p && filepath.IsLocal(filepath.FromSlash(p)) }

func isFolder(p, dir string) bool {
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

func wholeRepo(p, dir string) bool {
	if scheme, rest, ok := strings.Cut(p, "://"); ok {
		_, inner, ok := strings.Cut(rest, "/")
		return ok && inner != "" || scheme == "file" && rest != ""
	}
	return strings.Contains(p, ":") || isFolder(p, dir)
}

func absoluteRepo(repo, dir string) string {
	if !strings.Contains(repo, "://") && isFolder(repo, dir) && !filepath.IsAbs(repo) {
		return filepath.Join(dir, repo)
	}
	return repo
}

// redactRepo leaves the user of ssh in a git URL: it is no secret and nothing works without it.
func redactRepo(repo string) (string, bool) {
	if strings.HasPrefix(repo, "ssh://") {
		return redactDatabase(repo)
	}
	if strings.Contains(repo, "://") {
		return Redact(repo)
	}
	return repo, false
}

// FromRepo is REF:PATH of another repository of mlx. Without a colon the word is a path of HEAD.
func FromRepo(repo, word, dir string) (Source, error) {
	ref, inner, ok := strings.Cut(word, ":")
	if !ok {
		ref, inner = "HEAD", word
	}
	if ref == "" {
		ref = "HEAD"
	}
	return mlxSource(escapeHash(absoluteRepo(repo, dir))+"#"+ref+":"+inner, dir)
}

func mlxSource(rest, dir string) (Source, error) {
	repo, word, ok := strings.Cut(rest, "#")
	ref, inner, ok2 := strings.Cut(word, ":")
	inner = strings.TrimSuffix(inner, "/")
	if repo = absoluteRepo(unescapeHash(repo), dir); !ok || !ok2 || repo == "" || ref == "" || strings.HasPrefix(repo, "-") || !validInner(inner) {
		return Source{}, fault.New(fault.Usage, "cannot import from another repository: it needs REF:PATH").Hint("mlx import --from REPO REF:PATH")
	}
	shown, found := redactRepo(repo)
	return Source{Kind: Mlx, Shown: "mlx:" + escapeHash(shown) + "#" + ref + ":" + inner, Withheld: found, repo: repo, ref: ref, inner: inner}, nil
}

func escapeHash(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "%", "%25"), "#", "%23")
}

func unescapeHash(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "%23", "#"), "%25", "%")
}

// Name is what the data is called when nobody says: the last part of the name, or "".
func (s Source) Name() string {
	name := ""
	switch s.Kind {
	case HTTP, Bucket, Local:
		if u, err := url.Parse(s.Shown); err == nil {
			name = path.Base("/" + strings.Trim(u.Path, "/"))
		}
	case DVC, Mlx:
		name = path.Base(s.inner)
	case Query, Command:
	}
	if name == "." || name == "/" || name == ".." || !validInner(name) {
		return ""
	}
	return name
}

// Command is what a person types to import from this source again, without the path.
func (s Source) Words() []string {
	if s.Kind == Mlx {
		return []string{"mlx", "import", "--from", s.repo, s.ref + ":" + s.inner}
	}
	return []string{"mlx", "import", s.Shown}
}

// failed names the source of a failure, without its credentials, and says what to do where some were left out.
func (s Source) failed(err error) error {
	e := fault.New(fault.KindOf(err), "cannot import %s: %w", s.Shown, err)
	var url *url.Error
	if errors.As(err, &url) {
		e = fault.New(fault.KindOf(err), "cannot import %s: %w", s.Shown, url.Err)
	}
	return e
}
