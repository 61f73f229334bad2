package remote

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// rewound is the error of a log that is not what this clone has seen of it.
func (r *Remote) rewound(format string, args ...any) error {
	s := r.known.state
	return fault.New(fault.Integrity, "the log of remote %s was rolled back or changed: "+format, append([]any{r.o.Name}, args...)...).
		Hint("mlx verify -r %s   # reads all of it", r.o.Name).
		Hint("mlx remote remove %s   # and add it again, if entry %d (%s) was given up on purpose", r.o.Name, s.Seq, s.Head.Short())
}

// advance reads what the log has gained since this clone last looked. It makes one request where there is nothing new.
func (r *Remote) advance(ctx context.Context) error {
	if !r.known.state.begun() {
		return r.first(ctx)
	}
	last, err := r.newest(ctx)
	if err != nil {
		return err
	}
	s := &r.known.state
	if last > s.Seq {
		raws := make([][]byte, last-s.Seq)
		from := s.Seq + 1
		err := each(ctx, len(raws), r.o.Jobs, func(ctx context.Context, i int) error {
			var err error
			raws[i], err = r.read(ctx, logKey(from+uint64(i)), maxEntry)
			return err
		})
		if notFound(err) {
			return r.rewound("an entry between %d and %d is missing", from, last)
		}
		if err != nil {
			return err
		}
		if err := r.take(ctx, raws); err != nil {
			return err
		}
	}
	return r.agree()
}

// agree refuses the history of another project.
func (r *Remote) agree() error {
	s := r.known.state
	if r.o.ID == "" || !s.begun() || s.Ledger == r.o.ID {
		return nil
	}
	return fault.New(fault.Conflict, "remote %s holds the history of another ledger: %s, not %s of mlx.yaml", r.o.Name, s.Ledger, r.o.ID).
		Hint("mlx pull --join -r %s   # makes one history of both", r.o.Name)
}

// newest returns the number of the newest entry that a listing shows, and makes sure that the entry which this clone saw
// last is still there.
func (r *Remote) newest(ctx context.Context) (uint64, error) {
	s := &r.known.state
	last, own, listed := s.Seq, bucket.Object{}, true
	for _, hundred := range []uint64{s.Seq / 100, (s.Seq + 1) / 100} {
		if hundred != s.Seq/100 || own.Key == "" {
			for o, err := range r.o.Bucket.List(ctx, fmt.Sprintf("%s%014d", logFolder, hundred)) {
				if fault.KindOf(err) == fault.Denied {
					listed = false
					break
				}
				if err != nil {
					return 0, err
				}
				if o.Key == logKey(s.Seq) {
					own = o
				}
				if seq, err := strconv.ParseUint(strings.TrimPrefix(o.Key, logFolder), 10, 64); err == nil && seq > last {
					last = seq
				}
			}
		}
		if (s.Seq+1)/100 == s.Seq/100 {
			break
		}
	}
	if own.Key == "" || own.Size != r.known.seen.Size || !own.Modified.Equal(r.known.seen.Modified) {
		if err := r.checkHead(ctx); err != nil {
			return 0, err
		}
		if own.Key != "" {
			r.known.seen = seen{Size: own.Size, Modified: own.Modified}
			if err := r.known.save(r.o.Place); err != nil {
				return 0, err
			}
		}
	}
	if !listed { // one after the other, until there is none
		return last, r.follow(ctx)
	}
	return last, nil
}

// checkHead reads the entry that this clone saw last.
func (r *Remote) checkHead(ctx context.Context) error {
	s := &r.known.state
	raw, err := r.read(ctx, logKey(s.Seq), maxEntry)
	if notFound(err) {
		return r.rewound("entry %d is gone", s.Seq)
	}
	if err != nil {
		return err
	}
	if object.Sum(raw) != s.Head {
		return r.rewound("entry %d is another one", s.Seq)
	}
	return nil
}

// follow reads entries one after the other until there is none.
func (r *Remote) follow(ctx context.Context) error {
	for {
		raw, err := r.read(ctx, logKey(r.next()), maxEntry)
		if notFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.take(ctx, [][]byte{raw}); err != nil {
			return err
		}
	}
}

