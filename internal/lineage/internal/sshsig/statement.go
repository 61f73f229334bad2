package sshsig

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// A statement of a person may be signed with more kinds of key than the log itself, whose readers know ed25519 only.

// statementTypes are the types of key that sign statements.
func statementTypes() []string {
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521}
}

func refuseType(kind string, types []string) error {
	if slices.Contains(types, kind) {
		return nil
	}
	return fmt.Errorf("a key of type %s is not accepted, only %s", kind, strings.Join(types, ", "))
}

// ParseStatementSigner is ParseSigner for statements. The second value is the key itself where it is ECDSA, else nil.
func ParseStatementSigner(pemBytes, passphrase []byte) (Signer, *ecdsa.PrivateKey, error) {
	if len(pemBytes) > maxKey {
		return Signer{}, nil, errors.New("this is no private key that can be read")
	}
	var raw any
	var err error
	if len(passphrase) > 0 {
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(pemBytes, passphrase)
	} else {
		raw, err = ssh.ParseRawPrivateKey(pemBytes)
	}
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		return Signer{}, nil, ErrPassphrase
	}
	if err != nil && len(passphrase) > 0 {
		return Signer{}, nil, errors.New("the passphrase does not open the key")
	}
	if err != nil {
		return Signer{}, nil, errors.New("this is no private key that can be read") // the cause could quote the key
	}
	s, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return Signer{}, nil, errors.New("this is no private key of a known type")
	}
	if err := refuseType(s.PublicKey().Type(), statementTypes()); err != nil {
		return Signer{}, nil, err
	}
	key, _ := raw.(*ecdsa.PrivateKey)
	return Signer{s}, key, nil
}

// maxKey bounds the text of a private key.
const maxKey = 64 << 10

// AgentSigner finds the key of a .pub file in an agent that is spoken to through conn.
func AgentSigner(conn io.ReadWriter, public []byte) (Signer, error) {
	key, _, err := ParseKey(public)
	if err != nil {
		return Signer{}, err
	}
	all, err := agent.NewClient(conn).Signers()
	if err != nil {
		return Signer{}, errors.New("the ssh-agent does not answer")
	}
	for _, s := range all {
		if bytes.Equal(s.PublicKey().Marshal(), key.pub.Marshal()) {
			return Signer{s}, nil
		}
	}
	return Signer{}, errors.New("the ssh-agent does not have this key")
}

// VerifyStatement is Verify for statements.
func VerifyStatement(armored, namespace string, message []byte) (Key, error) {
	return verify(armored, namespace, message, statementTypes())
}

// ECDSA returns the public key in the form of the standard library, nil if it is of another type.
func (k Key) ECDSA() *ecdsa.PublicKey {
	c, ok := k.pub.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	key, _ := c.CryptoPublicKey().(*ecdsa.PublicKey)
	return key
}

// verify is Verify of keys of some types.
func verify(armored, namespace string, message []byte, types []string) (Key, error) {
	if len(armored) > maxSize {
		return Key{}, fmt.Errorf("%d bytes are too many for a signature", len(armored))
	}
	p, rest := pem.Decode([]byte(armored))
	if p == nil || p.Type != block || len(bytes.TrimSpace(rest)) > 0 || !bytes.HasPrefix(p.Bytes, []byte(magic)) {
		return Key{}, errors.New("no SSH signature")
	}
	var b blob
	if err := ssh.Unmarshal(p.Bytes[len(magic):], &b); err != nil {
		return Key{}, errors.New("bad SSH signature")
	}
	if b.Version != 1 || b.Namespace != namespace || b.Hash != hash || b.Reserved != "" {
		return Key{}, fmt.Errorf("signature is for %.40q with %.40q, not for %q with %q", b.Namespace, b.Hash, namespace, hash)
	}
	pub, err := ssh.ParsePublicKey([]byte(b.PublicKey))
	if err != nil {
		return Key{}, errors.New("signature is made by no key that can be read")
	}
	if err := refuseType(pub.Type(), types); err != nil {
		return Key{}, err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal([]byte(b.Signature), &sig); err != nil || sig.Format != pub.Type() {
		return Key{}, errors.New("bad SSH signature")
	}
	if err := pub.Verify(toSign(namespace, message), &sig); err != nil {
		return Key{}, errors.New("signature does not match")
	}
	return Key{pub}, nil
}
