package repo

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// change is what one push does beside adding what is staged: it adds a key that must be absent, removes one, or neither.
type change struct {
	key    string
	entry  refEntry
	remove bool
}

// push makes the change on the remote, on top of whatever others pushed in the meantime.
func (l *LogRef) push(ctx context.Context, c change) error {
	for range maxPushTries {
		if _, taken := l.entries[c.key]; taken && !c.remove {
			return fmt.Errorf("%s: %w", c.key, fs.ErrExist)
		}
		all := l.with(c)
		commit, err := l.commit(ctx, all, !c.remove)
		if err != nil {
			return err
		}
		refusal, err := l.send(ctx, commit)
		if err != nil {
			return err
		}
		if refusal == "" {
			return l.landed(ctx, commit, all)
		}
		if err := l.yield(ctx, refusal); err != nil {
			return err
		}
	}
	return l.busy()
}

// landed takes over the state that a push made.
func (l *LogRef) landed(ctx context.Context, commit string, all map[string]refEntry) error {
	l.old, l.tip, l.entries, l.lost = commit, commit, all, false
	clear(l.staged)
	// The push counts, so a copy that cannot be kept is no failure of it: the next read fetches.
	if err := l.keep(ctx, commit); err != nil {
		l.loaded = false
	}
	return nil
}

// yield looks at the remote after it refused a push. If someone else came first it returns nil, to try again; if the host
// takes no such reference, the branch is tried.
func (l *LogRef) yield(ctx context.Context, refusal string) error {
	before, ref := l.old, l.ref
	if err := l.refresh(ctx); err != nil {
		return err
	}
	switch {
	case l.old != before || isRace(refusal):
		return nil
	case ref == LogRefName && l.old == "":
		l.ref = logBranch
		l.note = "the host takes no " + LogRefName + " (" + refusal + "): the log is on the branch mlx-log"
		return nil
	}
	refused := fault.New(fault.Denied, "cannot push %s to %s: the host refuses it: %s", ref, withoutSecrets(l.remote), refusal)
	if strings.Contains(refusal, "non-fast-forward") { // only a deletion is one
		return refused.Hint("git config receive.denyNonFastForwards false   # on the host: a deletion rewrites the reference")
	}
	return refused.Hint("git push %s HEAD:refs/heads/mlx-log --dry-run   # may this user push at all?", shellWord(withoutSecrets(l.remote)))
}

// isRace says whether a refusal comes of two pushes at once, whose winner may not be seen yet.
func isRace(refusal string) bool {
	for _, words := range []string{"stale info", "fetch first", "failed to update ref", "cannot lock ref", "failed to lock", "reference already exists", "incorrect old value"} {
		if strings.Contains(refusal, words) {
			return true
		}
	}
	return false
}

// send pushes a commit if the remote's reference is still where it was. Hooks, tags, submodules, signatures and mirrors
// that the user set up for his own pushes are left out. A refusal is what the remote said; no answer is an error.
func (l *LogRef) send(ctx context.Context, commit string) (refusal string, err error) {
	args := []string{"push", "--porcelain", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", "--no-signed",
		"--force-with-lease=" + l.ref + ":" + l.old, "--", l.remote, commit + ":" + l.ref}
	if !strings.ContainsAny(l.remote, ":/=") { // a name, not an address
		args = append([]string{"-c", "remote." + l.remote + ".mirror=false"}, args...)
	}
	out, err := l.talk(ctx, args...)
	if err == nil {
		return "", nil
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.SplitN(strings.TrimSpace(line), "\t", 3); len(fields) == 3 && fields[0] == "!" {
			return fmt.Sprintf("%.200s", withoutSecrets(fields[2])), nil
		}
	}
	return "", err
}

// commit writes the files as a commit of mlx. The message holds a random word: two clones that write the same at once must
// not make the same commit, or both would believe that theirs landed.
func (l *LogRef) commit(ctx context.Context, all map[string]refEntry, follow bool) (string, error) {
	tree, err := l.tree(ctx, all)
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", "--no-gpg-sign", "-m", "mlx log " + rand.Text(), tree}
	if follow && l.tip != "" {
		args = append(args, "-p", l.tip)
	}
	cmd := gitCommand(ctx, l.repo.gitFolder(), args...)
	cmd.Env = append(cmd.Env, "GIT_AUTHOR_NAME=mlx", "GIT_AUTHOR_EMAIL=mlx@localhost", "GIT_COMMITTER_NAME=mlx", "GIT_COMMITTER_EMAIL=mlx@localhost")
	out, err := runGit(ctx, cmd)
	return strings.TrimSpace(string(out)), err
}

// tree writes the files as git trees: all folders by one process, then the root.
func (l *LogRef) tree(ctx context.Context, all map[string]refEntry) (string, error) {
	folders := make(map[string]*bytes.Buffer)
	root := new(bytes.Buffer)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		dir, name, two := strings.Cut(key, "/")
		into := root
		if !two {
			name = dir
		} else if into = folders[dir]; into == nil {
			into = new(bytes.Buffer)
			folders[dir] = into
		}
		fmt.Fprintf(into, "100644 blob %s\t%s\n", all[key].id, name)
	}
	names := slices.Sorted(maps.Keys(folders))
	var input bytes.Buffer
	for _, dir := range names {
		input.Write(folders[dir].Bytes())
		input.WriteByte('\n')
	}
	ids, err := l.mktree(ctx, &input, len(names))
	if err != nil {
		return "", err
	}
	for i, dir := range names {
		fmt.Fprintf(root, "040000 tree %s\t%s\n", ids[i], dir)
	}
	root.WriteByte('\n') // ends a tree, also an empty one
	if ids, err = l.mktree(ctx, root, 1); err != nil {
		return "", err
	}
	return ids[0], nil
}

// mktree writes n trees, each ended by an empty line.
func (l *LogRef) mktree(ctx context.Context, input *bytes.Buffer, n int) ([]string, error) {
	if n == 0 {
		return nil, nil
	}
	cmd := gitCommand(ctx, l.repo.gitFolder(), "mktree", "--batch")
	cmd.Stdin = input
	out, err := runGit(ctx, cmd)
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(string(out))
	if len(ids) != n {
		return nil, fault.New(fault.Internal, "cannot write the log: git made %d trees of %d", len(ids), n)
	}
	return ids, nil
}
