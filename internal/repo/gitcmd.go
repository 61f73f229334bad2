package repo

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// errNoGit means that there is no git program on this machine.
var errNoGit = errors.New("the git program is not installed")

// gitCommand prepares the git program in dir. Git finds the repository by itself, because a folder given by --git-dir
// would skip its check of who owns it; so the variables by which a surrounding git (a hook, an alias) names another
// repository are taken out. It never prompts, never fetches objects that a partial clone left out, takes no locks.
func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	foreign := []string{"GIT_DIR=", "GIT_WORK_TREE=", "GIT_INDEX_FILE=", "GIT_COMMON_DIR=", "GIT_PREFIX=", "GIT_NAMESPACE=", "GIT_LITERAL_PATHSPECS="}
	env := slices.DeleteFunc(cmd.Environ(), func(v string) bool {
		return slices.ContainsFunc(foreign, func(name string) bool { return strings.HasPrefix(v, name) })
	})
	cmd.Env = append(env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_PAGER=cat")
	return cmd
}

// git runs the git program in the project and returns what it printed.
func (r *Repo) git(ctx context.Context, args ...string) ([]byte, error) {
	return runGit(ctx, gitCommand(ctx, r.gitFolder(), args...))
}

// gitFolder is where git is run: the project, or for a clone known only by its git folder that folder.
func (r *Repo) gitFolder() string {
	switch {
	case r.Root != "":
		return r.Root
	case filepath.Base(r.CommonDir) == ".git":
		return filepath.Dir(r.CommonDir)
	default:
		return r.CommonDir
	}
}

func runGit(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, gitError(ctx, err, errs.String())
	}
	return out.Bytes(), nil
}

// gitError turns a failure of the git program into an error with a kind and a hint.
func gitError(ctx context.Context, err error, stderr string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fault.New(fault.NotFound, "cannot ask git: %w", errNoGit).Hint("install git   # mlx asks it for changes and history")
	}
	if dir, ok := refusedFolder(stderr); ok {
		return fault.New(fault.Denied, "cannot ask git: it refuses %s, because another user owns it", dir).
			Hint("git config --global --add safe.directory %s", shellWord(dir))
	}
	if line := gitReason(stderr, "fatal: ", "error: "); line != "" {
		return fault.New(fault.Conflict, "cannot ask git: %s", line)
	}
	return fault.New(fault.Conflict, "cannot ask git: %w", err)
}

// gitReason is the first line of what git said that begins so, without that, as progress may stand before it; if none does, the first line.
func gitReason(stderr string, beginnings ...string) string {
	for line := range strings.Lines(stderr) {
		for _, before := range beginnings {
			if why, ok := strings.CutPrefix(strings.TrimSpace(line), before); ok {
				return why
			}
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	return first
}

// refusedFolder finds the folder in git's message about safe.directory, which has had two wordings.
func refusedFolder(stderr string) (string, bool) {
	for _, before := range []string{"detected dubious ownership in repository at '", "unsafe repository ('"} {
		if _, rest, ok := strings.Cut(stderr, before); ok {
			dir, _, _ := strings.Cut(rest, "'")
			return dir, true
		}
	}
	return "", false
}

// shellWord quotes text for a shell where it must be.
func shellWord(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/:@%=,") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Git runs the user's git in a clone, as the user would, and returns what it printed without the end of the last line.
func Git(ctx context.Context, clone string, args ...string) (string, error) {
	out, err := runGit(ctx, gitCommand(ctx, clone, args...))
	return strings.TrimRight(string(out), "\n"), err
}
