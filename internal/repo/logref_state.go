package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// localRef names the reference that keeps the last state of a remote here. It hangs on the address, not on the name that
// a person gave it: a name that points elsewhere now is another remote.
func localRef(url string) string {
	sum := sha256.Sum256([]byte(withoutSecrets(url)))
	return "refs/mlx/remote/" + hex.EncodeToString(sum[:8])
}

func (l *LogRef) load(ctx context.Context) error {
	if l.loaded {
		return nil
	}
	return l.refresh(ctx)
}

// refresh reads the state of the remote. If it has none but once had, the last one that was seen here stands in for it.
func (l *LogRef) refresh(ctx context.Context) error {
	for range maxPushTries {
		ref, id, err := l.ask(ctx)
		if err != nil {
			return err
		}
		kept, err := l.kept(ctx)
		if err != nil {
			return err
		}
		tip := id
		if id == "" {
			tip = kept
		}
		if tip != kept {
			if here, err := l.fetch(ctx, ref, id); err != nil {
				return err
			} else if !here {
				continue // it moved in between, and what it was is gone
			}
		}
		if err := l.read(ctx, tip); err != nil {
			return err
		}
		l.ref, l.old, l.lost, l.loaded = ref, id, id == "" && kept != "", true
		l.note = ""
		if ref == logBranch {
			l.note = "the host takes no " + LogRefName + ": the log is on the branch mlx-log"
		}
		return nil
	}
	return l.busy()
}

func (l *LogRef) busy() error {
	return fault.New(fault.Unavailable, "cannot follow the log of %s: it changes all the time", withoutSecrets(l.remote))
}

// ask returns which reference the remote has and where it is. Of two, refs/mlx/log counts.
func (l *LogRef) ask(ctx context.Context) (ref, id string, err error) {
	out, err := l.talk(ctx, "ls-remote", "--", l.remote, LogRefName, logBranch)
	if err != nil {
		return "", "", err
	}
	found := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && isHexID(id) {
			found[name] = id
		}
	}
	if id := found[LogRefName]; id != "" {
		return LogRefName, id, nil
	}
	if id := found[logBranch]; id != "" {
		return logBranch, id, nil
	}
	return LogRefName, "", nil
}

func isHexID(id string) bool {
	return (len(id) == 40 || len(id) == 64) && strings.Trim(id, "0123456789abcdef") == ""
}

// kept returns the commit that was last seen here, or "".
func (l *LogRef) kept(ctx context.Context) (string, error) {
	out, err := l.repo.git(ctx, "for-each-ref", "--format=%(objectname)", l.local)
	return strings.TrimSpace(string(out)), err
}

// keep remembers a commit, so that gc of git leaves it and the next fetch builds on it. Whoever else does so at the same
// time may win: either is a state that was there.
func (l *LogRef) keep(ctx context.Context, id string) error {
	if _, err := l.repo.git(ctx, "update-ref", "--no-deref", l.local, id); err != nil {
		if kept, _ := l.kept(ctx); kept == "" {
			return err
		}
	}
	return ctx.Err()
}

// fetch brings the commit here and says whether it is. It writes no FETCH_HEAD and no branch, makes nothing shallow, and
// leaves out nothing where the clone is a partial one.
func (l *LogRef) fetch(ctx context.Context, ref, id string) (bool, error) {
	_, err := l.talk(ctx, "fetch", "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-filter",
		"--no-auto-maintenance", "--no-recurse-submodules", "--refmap=", "--", l.remote, ref)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return false, err
	}
	if _, missing := l.repo.git(ctx, "cat-file", "-e", id+"^{tree}"); missing != nil {
		return false, ctx.Err()
	}
	return true, l.keep(ctx, id)
}

