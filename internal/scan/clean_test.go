package scan

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestClean holds that real models of every library pass. They were made by testdata/python/clean.py; SCAN_CLEAN names
// another folder of them.
func TestClean(t *testing.T) {
	dir := os.Getenv("SCAN_CLEAN")
	least := 1
	if dir == "" {
		dir, least = filepath.Join("testdata", "clean"), 45
	}
	r, err := Scan(context.Background(), os.DirFS(dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) < least {
		t.Errorf("only %d files", len(r.Files))
	}
	for _, f := range r.Files {
		if f.Verdict != Pass {
			t.Errorf("%s: %s", f.Path, f.Verdict)
		}
	}
	for _, f := range r.Findings {
		if f.Severity != Warn {
			t.Errorf("%+v", f)
		}
	}
}
