//go:build !windows

package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRank: how a rank ended is told with its last lines, also where its output is too long to be kept, and never with those of an
// earlier attempt.
func TestRank(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "ranks", "1")
	for _, c := range []struct {
		script string
		status int
		tail   string
	}{
		{"echo early; seq 20000; echo late; exit 3", 3, "late"},
		{"exit 4", 4, ""},
		{"echo well", 0, ""},
	} {
		e, err := Rank{
			Command: []string{"sh", "-c", c.script}, Dir: dir, Env: os.Environ(), Folder: folder, Now: time.Now, kept: logLimits{head: 4000, tail: 1000},
		}.Execute()
		if err != nil || e.Status != c.status || !strings.HasSuffix(e.Tail, c.tail) || (e.Tail == "") != (c.tail == "") {
			t.Errorf("%s: %+v, %v", c.script, e, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(folder, outputName)); err != nil || string(text) != "well\n" {
		t.Errorf("its output is %q, %v", text, err)
	}
}
