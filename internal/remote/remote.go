// Package remote hides how repositories share: the hash-chained log of a remote and what its entries promise, how data and
// records travel so that only what is missing does, how two who push at once agree, how garbage goes without taking what
// somebody is about to rely on, and how a log that was rolled back, forked or edited is noticed.
//
// Bytes of data are the store's (package snapshot), records the ledger's (package lineage), the place is a bucket
// (package bucket). Nothing is ever changed at a remote but by adding an object; docs/format/remote.md has the bytes.
package remote

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/remote/internal/crypt"
	"mlx/internal/snapshot"
)

// Options say which remote, and who is asking. Store and Ledger may be nil for who reads only what the other holds.
type Options struct {
	Name   string // for messages
	Bucket *bucket.Bucket
	Place  string // URL as it was configured: tells places apart for what is remembered
	Dir    string // where this clone remembers heads and caches indexes; derived but for the heads
	ID     string // ledger id of this project; empty believes the remote's
	Store  *snapshot.Store
	Ledger *lineage.Ledger
	Now    func() time.Time
	By     string
	Jobs   int
	Rand   io.Reader

	RecordsOnly bool                     // the place is no place for data: a git ref
	Recipients  []string                 // who can read a remote that is made now; none: it is not encrypted
	Identities  func() ([][]byte, error) // texts of age identities and SSH keys, read when a remote turns out to be encrypted
	Checkpoint  *Head                    // what the log must contain, known from elsewhere
	Note        func(format string, args ...any)
	Progress    func(what string, total int64) Progress
}

// Progress receives how much work is known and done, in bytes.
type Progress interface {
	SetTotal(n int64)
	Add(n int64)
	Done()
}

// Head names a state of a remote's log.
type Head struct {
	Remote string        `json:"remote"`
	Seq    uint64        `json:"seq"`
	Entry  object.Digest `json:"entry"`
	Size   uint64        `json:"size"`
	Root   object.Digest `json:"root"`
}

// MarshalJSON writes digests as every command does: 64 hex digits. They are read with or without their scheme.
func (h Head) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Remote string `json:"remote"`
		Seq    uint64 `json:"seq"`
		Entry  string `json:"entry"`
		Size   uint64 `json:"size"`
		Root   string `json:"root"`
	}{h.Remote, h.Seq, h.Entry.Hex(), h.Size, h.Root.Hex()})
}

// Remote is an opened remote. It belongs to one goroutine.
type Remote struct {
	o        Options
	ring     *crypt.Ring // nil: not encrypted, as far as is known
	signer   *Signer
	known    *memory
	added    int  // records that were new to the ledger
	advanced bool // the log was read
	proven   bool // the checkpoint, if there is one

	erasures int        // how often content was erased here, because records said so
	locking  sync.Mutex // of ring, which the first of several readers may have to open

	rollEvery int // so many entries after a roll make a new one
}

// Open returns a remote; no request is made yet.
func Open(o Options) (*Remote, error) {
	if o.Jobs <= 0 {
		o.Jobs = 4
	}
	if o.Note == nil {
		o.Note = func(string, ...any) {}
	}
	if o.Progress == nil {
		o.Progress = func(string, int64) Progress { return noProgress{} }
	}
	known, err := remember(o.Dir, o.Place)
	if err != nil {
		return nil, err
	}
	return &Remote{o: o, known: known, rollEvery: rollEntries}, nil
}

// Close frees the connection.
func (r *Remote) Close() error { return r.o.Bucket.Close() }

// Head returns what this clone remembers of the log; false if it has never seen it.
func (r *Remote) Head() (Head, bool) {
	s := r.known.state
	return Head{Remote: s.Remote, Seq: s.Seq, Entry: s.Head, Size: s.Size, Root: s.Root}, s.begun()
}

// Requests returns how many requests were made, and the bytes sent and received.
func (r *Remote) Requests() (requests, sent, received int64) {
	b := r.o.Bucket
	return b.Requests(), b.Sent(), b.Received()
}

type noProgress struct{}

func (noProgress) SetTotal(int64) {}
func (noProgress) Add(int64)      {}
func (noProgress) Done()          {}

// each calls do with every number below n, at most jobs at once, until one fails.
func each(ctx context.Context, n, jobs int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, max(1, jobs))
	done := make(chan struct{})
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			<-slots
			n = i
			break
		}
		go func() {
			defer func() { <-slots; done <- struct{}{} }()
			if err := do(ctx, i); err != nil {
				cancel(err)
			}
		}()
	}
	for range n {
		<-done
	}
	return context.Cause(ctx)
}

// Name is what mlx.yaml calls the remote.
func (r *Remote) Name() string { return r.o.Name }

// Describe names the remote with its address: "team (s3://acme-ml/flights)".
func (r *Remote) Describe() string {
	if r.o.Name == "" {
		return r.o.Bucket.URL()
	}
	return r.o.Name + " (" + r.o.Bucket.URL() + ")"
}

// Parallel sets how many requests may be under way at once; 0 leaves it.
func (r *Remote) Parallel(jobs int) {
	if jobs > 0 {
		r.o.Jobs = jobs
	}
}

// For names who can read the remote from the next Rekey on.
func (r *Remote) For(recipients []string) { r.o.Recipients = recipients }

// Expect makes the next look at the log compare it with a head that is known from elsewhere.
func (r *Remote) Expect(h *Head) { r.o.Checkpoint, r.proven = h, false }

// LedgerID reads whose history the remote holds.
func (r *Remote) LedgerID(ctx context.Context) (string, error) {
	raw, err := r.read(ctx, logKey(0), maxEntry)
	if err != nil {
		return "", err
	}
	e, err := parseEntry(raw)
	if err != nil {
		return "", err
	}
	if e.Begin == nil {
		return "", fault.New(fault.Integrity, "the log of remote %s does not begin", r.o.Name)
	}
	return e.Begin.Ledger, nil
}
