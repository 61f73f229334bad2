package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

// signedModel makes a project whose policy asks for a sign-off, and a version of a model that has it.
func signedModel(t *testing.T) *registry.Version {
	t.Helper()
	a := inProject(t, "ledger: 7f3a90c2d15e4b68\npolicy:\n  production:\n    - {sign_off: security}\n")
	folder := filepath.Join(t.TempDir(), "model")
	if err := os.MkdirAll(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"weights": 3000, "sub/more": 500, "empty": 0} {
		text := make([]byte, size)
		if _, err := rand.Read(text); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.FromSlash(name)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	store, err := a.store()
	if err != nil {
		t.Fatal(err)
	}
	saved, err := store.Save(t.Context(), snapshot.SaveOptions{Path: folder})
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.registry()
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Register(t.Context(), registry.Registration{Model: "flights", Root: saved.Root, Digest: saved.Root, Kind: "directory", Path: "model"})
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Ledger.AddKey(t.Context(), ssh.MarshalAuthorizedKey(line), "ana"); err != nil {
		t.Fatal(err)
	}
	by, err := lineage.ReadSigner(pem.EncodeToMemory(block), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := registry.SignOff{Kind: "security", Digest: v.Digest, Root: v.Root, SignedAt: time.Now()}.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.SignOff(t.Context(), s, v); err != nil {
		t.Fatal(err)
	}
	a.close()
	return v
}

// judgeAnew is what another process says of a move to production, and the bytes that it reads.
func judgeAnew(t *testing.T, v *registry.Version) (registry.Decision, object.Digest, error) {
	t.Helper()
	a := newApp(nil, cli.Discard())
	defer a.close()
	d, err := a.judgeMove(t.Context(), v, registry.Production)
	if err != nil {
		return d, object.Digest{}, err
	}
	m, err := a.model(t.Context(), bytesOf(v))
	if err != nil {
		return d, object.Digest{}, err
	}
	var all []byte
	err = fs.WalkDir(m.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := m.FS.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		all = append(append(all, name...), text...)
		return err
	})
	return d, object.Sum(all), err
}

// TestOneBitOfAModelStopsAMove flips bits all over the store. Whatever is flipped, a move is refused, or the bytes of the model are
// those that were signed off: some bytes of a store are not of this model, or are there twice.
func TestOneBitOfAModelStopsAMove(t *testing.T) {
	v := signedModel(t)
	d, good, err := judgeAnew(t, v)
	if err != nil || !d.Allowed {
		t.Fatalf("%+v %v", d, err)
	}
	refused := 0
	err = filepath.WalkDir(filepath.Join(".mlx", "store"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.Chmod(path, 0o644); err != nil {
			return err
		}
		for i := 0; i < len(text); i += 1 + len(text)/150 {
			text[i] ^= 1 << (i % 8)
			if err := os.WriteFile(path, text, 0o644); err != nil {
				return err
			}
			d, seen, err := judgeAnew(t, v)
			switch {
			case err != nil || !d.Allowed:
				refused++
			case seen != good:
				t.Errorf("byte %d of %s: other bytes may move", i, path)
			}
			text[i] ^= 1 << (i % 8)
		}
		return os.WriteFile(path, text, 0o644)
	})
	if err != nil || refused < 50 {
		t.Fatalf("%d flips were refused: %v", refused, err)
	}
	if d, _, err := judgeAnew(t, v); err != nil || !d.Allowed {
		t.Fatalf("as it was: %+v %v", d, err)
	}
}

// TestOtherBytesUnderTheSameName moves the digests of a version, one bit each: no sign-off is for it, and its bytes do not fit.
func TestOtherBytesUnderTheSameName(t *testing.T) {
	v := signedModel(t)
	for i := range len(v.Digest) * 8 {
		other := *v
		other.Digest[i/8] ^= 1 << (i % 8)
		a := newApp(nil, cli.Discard())
		if d, err := a.judgeMove(t.Context(), &other, registry.Production); fault.KindOf(err) != fault.Integrity {
			t.Fatalf("bit %d: %+v %v", i, d, err)
		}
		other.Root = object.Digest{} // bytes that mlx does not have: then the evidence alone decides
		if d, err := a.judgeMove(t.Context(), &other, registry.Production); err != nil || d.Allowed || d.Verdict != registry.Inconclusive {
			t.Fatalf("bit %d: %+v %v", i, d, err)
		}
		a.close()
	}
}
