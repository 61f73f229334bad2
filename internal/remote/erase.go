package remote

import (
	"context"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// Erased is the body of a record that says that content is gone for ever. A large erasure is told by several records.
type Erased struct {
	Roots   []object.Digest `json:"roots"`          // versions that held it
	Path    string          `json:"path,omitempty"` // what lay there in them; empty: all of them
	Basis   string          `json:"basis"`
	Objects int64           `json:"objects"`
	Bytes   int64           `json:"bytes"`
	Gone    []object.Digest `json:"gone"`    // objects that no store may keep or take in again
	Remotes []string        `json:"remotes"` // where it was to be erased besides
	Key     string          `json:"key,omitempty"`
	Sig     string          `json:"sig,omitempty"`
}

// EraseDone is the kind of record that an erasure leaves.
var EraseDone = lineage.Define[Erased]("erase.done/v1")

const (
	eraseNamespace = "mlx-erase" // what erasures are signed for
	goneInRecord   = 8192        // a record has at most 1 MiB
)

// Erasure is an erasure that counts here: signed by a key that the ledger trusts, or recorded before it trusted any.
type Erasure struct {
	Record object.Digest
	By     string
	At     time.Time
	Erased
}

// Erasures are all of them, newest first.
type Erasures []Erasure

// Of returns the erasure that took content from a version.
func (e Erasures) Of(root object.Digest) (Erasure, bool) {
	for _, one := range e {
		if slices.Contains(one.Roots, root) {
			return one, true
		}
	}
	return Erasure{}, false
}

func (e Erasures) touched(root object.Digest) bool {
	_, ok := e.Of(root)
	return ok
}

// gone returns the objects that no store may keep.
func (e Erasures) gone() map[object.Digest]bool {
	out := map[object.Digest]bool{}
	for _, one := range e {
		for _, d := range one.Gone {
			out[d] = true
		}
	}
	return out
}

// Erasures reads the erasures that count. Without a signature anyone who may push could take everybody's data.
func (r *Remote) Erasures(ctx context.Context) (Erasures, error) {
	return ReadErasures(ctx, r.o.Ledger)
}

// ReadErasures reads the erasures that count in a ledger, which may be nil.
func ReadErasures(ctx context.Context, l *lineage.Ledger) (Erasures, error) {
	if l == nil {
		return nil, nil
	}
	var all Erasures
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"erase"}, All: true}) {
		if err != nil {
			return nil, err
		}
		if !EraseDone.Is(rec) {
			continue
		}
		body, err := EraseDone.Decode(rec)
		if err != nil {
			return nil, err
		}
		all = append(all, Erasure{Record: rec.ID, By: rec.By, At: rec.At, Erased: body})
	}
	if len(all) == 0 {
		return nil, nil
	}
	keys, err := l.Keys(ctx)
	if err != nil || len(keys) == 0 {
		return all, err
	}
	before, err := beforeKeys(ctx, l, keys)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e Erasure) bool {
		if e.Sig == "" && before[e.Record] {
			return false
		}
		text, terr := e.text()
		if terr == nil {
			terr = l.VerifySignature(ctx, text, eraseNamespace, e.Key, e.Sig)
		}
		return terr != nil
	}), nil
}

// beforeKeys returns the records that stand in the log before the first key: as long as the ledger trusted none, an erasure
// needed no signature.
func beforeKeys(ctx context.Context, l *lineage.Ledger, keys []lineage.Key) (map[object.Digest]bool, error) {
	ids, err := l.IDs(ctx)
	if err != nil {
		return nil, err
	}
	before := map[object.Digest]bool{}
	for _, id := range ids {
		if slices.ContainsFunc(keys, func(k lineage.Key) bool { return k.ID == id }) {
			break
		}
		before[id] = true
	}
	return before, nil
}

// text returns the signed bytes.
func (e Erased) text() ([]byte, error) {
	e.Key, e.Sig = "", ""
	b, err := object.Encode(e)
	return append(append([]byte("mlx erasure\n"), b...), '\n'), err
}

// RecordErasure appends the records that say what is gone. sign may be nil where the ledger trusts no key.
func RecordErasure(ctx context.Context, l *lineage.Ledger, body Erased, sign func(text []byte, namespace string) (key, sig string, err error)) ([]object.Digest, error) {
	ids := body.Gone
	var drafts []lineage.Draft
	for part := range slices.Chunk(ids, goneInRecord) {
		one := body
		one.Gone = part
		if sign != nil {
			text, err := one.text()
			if err == nil {
				one.Key, one.Sig, err = sign(text, eraseNamespace)
			}
			if err != nil {
				return nil, err
			}
		}
		drafts = append(drafts, EraseDone.Draft(lineage.Entry[Erased]{Body: one}))
	}
	records, err := l.AppendAll(ctx, drafts...)
	var out []object.Digest
	for _, rec := range records {
		out = append(out, rec.ID)
	}
	return out, err
}

// learn erases here what the records say. It is done whenever records have arrived: whoever reads the log of a remote,
// to pull or to push, no longer has what was erased when that returns.
func (r *Remote) learn(ctx context.Context) error {
	if r.o.Store == nil || r.o.Ledger == nil {
		return nil
	}
	all, err := r.Erasures(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	known, err := r.o.Store.Erased()
	if err != nil {
		return err
	}
	plan := &snapshot.ErasePlan{}
	for d := range all.gone() {
		if !known[d] {
			plan.IDs = append(plan.IDs, d)
		}
	}
	if len(plan.IDs) == 0 {
		return nil
	}
	slices.SortFunc(plan.IDs, object.Digest.Compare)
	if err := r.o.Store.ApplyErase(ctx, plan); err != nil {
		return fault.New(fault.KindOf(err), "cannot erase here what was erased by %s: %w", all[0].By, err)
	}
	r.erasures++
	return nil
}

// Refusal is the error of a version that was erased.
func (e Erasure) Refusal(root object.Digest) error {
	return fault.New(fault.NotFound, "version %s was erased on %s by %s: %s", root.Short(), e.At.UTC().Format("2006-01-02"), e.By, e.Basis).
		About(fault.Ref{Kind: "record", ID: e.Record.Hex()})
}
