package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// hookMark is in every hook that mlx wrote.
const hookMark = "# Written by mlx init --hooks"

// hookScript runs the hook that was there before, then mlx. A machine without mlx can still use the repository.
const hookScript = `#!/bin/sh
` + hookMark + `: restores the data of the commit that git has checked out.
if [ -x "$0.before-mlx" ]; then
	"$0.before-mlx" "$@" || exit $?
fi
if ! command -v mlx >/dev/null 2>&1; then
	echo "mlx is not installed: data was not checked out" >&2
	exit 0
fi
exec mlx hook %s "$@"
`

// InstallHooks makes git restore data by itself: after a checkout, a merge and a rebase. A hook that is there already
// is kept and runs first. It returns the names of the hooks that were written.
func (r *Repo) InstallHooks(ctx context.Context) ([]string, error) {
	if r.NoGit {
		return nil, fault.New(fault.Usage, "cannot install hooks: this project is outside git")
	}
	dir, err := r.hooksDir(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot install hooks: %w", err)
	}
	var written []string
	for _, name := range []string{"post-checkout", "post-merge", "post-rewrite"} {
		changed, err := installHook(filepath.Join(dir, name), fmt.Sprintf(hookScript, name))
		if err != nil {
			return written, fault.New(fault.KindOf(err), "cannot install hook %s: %w", name, err)
		}
		if changed {
			written = append(written, name)
		}
	}
	return written, nil
}

// hooksDir returns the folder in which git looks for hooks. One that other repositories share is refused.
func (r *Repo) hooksDir(ctx context.Context) (string, error) {
	out, err := r.git(ctx, "rev-parse", "--git-path", "hooks")
	if err != nil {
		return "", err
	}
	dir := resolveFrom(r.Root, strings.TrimRight(string(out), "\r\n"))
	real, err := nearestCanonical(dir)
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot install hooks: %w", err)
	}
	if !within(real, r.WorkTree) && !within(real, r.CommonDir) {
		return "", fault.New(fault.Conflict, "cannot install hooks: core.hooksPath is %s, which other repositories share", dir).
			Hint(`git config core.hooksPath %s   # hooks of this repository alone`, shellWord(filepath.Join(r.CommonDir, "hooks")))
	}
	return dir, nil
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func installHook(file, script string) (changed bool, err error) {
	old, err := readSmall(file, 1<<20)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case string(old) == script:
		return false, nil
	case !strings.Contains(string(old), hookMark):
		if err := linkNew(file, file+".before-mlx"); err != nil {
			return false, err
		}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, WriteFile(file, []byte(script), 0o777)
}
