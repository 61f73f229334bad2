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

// isDelicate says whether the changes of a file are looked at on their own: those of files that may hold secrets, and of
// notebooks, which keep results beside their code.
func isDelicate(file string) bool {
	return MayHoldSecrets(file) || strings.EqualFold(path.Ext(file), notebookExt)
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
	changed, err := d.changed(ctx)
	if err != nil || len(changed) == 0 {
		return Patch{}, err
	}
	var p Patch
	var alone []changedFile
	for _, c := range changed {
		if isDelicate(c.path) {
			alone = append(alone, c)
		}
	}
	if len(alone) < len(changed) {
		specs := r.code()
		for _, c := range alone {
			specs = append(specs, ":(exclude,literal)"+c.path)
		}
		if p.Text, err = d.diff(ctx, specs); err != nil {
			return Patch{}, err
		}
	}
	return d.add(ctx, p, alone)
}

// differ compares the work tree with base.
type differ struct {
	r    *Repo
	base string
}

func (d differ) diff(ctx context.Context, specs []string) ([]byte, error) {
	args := []string{"-c", "core.quotePath=true", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "diff", d.base, "--binary", "--submodule=short", "-U3",
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

// changed lists the code that differs.
func (d differ) changed(ctx context.Context) ([]changedFile, error) {
	args := []string{"diff", d.base, "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff", "--relative"}
	args = append(args, d.r.code()...)
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
		if MayHoldSecrets(c.path) {
			p.LeftOut = append(p.LeftOut, c.path)
			continue
		}
		n, ok := d.notebook(ctx, c)
		if !ok { // gone, a link, no notebook inside: a file like any other
			plain = append(plain, ":(literal)"+c.path)
		} else if n.changed {
			notebooks = append(notebooks, n)
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
