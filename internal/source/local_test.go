package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, src Source, pins []Pin, base fs.FS) (Result, string, error) {
	t.Helper()
	f := New(Options{Dir: t.TempDir(), Environ: os.Environ()})
	dest := filepath.Join(t.TempDir(), "dest")
	res, err := f.Fetch(t.Context(), Request{Source: src, Dest: dest, Pins: pins, Base: base})
	return res, dest, err
}

// counted is a version at hand that knows which of its files were taken.
type counted struct {
	fs.FS
	opened []string
}

func (c *counted) Open(name string) (fs.File, error) {
	c.opened = append(c.opened, name)
	return c.FS.Open(name)
}

// The same holds for a folder and for a bucket: only what changed is read, what is gone goes.
func TestFoldersAndBuckets(t *testing.T) {
	for _, kind := range []Kind{Local, Bucket} {
		t.Run(string(kind), func(t *testing.T) {
			top := filepath.Join(t.TempDir(), "top")
			write(t, filepath.Join(top, "a"), "A")
			write(t, filepath.Join(top, "sub/b"), "B")
			write(t, filepath.Join(top, "c"), "C")
			write(t, top+"x/other", "not of the same folder")
			src := Source{Kind: kind, Shown: "x", given: top}
			if kind == Bucket {
				src.given = "file://" + top
			}
			first, dest, err := fetch(t, src, nil, nil)
			if err != nil || !first.Changed || !first.Folder || content(t, dest) != "a=A;c=C;sub/b=B;" {
				t.Fatalf("%+v, %v", first, err)
			}
			again, _, err := fetch(t, src, first.Pins, os.DirFS(dest))
			if err != nil || again.Changed {
				t.Fatalf("again: %+v, %v", again, err)
			}
			write(t, filepath.Join(top, "a"), "AA")
			os.Remove(filepath.Join(top, "c"))
			base := &counted{FS: os.DirFS(dest)}
			second, changed, err := fetch(t, src, first.Pins, base)
			if err != nil || !second.Changed || content(t, changed) != "a=AA;sub/b=B;" {
				t.Fatalf("changed: %+v, %v", second, err)
			}
			if strings.Join(base.opened, " ") != "sub/b" {
				t.Errorf("taken from the version at hand: %v", base.opened)
			}
			write(t, filepath.Join(dest, "sub/b"), "damaged")
			_, healed, err := fetch(t, src, first.Pins, os.DirFS(dest))
			if err != nil || content(t, healed) != "a=AA;sub/b=B;" {
				t.Errorf("a version at hand with other bytes was believed: %v", err)
			}
			one := src
			one.given += "/sub/b"
			single, file, err := fetch(t, one, nil, nil)
			if err != nil || single.Folder || content(t, file) != ".=B;" {
				t.Errorf("one: %+v, %v", single, err)
			}
			one.given += "/none"
			if _, _, err := fetch(t, one, nil, nil); err == nil {
				t.Error("found what is not there")
			}
		})
	}
}

// A touched file with the same bytes is no change, but its pin moves.
func TestTouchedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	write(t, file, "same")
	src := Source{Kind: Local, Shown: "x", given: file}
	first, _, err := fetch(t, src, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	again, _, err := fetch(t, src, first.Pins, nil)
	if err != nil || again.Changed || again.Pins[0] == first.Pins[0] || again.Pins[0].Digest != first.Pins[0].Digest {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestLinksOfAFolder(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "a"), "A")
	if err := os.Symlink("a", filepath.Join(top, "in")); err != nil {
		t.Skip("no symbolic links here")
	}
	src := Source{Kind: Local, Shown: "x", given: top}
	_, dest, err := fetch(t, src, nil, nil)
	if to, linkErr := os.Readlink(filepath.Join(dest, "in")); err != nil || linkErr != nil || to != "a" {
		t.Errorf("link to %q, %v, %v", to, err, linkErr)
	}
	for _, to := range []string{"../out", "/etc/passwd"} {
		os.Remove(filepath.Join(top, "out"))
		if err := os.Symlink(to, filepath.Join(top, "out")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := fetch(t, src, nil, nil); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "leads out") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// A file that somebody writes to while it is read is refused.
func TestFileThatGrows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	write(t, file, "before")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "before and after")
	if err := copySteady(t.Context(), file, info, io.Discard); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("got %v", err)
	}
}

func TestCommand(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("no sh")
	}
	for _, c := range []struct {
		name, command, want, trouble string
	}{
		{"prints", "echo a; echo 1", ".=a\n1\n;", ""},
		{"query on stdin", "cat", ".=SELECT 1;", ""},
		{"query in the environment", `printf %s "$MLX_QUERY"`, ".=SELECT 1;", ""},
		{"fails", "echo half; echo 'no such table' >&2; exit 3", "", "ended with exit status 3: no such table"},
		{"prints nothing", "true", "", "printed nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := New(Options{Dir: t.TempDir(), Environ: os.Environ()})
			dest := filepath.Join(t.TempDir(), "x.csv")
			res, err := f.Fetch(t.Context(), Request{Source: Source{Kind: Command, Shown: "exec:x", given: c.command}, Query: "SELECT 1", Dest: dest})
			if c.trouble != "" {
				if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), c.trouble) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || content(t, dest) != c.want || res.Rows == nil {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
}

func TestRows(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "a\n": 0, "a\n1\n2\n": 2, "a\n1\n2": 2, "a\r\n1\r\n": 1, "a\n\"x\ny\"\nz\n": 2, "a\n\"x\"\"\n\"\n": 1, "a\n\n1\n": 1,
	} {
		r := &csvRows{}
		for i := range text {
			r.Write([]byte{text[i]})
		}
		if got := r.count(); got != want {
			t.Errorf("%q: %d rows, want %d", text, got, want)
		}
	}
}

func TestPlaceInQuery(t *testing.T) {
	line, column, near := whereIn("SELECT ä,\n  x FROM t", 13)
	if line != 2 || column != 3 || near != "x FROM t" {
		t.Errorf("%d:%d %q", line, column, near)
	}
	if _, _, near := whereIn("SELECT", 100); near != "" {
		t.Errorf("%q", near)
	}
}

func TestMissingSource(t *testing.T) {
	_, _, err := fetch(t, Source{Kind: Local, Shown: "file:///x", given: filepath.Join(t.TempDir(), "none")}, nil, nil)
	if fault.KindOf(err) != fault.NotFound || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
