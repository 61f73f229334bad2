package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/index"
	"mlx/internal/snapshot/internal/pack"
)

const (
	// grace is how long a pack stays condemned before it is deleted: no save takes longer.
	grace = 24 * time.Hour
	// a pack is rewritten when at least this share of it is dead.
	rewriteAt = 0.25
	// so many packs smaller than smallPack are put together.
	smallPack  = packTarget / 8
	smallPacks = 16
)

// The fates of a pack.
const (
	keepPack    = "keep"
	condemnPack = "condemn"
	rewritePack = "rewrite"
	deletePack  = "delete"
	sparePack   = "spare"
	waitPack    = "wait"
)

// beingSaved is why a new pack stays while a save is in progress.
const beingSaved = "a save is in progress"

// PlanGC decides what a gc would keep and remove, given every live root. Roots that are not in this store are named in
// Missing; one that is damaged stops the plan, because what it needs cannot be told.
func (s *Store) PlanGC(ctx context.Context, live iter.Seq2[Root, error]) (*GCPlan, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	if err := s.set.Refresh(); err != nil {
		return nil, err
	}
	for name, err := range s.set.Damaged() {
		return nil, fault.New(fault.Integrity, "cannot plan a gc: pack %s: %w", name.Short(), err).Hint("mlx verify")
	}
	condemned, err := s.condemnedSince()
	if err != nil {
		return nil, err
	}
	m := &marker{s: s, r: r, live: map[object.Digest]int{}, skip: map[object.Digest]bool{}}
	for d := range condemned {
		m.skip[d] = true
	}
	if m.saving, err = s.saving(); err != nil {
		return nil, err
	}
	if err := m.roots(ctx, live); err != nil {
		return nil, err
	}
	plan := &GCPlan{Missing: m.missing, live: m.live}
	if err := m.packs(plan, condemned, s.o.Now()); err != nil {
		return nil, err
	}
	plan.Classes = append(m.classes, plan.Classes...)
	if plan.Leftover, err = s.leftoverFiles(plan); err != nil {
		return nil, err
	}
	return plan, nil
}

// marker finds what is alive.
type marker struct {
	s       *Store
	r       *reader
	live    map[object.Digest]int // object -> class
	skip    map[object.Digest]bool
	saving  time.Time // since when a save is in progress; zero for none
	classes []GCClass
	missing []Root
}

// class returns the number of the class with this reason.
func (m *marker) class(why string) int {
	i := slices.IndexFunc(m.classes, func(c GCClass) bool { return c.Why == why })
	if i < 0 {
		m.classes = append(m.classes, GCClass{Why: why, Stays: true})
		i = len(m.classes) - 1
	}
	return i
}

// roots marks everything that the live roots need, those of saves in progress among them.
func (m *marker) roots(ctx context.Context, live iter.Seq2[Root, error]) error {
	pending, err := m.s.pending() // before the others: a save that ends meanwhile is among those
	if err != nil {
		return err
	}
	for root, err := range live {
		if err != nil {
			return err
		}
		if err := m.root(ctx, root); err != nil {
			return err
		}
	}
	missing := m.missing
	for _, d := range pending {
		if err := m.root(ctx, Root{Digest: d, Why: "being saved"}); err != nil {
			return err
		}
	}
	m.missing = missing // one that is being fetched is not whole yet
	return m.bases()
}

func (m *marker) root(ctx context.Context, root Root) error {
	if _, ok := m.live[root.Digest]; ok {
		return nil
	}
	class := m.class(root.Why)
	m.r.loose, m.r.holes = true, 0 // what is here of a version that is not whole stays
	err := m.s.eachObject(ctx, m.r, root.Digest, func(d object.Digest) {
		if _, ok := m.live[d]; !ok {
			m.live[d] = class
		}
	})
	if err == nil && m.r.holes > 0 {
		m.missing = append(m.missing, root)
		return nil
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		m.missing = append(m.missing, root)
		return nil
	case fault.Integrity:
		return fault.New(fault.Integrity, "cannot plan a gc: version %s is damaged: %w", root.Digest.Short(), err).Hint("mlx verify")
	default:
		return err
	}
}

