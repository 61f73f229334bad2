package openssf

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// The files of testdata were written once by model-signing 1.1.1; README says how.

func testFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readKey(t testing.TB, name string) Trust {
	t.Helper()
	block, _ := pem.Decode(testFile(t, name))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok {
		t.Fatalf("%s is a %T", name, key)
	}
	return Trust{Key: ec}
}

func roots(t testing.TB, name string) Trust {
	t.Helper()
	block, _ := pem.Decode(testFile(t, name))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return Trust{Roots: []*x509.Certificate{c}}
}

// model is a copy of testdata/model that tests may change.
func model(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	tree := os.DirFS(filepath.Join("testdata", "model"))
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(tree, name)
		out[name] = &fstest.MapFile{Data: b, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// judge says what a check finds: the differences, or why the signature does not hold.
func judge(t testing.TB, text []byte, m Model, by Trust) ([]Difference, error) {
	t.Helper()
	signed, err := Open(text, by)
	if err != nil {
		return nil, err
	}
	found, err := Read(context.Background(), m, signed.Serialization)
	if err != nil {
		return nil, err
	}
	return Compare(signed, found), nil
}

func TestSignaturesOfModelSigning(t *testing.T) {
	folder := func(t *testing.T) Model { return Model{FS: model(t), Name: "model"} }
	file := func(t *testing.T) Model { return Model{FS: model(t), File: "weights-1.bin", Name: "weights-1.bin"} }
	for _, c := range []struct {
		sig   string
		model func(*testing.T) Model
		by    Trust
	}{
		{"folder-p256.sig", folder, readKey(t, "p256.pub")},
		{"folder-p384.sig", folder, readKey(t, "p384.pub")},
		{"folder-p521.sig", folder, readKey(t, "p521.pub")},
		{"file-p256.sig", file, readKey(t, "p256.pub")},
		{"shards-p256.sig", folder, readKey(t, "p256.pub")},
		{"ignore-p256.sig", folder, readKey(t, "p256.pub")},
		{"certificate.sig", folder, roots(t, "ca.pem")},
	} {
		t.Run(c.sig, func(t *testing.T) {
			if diff, err := judge(t, testFile(t, c.sig), c.model(t), c.by); err != nil || len(diff) > 0 {
				t.Error(diff, err)
			}
			for name, by := range map[string]Trust{"key": readKey(t, "p384.pub"), "curve": readKey(t, "p521.pub"), "issuer": roots(t, "other-ca.pem")} {
				if by.Key != nil && c.by.Key != nil && by.Key.Equal(c.by.Key) {
					continue
				}
				if diff, err := judge(t, testFile(t, c.sig), c.model(t), by); err == nil {
					t.Errorf("believed by another %s: %v", name, diff)
				}
			}
		})
	}
}

func TestWhatIsNotKnownIsSaid(t *testing.T) {
	_, err := Open(testFile(t, "blake2-p256.sig"), readKey(t, "p256.pub"))
	if known := Unsupported(""); !errors.As(err, &known) {
		t.Errorf("a hash that is not known: %v", err)
	}
}

// TestEveryChangeOfAModelIsSeen flips each bit of each file, and adds, removes and renames files.
func TestEveryChangeOfAModelIsSeen(t *testing.T) {
	for _, name := range []string{"folder-p256.sig", "shards-p256.sig"} {
		text, by := testFile(t, name), readKey(t, "p256.pub")
		seen := func(what string, m fstest.MapFS) {
			t.Helper()
			if diff, err := judge(t, text, Model{FS: m}, by); err == nil && len(diff) == 0 {
				t.Errorf("%s: %s was not seen", name, what)
			}
		}
		for path, f := range model(t) {
			for i := 0; i < len(f.Data); i += 1 + len(f.Data)/64 {
				m := model(t)
				m[path].Data[i] ^= 1 << (i % 8)
				seen("a bit of "+path, m)
			}
			if len(f.Data) == 0 && name == "shards-p256.sig" {
				continue // empty files are in no part: a limit of that form, which mlx does not write
			}
			m := model(t)
			delete(m, path)
			seen("the loss of "+path, m)
			m["new"] = f
			seen("the new name of "+path, m)
			m = model(t)
			m[path].Data = append(m[path].Data, 'x')
			seen("a byte after "+path, m)
			m = model(t)
			m[path].Mode = fs.ModeNamedPipe
			seen("a pipe for "+path, m)
		}
		m := model(t)
		m["more"] = &fstest.MapFile{Data: []byte("x")}
		seen("a new file", m)
		m = model(t)
		m["link"] = &fstest.MapFile{Data: []byte("config.json"), Mode: fs.ModeSymlink}
		seen("a new link", m)
	}
}

// TestEveryChangeOfASignatureIsSeen flips a bit of each byte that is decoded from a signature.
func TestEveryChangeOfASignatureIsSeen(t *testing.T) {
	var b bundle
	if err := json.Unmarshal(testFile(t, "folder-p256.sig"), &b); err != nil {
		t.Fatal(err)
	}
	by := readKey(t, "p256.pub")
	try := func(what string, i int) {
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(text, by); err == nil {
			t.Errorf("a changed %s, byte %d, was believed", what, i)
		}
	}
	for i := range b.Envelope.Payload {
		b.Envelope.Payload[i] ^= 1
		try("payload", i)
		b.Envelope.Payload[i] ^= 1
	}
	sig := b.Envelope.Signatures[0].Sig
	for i := range sig {
		sig[i] ^= 1
		try("signature", i)
		sig[i] ^= 1
	}
	b.Envelope.Signatures = append(b.Envelope.Signatures, b.Envelope.Signatures[0])
	try("number of signatures", 2)
}

func TestSigned(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		m := Model{FS: model(t), Name: "model"}
		text, signed, err := Sign(context.Background(), m, key)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := Open(testFile(t, "folder-p256.sig"), readKey(t, "p256.pub"))
		if err != nil {
			t.Fatal(err)
		}
		theirs.Serialization.IgnorePaths = nil // they leave the files of git out
		if diff := cmp.Diff(theirs, signed); diff != "" {
			t.Errorf("the tool lists other files (-theirs +ours):\n%s", diff)
		}
		if diff, err := judge(t, text, m, Trust{Key: &key.PublicKey}); err != nil || len(diff) > 0 {
			t.Error(diff, err)
		}
	}
}

func TestLinks(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink} }
	good := model(t)
	good["weights/now"], good["again"] = link("a.bin"), link("weights/now")
	text, signed, err := Sign(context.Background(), Model{FS: good}, key)
	if err != nil || !signed.Serialization.AllowSymlinks {
		t.Fatal(err, signed.Serialization)
	}
	good["again"] = link("config.json")
	diff, err := judge(t, text, Model{FS: good}, Trust{Key: &key.PublicKey})
	if want := []Difference{{"again", "changed"}}; err != nil || !cmp.Equal(diff, want) {
		t.Error(diff, err)
	}
	for what, to := range map[string]string{"out": "../../etc/passwd", "absolute": "/etc/passwd", "folder": "weights", "nothing": "gone", "circle": "bad"} {
		m := model(t)
		m["bad"] = link(to)
		var strange Strange
		if _, _, err := Sign(context.Background(), Model{FS: m}, key); !errors.As(err, &strange) || strange.Name != "bad" {
			t.Errorf("a link to %s: %v", what, err)
		}
	}
}

