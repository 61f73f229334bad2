package train

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"

	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// How long things stay on a node that nobody needs any more.
const (
	keepCollected = 24 * time.Hour      // the folder of a job whose results were fetched
	keepForgotten = 14 * 24 * time.Hour // the folder of a job that nobody came back for
	keepProgram   = 30 * 24 * time.Hour // a version of mlx
)

// The folders of a node.
const (
	jobsDir = "jobs"
	binDir  = "bin"
	usedDir = "used" // a file for each version that was asked for or brought, its time the last of that
)

// TidyFolders removes what is old below the root of a node. What cannot be removed now is for the next who comes.
func TidyFolders(root *os.Root, now time.Time) error {
	return errors.Join(
		removeOld(root, jobsDir, func(job string) (bool, error) { return jobIsOld(root, job, now) }),
		removeOld(root, binDir, func(dir string) (bool, error) {
			last, err := newest(root, dir)
			return now.Sub(last) > keepProgram, err
		}),
		removeOld(root, usedDir, func(name string) (bool, error) {
			st, err := root.Lstat(name)
			return err == nil && now.Sub(st.ModTime()) > keepProgram, err
		}))
}

func removeOld(root *os.Root, dir string, old func(name string) (bool, error)) error {
	names, err := namesIn(root, dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		name = path.Join(dir, name)
		gone, err := old(name)
		if gone && err == nil {
			err = root.RemoveAll(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// jobIsOld says whether nobody will ask for the folder of a job again. The agent of one that executes writes to it.
func jobIsOld(root *os.Root, job string, now time.Time) (bool, error) {
	if st, err := root.Lstat(path.Join(job, CollectedName)); err == nil && now.Sub(st.ModTime()) > keepCollected {
		return true, nil
	}
	last, err := newest(root, job)
	return now.Sub(last) > keepForgotten, err
}

// newest returns when a folder or something that lies in it was written last.
func newest(root *os.Root, dir string) (time.Time, error) {
	st, err := root.Lstat(dir)
	if err != nil {
		return time.Time{}, err
	}
	last := st.ModTime()
	names, err := namesIn(root, dir)
	for _, name := range names {
		if st, err := root.Lstat(path.Join(dir, name)); err == nil && st.ModTime().After(last) {
			last = st.ModTime()
		}
	}
	return last, err
}

// namesIn lists a folder, which need not be there.
func namesIn(root *os.Root, dir string) ([]string, error) {
	d, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// used notes that versions were asked for, so that those go first that nobody asks for.
func (v *server) used(roots []object.Digest) {
	if len(roots) == 0 || v.root.MkdirAll(usedDir, 0o700) != nil {
		return
	}
	now := v.o.Now()
	for _, d := range roots {
		name := path.Join(usedDir, d.Hex())
		if v.root.Chtimes(name, now, now) == nil {
			continue
		}
		if f, err := v.root.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600); err == nil { // without it, the version only goes earlier
			f.Close()
		}
	}
}

// tidy cleans the node up. The store may have so many bytes: it is a cache beyond what jobs need.
func (v *server) tidy(ctx context.Context, limit int64) (int64, error) {
	if err := TidyFolders(v.root, v.o.Now()); err != nil {
		return 0, err
	}
	if err := v.forgetClones(); err != nil {
		return 0, err
	}
	size, err := v.storeBytes()
	if err != nil || limit <= 0 || size <= limit {
		return size, err
	}
	var plan *snapshot.GCPlan
	for _, keep := range []time.Duration{keepProgram, 7 * 24 * time.Hour, 24 * time.Hour, time.Hour, 0} {
		if plan, err = v.o.Store.PlanGC(ctx, v.live(ctx, keep)); err != nil {
			return size, err
		}
		if plan.Kept <= limit {
			break
		}
	}
	if err := v.o.Store.ApplyGC(ctx, plan); err != nil {
		return size, err
	}
	return v.storeBytes()
}

// forgetClones takes the projects of jobs out of the store whose folders are gone.
func (v *server) forgetClones() error {
	clones, err := v.o.Store.Clones()
	if err != nil {
		return err
	}
	for _, c := range clones {
		if _, err := os.Stat(c.Dir); errors.Is(err, fs.ErrNotExist) {
			if err := v.o.Store.ForgetClone(c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *server) storeBytes() (n int64, err error) {
	names, err := namesIn(v.root, "store/packs")
	for _, name := range names {
		if st, err := v.root.Lstat(path.Join("store/packs", name)); err == nil {
			n += st.Size()
		}
	}
	return n, err
}

// live yields what the jobs of this node name, and what was used not longer ago than keep.
func (v *server) live(ctx context.Context, keep time.Duration) iter.Seq2[snapshot.Root, error] {
	return func(yield func(snapshot.Root, error) bool) {
		more := func(d object.Digest, why string) bool { return yield(snapshot.Root{Digest: d, Why: why}, nil) }
		jobs, err := namesIn(v.root, jobsDir)
		if err != nil {
			yield(snapshot.Root{}, err)
			return
		}
		for _, job := range jobs {
			named, err := v.namedBy(ctx, path.Join(jobsDir, job))
			if err != nil {
				yield(snapshot.Root{}, err)
				return
			}
			for _, d := range named {
				if !more(d, "needed by a job") {
					return
				}
			}
		}
		names, err := namesIn(v.root, usedDir)
		if err != nil {
			yield(snapshot.Root{}, err)
			return
		}
		for _, name := range names {
			st, err := v.root.Lstat(path.Join(usedDir, name))
			d, derr := object.ParseDigest(name)
			if err == nil && derr == nil && v.o.Now().Sub(st.ModTime()) < keep && !more(d, "used not long ago") {
				return
			}
		}
	}
}

var anyDigest = regexp.MustCompile(`[0-9a-f]{64}`)

// namedBy returns every digest that stands in the documents of a job, in whatever place: one that is no version is in no
// store. What its ledger names is asked of whoever knows ledgers.
func (v *server) namedBy(ctx context.Context, job string) ([]object.Digest, error) {
	var out []object.Digest
	for _, name := range []string{OrderName, StateName, ResultName} {
		text, err := v.root.ReadFile(path.Join(job, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, digestsIn(text)...)
	}
	if v.o.Records == nil {
		return out, nil
	}
	err := v.o.Records(ctx, filepath.Join(v.o.Root, filepath.FromSlash(job)), func(record []byte) { out = append(out, digestsIn(record)...) })
	return out, err
}

// digestsIn finds the digests that stand in a text.
func digestsIn(text []byte) (out []object.Digest) {
	for _, hex := range anyDigest.FindAll(text, -1) {
		if d, err := object.ParseDigest(string(hex)); err == nil {
			out = append(out, d)
		}
	}
	return out
}
