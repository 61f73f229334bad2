package lineage

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

// tail holds what was read from segments; it is used again while they do not change, and as long as they only grow it grows by what is new.
type tail struct {
	files  []tailFile
	parts  []*part // each has at least twice the records of the next one
	seen   map[object.Digest]bool
	damage error
}

type tailFile struct {
	base  string
	path  string // where it was when last looked for
	size  int64
	lines int
}

type segmentText struct {
	path  string
	lines [][]byte
	bad   []segment.Damage
	size  int64
}

// readSegments reads every segment, or says that they are what they were. One that vanishes is in a pack by now.
func (l *Ledger) readSegments() (segs []segmentText, changed bool, err error) {
	dir := l.path(segFolder)
	bases, err := segment.Names(dir)
	if err != nil {
		return nil, false, err
	}
	if l.tail != nil && slices.EqualFunc(bases, l.tail.files, func(b string, f tailFile) bool { return b == f.base }) && l.unchanged() {
		return nil, false, nil
	}
	segs = make([]segmentText, 0, len(bases))
	for _, base := range bases {
		s, err := readSegment(dir, base)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		segs = append(segs, s)
	}
	return segs, true, nil
}

// unchanged reports whether the segments of the tail are still open, and as long as they were.
func (l *Ledger) unchanged() bool {
	return l.unsealed() && !slices.ContainsFunc(l.tail.files, func(f tailFile) bool { return segment.Grown(f.path, f.size) })
}

// unsealed reports whether the segments of the tail are still open. It leaves their paths in the tail.
func (l *Ledger) unsealed() bool {
	for i := range l.tail.files {
		f := &l.tail.files[i]
		var err error
		if f.path, _, err = segment.Find(l.path(segFolder), f.base); err != nil || segment.MayRepeat(f.path) {
			return false
		}
	}
	return true
}

func readSegment(dir, base string) (s segmentText, err error) {
	for range 3 { // it is renamed at most once
		if s.path, _, err = segment.Find(dir, base); err != nil {
			return s, err
		}
		s.lines = nil
		s.bad, s.size, err = segment.ScanFile(s.path, func(_ int64, rec []byte) error {
			s.lines = append(s.lines, rec)
			return nil
		})
		if !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	return s, err
}

// openTail adds the unsealed records to v.
func (l *Ledger) openTail(v *view, segs []segmentText, changed bool) error {
	if changed {
		t, err := buildTail(v, segs, l.tail)
		if err != nil {
			l.tail = nil
			return err
		}
		l.tail = t
	}
	v.damage = cmp.Or(v.damage, l.tail.damage)
	v.parts = append(v.parts, l.tail.parts...)
	return nil
}

// repeats says whether records of a segment may be in a pack too. One that has gone since it was read was claimed before or after the packs were
// listed: nobody knows.
func (s segmentText) repeats() bool {
	_, gone := os.Lstat(s.path)
	return gone != nil || segment.MayRepeat(s.path)
}

// grown says whether the segments hold what was read of them before, and perhaps more.
func (t *tail) grown(segs []segmentText, repeats []bool) bool {
	if t == nil || t.damage != nil || slices.Contains(repeats, true) {
		return false
	}
	for _, f := range t.files {
		i := slices.IndexFunc(segs, func(s segmentText) bool { return segment.Base(s.path) == f.base })
		if i < 0 || len(segs[i].lines) < f.lines || segs[i].size < f.size {
			return false
		}
	}
	return !slices.ContainsFunc(segs, func(s segmentText) bool { return len(s.bad) > 0 })
}

// read is how many records of a segment the tail has.
func (t *tail) read(base string) int {
	for _, f := range t.files {
		if f.base == base {
			return f.lines
		}
	}
	return 0
}

// buildTail makes the tail of segments: of one that was made before, and what is new, where they have only grown.
func buildTail(v *view, segs []segmentText, before *tail) (*tail, error) {
	repeats := make([]bool, len(segs))
	for i, s := range segs {
		repeats[i] = s.repeats()
	}
	t := &tail{seen: map[object.Digest]bool{}}
	if before.grown(segs, repeats) {
		t.seen, t.parts = before.seen, slices.Clone(before.parts)
	} else {
		before = &tail{}
	}
	var fresh []fact
	var check line.Parser
	for i, s := range segs {
		base := segment.Base(s.path)
		t.files = append(t.files, tailFile{base, s.path, s.size, len(s.lines)})
		for _, d := range s.bad {
			if !d.Torn {
				t.damage = damaged(s.path, d.Offset, d.What)
			}
		}
		for _, rec := range s.lines[before.read(base):] {
			id := object.Sum(rec)
			if t.seen[id] || repeats[i] && v.holds(id) {
				continue
			}
			t.seen[id] = true
			if _, err := check.Parse(rec); err != nil {
				t.damage = fault.New(fault.Integrity, "cannot read %s: record %s: %w", s.path, id.Short(), err).Hint("mlx verify --ledger")
				continue
			}
			if len(before.files) > 0 {
				rec = bytes.Clone(rec) // it would keep the text of the whole segment
			}
			fresh = append(fresh, fact{id, rec})
		}
	}
	return t, t.add(fresh)
}

// add makes a part of records, together with those before it that are not much larger.
func (t *tail) add(fresh []fact) error {
	if len(fresh) == 0 {
		return nil
	}
	for n := len(t.parts) - 1; n >= 0 && len(t.parts[n].lines) < 2*len(fresh); n-- {
		fresh = slices.Concat(t.parts[n].facts(), fresh)
		t.parts = t.parts[:n]
	}
	b, p := column.NewBuilder(0), &part{}
	for _, f := range fresh {
		if err := b.Add(f.id, f.raw, column.Loc{}); err != nil {
			return err
		}
		p.lines = append(p.lines, f.raw)
	}
	var err error
	p.ix, err = column.Parse(b.Finish(object.Digest{}), object.Digest{})
	t.parts = append(t.parts, p)
	return err
}

// facts are the records of a part that is not sealed.
func (p *part) facts() []fact {
	all := make([]fact, len(p.lines))
	for row, raw := range p.lines {
		all[row] = fact{p.ix.ID(row), raw}
	}
	return all
}