// signedBy makes a signature of any statement, good or hostile.
func signedBy(t testing.TB, key *ecdsa.PrivateKey, payload string) []byte {
	t.Helper()
	hash, hint, err := keyFacts(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := ecdsa.SignASN1(rand.Reader, key, sumOf(hash, pae(payloadType, []byte(payload))))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(`{"mediaType":"` + bundleType + `","verificationMaterial":{"publicKey":{"hint":"` + hint + `"}},"dsseEnvelope":{"payload":"` +
		base64.StdEncoding.EncodeToString([]byte(payload)) + `","payloadType":"` + payloadType + `","signatures":[{"sig":"` + base64.StdEncoding.EncodeToString(sig) + `"}]}}`)
}

// TestHostileStatements are signed by the right key, and still not believed.
func TestHostileStatements(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := Manifest{Name: "m", Serialization: Serialization{Method: "files", HashType: "sha256"},
		Resources: []Resource{{"a", "sha256", strings.Repeat("ab", 32)}, {"b", "sha256", strings.Repeat("cd", 32)}}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(signedBy(t, key, string(good)), Trust{Key: &key.PublicKey}); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{statementType, "https://in-toto.io/Statement/v0.1"}, {predicateType, compatType}, {predicateType, "https://slsa.dev/provenance/v1"},
		{`"a"`, `"b"`}, {`"a"`, `"../a"`}, {`"a"`, `"/a"`}, {`"a"`, `""`}, {`"sha256","digest":"abab`, `"md5","digest":"abab`},
		{"abab", "ab"}, {"abab", "abac"}, {`"files"`, `"shards"`}, {`"files"`, `"tensors"`}, {`"hash_type":"sha256"`, `"hash_type":"blake3"`},
		{`"subject":[`, `"subject":[{},`}, {`{"_type"`, `[{"_type"`},
	} {
		bad := strings.Replace(string(good), c[0], c[1], 1)
		if bad == string(good) {
			t.Fatalf("%s is not there", c[0])
		}
		if m, err := Open(signedBy(t, key, bad), Trust{Key: &key.PublicKey}); err == nil {
			t.Errorf("%s for %s: believed %v", c[1], c[0], m)
		}
	}
}

func FuzzOpen(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".sig" {
			f.Add(testFile(f, e.Name()))
		}
	}
	key, ca := readKey(f, "p256.pub"), roots(f, "ca.pem")
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = Open(text, key)
		_, _ = Open(text, ca)
	})
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"folder-p256.sig", "shards-p256.sig", "ignore-p256.sig"} {
		var b bundle
		if err := json.Unmarshal(testFile(f, name), &b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Envelope.Payload)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decode(text)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := decode(again); err != nil || len(Compare(m, twice)) > 0 {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
