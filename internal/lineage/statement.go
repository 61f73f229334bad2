package lineage

import (
	"crypto/ecdsa"
	"errors"
	"io"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/sshsig"
)

// Signer signs what a person states: the key lies in a file or in an ssh-agent, and its type is ed25519 or ECDSA. Whether its
// signatures count is for whoever reads them.
type Signer struct {
	s   sshsig.Signer
	key *ecdsa.PrivateKey
}

// ReadSigner reads a private key in the form of OpenSSH or PEM. The error is of the kind Denied if the key needs a passphrase that
// was not given.
func ReadSigner(privateKey, passphrase []byte) (Signer, error) {
	s, key, err := sshsig.ParseStatementSigner(privateKey, passphrase)
	if errors.Is(err, sshsig.ErrPassphrase) {
		return Signer{}, fault.New(fault.Denied, "cannot sign: %w", err)
	}
	if err != nil {
		return Signer{}, fault.New(fault.Usage, "cannot sign: %w", err)
	}
	return Signer{s, key}, nil
}

// AgentSigner finds the key of a .pub file in the ssh-agent behind conn.
func AgentSigner(conn io.ReadWriter, publicKey []byte) (Signer, error) {
	s, err := sshsig.AgentSigner(conn, publicKey)
	if err != nil {
		return Signer{}, fault.New(fault.Denied, "cannot sign: %w", err)
	}
	return Signer{s: s}, nil
}

// Fingerprint is SHA256:… of the key.
func (s Signer) Fingerprint() string { return s.s.Key().Fingerprint() }

// ECDSA is the key itself where it is an ECDSA key from a file, else nil.
func (s Signer) ECDSA() *ecdsa.PrivateKey { return s.key }

// Sign returns an SSH signature of text for a namespace.
func (s Signer) Sign(namespace string, text []byte) (string, error) {
	signature, err := s.s.Sign(namespace, text)
	if err != nil {
		return "", fault.New(fault.Denied, "cannot sign: %w", err)
	}
	return signature, nil
}

// StatedBy returns the fingerprint of the key that made a signature of text. It does not say whether that key is believed.
func StatedBy(text []byte, namespace, signature string) (string, error) {
	key, err := sshsig.VerifyStatement(signature, namespace, text)
	if err != nil {
		return "", fault.New(fault.Integrity, "cannot believe a signature: %w", err)
	}
	return key.Fingerprint(), nil
}

// PublicKey reads a line of a .pub file: its fingerprint and its comment, and the key itself where it is ECDSA.
func PublicKey(line []byte) (fingerprint, comment string, key *ecdsa.PublicKey, err error) {
	k, comment, err := sshsig.ParseKey(line)
	if err != nil {
		return "", "", nil, fault.New(fault.Usage, "cannot read the key: %w", err)
	}
	return k.Fingerprint(), comment, k.ECDSA(), nil
}
