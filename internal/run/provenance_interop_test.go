//go:build interop

package run

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// read asks the published library of a format what a document says.
func read(t *testing.T, form string, text []byte, into any) {
	t.Helper()
	python := os.Getenv("MLX_TEST_EXPORT")
	if python == "" {
		t.Fatal("MLX_TEST_EXPORT is not set: .ci/interop sets it")
	}
	path := filepath.Join(t.TempDir(), "document")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/provenance.py", form, path) //nolint:gosec // the Python that .ci/interop prepares
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", form, err, text)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestInteropOpenLineage(t *testing.T) {
	a := account()
	a.State, a.Tags = Failed, []string{"reviewed=ana", "baseline"}
	text, err := a.OpenLineage()
	if err != nil {
		t.Fatal(err)
	}
	type event struct {
		Type            string
		Inputs, Outputs int
		Facets          []string
	}
	var got []event
	read(t, "openlineage", text, &got)
	facets := []string{"environmentVariables", "executionParameters", "parent", "tags"}
	want := []event{{"START", 2, 0, facets}, {"FAIL", 2, 2, []string{"environmentVariables", "errorMessage", "executionParameters", "parent", "tags"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInteropPROV(t *testing.T) {
	text, err := account().PROV()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	read(t, "prov", text, &got)
	want := map[string]int{"ProvActivity": 1, "ProvAgent": 1, "ProvAssociation": 1, "ProvCommunication": 1, "ProvDerivation": 4, "ProvEntity": 9,
		"ProvGeneration": 2, "ProvInfluence": 1, "ProvUsage": 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
