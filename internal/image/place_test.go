package image

import (
	"archive/tar"
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
)

// TestExportAndImport takes a package to a host without network: one file, checked there, and pushed to a registry of that host.
func TestExportAndImport(t *testing.T) {
	by, trust := newKey(t)
	b := built(t, recipe(weights(time.Unix(1, 1))))
	file := filepath.Join(t.TempDir(), "flights.tar")
	for range 2 { // it replaces a file
		if err := Export(t.Context(), file, "v3", b, signed(t, b, by)); err != nil {
			t.Fatal(err)
		}
	}
	at := At{"file", file}
	var a Access
	v, err := a.Verify(t.Context(), at, Want{Trust: trust})
	if err != nil || v.Digest != b.Digest || v.Signed != by.Fingerprint || len(v.Attached) != 2 {
		t.Fatalf("%+v: %v", v, err)
	}
	if here, err := a.Present(t.Context(), at, b.Digest, v.Attached); !here || err != nil {
		t.Error("the file is not there", err)
	}
	if here, err := a.Present(t.Context(), at, b.Layers[0].Digest, nil); here || err != nil {
		t.Error("the file is taken for another package", err)
	}
	again, attached, closer, err := a.Open(t.Context(), at, v)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	there := At{"registry", server(t, true) + "/copies/flights:v3"}
	if err := a.Push(t.Context(), there.Name, again, attached); err != nil {
		t.Fatal(err)
	}
	if v, err = a.Verify(t.Context(), there, Want{Digest: b.Digest, Trust: trust}); err != nil || len(v.Attached) != 2 {
		t.Fatalf("%+v: %v", v, err)
	}
	back, attached, other, err := a.Open(t.Context(), there, v) // and from a registry to a file
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	at.Name = filepath.Join(t.TempDir(), "back.tar")
	if err := Export(t.Context(), at.Name, "v3", back, attached); err != nil {
		t.Fatal(err)
	}
	if v, err = a.Verify(t.Context(), at, Want{Digest: b.Digest, Trust: trust}); err != nil || v.Bytes != b.Bytes {
		t.Fatalf("%+v: %v", v, err)
	}
}

// TestAFlippedByteIsRefused flips a byte of every file of a package that is one file, each in a copy of its own.
func TestAFlippedByteIsRefused(t *testing.T) {
	by, trust := newKey(t)
	b := built(t, recipe(weights(time.Unix(1, 1))))
	file := filepath.Join(t.TempDir(), "flights.tar")
	if err := Export(t.Context(), file, "v3", b, signed(t, b, by)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(whole)
	archive := tar.NewReader(in)
	flipped := 0
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(h.Name, "blobs/") {
			continue
		}
		at := len(whole) - in.Len()
		for _, place := range []int64{0, h.Size / 2, h.Size - 1} {
			damaged := bytes.Clone(whole)
			damaged[int64(at)+place] ^= 1
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			var a Access
			if _, err := a.Verify(t.Context(), At{"file", file}, Want{Digest: b.Digest, Trust: trust}); fault.KindOf(err) != fault.Integrity {
				t.Errorf("byte %d of %s: %v", place, h.Name, err)
			}
			flipped++
		}
	}
	if flipped < 24 {
		t.Errorf("only %d bytes were flipped", flipped)
	}
}

// TestStatementsThatDoNotCount: each is attached in the proper way, so that only what it says is wrong.
func TestStatementsThatDoNotCount(t *testing.T) {
	by, trust := newKey(t)
	b := built(t, recipe(weights(time.Unix(1, 1))))
	other := built(t, recipe(fstest.MapFS{"x": {Data: []byte("another model")}}))
	ofOther, err := other.Provenance(Origin{Model: "flights@v3"})
	if err != nil {
		t.Fatal(err)
	}
	good, err := b.Provenance(Origin{Model: "flights@v3"})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(text []byte) []byte {
		s, err := Sign(text, by)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var changed bundle
	if err := json.Unmarshal(sign(good), &changed); err != nil {
		t.Fatal(err)
	}
	changed.Envelope.Payload = bytes.Replace(changed.Envelope.Payload, []byte("flights@v3"), []byte("flights@v4"), 1)
	forged, _ := json.Marshal(changed)
	for name, c := range map[string]struct {
		text []byte
		kind fault.Kind
	}{
		"of another package": {sign(ofOther), fault.Integrity},
		"changed":            {forged, fault.Integrity},
		"no JSON":            {[]byte("x"), fault.Integrity},
		"no statement":       {sign([]byte("{}")), fault.Integrity},
		"nothing":            {nil, fault.Denied},
	} {
		attached := []Attachment{}
		if c.text != nil {
			a, err := b.Attach(Provenance, c.text)
			if err != nil {
				t.Fatal(err)
			}
			attached = append(attached, a)
		}
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := Export(t.Context(), file, "v3", b, attached); err != nil {
			t.Fatal(err)
		}
		var a Access
		if _, err := a.Verify(t.Context(), At{"file", file}, Want{Trust: trust}); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestADamagedAnswerOfARegistryIsRefused: the registry gives other bytes for a layer than those that it was sent.
func TestADamagedAnswerOfARegistryIsRefused(t *testing.T) {
	by, trust := newKey(t)
	b := built(t, recipe(weights(time.Unix(1, 1))))
	target, err := url.Parse("http://" + server(t, true))
	if err != nil {
		t.Fatal(err)
	}
	flip := ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		copied := r.Clone(r.Context())
		copied.RequestURI, copied.URL.Scheme, copied.URL.Host = "", target.Scheme, target.Host
		got, err := http.DefaultTransport.RoundTrip(copied)
		if err != nil {
			t.Error(err)
			return
		}
		defer got.Body.Close()
		for name, values := range got.Header {
			w.Header()[name] = values
		}
		_, _ = io.Copy(answer, got.Body)
		text := answer.Body.Bytes()
		if flip != "" && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, flip) {
			text[len(text)/2] ^= 1
		}
		w.WriteHeader(got.StatusCode)
		_, _ = w.Write(text)
	}))
	defer front.Close()
	at := At{"registry", strings.TrimPrefix(front.URL, "http://") + "/flights:v3"}
	var a Access
	attached := signed(t, b, by)
	if err := a.Push(t.Context(), at.Name, b, attached); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(t.Context(), at, Want{Digest: b.Digest, Trust: trust}); err != nil {
		t.Fatal(err)
	}
	for _, flip = range []string{b.Layers[0].Digest, b.Layers[1].Digest, b.image.manifest.Config.Digest.String(), b.Digest, attached[0].Digest} {
		if _, err := a.Verify(t.Context(), at, Want{Digest: b.Digest, Trust: trust}); fault.KindOf(err) != fault.Integrity {
			t.Errorf("%s: %v", flip, err)
		}
	}
}