// bases marks the bases of live deltas: they are needed to read them. A chunk may be a delta in several packs, and a
// base in one of them may be a delta in another.
func (m *marker) bases() error {
	for found := true; found; {
		found = false
		for _, f := range m.s.set.Files() {
			var err error
			f.ChunksInPlace(func(d object.Digest, l pack.Loc) bool {
				if _, ok := m.live[d]; !ok || l.Frame.Codec != pack.Delta {
					return true
				}
				var base object.Digest
				if base, err = l.Base(); err != nil {
					return false
				}
				if _, ok := m.live[base]; !ok {
					m.live[base] = m.class("base of a delta")
					found = true
				}
				return true
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// home returns the pack that a chunk counts in: one that is not condemned, where there is one.
func (m *marker) home(d object.Digest) *pack.File {
	l, ok := m.s.set.Find(d, m.skip)
	if !ok {
		l, _ = m.s.set.Find(d, nil)
	}
	return l.File
}

// packs decides the fate of every pack.
func (m *marker) packs(plan *GCPlan, condemned map[object.Digest]time.Time, now time.Time) error {
	dead := GCClass{Why: "needed by nothing"}
	for _, f := range m.s.set.Files() {
		liveBytes := m.weigh(f, &dead)
		p := GCPack{ID: f.Name(), Bytes: f.Size(), Live: liveBytes}
		since, was := condemned[f.Name()]
		switch {
		case was && liveBytes > 0:
			p.Do, p.Why = sparePack, "condemned before, needed again"
		case was && now.Sub(since) >= grace:
			p.Do, p.Why = deletePack, "condemned since "+since.UTC().Format(time.RFC3339)
			plan.Freed += p.Bytes
		case was:
			p.Do, p.Why = waitPack, "condemned since "+since.UTC().Format(time.RFC3339)
			plan.Later += p.Bytes
			plan.After = later(plan.After, since.Add(grace))
		case m.isNew(f):
			p.Do, p.Why = keepPack, beingSaved
		case liveBytes == 0:
			p.Do, p.Why = condemnPack, "nothing in it is needed"
			plan.Later += p.Bytes
			plan.After = later(plan.After, now.Add(grace))
		case float64(p.Bytes-liveBytes) >= rewriteAt*float64(p.Bytes):
			p.Do, p.Why = rewritePack, fmt.Sprintf("%d%% of it is needed", 100*liveBytes/p.Bytes)
			plan.Later += p.Bytes - liveBytes
			plan.After = later(plan.After, now.Add(grace))
		default:
			p.Do, p.Why = keepPack, "needed"
		}
		if p.Do == keepPack || p.Do == sparePack {
			plan.Kept += p.Bytes
		} else if p.Do == rewritePack {
			plan.Kept += p.Live
		}
		plan.Packs = append(plan.Packs, p)
	}
	plan.joinSmall(later(plan.After, now.Add(grace)))
	if dead.Objects > 0 {
		plan.Classes = append(plan.Classes, dead)
	}
	slices.SortFunc(plan.Packs, func(a, b GCPack) int { return a.ID.Compare(b.ID) })
	return nil
}

// isNew says whether a save that is in progress may have written a pack.
func (m *marker) isNew(f *pack.File) bool {
	if m.saving.IsZero() {
		return false
	}
	st, err := os.Stat(f.Path())
	return err == nil && !st.ModTime().Before(m.saving.Add(-time.Second)) // clocks of a file server and its client differ
}

// joinSmall rewrites the small packs, where there are many: each save makes one.
func (p *GCPlan) joinSmall(after time.Time) {
	var small []*GCPack
	for i := range p.Packs {
		if k := &p.Packs[i]; k.Do == keepPack && k.Why != beingSaved && k.Bytes < smallPack {
			small = append(small, k)
		}
	}
	if len(small) < smallPacks {
		return
	}
	for _, k := range small {
		k.Do, k.Why = rewritePack, fmt.Sprintf("one of %d small packs", len(small))
		p.Kept += k.Live - k.Bytes
		p.Later += k.Bytes - k.Live
	}
	p.After = after
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// weigh counts the objects of a pack by class and returns the stored bytes of those that must stay. A chunk that
// another pack serves counts there alone.
func (m *marker) weigh(f *pack.File, dead *GCClass) int64 {
	var live int64
	f.Chunks(func(d object.Digest, frame, size int, _ pack.Codec) bool {
		class, ok := m.live[d]
		stored := f.StoredShare(frame, size)
		if ok && m.home(d) == f {
			m.classes[class].Objects++
			m.classes[class].Bytes += stored
			live += stored
			return true
		}
		dead.Objects++
		dead.Bytes += stored
		return true
	})
	if live > 0 {
		live = min(live+f.Overhead(), f.Size())
	}
	return live
}

// pending lists the roots of saves in progress. One older than the grace belongs to a dead writer.
func (s *Store) pending() ([]object.Digest, error) {
	files, err := filepath.Glob(filepath.Join(s.roots(), "*", "*"+pendingSuffix))
	if err != nil {
		return nil, fmt.Errorf("list saves in progress: %w", err)
	}
	var out []object.Digest
	for _, f := range files {
		st, err := os.Lstat(f)
		if err != nil {
			continue // released meanwhile
		}
		hex, _, _ := strings.Cut(filepath.Base(f), "-")
		d, err := object.ParseDigest(hex)
		if err == nil && s.o.Now().Sub(st.ModTime()) < grace {
			out = append(out, d)
		}
	}
	return out, nil
}

// condemnedSince returns the condemned packs and since when they are.
func (s *Store) condemnedSince() (map[object.Digest]time.Time, error) {
	names, err := s.condemnedPacks()
	if err != nil {
		return nil, err
	}
	out := map[object.Digest]time.Time{}
	for d := range names {
		b, err := os.ReadFile(filepath.Join(s.condemned(), d.Hex()))
		if errors.Is(err, fs.ErrNotExist) { // another gc took it back, or deleted the pack
			continue
		}
		var st fs.FileInfo
		if err == nil {
			st, err = os.Stat(filepath.Join(s.condemned(), d.Hex()))
		}
		if err != nil {
			return nil, fmt.Errorf("read a condemnation: %w", err)
		}
		t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(b)))
		if err != nil || t.Before(st.ModTime().Add(-time.Hour)) { // damaged: that never makes the grace shorter
			t = st.ModTime()
		}
		out[d] = t
	}
	return out, nil
}

// marksOfNothing lists the condemnations of packs that are gone.
func (s *Store) marksOfNothing() []string {
	names, err := s.condemnedPacks()
	if err != nil {
		return nil
	}
	var out []string
	for d := range names {
		if !present(filepath.Join(s.packs(), pack.FileName(d))) {
			out = append(out, filepath.Join(s.condemned(), d.Hex()))
		}
	}
	return out
}

// leftoverFiles lists what dead writers left, and the link cache's files that nobody links to.
func (s *Store) leftoverFiles(plan *GCPlan) ([]string, error) {
	names, err := s.leftovers()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range names {
		out = append(out, filepath.Join(s.tmp(), n))
	}
	old := []string{filepath.Join(s.roots(), "*", "*"+pendingSuffix)}
	for _, p := range index.Temporary() {
		old = append(old, filepath.Join(s.o.Index, p))
	}
	for _, pattern := range old {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", pattern, err)
		}
		for _, f := range files {
			if st, err := os.Lstat(f); err == nil && s.o.Now().Sub(st.ModTime()) >= grace {
				out = append(out, f)
			}
		}
	}
	unlinked, err := s.unlinked()
	if err != nil {
		return nil, err
	}
	out = append(append(out, unlinked...), s.marksOfNothing()...)
	for _, f := range out {
		if st, err := os.Lstat(f); err == nil {
			plan.Freed += st.Size()
		}
	}
	return out, nil
}