// read lists the files of a commit.
func (l *LogRef) read(ctx context.Context, tip string) error {
	if tip == l.tip && l.entries != nil {
		return nil
	}
	entries := make(map[string]refEntry)
	at := time.Unix(0, 0).UTC()
	if tip != "" {
		out, err := l.repo.git(ctx, "ls-tree", "-r", "-l", "-z", "--full-tree", tip)
		if err != nil {
			return err
		}
		if entries, err = parseRefTree(out); err != nil {
			return err
		}
		c, err := l.repo.CommitAt(ctx, tip)
		if err != nil {
			return err
		}
		at = c.At
	}
	l.tip, l.entries, l.at = tip, entries, at
	return nil
}

// parseRefTree reads git ls-tree -r -l -z. Names that mlx never gives are left out: a tree may come from anybody.
func parseRefTree(out []byte) (map[string]refEntry, error) {
	entries := make(map[string]refEntry)
	for _, line := range splitZ(out) {
		about, key, ok := strings.Cut(line, "\t")
		words := strings.Fields(about) // mode, type, id, size
		if !ok || len(words) != 4 {
			return nil, fault.New(fault.Integrity, "cannot read the tree of the log: entry %d is damaged", len(entries))
		}
		size, err := strconv.ParseInt(words[3], 10, 64)
		if err != nil || words[1] != "blob" || words[0] != "100644" || !validRefKey(key) {
			continue
		}
		if entries[key] = (refEntry{words[2], size}); len(entries) > maxRefKeys {
			return nil, fault.New(fault.Integrity, "cannot read the tree of the log: it has more than %d files", maxRefKeys)
		}
	}
	return entries, nil
}

// with returns the entries after a change and all that is staged.
func (l *LogRef) with(c change) map[string]refEntry {
	all := maps.Clone(l.entries)
	maps.Copy(all, l.staged)
	switch {
	case c.remove:
		delete(all, c.key)
	case c.key != "":
		all[c.key] = c.entry
	}
	return all
}

// talk runs a git command that reaches the remote.
func (l *LogRef) talk(ctx context.Context, args ...string) ([]byte, error) {
	var errs strings.Builder
	cmd := gitCommand(ctx, l.repo.gitFolder(), args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return []byte(out.String()), l.remoteError(ctx, err, errs.String())
	}
	return []byte(out.String()), nil
}

// remoteError turns what git says of a remote into an error with a kind.
func (l *LogRef) remoteError(ctx context.Context, err error, stderr string) error {
	if _, refused := refusedFolder(stderr); refused || stderr == "" {
		return gitError(ctx, err, stderr)
	}
	why := gitReason(stderr, "fatal: ")
	if strings.HasPrefix(why, "Could not read from remote") { // what ssh said stands before it
		first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
		why = strings.TrimPrefix(first, "fatal: ")
	}
	kind := remoteKind(stderr)
	e := fault.New(kind, "cannot reach git remote %s: %.300s", withoutSecrets(l.remote), withoutSecrets(why))
	if kind == fault.Denied {
		return e.Hint("git ls-remote %s   # must work first: mlx uses the credentials of git", shellWord(withoutSecrets(l.remote)))
	}
	return e
}

func remoteKind(stderr string) fault.Kind {
	text := strings.ToLower(stderr)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("authentication failed", "permission denied", "could not read username", "could not read password", "error: 401",
		"error: 403", "access denied", "not authorized", "unauthorized", "forbidden", "host key verification failed", "insufficient permission"):
		return fault.Denied
	case has("could not resolve", "connection refused", "timed out", "connection reset", "network is unreachable", "no route to host",
		"early eof", "hung up unexpectedly", "failed to connect", "couldn't connect", "error: 5", "error: 429", "ssl", "rpc failed"):
		return fault.Unavailable
	case has("not found", "does not appear to be a git repository", "does not exist", "couldn't find remote ref", "no such file"):
		return fault.NotFound
	}
	return fault.Conflict
}

// withoutSecrets takes what may be a password or a token out of the URLs in a text.
func withoutSecrets(text string) string {
	text = regexp.MustCompile(`://[^/@\s'"]*@`).ReplaceAllString(text, "://")
	return regexp.MustCompile(`(://[^?\s'"]*)\?[^\s'"]*`).ReplaceAllString(text, "$1")
}
