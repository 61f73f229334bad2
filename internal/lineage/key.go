package lineage

import (
	"context"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/sshsig"
	"mlx/internal/object"
)

// Key is a signing key that the ledger trusts, or trusted until it was revoked. Only public keys are ever stored.
type Key struct {
	ID          object.Digest // its key.added record
	Name        string
	Fingerprint string // SHA256:…
	Public      string // as in an authorized_keys file
	AddedAt     time.Time
	By          string
	Revoked     bool
	RevokedAt   time.Time
	Reason      string
}

type keyAdded struct {
	Fingerprint string `json:"fingerprint"`
	Name        string `json:"name"`
	PublicKey   string `json:"public_key"`
}

type keyRevoked struct {
	Fingerprint string `json:"fingerprint"`
	Reason      string `json:"reason,omitempty"`
}

func addedKind() Kind[keyAdded]     { return Define[keyAdded]("key.added/v1") }
func revokedKind() Kind[keyRevoked] { return Define[keyRevoked]("key.revoked/v1") }

// AddKey trusts the public key in the text of a .pub file. The name may be empty: then it is the key's comment. A key that is
// trusted already is returned as it is.
func (l *Ledger) AddKey(ctx context.Context, authorizedKey []byte, name string) (Key, error) {
	pub, comment, err := sshsig.ParseKey(authorizedKey)
	if err != nil {
		return Key{}, fault.New(fault.Usage, "cannot add the key: %w", err)
	}
	keys, err := l.Keys(ctx)
	if err != nil {
		return Key{}, err
	}
	for _, k := range keys {
		if k.Fingerprint == pub.Fingerprint() && !k.Revoked {
			return k, nil
		}
	}
	if name == "" {
		name = comment
	}
	body := keyAdded{Fingerprint: pub.Fingerprint(), Name: name, PublicKey: pub.String()}
	r, err := addedKind().Append(ctx, l, Entry[keyAdded]{Body: body})
	if err != nil {
		return Key{}, err
	}
	return keyOf(r, body), nil
}

func keyOf(r Record, b keyAdded) Key {
	return Key{ID: r.ID, Name: b.Name, Fingerprint: b.Fingerprint, Public: b.PublicKey, AddedAt: r.At, By: r.By}
}

// Keys returns every key, also revoked ones, in the order in which they were added.
func (l *Ledger) Keys(ctx context.Context) ([]Key, error) {
	var keys []Key
	at := map[object.Digest]int{}
	revoked := map[object.Digest]Record{}
	for r, err := range l.Select(ctx, Query{Nouns: []string{"key"}, Sort: "lc", All: true}) {
		switch {
		case err != nil:
			return nil, err
		case addedKind().Is(r):
			body, err := addedKind().Decode(r)
			if err != nil {
				return nil, err
			}
			at[r.ID] = len(keys)
			keys = append(keys, keyOf(r, body))
		case revokedKind().Is(r):
			for _, p := range r.Prev {
				revoked[p] = r
			}
		}
	}
	for id, r := range revoked {
		i, ok := at[id]
		if !ok {
			continue
		}
		body, err := revokedKind().Decode(r)
		if err != nil {
			return nil, err
		}
		keys[i].Revoked, keys[i].RevokedAt, keys[i].Reason = true, r.At, body.Reason
	}
	return keys, nil
}

// RevokeKey ends the trust in a key, named by record id or its beginning, by fingerprint or by name. A key that is revoked already is
// returned as it is.
func (l *Ledger) RevokeKey(ctx context.Context, ref, reason string) (Key, error) {
	keys, err := l.Keys(ctx)
	if err != nil {
		return Key{}, err
	}
	var found []Key
	for _, k := range keys {
		if k.named(ref) {
			found = append(found, k)
		}
	}
	if len(found) > 1 { // the same key may have been added again after it was revoked
		found = active(found)
	}
	switch {
	case len(found) == 0:
		return Key{}, fault.New(fault.NotFound, "cannot revoke key %.80q: no such key", ref).Hint("mlx key list")
	case len(found) > 1:
		e := fault.New(fault.Conflict, "cannot revoke key %.80q: it names %d keys", ref, len(found)).Hint("mlx key list")
		for _, k := range found {
			e.Refs = append(e.Refs, fault.Ref{Kind: "key", ID: k.ID.Hex(), Name: k.Name})
		}
		return Key{}, e
	case found[0].Revoked:
		return found[0], nil
	}
	k := found[0]
	r, err := revokedKind().Append(ctx, l, Entry[keyRevoked]{
		Body: keyRevoked{Fingerprint: k.Fingerprint, Reason: reason}, Prev: []object.Digest{k.ID},
	})
	k.Revoked, k.RevokedAt, k.Reason = err == nil, r.At, reason
	return k, err
}

func (k Key) named(ref string) bool {
	if ref == k.Name || ref == k.Fingerprint || ref == strings.TrimPrefix(k.Fingerprint, "SHA256:") {
		return ref != ""
	}
	p, err := object.ParsePrefix(ref)
	return err == nil && p.Match(k.ID)
}

func active(keys []Key) []Key {
	var out []Key
	for _, k := range keys {
		if !k.Revoked {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return keys[len(keys)-1:]
	}
	return out
}
