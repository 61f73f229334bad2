package lineage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/sshsig"
	"mlx/internal/object"
)

// RedactionNamespace is what redactions are signed for.
const RedactionNamespace = "mlx-redaction"

// Redaction says that the bytes of a record are gone for ever: who removed them, when and on what ground.
type Redaction struct {
	Record      object.Digest // whose bytes are gone
	ID          object.Digest // the record that says so
	Basis       string        // why it had to be
	By          string
	At          time.Time
	Fingerprint string // of the key that signed it
}

type redacted struct {
	Basis       string        `json:"basis"`
	Fingerprint string        `json:"fingerprint"`
	Record      object.Digest `json:"record"`
	Signature   string        `json:"signature"`
}

func redactedKind() Kind[redacted] { return Define[redacted](column.Redaction) }

// text returns the signed bytes.
func (r redacted) text() ([]byte, error) {
	b, err := object.Encode(struct {
		Basis  string        `json:"basis"`
		Record object.Digest `json:"record"`
	}{r.Basis, r.Record})
	return append(append([]byte("mlx redaction\n"), b...), '\n'), err
}

// redactions is what keys and redactions say, read in log order.
type redactions struct {
	trusted   map[string]object.Digest // fingerprint -> key.added, at the place reached
	added     map[string]bool          // fingerprints that were ever trusted
	protected map[object.Digest]bool   // keys and redactions, which are never redacted

	effective map[object.Digest]Redaction // by a key that was trusted at that place
	signed    map[object.Digest]Redaction // also by one that had been revoked: what others have removed stays removed
	idle      map[object.Digest]string    // redactions without effect, and why
}

func newRedactions() *redactions {
	return &redactions{trusted: map[string]object.Digest{}, added: map[string]bool{}, protected: map[object.Digest]bool{},
		effective: map[object.Digest]Redaction{}, signed: map[object.Digest]Redaction{}, idle: map[object.Digest]string{}}
}

// add reads the next record in log order.
func (s *redactions) add(r Record) {
	switch {
	case addedKind().Is(r):
		s.protected[r.ID] = true
		if b, err := addedKind().Decode(r); err == nil {
			s.trusted[b.Fingerprint], s.added[b.Fingerprint] = r.ID, true
		}
	case revokedKind().Is(r):
		s.protected[r.ID] = true
		maps.DeleteFunc(s.trusted, func(_ string, id object.Digest) bool { return slices.Contains(r.Prev, id) })
	case redactedKind().Is(r):
		s.protected[r.ID] = true
		b, err := redactedKind().Decode(r)
		if err == nil {
			err = b.check()
		}
		what := Redaction{Record: b.Record, ID: r.ID, Basis: b.Basis, By: r.By, At: r.At, Fingerprint: b.Fingerprint}
		switch {
		case err != nil:
			s.idle[r.ID] = err.Error()
		case !s.added[b.Fingerprint]:
			s.idle[r.ID] = "signed by " + b.Fingerprint + ", a key that was not trusted"
		case s.trusted[b.Fingerprint].IsZero():
			s.idle[r.ID] = "signed by " + b.Fingerprint + ", a key that had been revoked"
			keepFirst(s.signed, what)
		default:
			keepFirst(s.signed, what)
			keepFirst(s.effective, what)
		}
	}
}

func keepFirst(m map[object.Digest]Redaction, r Redaction) {
	if _, ok := m[r.Record]; !ok {
		m[r.Record] = r
	}
}

// check checks the signature, not whether its key is trusted.
func (r redacted) check() error {
	text, err := r.text()
	if err != nil {
		return err
	}
	key, err := sshsig.Verify(r.Signature, RedactionNamespace, text)
	if err == nil && key.Fingerprint() != r.Fingerprint {
		err = errors.New("signed by " + key.Fingerprint() + ", not by " + r.Fingerprint)
	}
	return err
}

// done leaves out what may never be redacted.
func (s *redactions) done() *redactions {
	forbidden := func(id object.Digest, r Redaction) bool {
		if s.protected[id] {
			s.idle[r.ID] = "names a key or a redaction, which stay"
		}
		return s.protected[id]
	}
	maps.DeleteFunc(s.effective, forbidden)
	maps.DeleteFunc(s.signed, forbidden)
	return s
}

// has reports whether the record called id must not be kept.
func (s *redactions) has(id object.Digest) bool { _, ok := s.effective[id]; return ok }

// redactions reads what this ledger says.
func (l *Ledger) redactions(ctx context.Context) (*redactions, error) {
	s, err := l.readRedactions(ctx)
	if err != nil {
		return nil, err
	}
	return s.done(), nil
}

func (l *Ledger) readRedactions(ctx context.Context) (*redactions, error) {
	s := newRedactions()
	v, found, err := l.find(ctx, &plan{Query: Query{Nouns: []string{"key", "record"}, All: true}})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found.hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.row, b.row)) })
	l.yieldRows(ctx, v, found.hits, func(r Record, e error) bool {
		if err = e; e == nil {
			s.add(r)
		}
		return e == nil
	})
	return s, err
}

// Redacted returns the redactions that have effect: signed by a key that was trusted at that place of the log.
func (l *Ledger) Redacted(ctx context.Context) (map[object.Digest]Redaction, error) {
	s, err := l.redactions(ctx)
	if err != nil {
		return nil, err
	}
	return s.effective, nil
}

// The file `redacted` lists the ids of which no bytes may be kept, so that sealing knows them without a query. It is derived.
const (
	redactedFile = "redacted"
	maxRedacted  = 64 << 20
)

// keepRedacted writes the file if it says something else.
func (l *Ledger) keepRedacted(s *redactions) error {
	var want []byte
	for _, id := range slices.SortedFunc(maps.Keys(s.effective), object.Digest.Compare) {
		want = append(append(want, id.String()...), '\n')
	}
	path := l.path(redactedFile)
	have, err := os.ReadFile(path)
	if bytes.Equal(have, want) && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		return nil
	}
	if err := l.makeFolders(); err != nil {
		return err
	}
	tmp, err := disk.Stage(l.path(tmpFolder), want)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return disk.SyncDir(l.opts.Dir)
}

// filter returns the ids in the file. A file that is damaged hides nothing: it is written again by the next ApplyRedactions.
func (l *Ledger) filter() map[object.Digest]bool {
	info, err := os.Stat(l.path(redactedFile))
	if err != nil || info.Size() > maxRedacted {
		return nil
	}
	b, err := os.ReadFile(l.path(redactedFile))
	if err != nil {
		return nil
	}
	out := map[object.Digest]bool{}
	for text := range bytes.Lines(b) {
		if id, err := object.ParseDigest(string(bytes.TrimSuffix(text, []byte("\n")))); err == nil {
			out[id] = true
		}
	}
	return out
}
