package tracking

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// rows are all runs of the ledger, in memory. They are read when somebody searches for the first time, and what is new from then on.
type rows struct {
	o *Options

	mu      sync.Mutex
	records int // of runs, in the ledger when it was last read; 0: never
	byID    map[object.Digest]*known
	sorted  []*known
	words   map[string]string // one copy of each text that many runs have
}

// known is a run and the newest record that was read of it.
type known struct {
	record object.Digest
	row    *row
	open   *run.Body // of a run without an end: whether it goes on has to be asked each time
}

// refresh reads what is new.
func (x *rows) refresh(ctx context.Context) error {
	now, err := x.o.Ledger.Count(ctx, lineage.Query{Nouns: []string{"run"}, All: true})
	if err != nil || now == x.records {
		return err
	}
	if x.byID == nil {
		x.byID, x.words = map[object.Digest]*known{}, map[string]string{}
	}
	if x.records == 0 {
		err = x.readAll(ctx)
	} else {
		err = x.readNew(ctx)
	}
	if err != nil {
		return err
	}
	x.records, x.sorted = now, slices.AppendSeq(x.sorted[:0], maps.Values(x.byID))
	slices.SortFunc(x.sorted, func(a, b *known) int { return newer(a.row, b.row) })
	return nil
}

func (x *rows) readAll(ctx context.Context) error {
	for rec, err := range x.o.Ledger.Select(ctx, lineage.Query{Nouns: []string{"run"}}) {
		if err != nil {
			return err
		}
		x.read(ctx, rec)
	}
	return nil
}

// readNew reads the records that no row was made of.
func (x *rows) readNew(ctx context.Context) error {
	have := make(map[object.Digest]bool, len(x.byID))
	for _, k := range x.byID {
		have[k.record] = true
	}
	table, err := x.o.Ledger.Values(ctx, lineage.Query{Nouns: []string{"run"}})
	if err != nil {
		return err
	}
	for r, err := range table.Rows {
		if err != nil {
			return err
		}
		if have[r.ID] {
			continue
		}
		rec, err := x.o.Ledger.Get(ctx, r.ID)
		if err != nil {
			return err
		}
		x.read(ctx, rec)
	}
	return nil
}

// read makes the row of a record. A record that cannot be read, as one of a later version, is no row.
func (x *rows) read(ctx context.Context, rec lineage.Record) {
	if !run.Started.Is(rec) && !run.Ended.Is(rec) {
		return
	}
	id, b, err := x.o.History.BodyOf(rec)
	if err != nil {
		return
	}
	if old := x.byID[id]; old != nil && run.Started.Is(rec) && old.record != rec.ID {
		return // its end was read
	}
	_ = run.Unfold(ctx, x.o.Store, &b) // what was never fetched is not shown
	k := &known{record: rec.ID, row: rowOf(id, &b, rec.By)}
	x.share(k.row)
	if run.Started.Is(rec) {
		k.open = &b
	}
	x.byID[id] = k
}

// share makes texts that many runs have one.
func (x *rows) share(r *row) {
	one := func(s *string) {
		if have, ok := x.words[*s]; ok {
			*s = have
		} else if len(*s) <= 64 && len(x.words) < 200_000 {
			*s = strings.Clone(*s)
			x.words[*s] = *s
		}
	}
	one(&r.experiment)
	one(&r.user)
	for _, all := range [][]named{r.params, r.tags} {
		for i := range all {
			one(&all[i].key)
			one(&all[i].value)
		}
	}
	for i := range r.metrics {
		one(&r.metrics[i].key)
	}
}

// allRows is every run, as it is now, the newest first and then by id.
func (s *Server) allRows(ctx context.Context) ([]*row, error) {
	s.live.mu.Lock()
	writing := make(map[object.Digest]*held, len(s.live.runs))
	for _, h := range s.live.runs {
		writing[h.ID] = h
	}
	s.live.mu.Unlock()
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	if err := s.rows.refresh(ctx); err != nil {
		return nil, err
	}
	all := make([]*row, 0, len(s.rows.sorted)+len(writing))
	for _, k := range s.rows.sorted {
		if len(writing) == 0 || writing[k.row.id] == nil {
			all = append(all, s.rows.current(k))
		}
	}
	for _, h := range writing {
		r := s.rowOfHeld(h)
		i, _ := slices.BinarySearchFunc(all, r, newer)
		all = slices.Insert(all, i, r)
	}
	return all, nil
}

// newer is the usual order of runs.
func newer(a, b *row) int { return cmp.Or(cmp.Compare(b.start, a.start), a.id.Compare(b.id)) }

// current is a row whose status is right now.
func (x *rows) current(k *known) *row {
	if k.open == nil {
		return k.row
	}
	b := *k.open
	b.State = x.o.History.StateOf(*b.Run, b)
	if now := statusOf(&b); now != k.row.status {
		r := *k.row
		r.status = now
		k.row = &r
	}
	return k.row
}
