package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// SignOffNamespace keeps signatures of sign-offs apart from all others of the same key.
const SignOffNamespace = "mlx-sign-off"

// maxKind is how many bytes the kind of a sign-off may have, maxSaid those of its message.
const (
	maxKind = 64
	maxSaid = 16 << 10
)

// Text is what is signed: every field but the signature, one a line. Each value stands as JSON, so that none can run into the next line.
func (s SignOff) Text() []byte {
	var b bytes.Buffer
	line := func(name string, value any) {
		text, err := json.Marshal(value)
		if err != nil { // a string, a number or a bool never fails
			text = []byte("null")
		}
		fmt.Fprintf(&b, "%s %s\n", name, text)
	}
	b.WriteString("mlx sign-off v1\n")
	line("kind", s.Kind)
	line("digest", s.Digest.String())
	line("root", s.Root.String())
	line("model", s.Model)
	line("version", s.Version)
	line("signed_at", s.SignedAt.UTC().Format(time.RFC3339Nano))
	line("message", s.Message)
	line("key", s.Fingerprint)
	line("withdrawn", s.Withdrawn)
	return b.Bytes()
}

// CheckSignOffKind refuses what no sign-off may be called: kinds are words, and are compared byte by byte.
func CheckSignOffKind(kind string) error {
	ok := kind != "" && len(kind) <= maxKind && !strings.HasPrefix(kind, "-")
	for _, c := range kind {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !ok {
		return fault.New(fault.Usage, "cannot sign off as %.80q: a kind is a word of the letters a to z, digits, - and _", kind).
			Hint("mlx model sign REF --kind security")
	}
	return nil
}

// Sign makes the signature of a sign-off. Times are cut to microseconds, as records keep them.
func (s SignOff) Sign(by lineage.Signer) (SignOff, error) {
	if err := CheckSignOffKind(s.Kind); err != nil {
		return s, err
	}
	if len(s.Message) > maxSaid {
		return s, fault.New(fault.Usage, "cannot sign off: the message has more than %d bytes", maxSaid)
	}
	s.SignedAt = s.SignedAt.UTC().Truncate(time.Microsecond)
	s.Fingerprint = by.Fingerprint()
	var err error
	s.Signature, err = by.Sign(SignOffNamespace, s.Text())
	return s, err
}

// Verify checks the signature itself. Whether the signer counts is for a policy.
func (s SignOff) Verify() error {
	key, err := lineage.StatedBy(s.Text(), SignOffNamespace, s.Signature)
	if err == nil && key != s.Fingerprint {
		err = fault.New(fault.Integrity, "cannot believe a signature: it was made by %s, not by %.80s", key, s.Fingerprint)
	}
	return err
}

// SignedOff is a sign-off, its record, and what became of it.
type SignedOff struct {
	SignOff
	Record object.Digest
	At     time.Time // of the record
	By     string    // who wrote the record; says nothing about who signed
	Over   *Over     // nil: it stands
}

// Over says what ended a sign-off.
type Over struct {
	Record    object.Digest
	At        time.Time
	By        string
	Withdrawn bool // else a later one of the same signer took its place
	Message   string
}

// About returns the records that refer to something, newest first.
func (r Registry) About(ctx context.Context, id object.Digest) ([]lineage.Record, error) {
	var all []lineage.Record
	for rec, err := range r.Ledger.Referring(ctx, id) {
		if err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	return all, nil
}

// SignOffs is SignOffsIn with every record about the bytes.
func (r Registry) SignOffs(ctx context.Context, digest object.Digest) ([]SignedOff, error) {
	about, err := r.About(ctx, digest)
	if err != nil {
		return nil, err
	}
	return SignOffsIn(about, digest)
}

// SignOffsIn returns what was signed off of some bytes, newest first, also what is over. What a later record follows is over, and so is
// the same text in another record: nobody brings back what was taken back by copying it.
func SignOffsIn(about []lineage.Record, digest object.Digest) ([]SignedOff, error) {
	var all []SignedOff
	over := map[object.Digest]Over{}
	for _, rec := range about {
		if rec.Noun() != "sign-off" {
			continue
		}
		end := Over{Record: rec.ID, At: rec.At, By: rec.By}
		if Signed.Is(rec) {
			s, err := Signed.Decode(rec)
			if err != nil {
				return nil, err
			}
			end.Withdrawn, end.Message = s.Withdrawn, s.Message
			if s.Digest == digest {
				all = append(all, SignedOff{SignOff: s, Record: rec.ID, At: rec.At, By: rec.By})
			}
		}
		for _, p := range rec.Prev {
			if old, ok := over[p]; !ok || end.Withdrawn && !old.Withdrawn {
				over[p] = end
			}
		}
	}
	texts := map[string]Over{}
	for _, s := range all {
		if end, ok := over[s.Record]; ok && !s.Withdrawn {
			texts[string(s.Text())] = end
		}
	}
	for i := range all {
		if end, ok := over[all[i].Record]; ok {
			all[i].Over = &end
		} else if end, ok := texts[string(all[i].Text())]; ok {
			all[i].Over = &end
		}
	}
	return all, nil
}

// SignOff records a sign-off, or with Withdrawn that those of its kind are taken back. It follows what stood of the same kind before: of
// the same signer, or for a withdrawal of everybody.
func (r Registry) SignOff(ctx context.Context, s SignOff, version *Version) (lineage.Record, error) {
	before, err := r.SignOffs(ctx, s.Digest)
	if err != nil {
		return lineage.Record{}, err
	}
	entry := lineage.Entry[SignOff]{Body: s, In: []lineage.Input{{Role: "bytes", ID: s.Digest}}}
	if version != nil {
		entry.In = append(entry.In, lineage.Input{Role: "version", ID: version.Record})
	}
	for _, old := range before {
		if old.Kind == s.Kind && old.Over == nil && !old.Withdrawn && (s.Withdrawn || old.Fingerprint == s.Fingerprint) {
			entry.Prev = append(entry.Prev, old.Record)
		}
	}
	switch {
	case s.Withdrawn && len(entry.Prev) == 0:
		return lineage.Record{}, fault.New(fault.NotFound, "cannot withdraw: nobody signed off these bytes as %s", s.Kind).Hint("mlx log -k sign-off")
	case s.Withdrawn && len(entry.Prev) > 8:
		return lineage.Record{}, fault.New(fault.Conflict, "cannot withdraw more than 8 sign-offs at once: %d stand", len(entry.Prev)).
			Hint("mlx key revoke ID   # ends all that a key signed")
	}
	entry.Prev = entry.Prev[:min(len(entry.Prev), 8)]
	return Signed.Append(ctx, r.Ledger, entry)
}

// ScansIn returns what was found in some bytes, newest first.
func ScansIn(about []lineage.Record, digest object.Digest) ([]ScanProof, error) {
	var all []ScanProof
	for _, rec := range about {
		if !Scanned.Is(rec) {
			continue
		}
		s, err := Scanned.Decode(rec)
		if err != nil {
			return nil, err
		}
		if s.Digest == digest {
			all = append(all, ScanProof{Scan: s, Record: rec.ID, At: rec.At})
		}
	}
	return all, nil
}
