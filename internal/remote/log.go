package remote

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// rewound is the error of a log that is not what this clone has seen of it.
func (r *Remote) rewound(format string, args ...any) error {
	s := r.known.state
	return fault.New(fault.Integrity, "the log of remote %s was rolled back or changed: "+format, append([]any{r.o.Name}, args...)...).
		Hint("mlx verify -r %s   # reads all of it", r.o.Name).
		Hint("mlx remote remove %s   # and add it again, if entry %d (%s) was given up on purpose", r.o.Name, s.Seq, s.Head.Short())
}

// Advance reads what the log has gained, once: who asks what a push has to bring needs to know what is there, and the push
// then need not look again.
func (r *Remote) Advance(ctx context.Context) error {
	if r.advanced {
		return nil
	}
	err := r.advance(ctx)
	r.advanced = err == nil
	return err
}

// advance reads what the log has gained since this clone last looked. It makes one request where there is nothing new.
func (r *Remote) advance(ctx context.Context) error {
	if err := r.promised(ctx); err != nil {
		return err
	}
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	if err := r.agree(&r.known.state); err != nil {
		return err
	}
	return r.checkpoint(ctx)
}

func (r *Remote) catchUp(ctx context.Context) error {
	if !r.known.state.begun() {
		return r.first(ctx)
	}
	for {
		last, err := r.newest(ctx)
		from := r.next()
		if err != nil || last < from {
			return err
		}
		raws := make([][]byte, last-from+1) // at most two hundred
		err = each(ctx, len(raws), r.o.Jobs, func(ctx context.Context, i int) error {
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
		if last%hundred != hundred-1 { // else there may be more than was listed
			return nil
		}
	}
}

// hundred is how many entries are listed at once: their keys have all digits but two in common.
const hundred = 100

// agree refuses the history of another project.
func (r *Remote) agree(s *state) error {
	if r.o.ID == "" || !s.begun() || s.Ledger == r.o.ID {
		return nil
	}
	return fault.New(fault.Conflict, "remote %s holds the history of another ledger: %s, not %s of mlx.yaml", r.o.Name, s.Ledger, r.o.ID).
		Hint("mlx pull --join -r %s   # makes one history of both", r.o.Name)
}

// newest returns the number of the newest entry that a listing shows, and makes sure that the entry which this clone saw
// last is still there.
func (r *Remote) newest(ctx context.Context) (uint64, error) {
	seq := r.known.state.Seq
	last, own, listed, err := r.listed(ctx, seq)
	if err == nil && (seq+1)%hundred == 0 && listed {
		var after uint64
		after, _, listed, err = r.listed(ctx, seq+1)
		last = max(last, after)
	}
	if err != nil {
		return 0, err
	}
	if own.Key == "" || own.Size != r.known.seen.Size || !own.Modified.Equal(r.known.seen.Modified) {
		if err := r.checkHead(ctx); err != nil {
			return 0, err
		}
		if own.Key != "" {
			r.known.seen = seen{Size: own.Size, Modified: own.Modified}
			if err := r.keep(); err != nil {
				return 0, err
			}
		}
	}
	if !listed { // one after the other, until there is none
		return seq, r.follow(ctx)
	}
	return last, nil
}

// listed lists the hundred entries of which seq is one: the greatest number, and the object of seq itself. false: the
// place may not be listed.
func (r *Remote) listed(ctx context.Context, seq uint64) (last uint64, own bucket.Object, ok bool, err error) {
	for o, err := range r.o.Bucket.List(ctx, fmt.Sprintf("%s%014d", logFolder, seq/hundred)) {
		if fault.KindOf(err) == fault.Denied {
			return last, own, false, nil
		}
		if err != nil {
			return 0, own, false, err
		}
		if n, ok := seqOf(o.Key, logFolder); ok {
			last = max(last, n)
		}
		if o.Key == logKey(seq) {
			own = o
		}
	}
	return last, own, true, nil
}

// seqOf returns the number in a key of a folder. Whatever else lies there is not ours: a number that no writer makes must
// not be taken for one.
func seqOf(key, folder string) (uint64, bool) {
	text, ok := strings.CutPrefix(key, folder)
	n, err := strconv.ParseUint(text, 10, 64)
	return n, ok && err == nil && len(text) == 16 && text[0] != '+'
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

// follow reads entries one after the other until there is none. They are taken together: a pack of records that an early
// one names may have been replaced by a later one.
func (r *Remote) follow(ctx context.Context) error {
	for {
		var raws [][]byte
		size := 0
		for seq := r.next(); size < maxGather; seq++ {
			raw, err := r.read(ctx, logKey(seq), maxEntry)
			if notFound(err) {
				break
			}
			if err != nil {
				return err
			}
			raws, size = append(raws, raw), size+len(raw)
		}
		if len(raws) == 0 {
			return nil
		}
		if err := r.take(ctx, raws); err != nil || size < maxGather {
			return err
		}
	}
}

// maxGather bounds the bytes of the entries that are folded at once.
const maxGather = 256 << 20

func (r *Remote) next() uint64 {
	if !r.known.state.begun() {
		return 0
	}
	return r.known.state.Seq + 1
}

// take folds entries that follow what is known. Their records are fetched together and checked against each entry's tree;
// where packs have been replaced since, those of the newest entry are fetched and only its tree can be checked.
func (r *Remote) take(ctx context.Context, raws [][]byte) error {
	list, after, err := r.chain(raws)
	if err != nil {
		return err
	}
	if err := r.agree(after); err != nil { // before anything of another history gets into this one
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
	return r.keep()
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
