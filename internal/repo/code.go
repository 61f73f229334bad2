package repo

import (
	"context"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// code limits git to what is code: the project without pointer files, which are data and recorded by their digests.
func (r *Repo) code() []string {
	return []string{"--", ".", ":(exclude,glob)**/*" + PointerExt}
}

// delicate are the patterns of files whose changes are looked at one by one, below any folder: what may hold secrets, and
// notebooks, which keep results beside their code.
func delicate() []string {
	return []string{".env", ".env.*", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*" + notebookExt}
}

// Patch is how tracked code differs from the commit.
type Patch struct {
	Text    []byte   // as git apply takes it, from the top of the work tree; empty when nothing differs
	LeftOut []string // changed files that may hold secrets and are not in Text, relative to Root
}

// Dirty says whether tracked code differs from the commit, staged or not. Pointer files do not count.
func (r *Repo) Dirty(ctx context.Context) (bool, error) {
	if r.NoGit {
		return false, nil
	}
	out, err := r.git(ctx, append([]string{"status", "--porcelain", "--untracked-files=no"}, r.code()...)...)
	return len(out) > 0, err
}

// Patch returns the difference of tracked code to the commit, staged or not. Files that may hold secrets are not in it.
// Notebooks are in it without what running them wrote: outputs, counts and the state of widgets.
func (r *Repo) Patch(ctx context.Context) (Patch, error) {
	if r.NoGit {
		return Patch{}, nil
	}
	head, err := r.Head(ctx)
	if err != nil {
		return Patch{}, err
	}
	d := differ{r: r, base: "HEAD"}
	if head.Commit == "" {
		d.base = "--cached" // before the first commit: all that is staged
	}
	type answer struct {
		changed []changedFile
		err     error
	}
	asked := make(chan answer, 1) // beside the patch itself: both take as long as git takes to look at every file
	go func() {
		changed, err := d.delicate(ctx)
		asked <- answer{changed, err}
	}()
	specs := r.code()
	for _, pattern := range delicate() {
		specs = append(specs, ":(exclude,glob,icase)**/"+pattern)
	}
	text, err := d.diff(ctx, specs)
	looked := <-asked
	if err == nil {
		err = looked.err
	}
	if err != nil {
		return Patch{}, err
	}
	return d.add(ctx, Patch{Text: text}, looked.changed)
}

// differ compares the work tree with base.
type differ struct {
	r    *Repo
	base string
}

func (d differ) diff(ctx context.Context, specs []string) ([]byte, error) {
	args := []string{"-c", "core.quotePath=true", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "diff", d.base, "--binary",
		"--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "--src-prefix=a/", "--dst-prefix=b/"}
	return d.r.git(ctx, append(args, specs...)...)
}

// changedFile is one line of git diff --raw.
type changedFile struct {
	path     string // relative to Root, with slashes
	oldMode  string // 000000 when it is new
	newMode  string // 000000 when it is gone
	old, new string // blobs; all zeros when there is none, or it is in no blob yet
}

// delicate lists the changed files that are to be looked at one by one.
func (d differ) delicate(ctx context.Context) ([]changedFile, error) {
	args := []string{"diff", d.base, "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff", "--relative", "--",
		":(exclude,glob)**/*" + PointerExt}
	for _, pattern := range delicate() {
		args = append(args, ":(glob,icase)**/"+pattern)
	}
	out, err := d.r.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	words := splitZ(out)
	var all []changedFile
	for ; len(words) >= 2; words = words[2:] {
		fields := strings.Fields(strings.TrimPrefix(words[0], ":"))
		if len(fields) != 5 {
			return nil, fault.New(fault.Integrity, "cannot read the changes that git lists: %.80q", words[0])
		}
		all = append(all, changedFile{path: words[1], oldMode: fields[0], newMode: fields[1], old: fields[2], new: fields[3]})
	}
	return all, nil
}

// add puts delicate files into a patch, as far as they may be there.
func (d differ) add(ctx context.Context, p Patch, changed []changedFile) (Patch, error) {
	var plain []string
	var notebooks []notebookChange
	for _, c := range changed {
		switch {
		case MayHoldSecrets(c.path):
			p.LeftOut = append(p.LeftOut, c.path)
		case strings.EqualFold(path.Ext(c.path), notebookExt):
			n, ok := d.notebook(ctx, c)
			if !ok { // gone, a link, no notebook inside: a file like any other
				plain = append(plain, ":(literal)"+c.path)
			} else if n.changed {
				notebooks = append(notebooks, n)
			}
		default:
			plain = append(plain, ":(literal)"+c.path)
		}
	}
	if len(plain) > 0 {
		text, err := d.diff(ctx, append([]string{"--"}, plain...))
		if err != nil {
			return Patch{}, err
		}
		p.Text = append(p.Text, text...)
	}
	if len(notebooks) > 0 {
		text, err := d.r.notebookPatch(ctx, notebooks)
		if err != nil {
			return Patch{}, err
		}
		p.Text = append(p.Text, text...)
	}
	return p, nil
}

// MayHoldSecrets says by its name whether a file is one that commonly holds passwords or private keys.
func MayHoldSecrets(file string) bool {
	name := strings.ToLower(path.Base(file))
	if slices.Contains([]string{".env.example", ".env.sample", ".env.template", ".env.dist"}, name) || strings.HasSuffix(name, ".pub") {
		return false
	}
	return name == ".env" || slices.ContainsFunc([]string{".env.", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"}, func(begin string) bool {
		return strings.HasPrefix(name, begin)
	}) || slices.Contains([]string{".pem", ".key"}, path.Ext(name))
}

// Untracked returns code that git neither tracks nor ignores, relative to Root. A folder that is a repository of its own
// ends with a slash.
func (r *Repo) Untracked(ctx context.Context) ([]string, error) {
	if r.NoGit {
		return nil, nil
	}
	out, err := r.git(ctx, append([]string{"ls-files", "--others", "--exclude-standard", "-z"}, r.code()...)...)
	return splitZ(out), err
}
