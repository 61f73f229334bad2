package sshsig

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// newSigner makes the same signer each time: the processes of a fuzz run must agree on it.
func newSigner(t testing.TB) Signer {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSigner(pem.EncodeToMemory(block), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignAndVerify(t *testing.T) {
	s := newSigner(t)
	sig, err := s.Sign("ns", []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := Verify(sig, "ns", []byte("message"))
	if err != nil || key.Fingerprint() != s.Key().Fingerprint() {
		t.Fatal(key, err)
	}
	lines := strings.Split(sig, "\n")
	lines[2] = strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return r
	}, lines[2])
	for name, bad := range map[string][3]string{
		"message": {sig, "ns", "massage"}, "namespace": {sig, "other", "message"}, "bytes": {strings.Join(lines, "\n"), "ns", "message"},
		"empty": {"", "ns", "message"}, "cut": {sig[:len(sig)/2], "ns", "message"}, "twice": {sig + sig, "ns", "message"},
		"long": {sig + strings.Repeat("\n", maxSize), "ns", "message"},
	} {
		if _, err := Verify(bad[0], bad[1], []byte(bad[2])); err == nil {
			t.Errorf("%s: believed", name)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ours := newSigner(t).Key().String()
	for name, line := range map[string]string{
		"rsa": string(ssh.MarshalAuthorizedKey(pub)), "none": "hello", "private": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
		"two": ours + "\n" + ours, "options": `command="x" ` + ours, "long": ours + strings.Repeat(" ", maxSize),
	} {
		if k, _, err := ParseKey([]byte(line)); err == nil {
			t.Errorf("%s: accepted as %s", name, k.Fingerprint())
		}
	}
	if _, comment, err := ParseKey([]byte(ours + " ana@lap-12\n")); err != nil || comment != "ana@lap-12" {
		t.Error(comment, err)
	}
}

// The signatures are those of OpenSSH: its own program agrees in both directions.
func TestOpenSSHAgrees(t *testing.T) {
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if out, err := exec.Command(program, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "id")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	private, err := os.ReadFile(filepath.Join(dir, "id"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSigner(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign("mlx-checkpoint", []byte("text\n"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-Y", "verify", "-f", file("allowed", "ana "+s.Key().String()+"\n"), "-I", "ana", "-n", "mlx-checkpoint", "-s", file("sig", sig))
	cmd.Stdin = strings.NewReader("text\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen does not agree: %v: %s", err, out)
	}
	text := file("text", "text\n")
	if out, err := exec.Command(program, "-Y", "sign", "-f", filepath.Join(dir, "id"), "-n", "mlx-checkpoint", text).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	theirs, err := os.ReadFile(text + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(string(theirs), "mlx-checkpoint", []byte("text\n")); err != nil {
		t.Errorf("we do not agree with ssh-keygen: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f)
	sig, err := s.Sign("ns", []byte("m"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig)
	f.Fuzz(func(t *testing.T, armored string) {
		if key, err := Verify(armored, "ns", []byte("m")); err == nil && key.Fingerprint() != s.Key().Fingerprint() {
			t.Fatal("a signature of nobody")
		}
	})
}
