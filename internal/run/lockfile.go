package run

import (
	"crypto/sha256"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/object"
)

// Bounds of lock files.
const (
	maxLockFile  = 50 << 20 // a larger one is none
	maxLockFiles = 50
)

// lockPatterns are the names of files that fix versions of packages.
func lockPatterns() []string {
	return []string{"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "pylock.*.toml", "pixi.lock", "requirements*.txt", "environment.y*ml",
		"conda-lock.yml", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Cargo.lock", "go.sum", "renv.lock", "Manifest.toml"}
}

// lockFiles returns the lock files in the root of the repository and in the working folder, in the order of their paths.
func lockFiles(root, dir string) []LockFile {
	var all []LockFile
	folders := []string{root}
	if rel, err := filepath.Rel(root, dir); err == nil && rel != "." && filepath.IsLocal(rel) {
		folders = append(folders, dir)
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if len(all) >= maxLockFiles {
				break
			}
			if !isLockName(e.Name()) {
				continue
			}
			file := filepath.Join(folder, e.Name())
			digest, ok := digestOf(file, maxLockFile)
			rel, err := filepath.Rel(root, file)
			if ok && err == nil {
				all = append(all, LockFile{Path: text(filepath.ToSlash(rel)), Digest: digest})
			}
		}
	}
	slices.SortFunc(all, func(a, b LockFile) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func isLockName(name string) bool {
	return slices.ContainsFunc(lockPatterns(), func(p string) bool { is, err := path.Match(p, name); return err == nil && is })
}

// digestOf returns the SHA-256 of a regular file that is no longer than limit.
func digestOf(file string, limit int64) (object.Digest, bool) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		return object.Digest{}, false
	}
	f, err := os.Open(file)
	if err != nil {
		return object.Digest{}, false
	}
	defer f.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, io.LimitReader(f, limit+1)); err != nil || n > limit {
		return object.Digest{}, false
	}
	return object.Digest(sum.Sum(nil)), true
}

// readHead returns the first bytes of a regular file, at most limit.
func readHead(file string, limit int64) ([]byte, bool) {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, false
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return text, err == nil
}
