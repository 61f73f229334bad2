package remote

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// Repair sends again what a verification of this remote found damaged or missing, from what is here: chunks in new packs,
// after which the damaged ones are dropped; records in new packs of the same ids; tables, rolls and the hint, which are
// derived, are made again. What cannot be repaired stays in the report.
func (r *Remote) Repair(ctx context.Context, v *VerifyReport) error {
	if v.Clean() {
		return nil
	}
	if slices.ContainsFunc(v.Damage, func(d Damage) bool { return strings.HasPrefix(d.Object, logFolder) || d.Object == "log" }) {
		return fault.New(fault.Integrity, "cannot repair remote %s: its log is damaged, and only the log says what it holds", r.o.Name).
			Hint("mlx remote add NAME URL   # a new one, then: mlx push -r NAME")
	}
	for _, step := range []func(context.Context, *VerifyReport) error{r.repairDerived, r.repairRecords, r.repairChunks} {
		if err := step(ctx, v); err != nil {
			return fault.New(fault.KindOf(err), "cannot repair remote %s: %w", r.o.Name, err)
		}
	}
	return nil
}

func (v *VerifyReport) repaired(which func(*Damage) bool) {
	for i := range v.Damage {
		if d := &v.Damage[i]; !d.Repaired && which(d) {
			d.Repaired = true
			v.Repaired++
		}
	}
}

// repairDerived writes rolls and the hint again.
func (r *Remote) repairDerived(ctx context.Context, v *VerifyReport) error {
	if !slices.ContainsFunc(v.Damage, func(d Damage) bool { return strings.HasPrefix(d.Object, rollFolder) || d.Object == tailKey }) {
		return nil
	}
	s := &state{}
	for seq := uint64(0); seq <= r.known.state.Seq; seq++ {
		raw, err := r.read(ctx, logKey(seq), maxEntry)
		if err != nil {
			return err
		}
		e, err := parseEntry(raw)
		if err == nil {
			err = s.apply(e, object.Sum(raw))
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(v.Damage, func(d Damage) bool { return d.Object == rollKey(seq) }) {
			continue
		}
		b, err := s.roll()
		if err == nil {
			err = r.write(ctx, rollKey(seq), b)
		}
		if err != nil {
			return err
		}
	}
	r.writeTail(ctx, r.known)
	v.repaired(func(d *Damage) bool { return strings.HasPrefix(d.Object, rollFolder) || d.Object == tailKey })
	return nil
}

// repairRecords puts a new pack in the place of each damaged pack of records: the ledger has the records, and their order
// is that of the log.
func (r *Remote) repairRecords(ctx context.Context, v *VerifyReport) error {
	if r.o.Ledger == nil {
		return nil
	}
	for _, p := range slices.Clone(r.known.state.Records) {
		if !slices.ContainsFunc(v.Damage, func(d Damage) bool { return d.Object == p.key() }) {
			continue
		}
		ids, err := r.idsOf(ctx, p)
		if err != nil {
			r.o.Note("cannot repair %s: %v", p.key(), err)
			continue
		}
		if err := r.replaceRecords(ctx, []RecordPack{p}, ids); err != nil {
			return err
		}
		v.repaired(func(d *Damage) bool { return d.Object == p.key() })
	}
	return nil
}

// idsOf tells the ids of a pack of records that cannot be read: those of the log that are in no other pack.
func (r *Remote) idsOf(ctx context.Context, bad RecordPack) ([]object.Digest, error) {
	others := map[object.Digest]bool{}
	for _, p := range r.known.state.Records {
		if p.Pack == bad.Pack {
			continue
		}
		one, err := r.readRecords(ctx, p)
		if err != nil {
			return nil, err
		}
		ids, err := lineage.PackIDs(one.Data)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			others[id] = true
		}
	}
	var ids []object.Digest
	for _, id := range r.known.ids {
		if !others[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fault.New(fault.NotFound, "nothing is known of its records")
	}
	return ids, nil
}

// replaceRecords appends an entry that puts new packs of some ids into the place of others.
func (r *Remote) replaceRecords(ctx context.Context, old []RecordPack, ids []object.Digest) error {
	e := &Entry{Do: DoReplace}
	for _, p := range old {
		e.Replaced = append(e.Replaced, p.Pack)
	}
	packs, err := r.o.Ledger.Packs(ctx, ids)
	if err != nil {
		return err
	}
	var c cargo
	for _, p := range packs {
		if err := r.sendPack(ctx, p, &c); err != nil {
			return err
		}
	}
	e.Records = c.packs
	ok, err := r.append(ctx, e, nil)
	if err == nil && !ok {
		err = fault.New(fault.Unavailable, "somebody else has pushed meanwhile: do it again")
	}
	return err
}

// repairChunks sends what no sound pack has, condemns the packs with damage, and makes the tables again.
func (r *Remote) repairChunks(ctx context.Context, v *VerifyReport) error {
	if r.o.Store == nil || r.o.RecordsOnly {
		return nil
	}
	s := &r.known.state
	good := slices.DeleteFunc(s.usable(), func(c ChunkPack) bool { return v.bad[c.Pack] })
	catalog, need, _, err := r.needs(ctx, good, nil)
	if err != nil {
		return err
	}
	lacking := map[object.Digest]bool{}
	lost := false
	for _, h := range s.Roots {
		lacks, err := r.need(ctx, need, h.Root.Root)
		if isDamage(err) {
			r.o.Note("cannot repair version %s: %v", h.Root.Root.Short(), err)
			lost = true
			continue
		}
		if err != nil {
			return err
		}
		for _, l := range lacks {
			lacking[l.Object] = true
		}
	}
	e := &Entry{Do: DoCondemn}
	for _, k := range s.Packs {
		if v.bad[k.Pack] && k.Fate == "" {
			e.Condemned = append(e.Condemned, k.Pack)
		}
	}
	e.Dropped = e.Condemned // nobody shall read them for another day
	ids, missing, err := r.here(ctx, lacking)
	if err != nil {
		return err
	}
	lost = lost || missing > 0
	if len(ids) > 0 {
		if err := r.resend(ctx, repacking{ids: ids, from: catalog, stay: good, anew: true}, e); err != nil {
			return err
		}
		e.Condemned = slices.DeleteFunc(e.Condemned, func(name object.Digest) bool { // the same bytes again, sound now
			return slices.ContainsFunc(e.Packs, func(c ChunkPack) bool { return c.Pack == name })
		})
		e.Dropped = e.Condemned
	}
	if lost {
		r.o.Note("%d objects that remote %s lacks are not here either", missing, r.o.Name)
		e.Condemned, e.Dropped = nil, nil // there may be something left to read
	}
	return r.repairEntry(ctx, v, e, lost)
}

// here returns the objects that the store has, sorted, and counts the others.
func (r *Remote) here(ctx context.Context, want map[object.Digest]bool) (ids []object.Digest, missing int, err error) {
	for d := range want {
		ok, err := r.o.Store.Good(ctx, d)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			ids = append(ids, d)
		} else {
			missing++
		}
	}
	slices.SortFunc(ids, object.Digest.Compare)
	return ids, missing, nil
}

