//go:build interop

package kube

import (
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"
)

// TestInteropWatch sees an object come, change and go.
func TestInteropWatch(t *testing.T) {
	file := os.Getenv("MLX_TEST_KUBE")
	if file == "" {
		t.Fatal(`MLX_TEST_KUBE is not set: .ci/kube up && eval "$(.ci/kube env)"`)
	}
	c, err := Open(Config{Files: []string{file}, Namespace: "default", Agent: "mlx-test"})
	if err != nil {
		t.Fatal(err)
	}
	name := "watched-" + time.Now().UTC().Format("150405")
	which := Select{Labels: "test=" + name}
	secret := map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name, "labels": map[string]any{"test": name}}}
	if err := c.Create(t.Context(), Secrets, secret, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), Secrets, secret, nil); !Exists(err) {
		t.Errorf("made twice: %v", err)
	}
	var seen []string
	err = c.Watch(t.Context(), Secrets, which, func(change Change) error {
		var o struct{ Metadata struct{ Name string } }
		if err := json.Unmarshal(change.Object, &o); err != nil || o.Metadata.Name != name {
			t.Errorf("%s: %v", change.Object, err)
		}
		seen = append(seen, change.Type)
		if change.Type == "DELETED" {
			return io.EOF
		}
		return c.DeleteAll(t.Context(), Secrets, which, Removal{})
	})
	if err != nil || len(seen) != 2 || seen[0] != "ADDED" || seen[1] != "DELETED" {
		t.Errorf("%v %v", seen, err)
	}
	if err := c.Get(t.Context(), Secrets, name, nil); !Missing(err) {
		t.Errorf("%v", err)
	}
}
