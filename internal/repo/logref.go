package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
)

const (
	LogRefName   = "refs/mlx/log"
	logBranch    = "refs/heads/mlx-log" // where a host refuses refs of its users' making
	maxRefBlob   = 50 << 20             // git hosts warn of, and then refuse, larger files
	maxRefKeys   = 1 << 20
	maxPushTries = 100
)

// LogRef keeps small objects as files of one git reference of a remote, refs/mlx/log, moved by the user's own git. It
// works as bucket.Driver does, with two differences that git asks for. It reads one state of the reference, fetched at the
// first use and again by Refresh or by a push that came second. And of what Put writes, only an object that must be absent
// is pushed at once, with all that was put before it; Flush pushes without one. What was put is read back before that.
//
// Each push is a commit with the one before as its parent: then every host takes it as a fast-forward, and git sends
// only what is new (it finds that through parents alone). A deletion begins anew with a commit that has no parent, since
// what an ancestor holds is not gone.
type LogRef struct {
	repo   *Repo
	remote string // as given to git
	local  string // reference that keeps the last state here

	mu      sync.Mutex
	loaded  bool
	lost    bool
	ref     string // which of the two the remote has, or will have
	old     string // commit that the remote's reference is at; empty for none
	tip     string // commit whose files are known
	note    string
	at      time.Time
	entries map[string]refEntry
	staged  map[string]refEntry
	cat     *catFile
}

type refEntry struct {
	id   string // of the blob
	size int64
}

// LogRef returns the log reference of a git remote, by its name or URL.
func (r *Repo) LogRef(remote string) (*LogRef, error) {
	if r.NoGit || r.CommonDir == "" {
		return nil, fault.New(fault.Usage, "cannot share over git: this project is outside git").
			Hint("git init   # or share over a folder or a bucket")
	}
	if remote == "" || remote[0] == '-' || strings.ContainsAny(remote, "\n\x00") {
		return nil, fault.New(fault.Usage, "cannot share over git: %.80q is no remote", remote)
	}
	// Asked of git in the project, so that git's check of who owns the folder comes before anything of its configuration is used.
	out, err := r.git(context.Background(), "ls-remote", "--get-url", remote)
	if err != nil {
		return nil, err
	}
	return &LogRef{repo: r, remote: remote, local: localRef(strings.TrimSpace(string(out))), staged: make(map[string]refEntry)}, nil
}

// Close ends the process that reads objects.
func (l *LogRef) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cat != nil {
		l.cat.close()
		l.cat = nil
	}
	return nil
}

// Note says what a person should know of the remote, or nothing.
func (l *LogRef) Note() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.note
}

// Lost says that the remote had a log that is gone, as after git push --mirror. It is read as this clone last saw it, and
// the next push or Restore puts it back.
func (l *LogRef) Lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Refresh asks the remote for its state: one git ls-remote, and a fetch if it is a new one.
func (l *LogRef) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refresh(ctx)
}

// Get opens n bytes of an object from off (n < 0: all that follow), and tells the size of the whole object.
func (l *LogRef) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(ctx); err != nil {
		return nil, 0, err
	}
	e, ok := l.staged[key]
	if !ok {
		e, ok = l.entries[key]
	}
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	data, err := l.blob(e)
	if err != nil {
		return nil, 0, err
	}
	size := int64(len(data))
	if off < 0 || off > size {
		return nil, 0, fault.New(fault.Integrity, "cannot read %s from byte %d: it has %d", key, off, size)
	}
	if n < 0 || n > size-off {
		n = size - off
	}
	return io.NopCloser(bytes.NewReader(data[off : off+n])), size, nil
}

// Put writes an object. Without absent it is kept here until the next push; with absent it is pushed, together with what
// was kept, and fails with fs.ErrExist if the key is taken: what was kept stays for the next try.
func (l *LogRef) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, absent bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !validRefKey(key) {
		return fault.New(fault.Internal, "cannot keep %.80q under a git reference", key)
	}
	if size > maxRefBlob {
		return fault.New(fault.Usage, "cannot push %s: it has %d MiB, git hosts take files of up to %d", key, size>>20, maxRefBlob>>20).
			Hint("mlx remote add NAME URL   # data goes to a folder or a bucket")
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	if _, taken := l.entries[key]; taken && absent {
		return fmt.Errorf("%s: %w", key, fs.ErrExist)
	}
	id, err := l.write(ctx, key, body, size)
	if err != nil {
		return err
	}
	if !absent {
		l.staged[key] = refEntry{id, size}
		return nil
	}
	return l.push(ctx, change{key: key, entry: refEntry{id, size}})
}

// Flush pushes what was put and kept.
func (l *LogRef) Flush(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(ctx); err != nil || len(l.staged) == 0 {
		return err
	}
	return l.push(ctx, change{})
}

// Restore puts a log that the remote lost back as this clone last saw it.
func (l *LogRef) Restore(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil || !l.lost {
		return err
	}
	return l.push(ctx, change{})
}

// List calls yield with the objects whose keys begin with prefix, in the order of keys, until it returns false. They are
// as young as the newest push: git keeps no other time.
func (l *LogRef) List(ctx context.Context, prefix string, yield func(key string, size int64, modified time.Time) bool) error {
	l.mu.Lock()
	if err := l.load(ctx); err != nil {
		l.mu.Unlock()
		return err
	}
	all, at := maps.Clone(l.entries), l.at
	maps.Copy(all, l.staged)
	l.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(key, prefix) && !yield(key, all[key].size, at) {
			break
		}
	}
	return nil
}

// Delete removes an object and all history of the reference. One that is not there is no error.
func (l *LogRef) Delete(ctx context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(ctx); err != nil {
		return err
	}
	delete(l.staged, key)
	if _, ok := l.entries[key]; !ok {
		return nil
	}
	return l.push(ctx, change{key: key, remove: true})
}

// blob reads one object through a process that stays.
func (l *LogRef) blob(e refEntry) ([]byte, error) {
	if e.size > maxRefBlob {
		return nil, fault.New(fault.Integrity, "cannot read a git object of %d bytes: at most %d", e.size, maxRefBlob)
	}
	if l.cat == nil {
		cat, err := l.repo.startCatFile(context.Background()) // outlives the call
		if err != nil {
			return nil, err
		}
		l.cat = cat
	}
	_, data, err := l.cat.get(e.id, "blob", maxRefBlob)
	if err != nil {
		l.cat.close()
		l.cat = nil
	}
	return data, err
}

// write adds a blob to git's store and returns its id.
func (l *LogRef) write(ctx context.Context, key string, body io.Reader, size int64) (string, error) {
	cmd := gitCommand(ctx, l.repo.gitFolder(), "hash-object", "-w", "--stdin")
	counted := &counter{in: io.LimitReader(body, size+1)}
	cmd.Stdin = counted
	out, err := runGit(ctx, cmd)
	if counted.err != nil && !errors.Is(counted.err, io.EOF) {
		return "", counted.err
	}
	if err != nil {
		return "", err
	}
	if counted.n != size {
		return "", fault.New(fault.Integrity, "cannot put %s: it has not the %d bytes that were announced", key, size)
	}
	return strings.TrimSpace(string(out)), nil
}

// counter counts what is read, and keeps the error that ended it.
type counter struct {
	in  io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	c.err = err
	return n, err
}

// validRefKey holds keys to what is the same name everywhere: one level of folders, plain characters.
func validRefKey(key string) bool {
	dir, name, two := strings.Cut(key, "/")
	return len(key) <= 200 && validRefName(dir) && (!two || validRefName(name))
}

func validRefName(name string) bool {
	return name != "" && name[0] != '.' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}
