package image

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

// TestARecordKeepsItsForm reads a record that was written down, and writes it again.
func TestARecordKeepsItsForm(t *testing.T) {
	text, err := os.ReadFile("../../testdata/format/v1/packages/record.json")
	if err != nil {
		t.Fatal(err)
	}
	var b Package
	if err := object.Decode(text, &b); err != nil {
		t.Fatal(err)
	}
	want := Package{
		Model: "flights", Version: 3, Digest: object.Sum([]byte("model")), Image: "sha256:" + object.Sum([]byte("image")).Hex(), Form: Image, Platform: "linux/arm/v7",
		Base: &BaseName{"python:3.13-slim", "sha256:" + object.Sum([]byte("base")).Hex()}, Code: &Code{"HEAD:serve", "4c1e9aa0", "9f00ab12"},
		Command: []string{"python", "serve.py"}, Recipe: object.Sum([]byte("recipe")), Bytes: 4096,
		Layers: []Layer{{LayerBase, "sha256:00", 512}, {LayerWeights, "sha256:01", 3072}, {LayerCode, "sha256:02", 512}},
		Place:  &At{InRegistry, "registry.example/team/flights:v3"}, Signed: "SHA256:key",
		Attached: []Attached{{Provenance, "sha256:03"}, {BillOfMaterial, "sha256:04"}, {ModelSignature, "sha256:05"}},
	}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	again, err := object.Encode(b)
	if err != nil || string(again) != string(text) {
		t.Errorf("%s\n%v", again, err)
	}
}