func (r *Remote) next() uint64 {
	if !r.known.state.begun() {
		return 0
	}
	return r.known.state.Seq + 1
}

// first reads a log that this clone has never seen: the newest roll and what came after it, by the hint; without a hint
// that makes sense, all of it.
func (r *Remote) first(ctx context.Context) error {
	err := r.byTail(ctx)
	if k := fault.KindOf(err); err != nil && (notFound(err) || k == fault.Integrity || k == fault.Conflict) {
		if !notFound(err) {
			r.o.Note("the hint is no help: %v", err)
		}
		*r.known = memory{file: r.known.file, sealed: r.known.sealed}
		err = nil
	}
	if err != nil {
		return err
	}
	if err := r.follow(ctx); err != nil {
		return err
	}
	if err := r.agree(); err != nil {
		return err
	}
	return r.checkpoint(ctx)
}

// byTail folds the entries of the hint, on top of the roll that they name.
func (r *Remote) byTail(ctx context.Context) error {
	b, err := r.read(ctx, tailKey, maxRoll)
	if err != nil {
		return err
	}
	raws := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	e, err := parseEntry(raws[0])
	if err != nil {
		return err
	}
	if e.Seq > 0 {
		roll, err := r.read(ctx, rollKey(e.Seq-1), maxRoll)
		if notFound(err) {
			return fault.New(fault.Integrity, "roll %d is not there", e.Seq-1)
		}
		if err != nil {
			return err
		}
		s, err := parseRoll(roll, e.Roll)
		if err != nil {
			return err
		}
		if err := r.start(ctx, s); isDamage(err) {
			return r.restart(ctx, s, raws)
		} else if err != nil {
			return err
		}
	}
	return r.take(ctx, raws)
}

// start begins with a roll: its records are fetched, and must make the tree that it states.
func (r *Remote) start(ctx context.Context, s *state) error {
	r.known.state = *s
	if r.o.Ledger == nil {
		return nil
	}
	ids, err := r.fetchRecords(ctx, s.Records)
	if err != nil {
		return err
	}
	for _, p := range s.Records {
		r.known.grow(ids[p.Pack])
	}
	if t := r.known.merkle(); t.Size() != s.Size || t.Root() != s.Root {
		return fault.New(fault.Integrity, "the records of remote %s are not those that its log states", r.o.Name)
	}
	return nil
}

// restart is start and take at once, where packs of records that the roll names are gone or damaged: others that the newest
// entry names may stand in their place.
func (r *Remote) restart(ctx context.Context, s *state, raws [][]byte) error {
	*r.known = memory{file: r.known.file, state: *s}
	list, after, err := r.chain(raws)
	if err != nil {
		return err
	}
	b := batch{entries: list, raws: raws, again: true}
	if b.ids, err = r.fetchRecords(ctx, after.Records); err != nil {
		return err
	}
	if err := r.fold(ctx, b); err != nil {
		return err
	}
	return r.known.save(r.o.Place)
}

// take folds entries that follow what is known. Their records are fetched together and checked against each entry's tree;
// where packs have been replaced since, those of the newest entry are fetched and only its tree can be checked.
func (r *Remote) take(ctx context.Context, raws [][]byte) error {
	list, after, err := r.chain(raws)
	if err != nil {
		return err
	}
	var packs []RecordPack
	for _, e := range list {
		if e.Do != DoReplace {
			packs = append(packs, e.Records...)
		}
	}
	b := batch{entries: list, raws: raws}
	if r.o.Ledger != nil {
		if b.ids, err = r.fetchRecords(ctx, packs); isDamage(err) { // others may stand in their place since
			b.again = true
			b.ids, err = r.fetchRecords(ctx, after.Records)
		}
		if err != nil {
			return err
		}
	}
	if err := r.fold(ctx, b); err != nil {
		return err
	}
	return r.known.save(r.o.Place)
}

