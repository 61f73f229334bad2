package sshsig

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// envelopeMagic begins what an envelope of DSSE has signed. Nothing that SSH signs begins so: neither a login, whose first bytes are the
// length of a session's name, nor a signature with a namespace.
const envelopeMagic = "DSSEv1 "

// SignEnvelope signs the pre-authentication encoding of a DSSE envelope as it is: ed25519 in 64 bytes, ECDSA in ASN.1 over the hash that
// belongs to its curve. Other texts are refused.
func (s Signer) SignEnvelope(text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte(envelopeMagic)) {
		return nil, errors.New("only envelopes are signed without a namespace")
	}
	sig, err := s.s.Sign(rand.Reader, text)
	if err != nil {
		return nil, err
	}
	if sig.Format == ssh.KeyAlgoED25519 {
		return sig.Blob, nil
	}
	var point struct{ R, S *big.Int }
	if err := ssh.Unmarshal(sig.Blob, &point); err != nil {
		return nil, errors.New("the key made no signature that can be read")
	}
	return asn1.Marshal(point)
}

// Crypto returns the public key in the form of the standard library.
func (k Key) Crypto() crypto.PublicKey {
	pub, err := ssh.ParsePublicKey(k.pub.Marshal()) // that of an agent is nothing but its bytes
	if err != nil {
		return nil
	}
	c, ok := pub.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	return c.CryptoPublicKey()
}
