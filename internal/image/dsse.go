package image

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	_ "crypto/sha512" // the hashes of the larger curves
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"mlx/internal/fault"
)

const (
	payloadType = "application/vnd.in-toto+json"
	bundleType  = "application/vnd.dev.sigstore.bundle.v0.3+json"

	maxSignatures = 16 // of an envelope
)

// Signer is the key of who stands for a package: ed25519 or ECDSA.
type Signer struct {
	Fingerprint string // of SSH: "SHA256:…", which names it in the signature
	Public      crypto.PublicKey
	Sign        func(text []byte) ([]byte, error) // ed25519 as it is; ECDSA in ASN.1 over the hash of its curve
}

// Trust finds the public key of a fingerprint if its owner is believed, else nil.
type Trust func(fingerprint string) crypto.PublicKey

// bundle is the part of a Sigstore bundle (v0.3) that is used here.
type bundle struct {
	MediaType string    `json:"mediaType"`
	Material  material  `json:"verificationMaterial"`
	Envelope  *envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey *publicKey `json:"publicKey,omitempty"`
	Log       []any      `json:"tlogEntries,omitempty"`
}

type publicKey struct {
	Hint string `json:"hint"`
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

// Sign puts a statement into an envelope that a key signs, and that into a bundle.
func Sign(statement []byte, by Signer) ([]byte, error) {
	hint, err := hintOf(by.Public)
	if err != nil {
		return nil, err
	}
	text := pae(payloadType, statement)
	sig, err := by.Sign(text)
	if err != nil {
		return nil, err
	}
	if err := holds(by.Public, text, sig); err != nil { // an agent may answer with anything
		return nil, fault.New(fault.Internal, "cannot sign: the key made no signature of its own: %w", err)
	}
	return json.Marshal(bundle{
		MediaType: bundleType, Material: material{PublicKey: &publicKey{hint}},
		Envelope: &envelope{Payload: statement, PayloadType: payloadType, Signatures: []signature{{sig, by.Fingerprint}}},
	})
}

// hintOf names a key as Sigstore's libraries do: by the SHA-256 of its PKIX form.
func hintOf(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fault.New(fault.Usage, "cannot sign: a key of this type is not known here")
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// errUnknownKey says that a signature may be good, and that nobody here believes its key.
var errUnknownKey = errors.New("its key is not trusted here")

// openBundle returns the statement of a bundle and who signed it. A signature that does not fit is damage, whatever else the envelope
// holds.
func openBundle(text []byte, trust Trust) (statement []byte, by string, err error) {
	var b bundle
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&b); err != nil {
		return nil, "", errors.New("it is no Sigstore bundle")
	}
	switch {
	case b.MediaType != bundleType:
		return nil, "", fmt.Errorf("it is of type %.80q, not %q", b.MediaType, bundleType)
	case b.Envelope == nil || b.Envelope.PayloadType != payloadType:
		return nil, "", errors.New("it holds no in-toto statement")
	case len(b.Envelope.Signatures) == 0 || len(b.Envelope.Signatures) > maxSignatures:
		return nil, "", fmt.Errorf("it holds %d signatures", len(b.Envelope.Signatures))
	}
	signed := pae(payloadType, b.Envelope.Payload)
	for _, s := range b.Envelope.Signatures {
		key := trust(s.KeyID)
		if key == nil {
			continue
		}
		if err := holds(key, signed, s.Sig); err != nil {
			return nil, "", err
		}
		return b.Envelope.Payload, s.KeyID, nil
	}
	return nil, b.Envelope.Signatures[0].KeyID, errUnknownKey
}

// holds checks a signature of text.
func holds(key crypto.PublicKey, text, sig []byte) error {
	ok := false
	switch k := key.(type) {
	case ed25519.PublicKey:
		ok = len(k) == ed25519.PublicKeySize && ed25519.Verify(k, text, sig)
	case *ecdsa.PublicKey:
		hash := crypto.SHA256
		switch k.Curve {
		case elliptic.P384():
			hash = crypto.SHA384
		case elliptic.P521():
			hash = crypto.SHA512
		}
		sum := hash.New()
		sum.Write(text) // a hash never fails
		ok = ecdsa.VerifyASN1(k, sum.Sum(nil), sig)
	}
	if !ok {
		return errors.New("it was not made by the key that it names, or was changed since")
	}
	return nil
}

// pae is what is signed of an envelope (DSSE, pre-authentication encoding).
func pae(kind string, payload []byte) []byte {
	head := "DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(payload)) + " "
	return append([]byte(head), payload...)
}
