package repo

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"strings"

	"mlx/internal/fault"
)

// maxFolder bounds the files of a commit that are read at once.
const maxFolder = 256 << 20

// Tree is a folder as a commit has it.
type Tree struct {
	Commit string
	ID     string // of git: equal trees have equal files
	Files  fs.FS  // fs.ReadLinkFS
}

// TreeAt reads a folder of a commit, whatever the work tree looks like. Ends of lines are as in the commit. path is relative to Root; "." is
// all of the project.
func (r *Repo) TreeAt(ctx context.Context, rev, folder string) (Tree, error) {
	commit, err := r.Resolve(ctx, rev)
	if err != nil {
		return Tree{}, err
	}
	at := strings.TrimSuffix(path.Join(r.prefix(), folder), "/")
	if at == "." {
		at = ""
	}
	out, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", commit+":"+at)
	if err == nil { // it may be a file
		out, err = r.git(ctx, "rev-parse", "--verify", "--quiet", strings.TrimSpace(string(out))+"^{tree}")
	}
	if fault.KindOf(err) == fault.Conflict {
		return Tree{}, fault.New(fault.NotFound, "cannot read %s: commit %.12s has no such folder", folder, commit)
	}
	if err != nil {
		return Tree{}, err
	}
	t := Tree{Commit: commit, ID: strings.TrimSpace(string(out))}
	text, err := r.git(ctx, "-c", "core.autocrlf=false", "-c", "core.eol=lf", "archive", "--format=zip", "-0", t.ID)
	if err != nil {
		return Tree{}, err
	}
	if len(text) > maxFolder {
		return Tree{}, fault.New(fault.Usage, "cannot read %s of commit %.12s: it has more than %d MB", folder, commit, maxFolder>>20)
	}
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return Tree{}, fault.New(fault.Integrity, "cannot read %s of commit %.12s: %w", folder, commit, err)
	}
	t.Files = linkedZip{z}
	return t, nil
}

// linkedZip says where the symbolic links of a zip lead to: their content.
type linkedZip struct{ *zip.Reader }

// ReadLink implements fs.ReadLinkFS.
func (z linkedZip) ReadLink(name string) (string, error) {
	f, err := z.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	return string(text), err
}

// Lstat implements fs.ReadLinkFS: nothing here follows links.
func (z linkedZip) Lstat(name string) (fs.FileInfo, error) { return fs.Stat(z.Reader, name) }
