package remote

import (
	"bytes"
	"context"
	"fmt"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// first reads a log that this clone has never seen: the newest roll and what came after it, by the hint; without a hint
// that makes sense, all of it.
func (r *Remote) first(ctx context.Context) error {
	err := r.byTail(ctx, false)
	if k := fault.KindOf(err); err != nil && (notFound(err) || k == fault.Integrity || k == fault.Conflict) {
		if !notFound(err) {
			r.o.Note("the hint is no help: %v", err)
		}
		r.known = r.known.blank()
		err = nil
	}
	if err != nil {
		return err
	}
	return r.toTheEnd(ctx)
}

// toTheEnd follows the log, and refuses one of which an entry is missing: what comes after it must not be taken for its end.
func (r *Remote) toTheEnd(ctx context.Context) error {
	for try := 0; ; try++ {
		if err := r.follow(ctx); err != nil {
			return err
		}
		last, own, ok, err := r.listed(ctx, r.next())
		if err != nil || !ok || own.Key == "" && last <= r.next() {
			return err
		}
		if own.Key == "" && try > 0 || try == maxRaces { // a listing may be older than the entry: it was asked for again
			return fault.New(fault.Integrity, "the log of remote %s is damaged: entry %d is missing and entry %d is there", r.o.Name, r.next(), last).
				Hint("mlx verify -r %s   # reads all of it", r.o.Name)
		}
	}
}

const (
	maxTail  = 2*maxEntry + 2*rollBytes // the last entry may be a long one
	maxHints = 4096                     // entries of a hint
)

// parseTail splits a hint into its entries.
func parseTail(b []byte) ([][]byte, error) {
	raws := bytes.SplitN(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"), maxHints+1)
	if len(raws) > maxHints {
		return nil, fault.New(fault.Integrity, "the hint has more than %d entries", maxHints)
	}
	return raws, nil
}

// byTail folds the entries of the hint, on top of the roll that they name. Anybody may have written the hint, so the log
// must have its last entry, which vouches for all before it; and until it does nothing that they name is fetched. With known
// that is not asked: the caller wants a version whose digest he knows, which no hint can change.
func (r *Remote) byTail(ctx context.Context, known bool) error {
	b, err := r.read(ctx, tailKey, maxTail)
	if err != nil {
		return err
	}
	raws, err := parseTail(b)
	if err != nil {
		return err
	}
	e, err := parseEntry(raws[0])
	if err != nil {
		return err
	}
	if !known || r.o.Ledger != nil {
		if err := r.anchored(ctx, raws[len(raws)-1]); err != nil {
			return err
		}
	}
	if e.Seq == 0 {
		return r.take(ctx, raws)
	}
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
	if err := r.start(ctx, s, raws); isDamage(err) {
		return r.restart(ctx, s, raws)
	} else if err != nil {
		return err
	}
	return r.take(ctx, raws)
}

// anchored makes sure that the log has an entry of the hint.
func (r *Remote) anchored(ctx context.Context, raw []byte) error {
	e, err := parseEntry(raw)
	if err != nil {
		return err
	}
	there, err := r.read(ctx, logKey(e.Seq), maxEntry)
	if err == nil && !bytes.Equal(there, raw) {
		err = fault.New(fault.Integrity, "the hint holds another entry %d than the log", e.Seq)
	}
	return err
}

// start begins with a roll: its records are fetched, and must make the tree that it states.
func (r *Remote) start(ctx context.Context, s *state, raws [][]byte) error {
	r.known = r.known.blank()
	r.known.state = *s
	_, after, err := r.chain(raws)
	if err == nil {
		err = r.agree(after)
	}
	if err != nil || r.o.Ledger == nil {
		return err
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
	r.known = r.known.blank()
	r.known.state = *s
	list, after, err := r.chain(raws)
	if err == nil {
		err = r.agree(after)
	}
	if err != nil || r.o.Ledger == nil {
		return err
	}
	b := batch{entries: list, raws: raws, again: true}
	if b.ids, err = r.fetchRecords(ctx, after.Records); err != nil {
		return err
	}
	if err := r.fold(ctx, b); err != nil {
		return err
	}
	return r.keep()
}

// keep remembers what is known, once all is proven that was asked of it: what was refused must not count the next time.
func (r *Remote) keep() error {
	if r.o.Checkpoint != nil && !r.proven {
		return nil
	}
	return r.known.save(r.o.Place)
}

// promised looks for the entry of the checkpoint before anything else of the log is believed.
func (r *Remote) promised(ctx context.Context) error {
	want := r.o.Checkpoint
	if want == nil || r.proven {
		return nil
	}
	raw, err := r.read(ctx, logKey(want.Seq), maxEntry)
	switch {
	case notFound(err):
		return r.disagrees(fmt.Sprintf("its log has no entry %d", want.Seq))
	case err != nil:
		return err
	case object.Sum(raw) != want.Entry:
		return r.disagrees(fmt.Sprintf("entry %d is another one", want.Seq))
	}
	return nil
}

func (r *Remote) disagrees(what string) error {
	return fault.New(fault.Integrity, "remote %s does not agree with the checkpoint: %s", r.o.Name, what)
}

// checkpoint compares the log with a head that is known from elsewhere, and remembers it if they agree.
func (r *Remote) checkpoint(ctx context.Context) error {
	want := r.o.Checkpoint
	if want == nil || r.proven {
		return nil
	}
	m := r.known
	switch {
	case !m.state.begun():
		return r.disagrees("it is empty")
	case want.Remote != m.state.Remote:
		return r.disagrees("it is another remote")
	case want.Seq > m.state.Seq:
		return r.disagrees(fmt.Sprintf("its log ends at entry %d, before %d", m.state.Seq, want.Seq))
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
		hash := object.Sum(raw)
		if seq == want.Seq && hash != want.Entry || seq > want.Seq && e.Prev != prev {
			return r.disagrees(fmt.Sprintf("entry %d is another one", seq))
		}
		prev = hash
	}
	if prev != m.state.Head {
		return r.disagrees("its log does not lead to its end")
	}
	if r.o.Ledger != nil {
		t := lineage.NewTree()
		t.Add(m.ids[:min(uint64(len(m.ids)), want.Size)]...)
		if t.Size() != want.Size || t.Root() != want.Root {
			return r.disagrees("its records are others")
		}
	}
	r.proven = true
	return r.keep()
}
