package image

import (
	"archive/tar"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	fake "github.com/google/go-containerregistry/pkg/registry"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// weights are the files of a small model.
func weights(at time.Time) fstest.MapFS {
	return fstest.MapFS{
		"model.onnx":         {Data: []byte("weights of the first layer"), ModTime: at, Mode: 0o600},
		"sub/tokenizer.json": {Data: []byte(`{"a": 1}`), ModTime: at},
		"sub.json":           {Data: []byte(`{}`), ModTime: at},
		"sub/empty":          {ModTime: at},
		strings.Repeat("d", 90) + "/" + strings.Repeat("f", 120): {Data: []byte("a long name"), ModTime: at},
	}
}

func recipe(model fs.FS) Recipe {
	return Recipe{
		Form: Image, Name: "flights", Version: "v3", Model: model, Platform: Platform{OS: "linux", Arch: "amd64"}, Command: []string{"python", "serve.py"},
		Code:   fstest.MapFS{"serve.py": {Data: []byte("print()"), Mode: 0o755}},
		Labels: map[string]string{LabelTitle: "flights", LabelVersion: "v3", LabelModel: strings.Repeat("ab", 32), LabelRun: strings.Repeat("cd", 32)},
	}
}

func built(t *testing.T, r Recipe) *Built {
	t.Helper()
	b, err := Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTheSameInputsGiveTheSameDigest: neither times, nor modes of the owner alone, nor the order in which files are listed count. The
// digest itself is written down: another one means that packages of older versions of mlx are other packages.
func TestTheSameInputsGiveTheSameDigest(t *testing.T) {
	first := built(t, recipe(weights(time.Unix(1_700_000_000, 0))))
	second := built(t, recipe(weights(time.Unix(1, 5))))
	if first.Digest != second.Digest {
		t.Errorf("%s and %s", first.Digest, second.Digest)
	}
	if want := "sha256:c96849e3691916e24fa11ecc9ab75533fed482f3920b27c7ca4b4cc8d5b90b59"; first.Digest != want {
		t.Errorf("the digest is %s, want %s", first.Digest, want)
	}
	r := recipe(weights(time.Unix(1, 5)))
	r.Form, r.Command = ModelPack, nil
	pack := built(t, r)
	if want := "sha256:b6e0f09799f85e78b886781084534993b550e1f4d19c0166419e0a41c8e3a7e9"; pack.Digest != want {
		t.Errorf("the digest of the artifact is %s, want %s", pack.Digest, want)
	}
	changed := weights(time.Unix(1, 5))
	changed["model.onnx"].Data[3] ^= 1
	if other := built(t, recipe(changed)); other.Digest == first.Digest || other.Layers[1] != first.Layers[1] {
		t.Error("a changed byte of the weights must change their layer, and no other")
	}
}

// TestAWeightsLayer reads the layer as others would.
func TestAWeightsLayer(t *testing.T) {
	b := built(t, recipe(weights(time.Unix(9, 9))))
	layers, _ := b.image.Layers()
	in, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	sum := sha256.New()
	var names []string
	archive := tar.NewReader(io.TeeReader(in, sum))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s belongs to somebody or has a time: %+v", h.Name, h)
		}
		if h.Typeflag == tar.TypeReg && h.Mode != 0o644 {
			t.Errorf("%s has the mode %o", h.Name, h.Mode)
		}
		names = append(names, h.Name)
	}
	if _, err := io.Copy(io.Discard, io.TeeReader(in, sum)); err != nil {
		t.Fatal(err)
	}
	long := "models/" + strings.Repeat("d", 90) + "/"
	want := []string{"models/", long, long + strings.Repeat("f", 120), "models/model.onnx", "models/sub.json", "models/sub/", "models/sub/empty", "models/sub/tokenizer.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	size, _ := layers[0].Size()
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != b.Layers[0].Digest || size != b.Layers[0].Bytes {
		t.Errorf("the layer has the digest %s, and is called %s", got, b.Layers[0].Digest)
	}
	if !slices.IsSorted(names) {
		t.Error("the names are not in order")
	}
}

// TestTheConfigOfAnImage is what runs it.
func TestTheConfigOfAnImage(t *testing.T) {
	c, err := built(t, recipe(weights(time.Unix(9, 9)))).image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Architecture != "amd64" || c.Config.WorkingDir != "/app" || !slices.Equal(c.Config.Cmd, []string{"python", "serve.py"}) {
		t.Errorf("%+v", c)
	}
	want := []string{"MLX_MODEL_DIR=/models", "MLX_MODEL_NAME=flights", "MLX_MODEL_VERSION=v3"}
	if diff := cmp.Diff(want, c.Config.Env); diff != "" {
		t.Error(diff)
	}
	if !c.Created.Equal(time.Unix(0, 0)) || c.Config.Labels[LabelTitle] != "flights" || len(c.RootFS.DiffIDs) != 2 {
		t.Errorf("%+v", c)
	}
}

// TestAKeyChangesWithWhatDecides: what is not part of it would be packaged as if nothing had changed.
func TestAKeyChangesWithWhatDecides(t *testing.T) {
	model := object.Sum([]byte("model"))
	base, err := recipe(nil).Key(model, "code")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[object.Digest]string{base: "nothing"}
	for name, change := range map[string]func(*Recipe){
		"form": func(r *Recipe) { r.Form = ModelPack }, "name": func(r *Recipe) { r.Name = "x" }, "version": func(r *Recipe) { r.Version = "v4" },
		"platform": func(r *Recipe) { r.Platform.Arch = "arm64" }, "command": func(r *Recipe) { r.Command = []string{"python serve.py"} },
		"labels": func(r *Recipe) { r.Labels[LabelRun] = "" }, "base": func(r *Recipe) { r.Base = &Base{Name: "a", Digest: "sha256:b"} },
		"format": func(r *Recipe) { r.Format = "onnx" }, "licence": func(r *Recipe) { r.Licence = "MIT" },
	} {
		r := recipe(nil)
		change(&r)
		key, err := r.Key(model, "code")
		if err != nil || seen[key] != "" {
			t.Errorf("%s is like %s: %v", name, seen[key], err)
		}
		seen[key] = name
	}
	if key, _ := recipe(nil).Key(object.Sum(nil), "code"); seen[key] != "" {
		t.Error("the model does not count")
	}
	if key, _ := recipe(nil).Key(model, "other"); seen[key] != "" {
		t.Error("the code does not count")
	}
}

// growing is a file that has more bytes than it says.
type growing struct{ fstest.MapFS }

func (g growing) Open(name string) (fs.File, error) {
	f, err := g.MapFS.Open(name)
	if err != nil || name != "model.onnx" {
		return f, err
	}
	return grown{f, strings.NewReader("weights of the first layer and one more")}, nil
}

type grown struct {
	fs.File
	r io.Reader
}

func (g grown) Read(b []byte) (int, error) { return g.r.Read(b) }

func TestAFileThatChangesIsRefused(t *testing.T) {
	_, err := Build(t.Context(), recipe(growing{weights(time.Unix(1, 1))}))
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "changed while it was read") {
		t.Error(err)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	for name, f := range map[string]*fstest.MapFile{
		"out":    {Data: []byte("../../etc/passwd"), Mode: fs.ModeSymlink},
		"root":   {Data: []byte("/etc/passwd"), Mode: fs.ModeSymlink},
		"socket": {Mode: fs.ModeSocket},
	} {
		_, err := Build(t.Context(), recipe(fstest.MapFS{"d/" + name: f}))
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := built(t, recipe(fstest.MapFS{"a/link": {Data: []byte("../b"), Mode: fs.ModeSymlink}, "b": {Data: []byte("b")}}))
	if len(b.Layers) != 2 {
		t.Error(b.Layers)
	}
}

// endless is a file of pseudo-random bytes that exists nowhere.
type endless struct{ size int64 }

func (e endless) Open(name string) (fs.File, error) {
	if name != "big" {
		return fstest.MapFS{"big": {}}.Open(name)
	}
	return &stream{e, io.LimitReader(rand.NewChaCha8([32]byte{1}), e.size)}, nil
}

func (e endless) ReadDir(string) ([]fs.DirEntry, error) {
	return []fs.DirEntry{fs.FileInfoToDirEntry(e)}, nil
}
func (e endless) Name() string       { return "big" }
func (e endless) Size() int64        { return e.size }
func (e endless) Mode() fs.FileMode  { return 0o644 }
func (e endless) ModTime() time.Time { return time.Time{} }
func (e endless) IsDir() bool        { return false }
func (e endless) Sys() any           { return nil }

type stream struct {
	endless
	io.Reader
}

func (s *stream) Stat() (fs.FileInfo, error) { return s.endless, nil }
func (s *stream) Close() error               { return nil }

// TestWeightsAreNotHeldInMemory packages and exports 256 MB in a few.
func TestWeightsAreNotHeldInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 256 MB")
	}
	r := recipe(endless{256 << 20})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b := built(t, r)
	if err := Export(t.Context(), filepath.Join(t.TempDir(), "x.tar"), "v3", b, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d MB were allocated", used>>20)
	}
}

