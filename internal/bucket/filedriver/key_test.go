package filedriver

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// FuzzKey: every key has one file, no two share one, the file lies in the folder, and no name is the driver's own.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"log/0000000000000001", "../../etc/passwd", "a//b", "/a", "a/", ".", "..", ".tmp-x", "%", "%2e", "a\\b", "C:x", "x.", "x ", "\x00"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		file, err := fileOf(key)
		if err != nil {
			if key != "" && utf8.ValidString(key) {
				t.Errorf("%q: %v", key, err)
			}
			return
		}
		if !filepath.IsLocal(file) || filepath.Clean(file) != file {
			t.Errorf("%q became %q", key, file)
		}
		var back []string
		for name := range strings.SplitSeq(filepath.ToSlash(file), "/") {
			part, ok := unescape(name)
			if !ok || strings.HasPrefix(name, ".") {
				t.Errorf("%q became %q with the part %q", key, file, name)
			}
			back = append(back, part)
		}
		if got := strings.Join(back, "/"); got != key {
			t.Errorf("%q came back as %q", key, got)
		}
	})
}

// FuzzName: a name that is read as a key is the name that the key is written to.
func FuzzName(f *testing.F) {
	for _, name := range []string{"a", "%", "%2e", "%2E", "%zz", ".attrs-a", "a%2", "%2f", "%61"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if part, ok := unescape(name); ok && escape(part) != name {
			t.Errorf("%q is read as %q, which is written as %q", name, part, escape(part))
		}
	})
}

func folder(t *testing.T) (string, *blob.Bucket) {
	t.Helper()
	at := t.TempDir()
	d, err := Open(at)
	if err != nil {
		t.Fatal(err)
	}
	b := blob.NewBucket(d)
	t.Cleanup(func() { _ = b.Close() })
	return at, b
}

// TestForeignFiles: what dead writers and other programs left is neither listed nor in the way, and links lead nowhere.
func TestForeignFiles(t *testing.T) {
	at, b := folder(t)
	outside := filepath.Join(t.TempDir(), "secret")
	for _, name := range []string{outside, filepath.Join(at, ".tmp-DEAD"), filepath.Join(at, ".attrs-x"), filepath.Join(at, "%zz")} {
		if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": outside, "folder": filepath.Dir(outside)} {
		if err := os.Symlink(to, filepath.Join(at, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	if objects, _, err := b.ListPage(t.Context(), blob.FirstPageToken, 10, nil); err != nil || len(objects) != 0 {
		t.Errorf("listed %v: %v", objects, err)
	}
	for _, key := range []string{"link", "folder/secret"} {
		if got, err := b.ReadAll(t.Context(), key); err == nil {
			t.Errorf("%s leads to %q", key, got)
		}
	}
	o := &blob.WriterOptions{ContentType: plainType}
	if err := b.Upload(t.Context(), "folder/new", strings.NewReader("x"), o); err == nil {
		t.Error("something was written through a link")
	}
	if err := b.Upload(t.Context(), "link", strings.NewReader("x"), o); err != nil { // replaces the link itself
		t.Error(err)
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "{}" {
		t.Errorf("outside is now %q: %v", got, err)
	}
}

// TestFolderAndFile: a key cannot be a folder of other keys at the same time; that is an error, and harms neither.
func TestFolderAndFile(t *testing.T) {
	_, b := folder(t)
	o := &blob.WriterOptions{ContentType: plainType}
	if err := b.Upload(t.Context(), "a/b", strings.NewReader("x"), o); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c"} {
		if err := b.Upload(t.Context(), key, strings.NewReader("y"), o); err == nil {
			t.Errorf("%s was written beside a/b", key)
		}
		if _, err := b.ReadAll(t.Context(), key); gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("%s: %v", key, err)
		}
	}
	if got, err := b.ReadAll(t.Context(), "a/b"); err != nil || string(got) != "x" {
		t.Errorf("a/b is now %q: %v", got, err)
	}
}

// TestPlainObjectsAreOneFile: objects of mlx are files with exactly their bytes, and nothing beside them.
func TestPlainObjectsAreOneFile(t *testing.T) {
	at, b := folder(t)
	data := bytes.Repeat([]byte("chunk"), 1000)
	if err := b.Upload(t.Context(), "packs/ab.pack", bytes.NewReader(data), &blob.WriterOptions{ContentType: plainType}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(at, "packs"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v: %v", entries, err)
	}
	if got, err := os.ReadFile(filepath.Join(at, "packs", "ab.pack")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if err := b.Delete(t.Context(), "packs/ab.pack"); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(at); err != nil || len(entries) != 0 {
		t.Errorf("left: %v: %v", entries, err)
	}
}
