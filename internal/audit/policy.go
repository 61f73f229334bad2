package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"regexp"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Policy says what of features is written. Of every policy the score and the class are written.
type Policy struct {
	Features string `json:"features"` // one of Policies
	// Mask names more columns whose values are never written; * stands for any letters.
	Mask []string `json:"mask,omitempty"`
}

// The policies of features.
const (
	Full   = "full"   // as they came, but for columns in Mask
	Masked = "masked" // values that look personal, by their column or by themselves, are not written
	Hashed = "hash"   // a keyed hash of each value
	None   = "none"
)

// Policies lists them.
func Policies() []string { return []string{Masked, Full, Hashed, None} }

// Digest names a policy: segments say by which one they were written.
func (p Policy) Digest() object.Digest {
	text, err := object.Encode(p)
	if err != nil {
		return object.Digest{} // of words that are no UTF-8: Check refuses them
	}
	return object.Sum(text)
}

// Check refuses what is no policy.
func (p Policy) Check() error {
	if !slices.Contains(Policies(), p.Features) {
		err := fault.New(fault.Usage, "cannot keep predictions: %q is no policy of features", p.Features)
		if near := fault.Nearest(p.Features, Policies()); near != "" {
			return err.Hint("did you mean %s?", near)
		}
		return err.Hint("one of %s", strings.Join(Policies(), ", "))
	}
	_, err := object.Encode(p)
	return err
}

// maskedText stands for a value that is not written.
const maskedText = `"***"`

// keyBytes is the length of the key of hashes.
const keyBytes = 32

// redactor writes values as the policy says. It belongs to one goroutine.
type redactor struct {
	policy Policy
	mac    hash.Hash // keyed
	sum    []byte
	hidden map[string]bool
}

func newRedactor(p Policy, key []byte) *redactor {
	return &redactor{policy: p, mac: hmac.New(sha256.New, key), hidden: make(map[string]bool)}
}

// maxCell bounds a value. A longer one is written by its digest.
const maxCell = 4 << 10

// appendCell writes the value of a column.
func (r *redactor) appendCell(b, name, cell []byte) []byte {
	switch {
	case cell == nil || string(cell) == "null":
		return append(b, "null"...)
	case r.hides(name):
		return append(b, maskedText...)
	case r.policy.Features == Hashed:
		return r.appendHash(b, cell)
	case r.policy.Features == Masked && cell[0] == '"' && personal(cell[1:len(cell)-1]),
		r.policy.Features == Masked && (cell[0] == '[' || cell[0] == '{') && personalPart(cell):
		return append(b, maskedText...)
	case len(cell) > maxCell:
		return append(append(append(b, '"'), object.Sum(cell).String()...), '"')
	}
	from := len(b)
	b = append(b, cell...)
	for i := from; i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' { // white space in a list: a row is one line
			b[i] = ' '
		}
	}
	return b
}

// appendOutput writes what a model said in a score or a class: a policy of features does not touch it, but what looks personal does not pass.
func (r *redactor) appendOutput(b, cell []byte) []byte {
	if cell == nil {
		return append(b, "null"...)
	}
	if len(cell) > maxCell || cell[0] == '[' || r.policy.Features != Full && len(cell) > 1 && cell[0] == '"' && personal(cell[1:len(cell)-1]) {
		return append(b, maskedText...)
	}
	return append(b, cell...)
}

// appendHash writes a keyed hash, so that nobody without the key can try all values.
func (r *redactor) appendHash(b, text []byte) []byte {
	r.mac.Reset()
	r.mac.Write(text)
	r.sum = r.mac.Sum(r.sum[:0])
	return append(hex.AppendEncode(append(b, '"'), r.sum[:16]), '"')
}

// maxHidden bounds what is remembered of names that callers choose.
const maxHidden = 10_000

// hides says whether no value of a column is written.
func (r *redactor) hides(name []byte) bool {
	if hidden, ok := r.hidden[string(name)]; ok {
		return hidden
	}
	plain := strings.ToLower(string(name[1 : len(name)-1]))
	hidden := r.policy.Features == Masked && personalName(plain) ||
		slices.ContainsFunc(r.policy.Mask, func(pattern string) bool { return matches(strings.ToLower(pattern), plain) })
	if len(r.hidden) < maxHidden {
		r.hidden[string(name)] = hidden
	}
	return hidden
}

// matches says whether a name fits a pattern in which * stands for any letters.
func matches(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	for i := len(first); i <= len(name); i++ {
		if matches(rest, name[i:]) {
			return true
		}
	}
	return false
}

// personalWords are what columns about a person are called, in the languages that such tables are mostly in.
var personalWords = []string{
	"email", "mail", "phone", "telephone", "mobile", "fax", "firstname", "lastname", "surname", "fullname", "username", "forename", "givenname",
	"familyname", "middlename", "maidenname", "ssn", "passport", "iban", "card", "cardnumber", "creditcard", "pan", "cvv", "birthdate", "birthday",
	"dateofbirth", "dob", "address", "street", "ip", "ipaddress", "nationalid", "taxid", "licenseplate", "password", "token", "secret",
	"vorname", "nachname", "telefon", "adresse", "prenom", "nom", "correo", "telefono", "apellido", "nombre",
}

var wordEnds = regexp.MustCompile(`[^a-z0-9]+`)

// personalName says whether a column is likely about a person: one of its words is, or two that follow each other.
func personalName(name string) bool {
	words := wordEnds.Split(name, -1)
	for i, w := range words {
		if slices.Contains(personalWords, w) || i > 0 && slices.Contains(personalWords, words[i-1]+w) ||
			i > 1 && slices.Contains(personalWords, words[i-2]+words[i-1]+w) {
			return true
		}
	}
	return name == "name"
}
