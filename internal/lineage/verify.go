package lineage

import (
	"context"
	"fmt"
	"os"
	"slices"

	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

// Problem is one piece of damage. Offset and Record are zero where they mean nothing.
type Problem struct {
	File   string        `json:"file"`
	Offset int64         `json:"offset"`
	Record object.Digest `json:"record"`
	What   string        `json:"what"`
}

// Report is what Verify found. Notes are no damage: a torn write that was never acknowledged, an index that was built again.
type Report struct {
	Records     int           `json:"records"`
	Packs       int           `json:"packs"`
	Segments    int           `json:"segments"`
	Checkpoints int           `json:"checkpoints"`
	Bytes       int64         `json:"bytes"`
	Size        uint64        `json:"size"`
	Root        object.Digest `json:"root"`
	Problems    []Problem     `json:"problems"`
	Notes       []string      `json:"notes"`
}

// OK reports that nothing is damaged.
func (r Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) problem(file string, offset int64, id object.Digest, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{File: file, Offset: offset, Record: id, What: fmt.Sprintf(format, args...)})
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// verifier reads everything again, by the formats alone: it trusts no index, no cache and nothing that a writer remembers.
// Indexes are derived: they are compared with what their packs say, and made again if they differ.
type verifier struct {
	l        *Ledger
	report   Report
	progress func(done, total int64)
	done     int64
	total    int64
	gone     map[object.Digest]string // records without bytes, and the pack that says so
}

// Verify reads every byte of the ledger: bytes against checksums and ids, ids against packs, packs against the log, prev
// against records, checkpoints against the tree and their keys. Damage is in the report; an error means that it could not look.
func (l *Ledger) Verify(ctx context.Context, progress func(done, total int64)) (Report, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	v := &verifier{l: l, progress: progress, gone: map[object.Digest]string{}}
	segs, err := segment.Names(l.path(segFolder))
	if err != nil {
		return Report{}, because(err, "cannot verify the ledger")
	}
	for _, base := range segs {
		if err := v.segment(base); err != nil {
			return Report{}, because(err, "cannot verify the ledger")
		}
	}
	packs, err := l.packNames()
	if err != nil {
		return Report{}, because(err, "cannot verify the ledger")
	}
	v.measure(packs)
	for _, id := range packs {
		if err := v.pack(ctx, id); err != nil {
			return Report{}, because(err, "cannot verify the ledger")
		}
	}
	if err := v.log(); err != nil {
		return Report{}, because(err, "cannot verify the ledger")
	}
	if err := v.graph(ctx); err != nil {
		return Report{}, because(err, "cannot verify the ledger")
	}
	slices.SortStableFunc(v.report.Problems, comparePlaces)
	return v.report, nil
}

func (v *verifier) measure(packs []object.Digest) {
	for _, id := range packs {
		if info, err := os.Lstat(v.l.packPath(id)); err == nil {
			v.total += info.Size()
		}
	}
	v.progress(0, v.total)
}

func (v *verifier) segment(base string) error {
	dir := v.l.path(segFolder)
	var check line.Parser
	path, _, err := segment.Find(dir, base)
	if err != nil {
		return nil // sealed meanwhile: it is verified as a pack
	}
	bad, size, err := segment.ScanFile(path, func(offset int64, rec []byte) error {
		if _, err := check.Parse(rec); err != nil {
			v.report.problem(path, offset, object.Sum(rec), "%v", err)
		}
		return nil
	})
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range bad {
		if d.Torn {
			v.report.note("%s ends with %d bytes of a write that was never acknowledged", path, d.Length)
			continue
		}
		v.report.problem(path, d.Offset, object.Digest{}, "%s (%d bytes)", d.What, d.Length)
	}
	v.report.Segments++
	v.report.Bytes += size
	return nil
}

// log checks the entries that are left: their form, their chain, and that the packs of the newest are here.
func (v *verifier) log() error {
	seqs, err := v.l.seqs()
	if err != nil {
		return err
	}
	var last order
	var lastID object.Digest
	for i, seq := range seqs {
		path := v.l.logPath(seq)
		o, id, err := readOrder(path)
		if os.IsNotExist(err) {
			continue
		}
		switch {
		case err != nil:
			v.report.problem(path, 0, object.Digest{}, "%v", err)
		case o.Seq != seq:
			v.report.problem(path, 0, object.Digest{}, "entry says that it is number %d", o.Seq)
		case i > 0 && seqs[i-1] == seq-1 && !lastID.IsZero() && o.Prev != lastID:
			v.report.problem(path, 0, object.Digest{}, "entry does not follow from the one before")
		}
		last, lastID = o, id
	}
	for _, s := range last.Packs {
		path := v.l.packPath(s.Pack)
		info, err := os.Lstat(path)
		if now, _, e := v.l.lastOrder(); e == nil && !now.has(s.Pack) {
			continue // replaced meanwhile
		}
		switch {
		case err != nil:
			v.report.problem(path, 0, object.Digest{}, "pack of %d records is missing", s.Records)
		case info.Size() != s.Bytes:
			v.report.problem(path, 0, object.Digest{}, "pack has %d bytes, the log says %d", info.Size(), s.Bytes)
		}
	}
	kept, err := segment.Damaged(v.l.path(segFolder))
	for _, name := range kept {
		v.report.problem(v.l.path(segFolder, name), 0, object.Digest{}, "kept as evidence: it held damage when it was sealed; delete it when it is of no more use")
	}
	return err
}

// comparePlaces orders problems by file and place.
func comparePlaces(a, b Problem) int {
	if a.File != b.File {
		if a.File < b.File {
			return -1
		}
		return 1
	}
	return int(min(max(a.Offset-b.Offset, -1), 1))
}

// index writes an index that differs from its pack again and notes that.
func (v *verifier) index(id object.Digest, want []byte) {
	path := v.l.idxPath(id)
	have, release, err := disk.Map(path)
	if err == nil {
		defer func() { _ = release() }()
		if slices.Equal(have, want) {
			return
		}
		v.report.note("%s was damaged or of another version and was built again", path)
	}
	v.l.keepIndex(id, want)
}
