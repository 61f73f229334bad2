package lineage

import (
	"crypto/rand"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/object"
)

// CheckPack checks a pack of records without a ledger: its digest, every id against its bytes, that every line is a record, and that
// only redacted ones are without their bytes. It returns the ids in order.
func CheckPack(data []byte, id object.Digest, redacted func(object.Digest) bool) ([]object.Digest, error) {
	if object.Sum(data) != id {
		return nil, fault.New(fault.Integrity, "pack %s: its bytes are not what its name says", id.Short())
	}
	r, err := readPackData(data)
	if err != nil {
		return nil, err
	}
	var p line.Parser
	err = eachRecord(r, false, func(rec object.Digest, raw []byte, _ column.Loc) error {
		if isGone(rec, raw) {
			if !redacted(rec) {
				return fault.New(fault.Integrity, "the bytes of record %s are gone, and no trusted redaction says why", rec.Short())
			}
			return nil
		}
		_, err := p.Parse(raw)
		return err
	})
	if err != nil {
		return nil, fault.New(fault.Integrity, "pack %s: %w", id.Short(), err)
	}
	return r.IDs, nil
}

// RewritePack returns the pack in data without the bytes of the records that are redacted: the same ids in the same order. It is nil if
// there is nothing to do.
func RewritePack(data []byte, redacted func(object.Digest) bool) ([]byte, object.Digest, error) {
	r, err := readPackData(data)
	if err != nil {
		return nil, object.Digest{}, err
	}
	var nonce pack.Nonce
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, object.Digest{}, err
	}
	enc, err := pack.NewEncoder()
	if err != nil {
		return nil, object.Digest{}, err
	}
	b, changed := enc.Builder(nonce), false
	err = eachRecord(r, false, func(id object.Digest, raw []byte, _ column.Loc) error {
		if redacted(id) && !isGone(id, raw) {
			raw, changed = goneLine(id), true
		}
		if b.Full() { // a line that is longer than the record that it stands for
			return fault.New(fault.Integrity, "the pack is too full to be rewritten")
		}
		b.Add(id, raw)
		return nil
	})
	if err != nil {
		return nil, object.Digest{}, fault.New(fault.Integrity, "cannot rewrite a pack of records: %w", err)
	}
	if !changed {
		return nil, object.Digest{}, nil
	}
	out, _ := b.Finish()
	return out, object.Sum(out), nil
}
