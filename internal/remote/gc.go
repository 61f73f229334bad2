package remote

import (
	"context"
	"iter"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

const (
	condemnGrace = 24 * time.Hour      // from condemned to dropped: no push takes longer
	dropGrace    = 30 * 24 * time.Hour // from dropped to deleted, and from replaced to deleted
	orphanAge    = 7 * 24 * time.Hour  // an object that no entry names may belong to a push that goes on
	deleteWithin = time.Hour           // after the entry that says so
	rewriteShare = 0.5                 // a pack is made anew when at least this share of it is dead
	rewriteLarge = 4 << 20             // and it has at least so many bytes
)

// GCOptions say what stays of a remote, besides what its own log says.
type GCOptions struct {
	Within   time.Duration                                             // versions that were pushed within this time stay
	KeepLast int                                                       // so do the newest of each path
	Live     func(ctx context.Context) iter.Seq2[snapshot.Root, error] // so do these; asked after the log was read
	Release  []object.Digest                                           // these go, whatever keeps them
	Large    int64                                                     // bytes of a pack that is worth making anew; 0 means 4 MiB
}

// The fates of a pack and of a version at a gc.
const (
	doKeep    = "keep"
	doCondemn = "condemn"
	doRewrite = "rewrite"
	doWait    = "wait"
	doSpare   = "spare"
	doDrop    = "drop"
	doDelete  = "delete"
	doRelease = "release"
)

// GCRoot is a version at the remote, and whether it stays.
type GCRoot struct {
	Root
	At    time.Time
	Stays bool
	Why   string
}

// GCPack is a pack of chunks and what a gc does with it.
type GCPack struct {
	Pack  object.Digest
	Do    string
	Why   string
	Bytes int64
	Live  int64
	After time.Time // when the next step is due; zero for none
}

// GCObject is another object that goes: a pack of records that was replaced, a table or a roll that nothing needs.
type GCObject struct {
	Key   string
	Bytes int64
	Why   string
}

// GCPlan is what a gc would do with the remote as its log is now.
type GCPlan struct {
	Roots   []GCRoot
	Packs   []GCPack
	Objects []GCObject
	Kept    int64     // bytes that stay
	Later   int64     // condemned or dropped
	Freed   int64     // deleted now
	After   time.Time // when the next gc has something to do; zero for never
	Lacks   int       // objects that live versions need and the remote does not have

	live  []object.Digest
	need  *snapshot.Need
	usual *snapshot.Catalog // of the packs that may be relied on
	there map[string]int64  // sizes of the objects in packs/, nil where listing is denied
}

// Failure is an object that could not be deleted: a lock or a retention rule of the place keeps it, perhaps.
type Failure struct {
	Key   string
	Cause error
}

// GCDone is what a gc has done.
type GCDone struct {
	GCPlan
	Failed []Failure
	Head   Head
}

// mayCollect reads the log, and refuses where a gc could do harm.
func (r *Remote) mayCollect(ctx context.Context) error {
	if r.o.RecordsOnly || r.o.Store == nil || r.o.Ledger == nil {
		return fault.New(fault.Usage, "remote %s holds only records: they are never collected", r.o.Name)
	}
	if err := r.advance(ctx); err != nil {
		return err
	}
	if !r.known.state.begun() {
		return fault.New(fault.NotFound, "remote %s is empty", r.o.Name)
	}
	return r.probe(ctx)
}

// probe makes sure that the place refuses to create what is there: without that, pushes and a gc cannot be put in order.
// It writes what is there already, so that a place which does not refuse loses nothing.
func (r *Remote) probe(ctx context.Context) error {
	key := logKey(r.known.state.Seq)
	head, err := r.o.Bucket.Read(ctx, key, maxEntry+(1<<20))
	if err != nil {
		return err
	}
	err = r.o.Bucket.Create(ctx, key, head)
	switch {
	case err == nil:
		return fault.New(fault.Conflict, "remote %s lets two writers create the same object: a gc there could take what a push relies on", r.o.Name).
			Hint("mlx remote check %s   # what the place can do", r.o.Name)
	case !exists(err):
		return err
	}
	return nil
}

// PlanGC says what a gc would do.
func (r *Remote) PlanGC(ctx context.Context, o GCOptions) (*GCPlan, error) {
	if err := r.mayCollect(ctx); err != nil {
		return nil, err
	}
	return r.planGC(ctx, o)
}

// GC collects: what nothing needs is condemned, a day later dropped, 30 days later deleted. Each step is an entry of the
// log, decided on everything that came before it; whoever pushes meanwhile makes it be decided again.
func (r *Remote) GC(ctx context.Context, o GCOptions) (GCDone, error) {
	if err := r.mayCollect(ctx); err != nil {
		return GCDone{}, err
	}
	for range maxRaces {
		plan, err := r.planGC(ctx, o)
		if err != nil {
			return GCDone{}, err
		}
		done := GCDone{GCPlan: *plan}
		ok, err := r.applyGC(ctx, &done, o)
		if err != nil {
			return done, err
		}
		if ok {
			done.Head, _ = r.Head()
			return done, nil
		}
		if err := r.follow(ctx); err != nil {
			return GCDone{}, err
		}
	}
	return GCDone{}, fault.New(fault.Unavailable, "cannot collect in %s: others push too fast", r.o.Name)
}

// applyGC carries a plan out. false: the log has grown meanwhile, and everything must be decided again.
func (r *Remote) applyGC(ctx context.Context, done *GCDone, o GCOptions) (bool, error) {
	for _, step := range []func(context.Context, *GCDone, GCOptions) (bool, error){r.gcCondemn, r.gcDrop, r.gcDelete} {
		if ok, err := step(ctx, done, o); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// chosen returns the packs with one of some fates.
func (p *GCPlan) chosen(do ...string) (out []object.Digest) {
	for _, k := range p.Packs {
		for _, d := range do {
			if k.Do == d {
				out = append(out, k.Pack)
			}
		}
	}
	return out
}

// gcCondemn condemns, takes condemnations back and releases versions. Packs that are made anew are there before.
func (r *Remote) gcCondemn(ctx context.Context, done *GCDone, o GCOptions) (bool, error) {
	e := &Entry{Do: DoCondemn, Condemned: done.chosen(doCondemn, doRewrite), Spared: done.chosen(doSpare)}
	for _, root := range done.Roots {
		if !root.Stays {
			e.Released = append(e.Released, root.Root.Root)
		}
	}
	if len(e.Condemned)+len(e.Spared)+len(e.Released) == 0 {
		return true, nil
	}
	if err := r.rewritePacks(ctx, &done.GCPlan, e); err != nil {
		return false, err
	}
	return r.append(ctx, e, nil)
}

func (r *Remote) gcDrop(ctx context.Context, done *GCDone, _ GCOptions) (bool, error) {
	e := &Entry{Do: DoDrop, Dropped: done.chosen(doDrop)}
	if len(e.Dropped) == 0 {
		return true, nil
	}
	return r.append(ctx, e, nil)
}

// gcDelete says which packs are about to go, and then deletes them: after the entry nobody adds them again.
func (r *Remote) gcDelete(ctx context.Context, done *GCDone, _ GCOptions) (bool, error) {
	e := &Entry{Do: DoDelete, Deleted: done.chosen(doDelete)}
	if len(e.Deleted) > 0 {
		if ok, err := r.append(ctx, e, nil); err != nil || !ok {
			return false, err
		}
	}
	said := r.o.Now()
	var keys []string
	for _, name := range e.Deleted {
		if p := r.known.state.pack(name); p != nil && !r.known.state.sharesObject(*p) {
			keys = append(keys, p.key())
		}
	}
	for _, o := range done.Objects {
		keys = append(keys, o.Key)
	}
	done.Failed = r.deleteAll(ctx, keys, said)
	return true, ctx.Err()
}

// deleteAll deletes objects within an hour of the entry that said so, and returns those that are still there.
func (r *Remote) deleteAll(ctx context.Context, keys []string, said time.Time) (failed []Failure) {
	for _, key := range keys {
		if ctx.Err() != nil {
			return failed
		}
		if r.o.Now().Sub(said) > deleteWithin {
			failed = append(failed, Failure{key, fault.New(fault.Unavailable, "it took too long: the next gc deletes it")})
			continue
		}
		if err := r.o.Bucket.Delete(ctx, key); err != nil {
			failed = append(failed, Failure{key, err})
		}
	}
	return failed
}
