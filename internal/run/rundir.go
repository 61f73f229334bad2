package run

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Names in the folder of a run in progress, which lies below Runner.Runs and is called like the run. What mlx and the
// command tell each other stands in it, and what is known of the run so far: it is all that is left when mlx is killed.
const (
	paramsName    = "params.json"
	metricsName   = "metrics.json"
	outputName    = "output"
	indexName     = "index"
	resourcesName = "resources.jsonl"
	beginsName    = "begins" // the command is about to start, by which process: without it, it never did
	childName     = "child"  // the command, noted as soon as it has started
	cancelName    = "cancel"
	claimName     = "claim"
	patchName     = "uncommitted.patch"
	restingName   = "resting" // nobody tells of the run just now, and it goes on all the same
)

// removeFolder removes the folder of a run that has served. What cannot be removed goes with gc.
func removeFolder(dir string) { _ = os.RemoveAll(dir) }

func makeFolder(dir string) error { return os.MkdirAll(dir, 0o777) }

// maxNote bounds the small files of the folder when they are read.
const maxNote = 64 << 10

// Cancel says who asked a run to end, and why. It is written before the watching process is signalled.
type Cancel struct {
	By     string  `json:"by"`
	Why    string  `json:"why,omitempty"`
	GraceS float64 `json:"grace_s,omitempty"` // what is still running then is killed
}

// Words are the cancellation as the cause of an end.
func (c Cancel) Words() string {
	why := "cancelled by " + text(c.By)
	if c.Why != "" {
		why += ": " + text(c.Why)
	}
	return why
}

// scratch makes the folder of a run whose id is not known yet.
func (r Runner) scratch(params map[string]any) (string, error) {
	if err := os.MkdirAll(r.Tmp, 0o777); err != nil {
		return "", fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	tmp, err := os.MkdirTemp(r.Tmp, "run-")
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	if params == nil {
		params = map[string]any{}
	}
	text, err := json.Marshal(params)
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(tmp, paramsName), append(text, '\n'), 0o666),
			os.WriteFile(filepath.Join(tmp, claimName), nil, 0o666))
	}
	if err != nil {
		return "", errors.Join(fault.New(fault.KindOf(err), "cannot start the run: %w", err), os.RemoveAll(tmp))
	}
	return tmp, nil
}

// settle gives the folder its place, before the command exists. The claim on it says that somebody watches: it is held
// until the process ends, however it ends.
func (r Runner) settle(tmp string, id object.Digest) (dir string, claim io.Closer, err error) {
	dir = filepath.Join(r.Runs, id.Hex())
	if err = os.MkdirAll(r.Runs, 0o777); err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return "", nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	claim, err = claimFolder(dir)
	if err != nil {
		claim = io.NopCloser(nil) // a file system without locks: whoever recovers asks for the process as well
	}
	return dir, claim, nil
}

// note writes a small file of the folder so that a reader sees all of it or nothing.
func note(dir, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "."+name+"."+rand.Text()) // others may write the same file now
	err = os.WriteFile(tmp, append(text, '\n'), 0o666)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(tmp) // err says what is wrong
	}
	return err
}

// noted reads a small file of the folder. false: there is none that can be read.
func noted[T any](dir, name string) (v T, ok bool) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return v, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote))
	return v, err == nil && json.Unmarshal(text, &v) == nil
}

// Live is a run that has a folder: it is in progress, or nobody has recorded its end.
type Live struct {
	ID     object.Digest
	Dir    string
	Child  *Process // the command, once it has started
	Cancel *Cancel  // who asked it to end
}

// LiveRuns lists the runs that have a folder in runs. A folder of another name is none of ours.
func LiveRuns(runs string) ([]Live, error) {
	entries, err := os.ReadDir(runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot list the runs in progress: %w", err)
	}
	var all []Live
	for _, e := range entries {
		if l, ok := LiveRun(runs, e.Name()); ok {
			all = append(all, l)
		}
	}
	return all, nil
}

// LiveRun reads the folder of the run with this id, 64 hex digits. false: there is none.
func LiveRun(runs, id string) (Live, bool) {
	digest, err := object.ParseDigest(id)
	if err != nil {
		return Live{}, false
	}
	l := Live{ID: digest, Dir: filepath.Join(runs, id)}
	if info, err := os.Stat(l.Dir); err != nil || !info.IsDir() {
		return Live{}, false
	}
	if child, ok := noted[Process](l.Dir, childName); ok && child.PID > 0 {
		l.Child = &child
	} else if watcher, ok := noted[Process](l.Dir, beginsName); ok {
		l.Child = watcher.unnoted(digest)
	}
	if c, ok := noted[Cancel](l.Dir, cancelName); ok {
		l.Cancel = &c
	}
	return l, true
}

// Held says whether some process writes to the folder: also to that of a run that has ended, when a client adds to it.
func (l Live) Held() bool {
	claim, err := claimFolder(l.Dir)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return claim.Close() != nil
}

// heard returns when the folder last gave a sign of life: zero if never.
func (l Live) heard() time.Time {
	var last time.Time
	for _, name := range []string{childName, outputName, resourcesName, metricsName, paramsName, trackedName, restingName} {
		if info, err := os.Stat(filepath.Join(l.Dir, name)); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// childSeen says whether the command itself still exists, asked from the machine called host.
func (l Live) childSeen(host string) sight {
	if l.Child == nil {
		return gone
	}
	return l.Child.seen(host)
}
