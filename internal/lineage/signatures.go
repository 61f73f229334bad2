package lineage

import (
	"context"
	"errors"
	"iter"
	"time"

	"mlx/internal/object"
)

type Ledger struct{ opts Options }

var errPending = errors.New("lineage: still being written")

func Open(opts Options) (*Ledger, error) { return &Ledger{opts: opts}, nil }
func (l *Ledger) Close() error           { return nil }

func (l *Ledger) AppendAll(ctx context.Context, drafts ...Draft) ([]Record, error) {
	return nil, errPending
}
func (l *Ledger) Select(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}
func (l *Ledger) Count(ctx context.Context, q Query) (int, error) { return 0, errPending }
func (l *Ledger) Get(ctx context.Context, id object.Digest) (Record, error) {
	return Record{}, errPending
}
func (l *Ledger) Find(ctx context.Context, p object.Prefix) ([]Match, error) { return nil, errPending }
func (l *Ledger) Referring(ctx context.Context, id object.Digest) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}
func (l *Ledger) Ancestors(ctx context.Context, id object.Digest) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}
func (l *Ledger) Current(ctx context.Context, noun, where string) ([]Record, error) {
	return nil, errPending
}
func (l *Ledger) Seal(ctx context.Context) error { return errPending }

// Problem is one piece of damage.
type Problem struct {
	File   string        `json:"file"`
	Offset int64         `json:"offset"`
	Record object.Digest `json:"record"`
	What   string        `json:"what"`
}

// Report is what Verify found.
type Report struct {
	Records, Packs, Segments int
	Bytes                    int64
	Size                     uint64
	Root                     object.Digest
	Problems                 []Problem
	Notes                    []string
}

func (r Report) OK() bool { return len(r.Problems) == 0 }

func (l *Ledger) Verify(ctx context.Context, progress func(done, total int64)) (Report, error) {
	return Report{}, errPending
}
func (l *Ledger) Head(ctx context.Context) (uint64, object.Digest, error) {
	return 0, object.Digest{}, errPending
}

// Key is a signing key that the ledger trusts, or trusted until it was revoked.
type Key struct {
	ID          object.Digest // its key.added record
	Name        string
	Fingerprint string // SHA256:…
	Public      string // one line of an authorized_keys file
	AddedAt     time.Time
	By          string
	Revoked     bool
	RevokedAt   time.Time
	Reason      string
}

func (l *Ledger) AddKey(ctx context.Context, authorizedKey []byte, name string) (Key, error) {
	return Key{}, errPending
}
func (l *Ledger) Keys(ctx context.Context) ([]Key, error) { return nil, errPending }
func (l *Ledger) RevokeKey(ctx context.Context, idOrFingerprint, reason string) (Key, error) {
	return Key{}, errPending
}