// resend uploads packs of what is here, over a damaged object where they come out as what that was, and reads them back.
func (r *Remote) resend(ctx context.Context, k repacking, e *Entry) error {
	if err := r.repack(ctx, k, e); err != nil {
		return err
	}
	catalog, err := r.open(ctx, e.Packs, nil)
	if err != nil {
		return err
	}
	for _, c := range e.Packs {
		var bad error
		_, err := catalog.Check(ctx, c.Info(), snapshot.PackCheck{Read: r.reader(e.Packs), Report: func(_ []object.Digest, err error) { bad = err }})
		if err == nil {
			err = bad
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// repairEntry says what now counts.
func (r *Remote) repairEntry(ctx context.Context, v *VerifyReport, e *Entry, lost bool) error {
	tables := slices.ContainsFunc(v.Damage, func(d Damage) bool { return strings.HasPrefix(d.Object, tableFolder) })
	if len(e.Packs)+len(e.Condemned) == 0 && !tables {
		return nil
	}
	stay := slices.DeleteFunc(r.known.state.usable(), func(c ChunkPack) bool { return slices.Contains(e.Condemned, c.Pack) || v.bad[c.Pack] })
	var err error
	if e.Tables, err = r.tablesOf(ctx, append(stay, e.Packs...)); err != nil {
		return err
	}
	ok, err := r.append(ctx, e, nil)
	if err != nil || !ok {
		if err == nil {
			err = fault.New(fault.Unavailable, "somebody else has pushed meanwhile: do it again")
		}
		return err
	}
	v.repaired(func(d *Damage) bool {
		chunks := strings.HasPrefix(d.Object, packFolder) || strings.HasPrefix(d.Object, "object ") || strings.HasPrefix(d.Object, "version ")
		return strings.HasPrefix(d.Object, tableFolder) || chunks && !lost
	})
	return nil
}

// RepairStore brings good copies of what is damaged or missing in the store from this remote, as its log was last read. It
// returns how many objects came; NotFound if the remote has not all of them.
func (r *Remote) RepairStore(ctx context.Context, damage snapshot.Report) (int, error) {
	if r.o.RecordsOnly {
		return 0, fault.New(fault.NotFound, "remote %s holds only records", r.o.Name)
	}
	packs, err := r.loadable(ctx, r.known.state.readable())
	if err != nil {
		return 0, err
	}
	catalog, err := r.open(ctx, packs, nil)
	if err != nil {
		return 0, err
	}
	return r.o.Store.Repair(ctx, damage, catalog, r.reader(packs))
}
