// Package openssf hides the form of OpenSSF model signatures: a Sigstore bundle (v0.3, JSON) around a DSSE envelope around an in-toto
// statement (v1) that lists the SHA-256 of each file of a model. The tool model-signing verifies what is written here and the other
// way round; neither needs the other. Signatures are ECDSA (P-256, P-384, P-521) over the model's bytes, by a bare key or by one with a
// certificate; what a transparency log would add (keyless signing) is not known here and is refused by name.
package openssf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

const (
	statementType  = "https://in-toto.io/Statement/v1"
	predicateType  = "https://model_signing/signature/v1.0"
	compatType     = "https://model_signing/Digests/v0.1"
	methodFiles    = "files"
	methodShards   = "shards"
	hashSHA256     = "sha256"
	maxResources   = 1 << 20
	maxIgnored     = 1 << 12
	minShard       = 1 << 10 // smaller parts only serve to make a signature long
	payloadType    = "application/vnd.in-toto+json"
	bundleType     = "application/vnd.dev.sigstore.bundle.v0.3+json"
	maxStatement   = 256 << 20
	maxNameOfModel = 4096
)

// MaxBundle bounds the bytes of a signature that is read.
const MaxBundle = maxStatement

// Manifest is what a signature says of a model.
type Manifest struct {
	Name          string // of the model: its last path element; for people only
	Serialization Serialization
	Resources     []Resource // in the order in which they are signed
}

// Serialization says how a model was read for the signature.
type Serialization struct {
	Method        string   `json:"method"` // files, or shards: parts of files
	HashType      string   `json:"hash_type"`
	AllowSymlinks bool     `json:"allow_symlinks"` // links to files count as what they lead to
	IgnorePaths   []string `json:"ignore_paths,omitempty"`
	ShardSize     Whole    `json:"shard_size,omitempty"` // bytes of a part
}

// Whole is a whole number in JSON, which model-signing writes as 1024.0.
type Whole int64

// UnmarshalJSON implements json.Unmarshaler.
func (w *Whole) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return errors.New("no whole number")
	}
	*w = Whole(f)
	return nil
}

// Resource is one file, or of shards one part: NAME:START:END. A model that is a single file has the name ".".
type Resource struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Digest    string `json:"digest"` // hex
}

type statement struct {
	Type      string    `json:"_type"`
	Subject   []subject `json:"subject"`
	Predicate string    `json:"predicateType"`
	Content   predicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	Serialization Serialization `json:"serialization"`
	Resources     []Resource    `json:"resources"`
}

// encode writes the statement of a manifest. Equal manifests give equal bytes.
func (m Manifest) encode() ([]byte, error) {
	root, err := m.root()
	if err != nil {
		return nil, err
	}
	return json.Marshal(statement{
		Type: statementType, Predicate: predicateType,
		Subject: []subject{{Name: m.Name, Digest: map[string]string{hashSHA256: root}}},
		Content: predicate{Serialization: m.Serialization, Resources: m.Resources},
	})
}

// root is the SHA-256 over the digests of all resources, one after the other.
func (m Manifest) root() (string, error) {
	sum := sha256.New()
	for _, r := range m.Resources {
		b, err := hex.DecodeString(r.Digest)
		if err != nil || len(b) != sha256.Size {
			return "", fmt.Errorf("the digest of %q is no SHA-256", r.Name)
		}
		sum.Write(b) // a hash never fails
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// decode reads a statement. What it does not say itself is not believed: its own root must fit, names must be paths inside the model
// and no two may be equal.
func decode(text []byte) (Manifest, error) {
	var s statement
	d := json.NewDecoder(bytes.NewReader(text))
	// Other fields are allowed: the predicate v1.0 says that verifiers ignore them. What is named twice is read as the last says, as
	// model-signing does; the bytes are signed either way.
	if err := d.Decode(&s); err != nil {
		return Manifest{}, errors.New("its statement is no JSON of the expected form")
	}
	switch {
	case s.Type != statementType:
		return Manifest{}, fmt.Errorf("it holds a statement of type %.80q, not %q", s.Type, statementType)
	case s.Predicate == compatType:
		return Manifest{}, Unsupported("it is of the form that model-signing wrote before 1.0: sign again with a newer one")
	case s.Predicate != predicateType:
		return Manifest{}, fmt.Errorf("it says %.80q, not %q", s.Predicate, predicateType)
	case len(s.Subject) != 1 || len(s.Subject[0].Name) > maxNameOfModel:
		return Manifest{}, fmt.Errorf("it is about %d models, not one", len(s.Subject))
	}
	m := Manifest{Name: s.Subject[0].Name, Serialization: s.Content.Serialization, Resources: s.Content.Resources}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	root, err := m.root()
	if err != nil {
		return Manifest{}, err
	}
	if root != s.Subject[0].Digest[hashSHA256] {
		return Manifest{}, errors.New("the files that it lists are not those that it was made for")
	}
	return m, nil
}

// check holds that everything in a manifest can be compared with a model.
func (m Manifest) check() error {
	s := m.Serialization
	switch {
	case s.HashType != hashSHA256:
		return Unsupported(fmt.Sprintf("its files are hashed with %.40q, and only %s is known here", s.HashType, hashSHA256))
	case s.Method != methodFiles && s.Method != methodShards:
		return Unsupported(fmt.Sprintf("the model is read by the method %.40q, and only %s and %s are known here", s.Method, methodFiles, methodShards))
	case s.Method == methodShards && s.ShardSize < minShard:
		return fmt.Errorf("parts of %d bytes are too small", s.ShardSize)
	case len(m.Resources) > maxResources || len(s.IgnorePaths) > maxIgnored:
		return errors.New("it lists too many files")
	}
	seen := make(map[string]bool, len(m.Resources))
	for _, r := range m.Resources {
		if seen[r.Name] || r.Name == "" || strings.HasPrefix(r.Name, "/") || slices.Contains(strings.Split(r.Name, "/"), "..") {
			return fmt.Errorf("it lists the file %.200q, which is no path inside a model or is there twice", r.Name)
		}
		if r.Algorithm != hashSHA256 && (s.Method != methodShards || r.Algorithm != fmt.Sprintf("%s-sharded-%d", hashSHA256, s.ShardSize)) {
			return Unsupported(fmt.Sprintf("the file %.200q is hashed with %.40q, which is not known here", r.Name, r.Algorithm))
		}
		seen[r.Name] = true
	}
	return nil
}

// Unsupported is the error of a signature that may be good but is of a form that is not known here.
type Unsupported string

func (u Unsupported) Error() string { return string(u) }

// order sorts resources as model-signing does: by the parts of their paths, then by the places in a file.
func order(all []part) {
	slices.SortFunc(all, func(a, b part) int {
		if c := slices.Compare(strings.Split(a.path, "/"), strings.Split(b.path, "/")); c != 0 {
			return c
		}
		return int(min(max(a.start-b.start, -1), 1))
	})
}

// ignored reports whether a path of the model is, or lies in, one that is left out.
func ignored(name string, paths []string) bool {
	for _, p := range paths {
		p = path.Clean(p)
		if p == "." || p == name || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}
