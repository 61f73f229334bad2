//go:build unix

package haproxy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestStatesAreWrittenOverNobodysFile: the folder of the runtime socket may be one in which others write, and lay a link.
func TestStatesAreWrittenOverNobodysFile(t *testing.T) {
	dir := t.TempDir()
	theirs, name := filepath.Join(dir, "theirs"), filepath.Join(dir, "state.new")
	if err := errors.Join(os.WriteFile(theirs, []byte("precious"), 0o600), os.Symlink(theirs, name)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"1\n", "2\n"} {
		if err := writeAnew(name, text); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		kept, errKept := os.ReadFile(theirs)
		if err != nil || errKept != nil || string(got) != text || string(kept) != "precious" {
			t.Errorf("%q and %q: %v %v", got, kept, err, errKept)
		}
	}
}
