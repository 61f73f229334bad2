package lineage

import (
	"cmp"
	"context"
	"encoding/hex"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/object"
)

// A record whose bytes are gone for ever is a line that names its id: the leaves of the Merkle tree are ids, so every proof stays valid.
const (
	goneHead = `{"redacted":"`
	goneTail = `"}`
)

// goneLine is the line in the place of the record called id.
func goneLine(id object.Digest) []byte {
	return append(hex.AppendEncode([]byte(goneHead+"sha256:"), id[:]), goneTail...)
}

// isGone reports whether raw is the line in the place of the record called id. No record is: its bytes would have to hold their own digest.
func isGone(id object.Digest, raw []byte) bool {
	rest, ok := strings.CutPrefix(string(raw[:min(len(raw), 128)]), goneHead)
	if !ok || len(raw) > 128 {
		return false
	}
	rest, ok = strings.CutSuffix(rest, goneTail)
	named, is := line.Digest([]byte(rest))
	return ok && is && named == id
}

// addTo adds a line of a pack to an index.
func addTo(b *column.Builder, id object.Digest, raw []byte, loc column.Loc) error {
	if isGone(id, raw) {
		b.AddGone(id, loc)
		return nil
	}
	return b.Add(id, raw, loc)
}

// absent says why there is no record called id to be read.
func (l *Ledger) absent(ctx context.Context, v *view, id object.Digest) error {
	if !v.holds(id) {
		return fault.New(fault.NotFound, "no record %s in the ledger", id.Short())
	}
	set, err := l.redactions(ctx)
	if err != nil {
		return err
	}
	r, ok := set.signed[id]
	if !ok {
		return fault.New(fault.Integrity, "cannot read record %s: its bytes are gone, and no redaction says why", id.Short()).Hint("mlx verify --ledger")
	}
	return fault.New(fault.NotFound, "record %s was redacted by %s on %s: %s", id.Short(), cmp.Or(r.By, r.Fingerprint), r.At.Format("2006-01-02"), r.Basis)
}
