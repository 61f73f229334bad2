package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
)

// newOrigin returns a bare repository with one commit of a project, and the environment in which no configuration of this
// machine counts.
func newOrigin(t *testing.T) string {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	dir := filepath.Join(tempDir(t), "origin.git")
	gitIn(t, os.TempDir(), "init", "-q", "--bare", dir)
	seed := newProject(t)
	commit(t, seed, "one")
	gitIn(t, seed.Root, "push", "-q", dir, "HEAD:refs/heads/main")
	return dir
}

func cloneOf(t *testing.T, origin string, args ...string) *Repo {
	t.Helper()
	dir := filepath.Join(tempDir(t), "clone")
	gitIn(t, os.TempDir(), append(append([]string{"clone", "-q"}, args...), "file://"+origin, dir)...)
	return findRepo(t, dir)
}

func openLog(t *testing.T, r *Repo) *LogRef {
	t.Helper()
	l, err := r.LogRef("origin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func putLog(ctx context.Context, l *LogRef, key, text string, absent bool) error {
	return l.Put(ctx, key, strings.NewReader(text), int64(len(text)), absent)
}

func mustPut(t *testing.T, l *LogRef, key, text string, absent bool) {
	t.Helper()
	if err := putLog(t.Context(), l, key, text, absent); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func getLog(t *testing.T, l *LogRef, key string) string {
	t.Helper()
	in, size, err := l.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	b, err := io.ReadAll(in)
	if err != nil || int64(len(b)) != size {
		t.Fatalf("get %s: %d bytes of %d, %v", key, len(b), size, err)
	}
	return string(b)
}

func keysOf(t *testing.T, l *LogRef, prefix string) string {
	t.Helper()
	var keys []string
	err := l.List(t.Context(), prefix, func(key string, _ int64, _ time.Time) bool {
		keys = append(keys, key)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(keys, " ")
}

func TestLogRefKeepsObjects(t *testing.T) {
	origin := newOrigin(t)
	a, b := cloneOf(t, origin), cloneOf(t, origin)
	la := openLog(t, a)
	if got := keysOf(t, la, ""); got != "" {
		t.Errorf("an empty remote has %q", got)
	}
	mustPut(t, la, "records/aa.jsonl.zst", "pack", false)
	if got := keysOf(t, openLog(t, b), ""); got != "" {
		t.Errorf("before the push others see %q", got)
	}
	mustPut(t, la, "log/0", "zero", true)
	mustPut(t, la, "tail", "t", false)
	mustPut(t, la, "log/1", "", true)

	lb := openLog(t, b)
	if got := keysOf(t, lb, "log/"); got != "log/0 log/1" {
		t.Errorf("log is %q", got)
	}
	if got := getLog(t, lb, "records/aa.jsonl.zst") + getLog(t, lb, "tail") + getLog(t, lb, "log/1"); got != "packt" {
		t.Errorf("read %q", got)
	}
	in, size, err := lb.Get(t.Context(), "log/0", 1, 2)
	if err != nil || size != 4 {
		t.Fatal(size, err)
	}
	if part, _ := io.ReadAll(in); string(part) != "er" {
		t.Errorf("a range is %q", part)
	}
	if _, _, err := lb.Get(t.Context(), "log/2", 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	if err := putLog(t.Context(), lb, "log/1", "other", true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a taken key: %v", err)
	}
	mustPut(t, lb, "tail", "t2", false)
	if err := lb.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := la.Refresh(t.Context()); err != nil || getLog(t, la, "tail") != "t2" {
		t.Errorf("after a flush: %q, %v", getLog(t, la, "tail"), err)
	}
	if err := lb.Delete(t.Context(), "records/aa.jsonl.zst"); err != nil {
		t.Fatal(err)
	}
	if err := lb.Delete(t.Context(), "records/aa.jsonl.zst"); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
	if got := gitIn(t, origin, "rev-list", "--count", LogRefName); got != "1" {
		t.Errorf("a deletion leaves %s commits", got)
	}
	mustPut(t, la, "log/2", "two", true) // la has not seen the deletion
	if got := keysOf(t, la, ""); got != "log/0 log/1 log/2 tail" {
		t.Errorf("in the end there is %q", got)
	}
}

// TestLogRefRace lets four clones push five entries each at once. Each takes the first free number.
func TestLogRefRace(t *testing.T) {
	origin := newOrigin(t)
	const clones, each = 4, 5
	var all []*LogRef
	for range clones {
		all = append(all, openLog(t, cloneOf(t, origin)))
	}
	var wg sync.WaitGroup
	failed := make(chan error, clones*each)
	for i, l := range all {
		wg.Go(func() {
			seq := 0
			for n := range each {
				pack := fmt.Sprintf("records/%d-%d", i, n)
				if err := putLog(t.Context(), l, pack, pack, false); err != nil {
					failed <- err
					return
				}
				for {
					err := putLog(t.Context(), l, fmt.Sprintf("log/%04d", seq), pack, true)
					seq++
					if err == nil {
						break
					}
					if !errors.Is(err, fs.ErrExist) {
						failed <- err
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Fatal(err)
	}
	l := openLog(t, cloneOf(t, origin))
	seen := make(map[string]bool)
	for seq := range clones * each {
		pack := getLog(t, l, fmt.Sprintf("log/%04d", seq))
		if seen[pack] || getLog(t, l, pack) != pack {
			t.Errorf("entry %d: %s is there twice or without its pack", seq, pack)
		}
		seen[pack] = true
	}
	if len(seen) != clones*each {
		t.Errorf("%d of %d landed", len(seen), clones*each)
	}
}

// TestLogRefInAnyClone works from the clones that CI makes, and leaves no trace that a person would meet.
func TestLogRefInAnyClone(t *testing.T) {
	origin := newOrigin(t)
	gitIn(t, origin, "config", "uploadpack.allowFilter", "true")
	first := cloneOf(t, origin)
	commit(t, first, "two")
	gitIn(t, first.Root, "push", "-q", "origin", "HEAD:main")
	mustPut(t, openLog(t, first), "log/0", "zero", true)
	mustPut(t, openLog(t, first), "log/1", "one", true)
	kinds := map[string][]string{
		"plain":   nil,
		"shallow": {"--depth", "1"},
		"partial": {"--filter=blob:none"},
	}
	seq := 2
	for name, args := range kinds {
		r := cloneOf(t, origin, args...)
		gitIn(t, r.Root, "checkout", "-q", "--detach")
		if got := gitIn(t, r.Root, "for-each-ref", "refs/mlx"); got != "" {
			t.Errorf("%s: a clone brings %q", name, got)
		}
		shape := func() string {
			shallow, _ := os.ReadFile(filepath.Join(r.GitDir, "shallow"))
			_, err := os.Stat(filepath.Join(r.GitDir, "FETCH_HEAD"))
			return gitIn(t, r.Root, "status", "--porcelain") + gitIn(t, r.Root, "for-each-ref", "refs/heads", "refs/remotes", "refs/tags") + string(shallow) + fmt.Sprint(err == nil)
		}
		before := shape()
		l := openLog(t, r)
		if got := getLog(t, l, "log/0") + getLog(t, l, "log/1"); got != "zeroone" {
			t.Errorf("%s: read %q", name, got)
		}
		mustPut(t, l, fmt.Sprintf("log/%d", seq), name, true)
		seq++
		if after := shape(); after != before {
			t.Errorf("%s: from %q to %q", name, before, after)
		}
		trees, err := r.historyTrees(t.Context(), nil)
		if tree := gitIn(t, r.Root, "rev-parse", l.local+"^{tree}"); err != nil || strings.Contains(strings.Join(trees, " "), tree) {
			t.Errorf("%s: the log counts as history of the project (%v)", name, err)
		}
	}
	bareDir := filepath.Join(tempDir(t), "bare.git")
	gitIn(t, os.TempDir(), "clone", "-q", "--bare", "--single-branch", "file://"+origin, bareDir)
	mustPut(t, openLog(t, &Repo{GitDir: bareDir, CommonDir: bareDir}), fmt.Sprintf("log/%d", seq), "bare", true)
	bare, err := first.LogRef("file://" + origin)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if got := getLog(t, bare, "log/0") + getLog(t, bare, fmt.Sprintf("log/%d", seq)); got != "zerobare" {
		t.Errorf("by its URL: %q", got)
	}
}

func TestLogRefReadIsOneQuestion(t *testing.T) {
	origin := newOrigin(t)
	r := cloneOf(t, origin)
	mustPut(t, openLog(t, r), "log/0", "zero", true)
	trace := filepath.Join(t.TempDir(), "trace")
	t.Setenv("GIT_TRACE", trace)
	l := openLog(t, r)
	getLog(t, l, "log/0")
	keysOf(t, l, "")
	getLog(t, l, "log/0")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	asked := strings.Count(string(text), "trace: built-in: git ls-remote -- ")
	if asked != 1 || strings.Contains(string(text), "git fetch") {
		t.Errorf("%d questions:\n%s", asked, text)
	}
}

// TestLogRefPushIsIncremental holds that a push sends what is new, not the log again.
func TestLogRefPushIsIncremental(t *testing.T) {
	origin := newOrigin(t)
	gitIn(t, origin, "config", "receive.unpackLimit", "1") // keep each push as one pack
	l := openLog(t, cloneOf(t, origin))
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * i >> 7 * 31)
	}
	if err := l.Put(t.Context(), "log/0", bytes.NewReader(big), int64(len(big)), true); err != nil {
		t.Fatal(err)
	}
	packs := func() (n int, bytes int64) {
		all, _ := filepath.Glob(filepath.Join(origin, "objects/pack/*.pack"))
		for _, p := range all {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return len(all), bytes
	}
	n, before := packs()
	mustPut(t, l, "log/1", "small", true)
	m, after := packs()
	if m != n+1 || after-before > 2000 {
		t.Errorf("%d more packs with %d bytes for an entry of 5", m-n, after-before)
	}
}

func hook(t *testing.T, origin, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(origin, "hooks/pre-receive"), []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
}

func TestLogRefOnHostsThatRefuse(t *testing.T) {
	origin := newOrigin(t)
	hook(t, origin, refuseOwnRefs)
	l := openLog(t, cloneOf(t, origin))
	mustPut(t, l, "records/a", "pack", false)
	mustPut(t, l, "log/0", "zero", true)
	if !strings.Contains(l.Note(), "branch mlx-log") {
		t.Errorf("note is %q", l.Note())
	}
	other := openLog(t, cloneOf(t, origin))
	if got := getLog(t, other, "log/0") + getLog(t, other, "records/a"); got != "zeropack" || other.Note() == "" {
		t.Errorf("read %q, note %q", got, other.Note())
	}
	mustPut(t, other, "log/1", "one", true)
	mustPut(t, l, "log/2", "two", true)
	if got := keysOf(t, l, "log/"); got != "log/0 log/1 log/2" {
		t.Errorf("log is %q", got)
	}
	hook(t, origin, "echo read only; exit 1")
	err := putLog(t.Context(), l, "log/3", "three", true)
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "pre-receive hook declined") {
		t.Errorf("a host that takes nothing: %v", err)
	}
}

const refuseOwnRefs = `while read old new ref; do case "$ref" in refs/mlx/*) echo "deny updating a hidden ref"; exit 1;; esac; done`

// TestLogRefWithoutForce pushes to a branch that takes fast-forwards only, as git init --shared makes them.
func TestLogRefWithoutForce(t *testing.T) {
	origin := newOrigin(t)
	gitIn(t, origin, "config", "receive.denyNonFastForwards", "true")
	hook(t, origin, refuseOwnRefs)
	a, b := openLog(t, cloneOf(t, origin)), openLog(t, cloneOf(t, origin))
	mustPut(t, a, "log/0", "zero", true)
	mustPut(t, b, "log/1", "one", true)
	mustPut(t, a, "log/2", "two", true)
	if got := keysOf(t, a, ""); got != "log/0 log/1 log/2" {
		t.Errorf("log is %q", got)
	}
	if err := a.Delete(t.Context(), "log/0"); fault.KindOf(err) != fault.Denied || keysOf(t, a, "") != "log/0 log/1 log/2" {
		t.Errorf("a deletion that would leave the bytes in history: %v", err)
	}
}

func TestLogRefLost(t *testing.T) {
	origin := newOrigin(t)
	r := cloneOf(t, origin)
	l := openLog(t, r)
	mustPut(t, l, "log/0", "zero", true)
	lose := func() {
		gitIn(t, origin, "update-ref", "-d", LogRefName)
		gitIn(t, origin, "gc", "-q", "--prune=now")
	}
	lose()
	l = openLog(t, r)
	if got := getLog(t, l, "log/0"); got != "zero" || !l.Lost() {
		t.Errorf("read %q, lost %v", got, l.Lost())
	}
	if err := putLog(t.Context(), l, "log/0", "again", true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a number that was taken: %v", err)
	}
	mustPut(t, l, "log/1", "one", true)
	if fresh := openLog(t, cloneOf(t, origin)); l.Lost() || keysOf(t, fresh, "") != "log/0 log/1" {
		t.Errorf("after a push: lost %v, %q", l.Lost(), keysOf(t, fresh, ""))
	}
	lose()
	if err := l.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fresh := openLog(t, cloneOf(t, origin)); keysOf(t, fresh, "") != "log/0 log/1" {
		t.Errorf("restored: %q", keysOf(t, fresh, ""))
	}
	lose()
	mustPut(t, l, "log/2", "two", true) // noticed by the push itself
	if fresh := openLog(t, cloneOf(t, origin)); keysOf(t, fresh, "") != "log/0 log/1 log/2" {
		t.Errorf("after a push unawares: %q", keysOf(t, fresh, ""))
	}
}

// TestLogRefKilled ends the push at each git process that it starts, and runs it again.
func TestLogRefKilled(t *testing.T) {
	origin := newOrigin(t)
	r := cloneOf(t, origin)
	real := strings.TrimSpace(gitIn(t, r.Root, "--exec-path")) + "/git"
	bin, count := t.TempDir(), filepath.Join(t.TempDir(), "count")
	script := fmt.Sprintf("#!/bin/sh\necho x >>%s\n[ $(wc -l <%s) -ge \"$MLX_TEST_DIES\" ] && exit 1\nexec %s \"$@\"\n", count, count, real)
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	landed := 0
	for dies := 1; dies < 30; dies++ {
		key := fmt.Sprintf("log/%02d", dies)
		try := func() error {
			l, err := r.LogRef("origin")
			if err != nil {
				return err
			}
			defer l.Close()
			if err := putLog(t.Context(), l, "records/"+key[4:], key, false); err != nil {
				return err
			}
			return putLog(t.Context(), l, key, key, true)
		}
		os.Remove(count)
		t.Setenv("PATH", bin+":"+path)
		t.Setenv("MLX_TEST_DIES", fmt.Sprint(dies))
		err := try()
		t.Setenv("PATH", path)
		if err == nil {
			landed++
		}
		if err := try(); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatalf("again after the end at process %d: %v", dies, err)
		}
		l := openLog(t, cloneOf(t, origin))
		if got := getLog(t, l, key) + getLog(t, l, "records/"+key[4:]); got != key+key {
			t.Fatalf("after the end at process %d: %q", dies, got)
		}
		if landed > 2 {
			break
		}
	}
	if landed == 0 {
		t.Error("no push ended before its end")
	}
}

func TestLogRefRefusals(t *testing.T) {
	origin := newOrigin(t)
	r := cloneOf(t, origin)
	l := openLog(t, r)
	err := l.Put(t.Context(), "records/a", nil, maxRefBlob+1, false)
	if fault.KindOf(err) != fault.Usage || len(fault.Hints(err)) == 0 {
		t.Errorf("a large object: %v", err)
	}
	for _, key := range []string{"", "/", "a/", "/a", "../a", "a/b/c", "a/.git", ".mlx", "a\nb", "A", strings.Repeat("a", 201)} {
		if err := putLog(t.Context(), l, key, "x", false); err == nil {
			t.Errorf("key %q is taken", key)
		}
	}
	if err := l.Put(t.Context(), "a", strings.NewReader("xy"), 1, false); fault.KindOf(err) != fault.Integrity {
		t.Errorf("a body that is longer than said: %v", err)
	}
	if err := l.Put(t.Context(), "a", strings.NewReader("xy"), 3, false); fault.KindOf(err) != fault.Integrity {
		t.Errorf("a body that is shorter than said: %v", err)
	}
	for _, name := range []string{"", "--upload-pack=x", "a\nb"} {
		if _, err := r.LogRef(name); fault.KindOf(err) != fault.Usage {
			t.Errorf("remote %q: %v", name, err)
		}
	}
	for url, want := range map[string]fault.Kind{
		"file://" + t.TempDir() + "/none.git":           fault.NotFound,
		"http://user:hunter2@127.0.0.1:1/x.git?token=q": fault.Unavailable,
	} {
		gone, err := r.LogRef(url)
		if err != nil {
			t.Fatal(err)
		}
		err = gone.Refresh(t.Context())
		if fault.KindOf(err) != want {
			t.Errorf("%s: %v (%v), want %v", url, err, fault.KindOf(err), want)
		}
		if text := fmt.Sprint(err, fault.Hints(err)); strings.Contains(text, "hunter2") || strings.Contains(text, "token") {
			t.Errorf("a secret is in %q", text)
		}
	}
	outside := *r
	outside.NoGit = true
	if _, err := outside.LogRef("origin"); fault.KindOf(err) != fault.Usage {
		t.Errorf("outside git: %v", err)
	}
}

func TestRemoteKind(t *testing.T) {
	for text, want := range map[string]fault.Kind{
		"fatal: Authentication failed for 'https://x/'":                                                     fault.Denied,
		"fatal: could not read Username for 'https://x': terminal prompts disabled":                         fault.Denied,
		"git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.":              fault.Denied,
		"fatal: unable to access 'https://x/': The requested URL returned error: 403":                       fault.Denied,
		"fatal: unable to access 'https://x/': The requested URL returned error: 503":                       fault.Unavailable,
		"fatal: unable to access 'https://x/': Could not resolve host: x":                                   fault.Unavailable,
		"ssh: connect to host x port 22: Connection timed out":                                              fault.Unavailable,
		"remote: Repository not found.\nfatal: repository 'https://x/' not found":                           fault.NotFound,
		"fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.": fault.NotFound,
		"fatal: something else": fault.Conflict,
	} {
		if got := remoteKind(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

func FuzzRefTree(f *testing.F) {
	f.Add([]byte("100644 blob 0123456789012345678901234567890123456789       5\tlog/0\x00120000 blob 01 -\tx\x00"))
	f.Fuzz(func(t *testing.T, out []byte) {
		entries, err := parseRefTree(out)
		for key := range entries {
			if err == nil && !validRefKey(key) {
				t.Fatalf("key %q", key)
			}
		}
	})
}
