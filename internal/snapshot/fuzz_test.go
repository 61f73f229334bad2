package snapshot

import (
	"bytes"
	"strings"
	"testing"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// Whatever parses as a tree has no other encoding, and holds no name that leaves its folder.
func FuzzTree(f *testing.F) {
	f.Add([]byte(treeMagic))
	f.Add(appendTree(nil, []treeEntry{{Name: "a", Kind: disk.File, Size: 5, Sum: object.Sum(nil)}, {Name: "b", Kind: disk.Directory, Size: 300, Sum: object.Sum(nil), Recipe: object.Sum([]byte{1})}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseTree(b)
		if err != nil {
			return
		}
		if !bytes.Equal(appendTree(nil, list), b) {
			t.Error("another encoding of the same tree")
		}
		for i, e := range list {
			if e.Name == "" || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00") || strings.EqualFold(e.Name, ".git") || i > 0 && list[i-1].Name >= e.Name {
				t.Errorf("name %q", e.Name)
			}
		}
	})
}

// Whatever parses as a recipe has no other encoding, and adds up to the size it states, however it arrives.
func FuzzRecipe(f *testing.F) {
	f.Add(appendRecipe(nil, 0, 100_000, []row{{object.Sum(nil), 99_000, 1}, {object.Sum(nil), 1000, 7}}), uint16(3))
	f.Add(appendRecipe(nil, 2, 262_144, []row{{object.Sum(nil), 262_144, 0}}), uint16(50))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		level, size, rows, err := parseRecipe(b)
		p := rowParser{below: maxLevel + 1}
		var pieces []row
		keep := func(w row) bool { pieces = append(pieces, w); return true }
		cut := min(int(at), len(b))
		perr := p.feed(b[:cut], keep)
		if perr == nil {
			if perr = p.feed(b[cut:], keep); perr == nil {
				perr = p.end()
			}
		}
		if (err == nil) != (perr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", err, perr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(appendRecipe(nil, level, size, rows), b) {
			t.Error("another encoding of the same recipe")
		}
		total := int64(0)
		for _, w := range rows {
			total += int64(w.Len)
		}
		if total != size {
			t.Errorf("%d bytes, it states %d", total, size)
		}
	})
}

// Whatever parses as a pointer encodes as the same bytes, but for the line ends that git may have changed.
func FuzzPointer(f *testing.F) {
	p := Pointer{Root: object.Sum(nil), Summary: Summary{Kind: Directory, Files: 1, Bytes: 2}}.Encode()
	f.Add(p)
	f.Add(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePointer(b)
		if err == nil && !bytes.Equal(p.Encode(), bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))) {
			t.Errorf("%q encodes as %q", b, p.Encode())
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add(object.Sum(nil).Hex() + "\n" + object.Sum([]byte{1}).Hex() + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		j := parseJournal(text)
		if j == nil {
			return
		}
		if len(j.roots) == 0 || len(j.roots) > journalRoots {
			t.Errorf("%d versions", len(j.roots))
		}
	})
}

// A name that is allowed stays one name: no separator and no reserved word of any file system is in it.
func FuzzName(f *testing.F) {
	for _, s := range []string{".git", "a", ".g\u200cit", `a\..\b`, "GIT~1", ".mlx:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			return
		}
		base, _, _ := strings.Cut(name, ":")
		folded := strings.ToLower(strings.TrimRight(base, ". "))
		if name == "" || strings.ContainsAny(name, "/\x00") || folded == ".git" || folded == ".mlx" || folded == "git~1" {
			t.Errorf("%q is allowed", name)
		}
	})
}