// TestABase builds on images in all the places where a base may lie; the package is the same.
func TestABase(t *testing.T) {
	under := recipe(fstest.MapFS{"os-release": {Data: []byte("NAME=none")}})
	under.Code, under.Command = nil, nil
	base := built(t, under)
	dir := t.TempDir()
	file := filepath.Join(dir, "base.tar")
	if err := Export(t.Context(), file, "", base, nil); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "layout")
	unpack(t, file, folder)
	var a Access
	name := server(t, true) + "/base"
	if err := a.Push(t.Context(), name, base, nil); err != nil {
		t.Fatal(err)
	}
	digests := map[string]bool{}
	for _, word := range []string{file, folder, name, name + "@" + base.Digest} {
		r := recipe(weights(time.Unix(1, 1)))
		var err error
		if r.Base, err = a.OpenBase(t.Context(), word, r.Platform); err != nil {
			t.Fatal(err)
		}
		b := built(t, r)
		digests[b.Layers[0].Digest] = true
		if b.Base.Name != word || b.Base.Digest != base.Digest || len(b.Layers) != 3 || b.Layers[0] != (Layer{LayerBase, base.Layers[0].Digest, base.Layers[0].Bytes}) {
			t.Errorf("%+v", b)
		}
		to := server(t, true) + "/team/flights:v3"
		if err := a.Push(t.Context(), to, b, nil); err != nil {
			t.Errorf("%s: %v", word, err)
		}
		if err := r.Base.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(digests) != 1 {
		t.Error(digests)
	}
	if _, err := a.OpenBase(t.Context(), file, Platform{OS: "linux", Arch: "arm64"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a base for another platform: %v", err)
	}
	if _, err := a.OpenBase(t.Context(), name+":none", Platform{OS: "linux", Arch: "amd64"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a base that is not there: %v", err)
	}
}

// unpack lays the files of a tar out in a folder.
func unpack(t *testing.T, file, folder string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := tar.NewReader(f); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(folder, filepath.FromSlash(h.Name))
		text, err := io.ReadAll(in)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPlatformIsChosen(t *testing.T) {
	index := v1.IndexManifest{Manifests: []v1.Descriptor{
		{MediaType: types.OCIManifestSchema1, Size: 1, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
		{MediaType: types.OCIManifestSchema1, Size: 2, Platform: &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}},
	}}
	for word, want := range map[string]int64{"linux/amd64": 1, "linux/arm/v7": 2, "linux/arm": 2} {
		p, err := ParsePlatform(word)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := forPlatform(index, p); err != nil || d.Size != want || p.String() != word {
			t.Errorf("%s: %v %v", word, d, err)
		}
	}
	if _, err := forPlatform(index, Platform{OS: "linux", Arch: "s390x"}); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	for _, word := range []string{"", "linux", "linux/", "a/b/c/d", "linux/AMD 64"} {
		if _, err := ParsePlatform(word); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", word, err)
		}
	}
}

type sent struct{ asked *[]string }

func (s sent) RoundTrip(r *http.Request) (*http.Response, error) {
	*s.asked = append(*s.asked, r.URL.String())
	return nil, errors.New("no network")
}

// TestOnlyThisMachineIsSpokenToWithoutEncryption: registries of private networks as well.
func TestOnlyThisMachineIsSpokenToWithoutEncryption(t *testing.T) {
	for word, plain := range map[string]bool{
		"127.0.0.1:5000/x": true, "localhost:5000/x": true, "[::1]:5000/x": true, "10.1.2.3:5000/x": false, "registry.local/x": false, "registry.example/x": false,
	} {
		var asked []string
		_, err := Access{Transport: sent{&asked}}.Present(t.Context(), At{"registry", word}, "", nil)
		if err == nil {
			t.Errorf("%s answers", word)
		}
		spoke := false
		for _, u := range asked {
			spoke = spoke || strings.HasPrefix(u, "http://")
		}
		if spoke != plain {
			t.Errorf("%s: %v: %v", word, asked, err)
		}
	}
}

func TestNamesOfRegistries(t *testing.T) {
	for word, want := range map[string]string{
		"127.0.0.1:5000/team/flights": "127.0.0.1:5000/team/flights:v3", "r.example/flights:x": "r.example/flights:x", "team/flights": "index.docker.io/team/flights:v3",
	} {
		if got, err := RegistryName(word, "v3"); err != nil || got != want {
			t.Errorf("%s: %s %v", word, got, err)
		}
	}
	for _, word := range []string{"", "./x", "x.tar", "UPPER/case", "r.example/x@sha256:" + strings.Repeat("0", 64)} {
		if got, err := RegistryName(word, "v3"); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %s %v", word, got, err)
		}
	}
}

// TestModelPack holds the config against what the specification requires.
func TestModelPack(t *testing.T) {
	r := recipe(weights(time.Unix(1, 1)))
	r.Form, r.Command, r.Format, r.Licence = ModelPack, nil, "onnx", "MIT"
	b := built(t, r)
	m := b.image.manifest
	if m.ArtifactType != "application/vnd.cncf.model.manifest.v1+json" || m.Config.MediaType != "application/vnd.cncf.model.config.v1+json" ||
		m.Layers[0].MediaType != "application/vnd.cncf.model.weight.v1.tar" || m.Layers[1].MediaType != "application/vnd.cncf.model.code.v1.tar" ||
		m.Layers[0].Annotations["org.cncf.model.filepath"] != "." {
		t.Errorf("%s", b.image.raw)
	}
	var c map[string]map[string]any
	if err := json.Unmarshal(b.image.config, &c); err != nil {
		t.Fatal(err)
	}
	if len(c) != 3 || c["descriptor"]["name"] != "flights" || c["config"]["format"] != "onnx" || c["modelfs"]["type"] != "layers" || len(c["modelfs"]["diffIds"].([]any)) != 2 {
		t.Errorf("%s", b.image.config)
	}
	by, trust := newKey(t)
	at := At{"registry", server(t, true) + "/flights:v3"}
	var a Access
	if err := a.Push(t.Context(), at.Name, b, signed(t, b, by)); err != nil {
		t.Fatal(err)
	}
	if v, err := a.Verify(t.Context(), at, Want{Trust: trust}); err != nil || v.Form != ModelPack || v.Layers[0].What != LayerWeights {
		t.Errorf("%+v: %v", v, err)
	}
	r.Command = []string{"serve"}
	if _, err := Build(t.Context(), r); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// TestARefusedRegistry gives each refusal its kind.
func TestARefusedRegistry(t *testing.T) {
	for status, kind := range map[int]fault.Kind{401: fault.Denied, 403: fault.Denied, 404: fault.NotFound, 503: fault.Unavailable, 400: fault.Conflict} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.WriteHeader(status)
			}
		}))
		ctx := t.Context()
		_, err := Access{}.OpenBase(ctx, strings.TrimPrefix(s.URL, "http://")+"/x", Platform{OS: "linux", Arch: "amd64"})
		if fault.KindOf(err) != kind {
			t.Errorf("%d: %v", status, err)
		}
		s.Close()
	}
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	if _, err := (Access{}).OpenBase(t.Context(), strings.TrimPrefix(s.URL, "http://")+"/x", Platform{OS: "linux", Arch: "amd64"}); fault.KindOf(err) != fault.Unavailable {
		t.Error(err)
	}
}

// FuzzBundle reads what anybody may have attached to a package.
func FuzzBundle(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"","keyid":"k"}]}}`))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":"00"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, _, err := openBundle(text, func(string) crypto.PublicKey { return nil }); err == nil {
			t.Error("a bundle is believed that nobody signed")
		}
		_, _, _ = readStatement(text, v1.Hash{Algorithm: "sha256", Hex: "00"})
	})
}

// FuzzLayout reads a file that somebody brought.
func FuzzLayout(f *testing.F) {
	b, err := Build(f.Context(), recipe(fstest.MapFS{"x": {Data: []byte("x")}}))
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "x.tar")
	if err := Export(f.Context(), file, "v3", b, nil); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:2000])
	f.Fuzz(func(t *testing.T, text []byte) {
		at := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(at, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (Access{}).Verify(t.Context(), At{"file", at}, Want{Trust: func(string) crypto.PublicKey { return nil }}); err == nil {
			t.Error("a package is believed that nobody signed")
		}
		base, err := Access{}.OpenBase(t.Context(), at, Platform{OS: "linux", Arch: "amd64"})
		if err == nil {
			_ = base.Close()
		}
	})
}
