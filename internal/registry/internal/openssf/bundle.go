package openssf

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	_ "crypto/sha512" // the hashes of the larger curves
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
)

// bundle is the part of a Sigstore bundle that these signatures use.
type bundle struct {
	MediaType string    `json:"mediaType"`
	Material  material  `json:"verificationMaterial"`
	Envelope  *envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey   *publicKey   `json:"publicKey,omitempty"`
	Chain       *chain       `json:"x509CertificateChain,omitempty"`
	Certificate *certificate `json:"certificate,omitempty"` // of keyless signing
	Log         []any        `json:"tlogEntries"`
}

type publicKey struct {
	Hint string `json:"hint"`
}

type chain struct {
	Certificates []certificate `json:"certificates"`
}

type certificate struct {
	Raw []byte `json:"rawBytes"`
}

type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	Sig   []byte `json:"sig"`
	KeyID string `json:"keyid"`
}

// Sign reads a model and returns its signature, as model-signing writes it.
func Sign(ctx context.Context, m Model, key *ecdsa.PrivateKey) ([]byte, Manifest, error) {
	hash, hint, err := keyFacts(&key.PublicKey)
	if err != nil {
		return nil, Manifest{}, err
	}
	how, err := plain(m)
	if err != nil {
		return nil, Manifest{}, err
	}
	signed, err := Read(ctx, m, how)
	if err == nil && len(signed.Resources) == 0 {
		err = Unsupported("it has no files")
	}
	if err != nil {
		return nil, Manifest{}, err
	}
	payload, err := signed.encode()
	if err != nil {
		return nil, Manifest{}, err
	}
	sig, err := ecdsa.SignASN1(rand.Reader, key, sumOf(hash, pae(payloadType, payload)))
	if err != nil {
		return nil, Manifest{}, err
	}
	text, err := json.MarshalIndent(bundle{
		MediaType: bundleType, Material: material{PublicKey: &publicKey{hint}, Log: []any{}},
		Envelope: &envelope{Payload: payload, PayloadType: payloadType, Signatures: []signature{{Sig: sig}}},
	}, "", "  ")
	return append(text, '\n'), signed, err
}

// Trust is who is believed: a key, or certificates that may have issued that of the signer.
type Trust struct {
	Key   *ecdsa.PublicKey
	Roots []*x509.Certificate
}

// Open checks a signature and returns what it says. An error that is Unsupported means that nobody can tell here; every other one
// that the signature does not hold.
func Open(text []byte, by Trust) (Manifest, error) {
	if len(text) > MaxBundle {
		return Manifest{}, errors.New("it is too long")
	}
	var b bundle
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&b); err != nil {
		return Manifest{}, errors.New("it is no signature of a model: no JSON of the expected form")
	}
	switch {
	case b.MediaType != bundleType:
		return Manifest{}, fmt.Errorf("it is of type %.80q, not %q", b.MediaType, bundleType)
	case b.Envelope == nil || b.Envelope.PayloadType != payloadType:
		return Manifest{}, errors.New("it holds no in-toto statement")
	case len(b.Envelope.Signatures) != 1:
		return Manifest{}, fmt.Errorf("it holds %d signatures, not one", len(b.Envelope.Signatures))
	case b.Material.Certificate != nil:
		return Manifest{}, Unsupported("it was made without a key (Sigstore): model-signing verify sigstore checks that, mlx does not")
	}
	key, err := by.keyFor(b.Material)
	if err != nil {
		return Manifest{}, err
	}
	hash, _, err := keyFacts(key)
	if err != nil {
		return Manifest{}, err
	}
	if !ecdsa.VerifyASN1(key, sumOf(hash, pae(payloadType, b.Envelope.Payload)), b.Envelope.Signatures[0].Sig) {
		return Manifest{}, errors.New("it was not made by this key, or was changed since")
	}
	return decode(b.Envelope.Payload)
}

// keyFor finds the key that must have made a signature.
func (t Trust) keyFor(m material) (*ecdsa.PublicKey, error) {
	switch {
	case t.Key != nil && m.PublicKey == nil:
		return nil, errors.New("it was made with a certificate, and you gave a key")
	case t.Key != nil:
		_, hint, err := keyFacts(t.Key)
		if err == nil && m.PublicKey.Hint != "" && m.PublicKey.Hint != hint {
			err = errors.New("it names another key")
		}
		return t.Key, err
	case m.Chain == nil || len(m.Chain.Certificates) == 0:
		return nil, errors.New("it was made with a bare key, and you gave certificates")
	}
	return t.certified(m.Chain.Certificates)
}

// maxChain bounds the certificates of a signature.
const maxChain = 16

// certified follows the certificates of a signature to one that is believed. As model-signing does, they are judged at the moment at
// which the signer's own became valid: a signature without a time says nothing of when it was made.
func (t Trust) certified(list []certificate) (*ecdsa.PublicKey, error) {
	if len(list) > maxChain {
		return nil, fmt.Errorf("%d certificates are too many", len(list))
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range t.Roots {
		roots.AddCert(c)
	}
	var leaf *x509.Certificate
	for i, c := range list {
		parsed, err := x509.ParseCertificate(c.Raw)
		if err != nil {
			return nil, errors.New("one of its certificates cannot be read")
		}
		if i == 0 {
			leaf = parsed
			continue
		}
		between.AddCert(parsed)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: leaf.NotBefore,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, errors.New("its certificate was issued by nobody whom you named")
	}
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 && !hasCodeSigning(leaf) {
		return nil, errors.New("its certificate is not for signing")
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("its certificate is not of an ECDSA key")
	}
	return key, nil
}

func hasCodeSigning(c *x509.Certificate) bool {
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageCodeSigning {
			return true
		}
	}
	return false
}

// keyFacts returns the hash that belongs to a key, and how a bundle names it: the SHA-256 of its PEM form.
func keyFacts(key *ecdsa.PublicKey) (crypto.Hash, string, error) {
	var hash crypto.Hash
	switch key.Curve {
	case elliptic.P256():
		hash = crypto.SHA256
	case elliptic.P384():
		hash = crypto.SHA384
	case elliptic.P521():
		hash = crypto.SHA512
	default:
		return 0, "", Unsupported("only the curves P-256, P-384 and P-521 are known here")
	}
	text, err := PublicPEM(key)
	if err != nil {
		return 0, "", err
	}
	sum := sha256.Sum256(text)
	return hash, hex.EncodeToString(sum[:]), nil
}

// PublicPEM is the form of a public key that model-signing reads.
func PublicPEM(key *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// pae is what is signed of an envelope (DSSE, pre-authentication encoding).
func pae(kind string, payload []byte) []byte {
	head := "DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(payload)) + " "
	return append([]byte(head), payload...)
}

func sumOf(h crypto.Hash, text []byte) []byte {
	sum := h.New()
	sum.Write(text) // a hash never fails
	return sum.Sum(nil)
}
