package repo

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// Schemes lists what the URL of a remote may begin with. A git remote carries records only, on refs/mlx/log.
func Schemes() []string { return []string{"file", "s3", "gs", "azblob", "git"} }

// maxURL bounds a URL, which is shown to whoever is asked to allow it.
const maxURL = 2048

// TrustValue is what a user allows when he allows the remote: where it is and for whom it is encrypted.
func (r Remote) TrustValue() string {
	if len(r.Encrypt) == 0 {
		return r.URL
	}
	return r.URL + " encrypted for " + strings.Join(r.Encrypt, ", ")
}

// Scheme returns what the URL begins with.
func (r Remote) Scheme() string {
	scheme, _, _ := strings.Cut(r.URL, ":")
	return scheme
}

// Default returns the name of the default remote: the one that is named so, or the only one; "" when there is none.
func (c *Config) Default() string {
	if c.DefaultRemote == "" && c.Remotes.Len() == 1 {
		return c.Remotes.Names()[0]
	}
	return c.DefaultRemote
}

// FindRemote returns the remote of a name; default names the default one.
func (c *Config) FindRemote(name string) (Remote, string, error) {
	if name == "" || name == "default" {
		name = c.Default()
	}
	switch remote, ok := c.Remotes.Get(name); {
	case ok:
		return remote, name, nil
	case c.Remotes.Len() == 0:
		return Remote{}, "", fault.New(fault.NotFound, "cannot find a remote: %s has none", ConfigName).
			Hint("mlx remote add NAME URL   # such as file:///srv/share or s3://bucket/folder")
	case name == "":
		return Remote{}, "", fault.New(fault.Usage, "cannot choose a remote: %s has %s and none is the default", ConfigName, strings.Join(c.Remotes.Names(), ", ")).
			Hint("mlx config set remote %s", shellWord(c.Remotes.Names()[0]))
	default:
		names := c.Remotes.Names()
		return Remote{}, "", fault.New(fault.NotFound, "cannot find remote %s", name).
			Hint("%s", suggestion(name, names, ConfigName+" has "+strings.Join(names, ", ")))
	}
}

// validateRemotes judges names, URLs and recipients, and the names that must be those of a remote.
func (c *Config) validateRemotes() error {
	for name, r := range c.Remotes.All() {
		if err := CheckRemoteName(name); err != nil {
			return failPosition(r.At, "remote %q: %w", name, err)
		}
		if err := CheckURL(r.URL); err != nil {
			return failPosition(r.At, "the URL of remote %s %w", name, err)
		}
		for _, recipient := range r.Encrypt {
			if err := CheckRecipient(recipient); err != nil {
				return failPosition(r.At, "remote %s: %w", name, err)
			}
		}
	}
	for _, key := range c.TrustedKeys {
		if !filepath.IsLocal(filepath.FromSlash(key)) {
			return fault.New(fault.Usage, "cannot read %s: the trusted key %q is no file of this project", ConfigName, key)
		}
	}
	if err := c.mustBeRemote("default_remote", c.DefaultRemote); err != nil {
		return err
	}
	if c.Runs.Push == "default" || c.Runs.Push == "never" {
		return nil
	}
	return c.mustBeRemote("runs.push", c.Runs.Push)
}

func (c *Config) mustBeRemote(key, name string) error {
	if _, ok := c.Remotes.Get(name); ok || name == "" {
		return nil
	}
	known, list := c.Remotes.Names(), ConfigName+" defines no remote"
	if len(known) > 0 {
		list = ConfigName + " has " + strings.Join(known, ", ")
	}
	return fault.New(fault.Usage, "cannot read %s: %s names the unknown remote %q", ConfigName, key, name).
		Hint("%s", suggestion(name, known, list))
}

