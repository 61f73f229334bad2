//go:build unix

package main

import (
	"os"
	"strings"
	"testing"

	"mlx/internal/cli"
)

// TestRestoreOfWhatEndsInPeace: a service that was started and is told to end, as by somebody who pressed a key, ended with status 0.
func TestRestoreOfWhatEndsInPeace(t *testing.T) {
	b := &revival{served: &served{app: newApp(nil, cli.Discard()), dir: t.TempDir()},
		ended: make(chan error, 1)}
	b.ended <- nil
	if b.turn(t.Context()) || b.err == nil || !strings.Contains(b.err.Error(), "mlx service run ended: it was told to") {
		t.Errorf("it goes on, or says %v", b.err)
	}
}

// TestRestoreStages: a release of stages is compared stage by stage, and a service that is named twice is looked at once.
func TestRestoreStages(t *testing.T) {
	t.Parallel()
	h := newStaged(t, stagedService)
	type restored struct {
		Services []struct {
			Back   bool
			Reason string
		}
	}
	said := decoded[restored](t, h.mlx("service", "restore", "guard", "guard", "--json"))
	if len(said.Services) != 1 || !said.Services[0].Back {
		t.Fatalf("it is whole: %+v", said)
	}
	key := h.status().arm("stable").Release[:12]
	for what, name := range map[string]string{
		"one.json":                h.state("releases", key, "stages", "large", "one.json"),
		"the list of stage known": h.state("releases", key, "lists", "known"),
	} {
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		replace := func(text []byte) {
			t.Helper()
			other := name + ".other" // the file itself may be one with that of the store
			if err := os.WriteFile(other, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(other, name); err != nil {
				t.Fatal(err)
			}
		}
		replace(append([]byte(" "), good...))
		out, problem, status := h.try("project", "mlx", "service", "restore", "guard", "--json")
		if said := decoded[restored](t, out); status != 1 || said.Services[0].Back || !strings.Contains(said.Services[0].Reason, what) {
			t.Errorf("%s was changed: %d %+v %s", what, status, said, problem)
		}
		replace(good)
	}
}
