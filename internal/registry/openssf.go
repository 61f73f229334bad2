package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/registry/internal/openssf"
)

// ModelBytes is where the bytes of a model are read: a folder, or one file of it.
type ModelBytes = openssf.Model

// MaxModelSignature bounds the bytes of an OpenSSF signature.
const MaxModelSignature = openssf.MaxBundle

// SignModel reads a model and signs its bytes as OpenSSF model signing does.
func SignModel(ctx context.Context, m ModelBytes, key *ecdsa.PrivateKey) ([]byte, error) {
	text, _, err := openssf.Sign(ctx, m, key)
	if err != nil {
		return nil, modelError(ctx, "cannot sign %s: %w", m.Name, err)
	}
	return text, nil
}

// modelError keeps the kind of an error that reading met, and calls what this form cannot say a wrong use of it.
func modelError(ctx context.Context, format, name string, err error) error {
	kind := fault.KindOf(err)
	if known := openssf.Unsupported(""); errors.As(err, &known) || kind == fault.Internal {
		kind = fault.Usage
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(kind, format, name, err)
}

// ModelTrust is who is believed when a model signature is checked.
type ModelTrust = openssf.Trust

// ReadModelTrust reads a public key (PEM, or a line as in a .pub file) or certificates (PEM) of those who issue them.
func ReadModelTrust(text []byte) (ModelTrust, error) {
	var t ModelTrust
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "PUBLIC KEY":
			key, err := x509.ParsePKIXPublicKey(block.Bytes)
			ec, ok := key.(*ecdsa.PublicKey)
			if err != nil || !ok {
				return t, fault.New(fault.Usage, "cannot read the key: it is no ECDSA key, and others make no signature of this form")
			}
			t.Key = ec
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return t, fault.New(fault.Usage, "cannot read the key: one of its certificates is damaged")
			}
			t.Roots = append(t.Roots, c)
		default:
			return t, fault.New(fault.Usage, "cannot read the key: it holds a %s, and a public key or certificates are expected", block.Type)
		}
	}
	switch {
	case t.Key != nil && t.Roots != nil:
		return t, fault.New(fault.Usage, "cannot read the key: it holds a key and certificates, and only one of them can be meant")
	case t.Key != nil || t.Roots != nil:
		return t, nil
	}
	_, _, key, err := lineage.PublicKey(text)
	if err != nil {
		return t, fault.New(fault.Usage, "cannot read the key: it is neither PEM nor a line of a .pub file")
	}
	if key == nil {
		return t, fault.New(fault.Usage, "cannot read the key: only ECDSA keys make signatures of this form")
	}
	t.Key = key
	return t, nil
}

// ModelCheck is the answer of a check of a model signature.
type ModelCheck struct {
	Name        string               // that the signer gave the model
	Files       int                  // that the signature lists; of parts: how many parts
	Reason      string               // why the signature itself does not hold; empty: it does
	Differences []openssf.Difference // of a signature that holds: what is not as it was signed
}

// Holds says whether the model is what was signed.
func (c ModelCheck) Holds() bool { return c.Reason == "" && len(c.Differences) == 0 }

// CheckModel says whether a model is what its OpenSSF signature was made for. An error means that nobody can tell.
func CheckModel(ctx context.Context, text []byte, m ModelBytes, by ModelTrust) (ModelCheck, error) {
	signed, err := openssf.Open(text, by)
	if known := openssf.Unsupported(""); errors.As(err, &known) {
		return ModelCheck{}, fault.New(fault.Usage, "cannot check the signature: %w", err)
	}
	if err != nil {
		return ModelCheck{Reason: err.Error()}, nil
	}
	check := ModelCheck{Name: signed.Name, Files: len(signed.Resources)}
	found, err := openssf.Read(ctx, m, signed.Serialization)
	var strange openssf.Strange
	if errors.As(err, &strange) {
		check.Differences = []openssf.Difference{strange.Difference}
		return check, nil
	}
	if err != nil {
		return check, modelError(ctx, "cannot read %s: %w", m.Name, err)
	}
	check.Differences = openssf.Compare(signed, found)
	return check, nil
}
