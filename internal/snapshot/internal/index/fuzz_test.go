package index

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// No bytes make the index panic, not even with a right sum.
func FuzzParse(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "index")
	var w Builder
	w.Folder("")
	w.Add("a", &Entry{Kind: disk.File, Size: 1, Sum: object.Sum(nil)})
	w.Add("b", &Entry{Kind: disk.File, Size: 1, Sum: object.Sum(nil), Recipe: object.Sum([]byte{1})})
	w.Folder("d")
	if err := w.Save(path, object.Sum(nil), 5, []object.Digest{object.Sum(nil)}); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		walk(b)
		if len(b) > 4 {
			walk(le.AppendUint32(b[:len(b)-4:len(b)-4], crc32.Checksum(b[:len(b)-4], castagnoli())))
		}
	})
}

func walk(b []byte) {
	x, ok := parse(b)
	if !ok {
		return
	}
	x.Folders(func(rel string) bool {
		x.Dir(rel).Rest(func(string, *Entry) {})
		x.Dir(rel).Seek("b", nil)
		return true
	})
}