// newKey makes a signer of ed25519.
func newKey(t *testing.T) (Signer, Trust) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(public)
	s := Signer{Fingerprint: "SHA256:" + hex.EncodeToString(sum[:8]), Public: public, Sign: func(text []byte) ([]byte, error) { return ed25519.Sign(private, text), nil }}
	return s, func(f string) crypto.PublicKey {
		if f != s.Fingerprint {
			return nil
		}
		return public
	}
}

// signed are the statements about a package.
func signed(t *testing.T, b *Built, by Signer) []Attachment {
	t.Helper()
	provenance, err := b.Provenance(Origin{Model: "flights@v3", Mlx: "0.8", FinishedAt: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	bill, err := b.Bill([]byte(`{"bomFormat": "CycloneDX"}`))
	if err != nil {
		t.Fatal(err)
	}
	var all []Attachment
	for what, text := range map[string][]byte{Provenance: provenance, BillOfMaterial: bill} {
		bundled, err := Sign(text, by)
		if err != nil {
			t.Fatal(err)
		}
		a, err := b.Attach(what, bundled)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// server is a registry of this process; without referrers it keeps them under a tag.
func server(t *testing.T, referrers bool) string {
	t.Helper()
	s := httptest.NewServer(fake.New(fake.WithReferrersSupport(referrers), fake.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestPushAndVerify(t *testing.T) {
	for _, referrers := range []bool{true, false} {
		by, trust := newKey(t)
		at := At{"registry", server(t, referrers) + "/team/flights:v3"}
		b := built(t, recipe(weights(time.Unix(1, 1))))
		attached := signed(t, b, by)
		var a Access
		ctx := context.WithoutCancel(t.Context())
		if here, err := a.Present(ctx, at, b.Digest, nil); here || err != nil {
			t.Fatal("it is there before it was pushed", err)
		}
		if err := a.Push(ctx, at.Name, b, attached); err != nil {
			t.Fatal(err)
		}
		names := []Attached{attached[0].Attached, attached[1].Attached}
		if here, err := a.Present(ctx, at, b.Digest, names); !here || err != nil {
			t.Error("it is not there after it was pushed", err)
		}
		v, err := a.Verify(ctx, at, Want{Digest: b.Digest, Model: strings.Repeat("ab", 32), Trust: trust})
		if err != nil {
			t.Fatal(err)
		}
		if v.Signed != by.Fingerprint || v.Form != Image || len(v.Attached) != 2 || !strings.Contains(string(v.Provenance), `"model":"flights@v3"`) {
			t.Errorf("%+v", v)
		}
		if diff := cmp.Diff(b.Layers, v.Layers); diff != "" {
			t.Error(diff)
		}
		_, stranger := newKey(t)
		if _, err := a.Verify(ctx, at, Want{Digest: b.Digest, Trust: stranger}); fault.KindOf(err) != fault.Denied {
			t.Errorf("a key that nobody trusts is believed: %v", err)
		}
		if _, err := a.Verify(ctx, at, Want{Model: strings.Repeat("00", 32), Trust: trust}); fault.KindOf(err) != fault.Integrity {
			t.Errorf("another model is believed: %v", err)
		}
	}
}
