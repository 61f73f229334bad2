package repo

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// Store returns the folder of the snapshot store: the setting, else the one that all projects of the clone share.
func (r *Repo) Store(s *Settings) string {
	if s != nil {
		if dir, _ := s.Get("store"); dir != "" {
			return resolveFrom(r.Root, dir)
		}
	}
	return filepath.Join(r.Shared, "store")
}

// Ledger returns the folder of the project's ledger.
func (r *Repo) Ledger() string { return filepath.Join(r.Home, "ledger") }

// Tmp returns a folder for temporary files on the file system of the state.
func (r *Repo) Tmp() string { return filepath.Join(r.Home, "tmp") }

// WorkspaceIndex returns the folder of what is remembered about the files of this worktree. It can be deleted.
func (r *Repo) WorkspaceIndex() string { return filepath.Join(r.Home, "index", r.worktreeID()) }

// worktreeID names the worktree inside the clone: git's own name for a linked one, "main" for the first.
func (r *Repo) worktreeID() string {
	if r.NoGit || r.GitDir == r.CommonDir {
		return "main"
	}
	sum := sha256.Sum256([]byte(r.GitDir))
	return filepath.Base(r.GitDir) + "-" + hex.EncodeToString(sum[:4])
}

// CloneID returns the random name of this clone, 32 hex digits, made at the first call and kept for ever. A read-only
// repository that has none yet is an error of kind Denied.
func (r *Repo) CloneID() (string, error) {
	file := filepath.Join(r.Home, "clone-id")
	for range 2 {
		text, err := readSmall(file, 64)
		if id := strings.TrimSpace(string(text)); err == nil && len(id) == 32 {
			return id, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fault.New(fault.KindOf(err), "cannot read the id of this clone: %w", err)
		}
		if err := createOnce(file, []byte(randomHex(16)+"\n")); err != nil {
			return "", fault.New(fault.KindOf(err), "cannot name this clone: %w", err)
		}
	}
	return "", fault.New(fault.Integrity, "cannot read the id of this clone: %s is damaged", file)
}

// Rel returns path, absolute or relative to the current folder of the process, relative to Root with slashes.
// A path outside the project is an error. The path itself need not exist and is not followed when it is a link.
func (r *Repo) Rel(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fault.New(fault.Usage, "cannot use %s: %w", path, err)
	}
	if dir, err := nearestCanonical(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	rel, err := filepath.Rel(r.Root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fault.New(fault.Usage, "cannot use %s: it is outside %s", path, r.Root)
	}
	return filepath.ToSlash(rel), nil
}

// Abs returns the absolute path of a slash path relative to Root.
func (r *Repo) Abs(rel string) string { return filepath.Join(r.Root, filepath.FromSlash(rel)) }

// prefix is Root relative to the work tree with a trailing slash, or "" when both are the same.
func (r *Repo) prefix() string {
	rel, err := filepath.Rel(r.WorkTree, r.Root)
	if err != nil || rel == "." {
		return ""
	}
	return filepath.ToSlash(rel) + "/"
}

// canonical makes path absolute and follows its symbolic links.
func canonical(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// nearestCanonical follows the links of the longest existing part of dir.
func nearestCanonical(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
		return real, err
	}
	up, err := nearestCanonical(filepath.Dir(dir))
	return filepath.Join(up, filepath.Base(dir)), err
}

func resolveFrom(dir, path string) string {
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readSmall reads a file that must not be longer than limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fault.New(fault.Usage, "%s is larger than %d bytes", path, limit)
	}
	return data, err
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program itself when the system has no randomness
	return hex.EncodeToString(b)
}