// chain parses entries and folds them on trial: before anything that they name is fetched, the chain must hold.
func (r *Remote) chain(raws [][]byte) ([]*Entry, *state, error) {
	after := r.known.state.clone()
	var list []*Entry
	for _, raw := range raws {
		e, err := parseEntry(raw)
		if err != nil {
			return nil, nil, err
		}
		if !e.Roll.IsZero() {
			b, err := after.roll()
			if err != nil {
				return nil, nil, err
			}
			if object.Sum(b) != e.Roll {
				return nil, nil, r.rewound("the roll before entry %d is not what its entries say", e.Seq)
			}
		}
		if err := after.apply(e, object.Sum(raw)); err != nil {
			return nil, nil, err
		}
		list = append(list, e)
	}
	return list, after, nil
}

// batch is entries on their way into what is known.
type batch struct {
	entries []*Entry
	raws    [][]byte
	ids     map[object.Digest][]object.Digest // of each pack of records
	again   bool                              // ids are those of all packs of the newest entry
}

// fold applies entries to what is known. Nothing changes if one of them is wrong.
func (r *Remote) fold(ctx context.Context, b batch) error {
	m := r.known.clone()
	for i, e := range b.entries {
		if !e.Roll.IsZero() {
			m.tail, m.roll = nil, e.Seq-1
		}
		if len(e.Redacted) > 0 && r.o.Ledger != nil { // who reads no records believes none
			if err := r.checkSignature(ctx, e); err != nil {
				return err
			}
		}
		if err := m.state.apply(e, object.Sum(b.raws[i])); err != nil {
			return err
		}
		m.tail, m.seen = append(m.tail, b.raws[i]), seen{}
		if r.o.Ledger == nil || b.again {
			continue
		}
		if e.Do != DoReplace {
			for _, p := range e.Records {
				m.grow(b.ids[p.Pack])
			}
		}
		if err := r.checkTree(m, e.Seq); err != nil {
			return err
		}
	}
	if b.again {
		m.ids, m.index, m.tree = nil, nil, nil
		for _, p := range m.state.Records {
			m.grow(b.ids[p.Pack])
		}
		if err := r.checkTree(m, m.state.Seq); err != nil {
			return err
		}
	}
	r.known = m
	return nil
}

// checkTree compares the tree over the ids with what an entry states.
func (r *Remote) checkTree(m *memory, seq uint64) error {
	if t := m.merkle(); t.Size() != m.state.Size || t.Root() != m.state.Root {
		return fault.New(fault.Integrity, "the records of remote %s are not those that entry %d of its log states", r.o.Name, seq)
	}
	return nil
}

// checkpoint compares a log that this clone sees for the first time with a head that is known from elsewhere.
func (r *Remote) checkpoint(ctx context.Context) error {
	want := r.o.Checkpoint
	if want == nil {
		return nil
	}
	m := r.known
	bad := func(what string) error {
		return fault.New(fault.Integrity, "remote %s does not agree with the checkpoint: %s", r.o.Name, what)
	}
	switch {
	case !m.state.begun():
		return bad("it is empty")
	case want.Remote != m.state.Remote:
		return bad("it is another remote")
	case want.Seq > m.state.Seq:
		return bad(fmt.Sprintf("its log ends at entry %d, before %d", m.state.Seq, want.Seq))
	}
	prev := object.Digest{}
	for seq := want.Seq; seq <= m.state.Seq; seq++ { // what the hint has left out
		raw, err := r.read(ctx, logKey(seq), maxEntry)
		if err != nil {
			return err
		}
		e, err := parseEntry(raw)
		if err != nil {
			return err
		}
		if hash := object.Sum(raw); seq == want.Seq && hash != want.Entry || seq > want.Seq && e.Prev != prev {
			return bad(fmt.Sprintf("entry %d is another one", seq))
		} else {
			prev = hash
		}
	}
	if prev != m.state.Head {
		return bad("its log does not lead to its end")
	}
	if r.o.Ledger == nil {
		return nil
	}
	t := lineage.NewTree()
	t.Add(m.ids[:min(uint64(len(m.ids)), want.Size)]...)
	if t.Size() != want.Size || t.Root() != want.Root {
		return bad("its records are others")
	}
	return nil
}
