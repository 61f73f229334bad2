// Package sshsig hides the form of signatures: those of OpenSSH (PROTOCOL.sshsig), so that `ssh-keygen -Y verify` checks
// them without mlx. The log is signed with ed25519 keys only, statements also with ECDSA keys.
package sshsig

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	magic   = "SSHSIG"
	block   = "SSH SIGNATURE"
	hash    = "sha512"
	maxSize = 16 << 10
)

type blob struct {
	Version   uint32
	PublicKey string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

type signed struct {
	Namespace string
	Reserved  string
	Hash      string
	Sum       string
}

func toSign(namespace string, message []byte) []byte {
	sum := sha512.Sum512(message)
	return append([]byte(magic), ssh.Marshal(signed{Namespace: namespace, Hash: hash, Sum: string(sum[:])})...)
}

// Key is a public key.
type Key struct{ pub ssh.PublicKey }

// ParseKey reads one line as it stands in an .pub or authorized_keys file.
func ParseKey(line []byte) (Key, string, error) {
	if len(line) > maxSize {
		return Key{}, "", fmt.Errorf("%d bytes are too many for a public key", len(line))
	}
	if bytes.Contains(line, []byte("PRIVATE KEY")) {
		return Key{}, "", errors.New("this is a private key: give the file that ends in .pub")
	}
	pub, comment, options, rest, err := ssh.ParseAuthorizedKey(line)
	switch {
	case err != nil:
		return Key{}, "", errors.New("this is no SSH public key")
	case len(options) > 0 || len(bytes.TrimSpace(rest)) > 0:
		return Key{}, "", errors.New("one key without options is expected")
	}
	if err := refuseType(pub.Type(), statementTypes()); err != nil {
		return Key{}, "", err
	}
	return Key{pub}, comment, nil
}

// String returns type and key, without a comment.
func (k Key) String() string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.pub))) }

// Fingerprint returns SHA256:… as ssh-keygen -l does.
func (k Key) Fingerprint() string { return ssh.FingerprintSHA256(k.pub) }

// Signer signs with a private key.
type Signer struct{ s ssh.Signer }

// ParseSigner reads a private key in OpenSSH's or PEM form. ErrPassphrase asks for a passphrase.
func ParseSigner(pemBytes, passphrase []byte) (Signer, error) {
	var s ssh.Signer
	var err error
	if len(passphrase) > 0 {
		s, err = ssh.ParsePrivateKeyWithPassphrase(pemBytes, passphrase)
	} else {
		s, err = ssh.ParsePrivateKey(pemBytes)
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return Signer{}, ErrPassphrase
	case err != nil:
		return Signer{}, errors.New("this is no private key that can be read") // the cause could quote the key
	case s.PublicKey().Type() != ssh.KeyAlgoED25519:
		return Signer{}, fmt.Errorf("a key of type %s is not accepted, only %s", s.PublicKey().Type(), ssh.KeyAlgoED25519)
	}
	return Signer{s}, nil
}

// ErrPassphrase says that a private key is encrypted.
var ErrPassphrase = errors.New("the key needs its passphrase")

// Key returns the public half.
func (s Signer) Key() Key { return Key{s.s.PublicKey()} }

// Sign returns an armored signature of message for namespace.
func (s Signer) Sign(namespace string, message []byte) (string, error) {
	sig, err := s.s.Sign(rand.Reader, toSign(namespace, message))
	if err != nil {
		return "", err
	}
	b := append([]byte(magic), ssh.Marshal(blob{Version: 1, PublicKey: string(s.s.PublicKey().Marshal()), Namespace: namespace,
		Hash: hash, Signature: string(ssh.Marshal(sig))})...)
	return string(pem.EncodeToMemory(&pem.Block{Type: block, Bytes: b})), nil
}

// Verify checks an armored signature of message for namespace and returns the key that made it. Whether that key may
// be believed is another question.
func Verify(armored, namespace string, message []byte) (Key, error) {
	return verify(armored, namespace, message, []string{ssh.KeyAlgoED25519})
}
