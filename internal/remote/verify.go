package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// VerifyOptions say how much is read.
type VerifyOptions struct {
	Sample func() bool // of each few MiB of the packs of chunks, whether they are read; nil reads all

	// Elsewhere brings what others have read of the packs of chunks (VerifyPacks). What they have not is read here; nil reads all here.
	Elsewhere func(ctx context.Context) ([]PackFound, error)
}

// PackFound is what reading one pack of chunks has found.
type PackFound struct {
	Pack     object.Digest `json:"pack"`
	Read     int64         `json:"read"`     // bytes of the pack
	Received int64         `json:"received"` // bytes that came for it; where several are read at once, of all of them with the last
	Damage   []PackDamage  `json:"damage"`
}

// PackDamage is damage in a pack of chunks.
type PackDamage struct {
	Chunks []object.Digest `json:"chunks"` // none: all of the pack
	Cause  string          `json:"cause"`
}

// Hurt is a path of a version that a damage hurts. An empty path is all of it.
type Hurt struct {
	Root Root
	Path string
}

// Damage is an object of the remote that is not what its name or the log says.
type Damage struct {
	Object   string // key, and the digest of the chunk where one is known
	Cause    string
	Hurts    []Hurt
	Repaired bool

	chunks []object.Digest
}

// VerifyReport is what a verification has read and found.
type VerifyReport struct {
	Entries  uint64
	Records  uint64
	Packs    int     // of chunks
	Bytes    int64   // read
	Share    float64 // of the bytes of packs that were read: 1 unless only a sample was
	Damage   []Damage
	Repaired int

	bad map[object.Digest]bool // packs of chunks with damage
}

// Clean says whether nothing is damaged, or no longer.
func (v *VerifyReport) Clean() bool {
	return !slices.ContainsFunc(v.Damage, func(d Damage) bool { return !d.Repaired })
}

func (v *VerifyReport) damage(key string, err error) {
	cause := err.Error()
	if _, after, ok := strings.Cut(cause, key+": "); ok {
		cause = after
	}
	v.Damage = append(v.Damage, Damage{Object: key, Cause: cause})
}

// isDamage says whether an error tells something of the remote; others mean that it could not be told.
func isDamage(err error) bool {
	kind := fault.KindOf(err)
	return err != nil && (kind == fault.Integrity || kind == fault.NotFound || notFound(err))
}

// Verify reads the whole log from its beginning, every pack of records and table, and the packs of chunks, all of them or a
// sample. Damage is an answer, not an error.
func (r *Remote) Verify(ctx context.Context, o VerifyOptions) (*VerifyReport, error) {
	v := &VerifyReport{Share: 1, bad: map[object.Digest]bool{}}
	before := r.known.state
	noticed := r.advance(ctx) // brings the keys that signatures are checked by
	if noticed != nil && !isDamage(noticed) {
		return nil, noticed
	}
	if noticed == nil && !r.known.state.begun() {
		return nil, fault.New(fault.NotFound, "remote %s is empty", r.o.Name)
	}
	_, _, received := r.Requests()
	k := &logCheck{r: r, v: v, remembered: before, chain: &memory{}}
	if err := k.run(ctx); err != nil {
		return nil, err
	}
	if err := k.records(ctx); err != nil {
		return nil, err
	}
	if r.o.Store != nil && !r.o.RecordsOnly {
		if err := r.verifyData(ctx, v, &k.chain.state, o); err != nil {
			return nil, err
		}
	}
	if noticed != nil && len(v.Damage) == 0 {
		v.damage("log", noticed)
	}
	_, _, after := r.Requests()
	v.Bytes += after - received
	return v, nil
}

// logCheck reads the log on its own: it believes neither what this clone remembers nor the hint.
type logCheck struct {
	r          *Remote
	v          *VerifyReport
	remembered state
	chain      *memory
	entries    []*Entry
	hashes     []object.Digest
	rolls      map[uint64]bool
}

func (k *logCheck) run(ctx context.Context) error {
	last, err := k.last(ctx)
	if err != nil {
		return err
	}
	progress := k.r.o.Progress("reading the log", 0)
	defer progress.Done()
	const batch = 256
	for from := uint64(0); from <= last; from += batch {
		n := min(batch, last-from+1)
		raws, errs := make([][]byte, n), make([]error, n)
		err := each(ctx, int(n), k.r.o.Jobs, func(ctx context.Context, i int) error { //nolint:gosec // at most batch
			raws[i], errs[i] = k.r.read(ctx, logKey(from+uint64(i)), maxEntry) //nolint:gosec // at most batch
			if isDamage(errs[i]) {
				return nil
			}
			return errs[i]
		})
		if err != nil {
			return err
		}
		for i, raw := range raws {
			progress.Add(int64(len(raw)))
			if err := errs[i]; err != nil {
				k.v.damage(logKey(from+uint64(i)), fault.New(fault.Integrity, "it cannot be read, and nothing after it believed: %w", err)) //nolint:gosec // at most batch
				return nil
			}
			if ok, err := k.entry(ctx, raw, from+uint64(i)); err != nil || !ok { //nolint:gosec // at most batch
				return err
			}
		}
	}
	return k.hint(ctx)
}

// last lists the log.
func (k *logCheck) last(ctx context.Context) (last uint64, err error) {
	k.rolls = map[uint64]bool{}
	for o, err := range k.r.o.Bucket.List(ctx, logFolder) {
		if err != nil {
			return 0, err
		}
		if seq, ok := seqOf(o.Key, logFolder); ok {
			last = max(last, seq)
		}
	}
	for o, err := range k.r.o.Bucket.List(ctx, rollFolder) {
		if err != nil {
			return 0, err
		}
		if seq, ok := seqOf(o.Key, rollFolder); ok {
			k.rolls[seq] = true
		}
	}
	if seen := k.remembered.Seq; k.remembered.begun() && last < seen {
		k.v.damage(logKey(seen), fault.New(fault.Integrity, "this clone has seen it, and it is gone: the log was rolled back"))
	}
	return last, nil
}

