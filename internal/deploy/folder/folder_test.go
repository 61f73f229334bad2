package folder

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketsInDeepFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path, done, err := SocketPath(dir, "a.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if len(path) > maxSocket {
		t.Errorf("%s is too long", path)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := os.Stat(filepath.Join(dir, "a.sock")); err != nil {
		t.Error(err)
	}
}

func TestFilesAreWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.json")
	if err := WriteJSON(name, map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(name, func() {}); err == nil {
		t.Error("a function was written")
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "{\"a\":1}\n" {
		t.Errorf("it holds %q, %v", text, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("beside it lies %v", left)
	}
	if err := WriteJSON(filepath.Join(dir, "none", "a.json"), 1); err == nil {
		t.Error("a folder was made")
	}
}
