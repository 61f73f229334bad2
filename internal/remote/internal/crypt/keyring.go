package crypt

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"filippo.io/age"

	"mlx/internal/fault"
	"mlx/internal/object"
)

const (
	maxBody    = 1 << 20 // bytes of keyring/<n>
	maxBodies  = 10000
	maxPayload = 64 << 10 // plain bytes within it
)

// preface is the line in clear before the age file of keyring/<n>. It is believed only where the payload confirms it.
type preface struct {
	V    int      `json:"v"`
	Keys []string `json:"keys"` // ids, oldest first
	To   []string `json:"to"`   // recipients
}

// payload is what the age file holds.
type payload struct {
	V       int           `json:"v"`
	Preface object.Digest `json:"preface"` // of the line without its end
	Keys    []string      `json:"keys"`    // hex, oldest first
}

// Wrap returns the bytes of the next keyring/<n>: all keys of the ring, for those recipients and no others. To remove
// one, wrap a rotated ring for the rest: what was sealed before stays open to whoever was removed.
func (r *Ring) Wrap(to []string) ([]byte, error) {
	whom, texts, err := recipients(to)
	if err != nil {
		return nil, err
	}
	p, secret := preface{V: 1, To: texts}, payload{V: 1}
	for _, k := range r.keys {
		p.Keys = append(p.Keys, k.id.String())
		secret.Keys = append(secret.Keys, hex.EncodeToString(k.master[:]))
	}
	line, err := json.Marshal(p)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write a keyring: %w", err)
	}
	secret.Preface = object.Sum(line)
	plain, err := json.Marshal(secret)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write a keyring: %w", err)
	}
	out := bytes.NewBuffer(append(line, '\n'))
	if err := ageEncrypt(out, plain, whom); err != nil {
		return nil, fault.New(fault.Internal, "cannot write a keyring: %w", err)
	}
	if out.Len() > maxBody {
		return nil, fault.New(fault.Usage, "cannot write a keyring of %d bytes: at most %d, name fewer recipients", out.Len(), maxBody)
	}
	return out.Bytes(), nil
}

func ageEncrypt(out io.Writer, plain []byte, whom []age.Recipient) error {
	w, err := age.Encrypt(out, whom...)
	if err != nil {
		return err
	}
	if _, err := w.Write(plain); err != nil {
		return err
	}
	return w.Close()
}

// Recipients returns for whom a keyring/<n> says that it is.
func Recipients(body []byte) ([]string, error) {
	p, _, _, err := parseBody(body)
	return p.To, err
}

// OpenRing opens a remote's keyring: all bodies in order, and the texts of private keys (age identity files, SSH keys
// without a passphrase). The newest body that a key fits counts. If no key fits, the error is of kind Denied and says
// for whom the newest is and what was tried.
//
// Anybody can encrypt for a recipient, so a body proves who wrote it only by the keys in it: each one that opens must hold
// all keys of those before, in order. Who was removed does not know the key that came then, and cannot write a body that
// is taken for a later one.
func OpenRing(bodies, keys [][]byte) (*Ring, error) {
	if len(bodies) == 0 || len(bodies) > maxBodies {
		return nil, fault.New(fault.Integrity, "cannot open the keyring: it has %d parts", len(bodies))
	}
	tried := identities(keys)
	var ring *Ring
	for i, body := range bodies {
		next, err := openBody(body, tried)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot open keyring/%016d: %w", i, err)
		}
		if next == nil {
			continue
		}
		if ring != nil && !next.extends(ring) {
			return nil, fault.New(fault.Integrity, "cannot open keyring/%016d: it lacks a key that was there before, so someone else wrote it", i)
		}
		ring = next
	}
	if ring == nil {
		return nil, noneFits(bodies[len(bodies)-1], tried)
	}
	return ring, nil
}

func (r *Ring) extends(old *Ring) bool {
	if len(r.keys) < len(old.keys) {
		return false
	}
	for i, k := range old.keys {
		if r.keys[i].master != k.master {
			return false
		}
	}
	return true
}

// openBody returns the ring in a body, or nil when no key fits.
func openBody(body []byte, tried []identity) (*Ring, error) {
	p, line, sealed, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	var try []age.Identity
	for _, id := range tried {
		if id.key != nil {
			try = append(try, id.key)
		}
	}
	if len(try) == 0 {
		return nil, nil
	}
	broken := fault.New(fault.Integrity, "its bytes were changed")
	in, err := age.Decrypt(bytes.NewReader(sealed), try...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, broken
	}
	plain, err := io.ReadAll(io.LimitReader(in, maxPayload+1))
	var secret payload
	if err != nil || len(plain) > maxPayload || json.Unmarshal(plain, &secret) != nil {
		return nil, broken
	}
	if secret.V != 1 || secret.Preface != object.Sum(line) || len(secret.Keys) != len(p.Keys) {
		return nil, broken
	}
	return ringOf(secret.Keys)
}

func ringOf(keys []string) (*Ring, error) {
	broken := fault.New(fault.Integrity, "its keys are damaged")
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, broken
	}
	ring := &Ring{keys: make([]ringKey, 0, len(keys))}
	for _, text := range keys {
		var master Key
		if len(text) != 2*len(master) {
			return nil, broken
		}
		if _, err := hex.Decode(master[:], []byte(text)); err != nil {
			return nil, broken
		}
		k, err := newRingKey(master)
		if err != nil {
			return nil, err
		}
		ring.keys = append(ring.keys, k)
	}
	return ring, nil
}

// parseBody splits a body into its preface, the line of that, and the age file.
func parseBody(body []byte) (p preface, line, sealed []byte, err error) {
	line, sealed, ok := bytes.Cut(body, []byte("\n"))
	if len(body) > maxBody || !ok || json.Unmarshal(line, &p) != nil {
		return preface{}, nil, nil, fault.New(fault.Integrity, "it is no keyring")
	}
	if p.V != 1 {
		return preface{}, nil, nil, fault.New(fault.Conflict, "a newer mlx wrote it (version %d)", p.V)
	}
	return p, line, sealed, nil
}

func noneFits(body []byte, tried []identity) error {
	names := make([]string, len(tried))
	for i, id := range tried {
		names[i] = id.name
	}
	with := "no key was given"
	if len(names) > 0 {
		with = "tried " + strings.Join(names, ", ")
	}
	to := "nobody"
	if all, err := Recipients(body); err == nil && len(all) > 0 {
		to = listed(all)
	}
	return fault.New(fault.Denied, "cannot open the keyring: it is for %s; %s", to, with)
}

// listed shortens long keys and long lists: a message is for reading, and the list is what a stranger may have written.
func listed(all []string) string {
	const most = 8
	short := make([]string, 0, most+1)
	for i, text := range all {
		if i == most {
			short = append(short, "and others")
			break
		}
		if len(text) > 80 {
			text = text[:40] + "..." + text[len(text)-16:]
		}
		short = append(short, strings.Map(printable, text))
	}
	return strings.Join(short, ", ")
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return '?'
	}
	return c
}