// entry folds an entry. false: nothing after it can be believed.
func (k *logCheck) entry(ctx context.Context, raw []byte, seq uint64) (bool, error) {
	s := &k.chain.state
	e, err := parseEntry(raw)
	if err == nil && !e.Roll.IsZero() {
		var b []byte
		if b, err = s.roll(); err == nil && object.Sum(b) != e.Roll {
			err = fault.New(fault.Integrity, "it names another roll than its entries make")
		}
	}
	if err == nil && len(e.Redacted) > 0 && k.r.o.Ledger != nil {
		err = k.r.checkSignature(ctx, e)
	}
	hash := object.Sum(raw)
	if err == nil {
		err = s.apply(e, hash)
	}
	if err == nil && k.remembered.begun() && seq == k.remembered.Seq && hash != k.remembered.Head {
		err = fault.New(fault.Integrity, "this clone has seen another one: the log was changed")
	}
	if err != nil {
		if fault.KindOf(err) == fault.Denied {
			err = fault.New(fault.Integrity, "%w", err)
		}
		if !isDamage(err) {
			return false, err
		}
		k.v.damage(logKey(seq), err)
		return false, nil
	}
	k.entries, k.hashes = append(k.entries, e), append(k.hashes, hash)
	k.v.Entries++
	return true, k.roll(ctx, seq)
}

// roll compares the roll of an entry, where there is one, with what the entries say.
func (k *logCheck) roll(ctx context.Context, seq uint64) error {
	if !k.rolls[seq] {
		return nil
	}
	want, err := k.chain.state.roll()
	if err != nil {
		return err
	}
	b, err := k.r.read(ctx, rollKey(seq), maxRoll)
	if err == nil && object.Sum(b) != object.Sum(want) {
		err = fault.New(fault.Integrity, "it is not what the entries before it say")
	}
	if !isDamage(err) {
		return err
	}
	k.v.damage(rollKey(seq), err)
	return nil
}

// hint checks that the hint holds entries of the log. It may be behind, and a push may be about to put it right.
func (k *logCheck) hint(ctx context.Context) error {
	b, err := k.r.read(ctx, tailKey, maxTail)
	if notFound(err) || err != nil && !isDamage(err) {
		if notFound(err) {
			err = nil
		}
		return err
	}
	for _, raw := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		if err != nil {
			break
		}
		e, perr := parseEntry([]byte(raw))
		switch {
		case perr != nil:
			err = perr
		case e.Seq < uint64(len(k.hashes)) && k.hashes[e.Seq] != object.Sum([]byte(raw)):
			err = fault.New(fault.Integrity, "it holds another entry %d than the log", e.Seq)
		}
	}
	if err != nil {
		k.v.damage(tailKey, err)
	}
	return nil
}

// records reads the packs of records and compares their ids with the tree of every entry.
func (k *logCheck) records(ctx context.Context) error {
	s := &k.chain.state
	redacted, err := k.redacted(ctx)
	if err != nil {
		return err
	}
	whole := true
	seen := map[object.Digest]bool{}
	var ids []object.Digest
	for _, p := range s.Records {
		data, err := k.r.read(ctx, p.key(), p.Bytes)
		var list []object.Digest
		if err == nil {
			list, err = lineage.CheckPack(data, p.Pack, redacted)
		}
		if err == nil && len(list) != p.Records {
			err = fault.New(fault.Integrity, "it has %d records, the log says %d", len(list), p.Records)
		}
		if err != nil {
			if !isDamage(err) {
				return err
			}
			k.v.damage(p.key(), err)
			k.v.Damage[len(k.v.Damage)-1].Hurts = []Hurt{{Path: fmt.Sprintf("%d records", p.Records)}}
			whole = false
			continue
		}
		for _, id := range list {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	k.v.Records = uint64(len(ids))
	if whole {
		k.trees(ids)
	}
	return nil
}

func (k *logCheck) redacted(ctx context.Context) (func(object.Digest) bool, error) {
	set := map[object.Digest]bool{}
	for _, id := range k.chain.state.Redacted {
		set[id] = true
	}
	if k.r.o.Ledger != nil {
		more, err := k.r.o.Ledger.Redacted(ctx)
		if err != nil {
			return nil, err
		}
		for id := range more {
			set[id] = true
		}
	}
	return func(id object.Digest) bool { return set[id] }, nil
}

// trees compares the tree that each entry states with that of the ids up to there.
func (k *logCheck) trees(ids []object.Digest) {
	t := lineage.NewTree()
	for _, e := range k.entries {
		size := e.From + e.N
		if size > uint64(len(ids)) || size < t.Size() {
			k.v.damage(logKey(e.Seq), fault.New(fault.Integrity, "it states %d records, the packs of records hold %d", size, len(ids)))
			return
		}
		t.Add(ids[t.Size():size]...)
		if t.Root() != e.Root {
			k.v.damage(logKey(e.Seq), fault.New(fault.Integrity, "the records before it are not those that it states"))
			return
		}
	}
	if t.Size() != uint64(len(ids)) {
		k.v.damage("records", fault.New(fault.Integrity, "the packs of records hold %d records, the log states %d", len(ids), t.Size()))
	}
}

// hurtsLimit bounds the paths that are told of one version.
const hurtsLimit = 100
