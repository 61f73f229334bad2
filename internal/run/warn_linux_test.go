package run

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestWarning: a warning reaches a command that is prepared for it, and does not end one that is not.
func TestWarning(t *testing.T) {
	for script, want := range map[string]int{"trap 'exit 3' USR1; echo x; while :; do sleep 0.05; done": 3, "echo x; sleep 0.5; exit 4": 4} {
		r, start, s := submitted(t, "sh", "-c", script)
		signals := make(chan os.Signal, 1)
		r.Signals = signals
		go func() {
			await(t, func() bool {
				text, _ := os.ReadFile(filepath.Join(r.Runs, start.ID.Hex(), outputName))
				return len(text) > 0
			})
			for _, s := range Warnings() {
				signals <- s
			}
		}()
		got, err := r.Continue(t.Context(), start, s)
		if err != nil || got.Status != want {
			t.Errorf("%s: %+v, %v", strconv.Quote(script), got, err)
		}
	}
}