// CheckRemoteName says whether a remote may be called so.
func CheckRemoteName(name string) error {
	switch {
	case name == "default" || name == "never":
		return fault.New(fault.Usage, "this word has a meaning of its own")
	case !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`).MatchString(name):
		return fault.New(fault.Usage, "a name has letters, digits, dots, dashes and underscores, at most 64, and begins with no dot or dash")
	}
	return nil
}

// CheckURL says what is wrong with the URL of a remote, as a predicate: "names no bucket". It repeats no part of the URL
// that could be a secret.
func CheckURL(raw string) error {
	scheme, rest, ok := strings.Cut(raw, ":")
	switch {
	case len(raw) > maxURL:
		return fault.New(fault.Usage, "has more than %d letters", maxURL)
	case strings.ContainsFunc(raw, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0xfffd }):
		return fault.New(fault.Usage, "holds control characters")
	case !ok || strings.ContainsAny(scheme, "/\\."):
		return fault.New(fault.Usage, "has no scheme").Hint("file:///srv/share, s3://bucket/folder, gs://, azblob:// or git:origin")
	case !slices.Contains(Schemes(), scheme):
		return fault.New(fault.Usage, "has the unknown scheme %q", scheme).
			Hint("%s", suggestion(scheme, Schemes(), "Schemes are "+strings.Join(Schemes(), ", ")))
	case scheme == "git":
		return checkGitURL(rest)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return fault.New(fault.Usage, "cannot be read")
	}
	if err := secretIn(u, scheme, 0); err != nil {
		return err
	}
	if u.Fragment != "" || u.Opaque != "" {
		return fault.New(fault.Usage, "is none such as %s://…", scheme)
	}
	if scheme == "file" {
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
			return fault.New(fault.Usage, "names no folder by its whole path").Hint("file:///srv/share   # three slashes")
		}
		return nil
	}
	if u.Hostname() == "" {
		return fault.New(fault.Usage, "names no bucket")
	}
	return nil
}

// checkGitURL judges what stands behind git: a remote of the clone or an address that git understands. A transport such
// as ext:: would run a command, and a word that begins with a dash would be a flag.
func checkGitURL(target string) error {
	bad := fault.New(fault.Usage, "is none that git can use safely: git takes a remote of this clone, a path, https:// or ssh://").
		Hint("git:origin   # records travel on a ref of the remote that git calls origin")
	if target == "" || strings.HasPrefix(target, "-") || strings.Contains(target, "::") {
		return bad
	}
	scheme, _, ok := strings.Cut(target, "://")
	if !ok {
		return nil // a name, a path or user@host:path
	}
	if !slices.Contains([]string{"https", "http", "ssh", "git", "file"}, scheme) {
		return bad
	}
	u, err := url.Parse(target)
	if err != nil {
		return fault.New(fault.Usage, "cannot be read")
	}
	if _, password := u.User.Password(); scheme == "ssh" && !password {
		u.User = nil // ssh://git@host: a login name, no secret
	}
	return secretIn(u, "git", 0)
}

// secretIn refuses a URL that carries what only credentials are for, also in a URL inside its query.
func secretIn(u *url.URL, scheme string, depth int) error {
	if u.User != nil {
		return fault.New(fault.Usage, "holds a user name or a password, and keys never stand in %s", ConfigName).
			Hint("%s", keepKeys(scheme))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fault.New(fault.Usage, "has a query that cannot be read")
	}
	for name, values := range query {
		low := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
		if low == "sig" || slices.ContainsFunc([]string{"secret", "token", "password", "accesskey", "accountkey", "credential", "signature", "privatekey"},
			func(word string) bool { return strings.Contains(low, word) }) {
			return fault.New(fault.Usage, "holds %q, and keys never stand in %s", name, ConfigName).
				Hint("%s", keepKeys(scheme))
		}
		for _, v := range values {
			if inner, err := url.Parse(v); err == nil && depth < 3 {
				if err := secretIn(inner, scheme, depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keepKeys says where the credentials of a scheme belong.
func keepKeys(scheme string) string {
	switch scheme {
	case "s3":
		return "aws configure --profile NAME   # then s3://bucket?profile=NAME, or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case "gs":
		return "gcloud auth application-default login   # or the variable GOOGLE_APPLICATION_CREDENTIALS"
	case "azblob":
		return "az login   # or the variables AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY"
	case "git":
		return "git config --global credential.helper cache   # git itself asks for the password and keeps it"
	}
	return "file:///srv/share   # a folder needs no credentials"
}
