package filedriver_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gocloud.dev/blob"

	"mlx/internal/bucket/filedriver"
)

// TestSweep: what a writer that was killed has left is taken away a day later, and what one may still write to is not.
func TestSweep(t *testing.T) {
	folder := t.TempDir()
	file := func(name string, age time.Duration) string {
		path := filepath.Join(folder, "packs", name)
		when := time.Now().Add(-age)
		for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644), os.Chtimes(path, when, when)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	dead, alive, object := file(".tmp-DEAD", 25*time.Hour), file(".tmp-ALIVE", 23*time.Hour), file("object", 1000*time.Hour)
	d, err := filedriver.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	b := blob.NewBucket(d)
	defer b.Close()
	for _, key := range []string{"other/x", "packs/new"} {
		if err := b.WriteAll(t.Context(), key, []byte("new"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{dead: false, alive: true, object: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
