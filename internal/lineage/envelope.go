package lineage

import (
	"crypto"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/sshsig"
)

// SignEnvelope signs the pre-authentication encoding of a DSSE envelope, which others check with the public key alone: ed25519 in 64 bytes,
// ECDSA in ASN.1.
func (s Signer) SignEnvelope(text []byte) ([]byte, error) {
	signature, err := s.s.SignEnvelope(text)
	if err != nil {
		return nil, fault.New(fault.Denied, "cannot sign: %w", err)
	}
	return signature, nil
}

// Public is the public half of the key: an ed25519.PublicKey or an *ecdsa.PublicKey.
func (s Signer) Public() crypto.PublicKey { return s.s.Key().Crypto() }

// CryptoKey reads a line of a .pub file: the fingerprint and the key itself.
func CryptoKey(line []byte) (fingerprint string, key crypto.PublicKey, err error) {
	k, _, err := sshsig.ParseKey(line)
	if err != nil {
		return "", nil, fault.New(fault.Usage, "cannot read the key: %w", err)
	}
	return k.Fingerprint(), k.Crypto(), nil
}
