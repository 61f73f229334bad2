package pack

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"mlx/internal/object"
)

// sample writes a pack with a frame of each kind and returns its bytes.
func sample(t testing.TB) (object.Digest, []byte) {
	t.Helper()
	dir := t.TempDir()
	w, err := NewWriter(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	enc, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	base := bytes.Repeat([]byte("some text "), 100)
	changed := append([]byte("changed "), base...)
	plain, _ := enc.Compress(nil, base)
	delta, _, err := enc.Delta(nil, object.Sum(base), base, changed, len(changed))
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range []func() error{
		func() error { return w.Add(Zstd, []Piece{{object.Sum(base), len(base)}}, len(base), plain) },
		func() error { return w.Add(Delta, []Piece{{object.Sum(changed), len(changed)}}, len(changed), delta) },
		func() error {
			return w.Add(Raw, []Piece{{object.Sum([]byte("a")), 1}, {object.Sum([]byte("b")), 1}}, 2, []byte("ab"))
		},
	} {
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	name, _, err := w.Close(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, FileName(name)))
	if err != nil {
		t.Fatal(err)
	}
	return name, b
}

// Whatever parses as an index can be looked through without a panic, and encodes as the same bytes.
func FuzzIndex(f *testing.F) {
	_, b := sample(f)
	start, err := indexSpan(b[len(b)-trailerSize:], int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[start:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < trailerSize {
			return
		}
		start, err := indexSpan(b[len(b)-trailerSize:], int64(len(b)))
		if err != nil {
			return
		}
		x, err := parseIndex(b[start:], start)
		if err != nil {
			return
		}
		var frames []Frame
		var entries []entry
		for i := range len(x.frames) / frameRow {
			frames = append(frames, x.frame(i))
		}
		for i := range x.len() {
			e := x.entry(i)
			entries = append(entries, e)
			if _, ok := x.find(e.id); !ok {
				t.Errorf("%s is not found", e.id.Short())
			}
		}
		if !bytes.Equal(appendIndex(nil, x.end, frames, entries, x.payloads), b[start:]) {
			t.Error("another encoding of the same index")
		}
	})
}

// Whatever parses as the head of a frame encodes as the same bytes.
func FuzzFrameHead(f *testing.F) {
	_, b := sample(f)
	f.Add(b[len(magic):])
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, lens, err := parseHead(b, int64(len(b)))
		if err != nil {
			return
		}
		if head := frame.appendHead(nil, lens); !bytes.Equal(head, b[:len(head)]) {
			t.Error("another encoding of the same head")
		}
	})
}

// Any payload is decoded to the size that was asked for, or refused.
func FuzzPayload(f *testing.F) {
	_, b := sample(f)
	f.Add(b[len(magic)+frameRow:], uint32(1000))
	f.Fuzz(func(t *testing.T, b []byte, size uint32) {
		d, err := NewDecoder()
		if err != nil {
			t.Fatal(err)
		}
		n := int(size%Limit) + 1
		if out, err := d.Zstd(nil, b, n); err == nil && len(out) != n {
			t.Errorf("%d bytes, not %d", len(out), n)
		}
		if out, err := d.Delta(nil, b, []byte("the base"), n); err == nil && len(out) != n {
			t.Errorf("%d bytes, not %d", len(out), n)
		}
	})
}

// A temporary pack of any bytes is adopted, as far as it goes, into one that is whole.
func FuzzAdopt(f *testing.F) {
	_, b := sample(f)
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		tmp := filepath.Join(dir, "x"+TempSuffix)
		if err := os.WriteFile(tmp, b, 0o600); err != nil {
			t.Fatal(err)
		}
		set := NewSet(dir)
		r, err := set.NewReader()
		if err != nil {
			t.Fatal(err)
		}
		name, _, err := Adopt(tmp, dir, AdoptOptions{Decode: func(f Frame, payload []byte) ([]byte, error) { return r.Decode(f, payload, nil) }})
		if err != nil {
			t.Fatal(err)
		}
		if name.IsZero() {
			return
		}
		p, err := OpenFile(filepath.Join(dir, FileName(name)), name)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		p.Check(func(f Frame, _ []object.Digest, payload []byte) ([]byte, error) { return r.Decode(f, payload, nil) }, func(ids []object.Digest, err error) {
			t.Errorf("damage: %v", err)
		})
	})
}
