package remote

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Known is what a clone remembers of a remote. Nothing is asked of the remote for it.
type Known struct {
	m    *memory
	AsOf time.Time // when the clone last saw something new there; zero for never
}

// Recall reads what the clone that keeps its memory in dir knows of the remote at a place.
func Recall(dir, place string) (*Known, error) {
	m, err := remember(dir, place)
	if err != nil {
		return nil, err
	}
	k := &Known{m: m}
	if info, err := os.Stat(m.file); err == nil {
		k.AsOf = info.ModTime().UTC()
	}
	return k, nil
}

// Head returns the newest state that was seen; false if the remote was never seen.
func (k *Known) Head() (Head, bool) {
	s := k.m.state
	return Head{Remote: s.Remote, Seq: s.Seq, Entry: s.Head, Size: s.Size, Root: s.Root}, s.begun()
}

// Holds says whether the log names a version.
func (k *Known) Holds(root object.Digest) bool { return k.m.state.holds(root) }

// Encrypted says whether what lies there is encrypted.
func (k *Known) Encrypted() bool {
	return slices.ContainsFunc(k.m.state.Packs, func(p pack) bool { return !p.Object.IsZero() }) ||
		slices.ContainsFunc(k.m.state.Records, func(p RecordPack) bool { return !p.Object.IsZero() })
}

// Totals counts what a remote holds. Bytes are those of the packs before encryption.
type Totals struct {
	Snapshots, Records, Packs int
	Bytes                     int64
}

// Totals counts what the remote holds.
func (k *Known) Totals() Totals {
	s := &k.m.state
	t := Totals{Snapshots: len(s.Roots), Records: int(s.Size)}
	for _, p := range s.readable() {
		t.Packs++
		t.Bytes += p.Bytes
	}
	for _, p := range s.Records {
		t.Bytes += p.Bytes
	}
	return t
}

// Unsent returns the ids of the records of a ledger that the remote has not.
func (k *Known) Unsent(ctx context.Context, l *lineage.Ledger) ([]object.Digest, error) {
	ids, err := l.IDs(ctx)
	return slices.DeleteFunc(ids, k.m.has), err
}

// Lack is what a remote should hold and does not.
type Lack struct {
	Roots []Root      // versions that the log does not name
	Packs []ChunkPack // packs that the log counts on, and that are gone or of another size
	Blind bool        // the packs could not be listed
}

// Lacks asks the remote whether it holds versions: the log must name each of them, and every pack that the log counts on
// must be there.
func (r *Remote) Lacks(ctx context.Context, roots []Root) (Lack, error) {
	var lack Lack
	if err := r.advance(ctx); err != nil {
		return lack, err
	}
	s := &r.known.state
	for _, root := range roots {
		if !s.holds(root.Root) {
			lack.Roots = append(lack.Roots, root)
		}
	}
	if r.o.RecordsOnly || !s.begun() {
		return lack, nil
	}
	there, err := r.objects(ctx, packFolder)
	if err != nil {
		return lack, err
	}
	lack.Blind = there == nil
	for _, c := range s.usable() {
		if o, ok := there[c.key()]; !lack.Blind && (!ok || o.Size != r.size(c)) {
			lack.Packs = append(lack.Packs, c)
		}
	}
	return lack, nil
}

// Find returns the version that the log names by a digest or a unique beginning of one.
func (r *Remote) Find(prefix object.Prefix) (Root, error) {
	var found []Root
	for _, h := range r.known.state.Roots {
		if prefix.Match(h.Root.Root) && !slices.ContainsFunc(found, func(f Root) bool { return f.Root == h.Root.Root }) {
			found = append(found, h.Root)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Root{}, fault.New(fault.NotFound, "%s holds no such version", r.Describe())
	}
	return Root{}, fault.New(fault.Conflict, "%s holds %s and %s", r.Describe(), found[0].Root.Short(), found[1].Root.Short())
}

// Newest returns the newest version that holds a path, which starts at the root of the repository.
func (r *Remote) Newest(path string) (Root, bool) {
	roots := r.known.state.Roots
	for i := len(roots) - 1; i >= 0; i-- {
		if at := roots[i].Path; at != "" && (path == at || strings.HasPrefix(path, at+"/")) {
			return roots[i].Root, true
		}
	}
	return Root{}, false
}

// Look reads the log as far as it must to know of a version: where the hint names it, what came later is not asked for.
func (r *Remote) Look(ctx context.Context, root object.Digest) error {
	if !r.known.state.begun() && r.byTail(ctx, true) == nil && r.Holds(root) {
		return r.agree(&r.known.state)
	}
	r.known = r.known.blank()
	_, err := r.Sync(ctx)
	return err
}
