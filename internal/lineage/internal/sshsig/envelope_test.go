package sshsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// TestEnvelopesAreSignedAsOthersCheckThem: by keys of files and of an agent, checked by the standard library.
func TestEnvelopesAreSignedAsOthersCheckThem(t *testing.T) {
	keys := map[string]crypto.Signer{}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys["ed25519"] = private
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		if keys[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	text := []byte("DSSEv1 28 application/vnd.in-toto+json 2 {}")
	for name, key := range keys {
		for where, s := range map[string]Signer{"file": fromFile(t, key), "agent": fromAgent(t, key)} {
			sig, err := s.SignEnvelope(text)
			if err != nil {
				t.Fatal(err)
			}
			if !checks(s.Key().Crypto(), text, sig) {
				t.Errorf("%s of a %s makes a signature that nobody can check", name, where)
			}
			if checks(s.Key().Crypto(), append(text, ' '), sig) {
				t.Errorf("%s of a %s: another text passes", name, where)
			}
			if _, err := s.SignEnvelope([]byte("SSHSIG")); err == nil {
				t.Error("something else than an envelope is signed")
			}
		}
	}
}

func fromFile(t *testing.T, key crypto.Signer) Signer {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := ParseStatementSigner(pem.EncodeToMemory(block), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fromAgent(t *testing.T, key crypto.Signer) Signer {
	t.Helper()
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	t.Cleanup(func() { _ = here.Close() })
	go func() {
		if err := agent.ServeAgent(ring, there); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	}()
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	s, err := AgentSigner(here, ssh.MarshalAuthorizedKey(public))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func checks(key crypto.PublicKey, text, sig []byte) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, text, sig)
	case *ecdsa.PublicKey:
		hash := map[int]crypto.Hash{256: crypto.SHA256, 384: crypto.SHA384, 521: crypto.SHA512}[k.Params().BitSize].New()
		hash.Write(text)
		return ecdsa.VerifyASN1(k, hash.Sum(nil), sig)
	}
	return false
}
