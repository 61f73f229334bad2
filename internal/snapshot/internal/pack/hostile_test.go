package pack

import (
	"bytes"
	"crypto/sha256"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// open writes bytes as a pack with the name that their index has, and opens it.
func open(t *testing.T, b []byte, start int) (*File, error) {
	t.Helper()
	name := object.Digest(sha256.Sum256(b[start:]))
	path := filepath.Join(t.TempDir(), FileName(name))
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return OpenFile(path, name)
}

// check reads everything of a pack, which must be damaged somewhere.
func check(t *testing.T, p *File) {
	t.Helper()
	defer p.Close()
	r, err := NewSet(t.TempDir()).NewReader()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	p.Check(func(f Frame, _ []object.Digest, payload []byte) ([]byte, error) { return r.Decode(f, payload, nil) }, func([]object.Digest, error) { n++ })
	if n == 0 {
		t.Error("no damage was found")
	}
	p.Chunks(func(d object.Digest, frame, size int, _ Codec) bool {
		p.StoredShare(frame, size)
		return p.Has(d)
	})
	p.ChunksInPlace(func(d object.Digest, l Loc) bool {
		_, _ = r.ReadLoc(d, l)
		_, _ = l.Base()
		return true
	})
}

// An index may state anything: it is refused before anything is allocated for it.
func TestHostileIndex(t *testing.T) {
	_, whole := sample(t)
	start, err := indexSpan(whole[len(whole)-trailerSize:], int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	trailer := func(at int, put func([]byte)) []byte {
		b := bytes.Clone(whole)
		put(b[len(b)-trailerSize+at:])
		return b
	}
	u32 := func(v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b, v) } }
	u64 := func(v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b, v) } }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for what, b := range map[string][]byte{
		"2^32 frames": trailer(40, u32(math.MaxUint32)), "2^32 chunks": trailer(44, u32(math.MaxUint32)), "2^60 bytes": trailer(32, u64(1<<60)),
		"negative": trailer(32, u64(1<<63+5)), "all ones": trailer(32, u64(math.MaxUint64)), "no frames": trailer(40, u32(0)), "no chunks": trailer(44, u32(0)),
		"frames for chunks": trailer(40, func(b []byte) { le.PutUint32(b, 3+5*4); le.PutUint32(b[4:], 0) }),
	} {
		p, err := open(t, b, int(start))
		if fault.KindOf(err) != fault.Integrity {
			t.Errorf("%s: %v", what, err)
		}
		if err == nil {
			p.Close()
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// Rows of an index that are each possible may still not fit together.
func TestHostileRows(t *testing.T) {
	build := func(frames []Frame, entries []entry) ([]byte, int) {
		b := []byte(magic)
		for i := range frames {
			frames[i].Offset = int64(len(b))
			b = append(b, make([]byte, frames[i].size())...)
		}
		start := len(b)
		return appendIndex(b, int64(start), frames, entries, sha256.Sum256(nil)), start
	}
	rows := func(n int, frame uint32) (out []entry) {
		for i := range n {
			out = append(out, entry{id: object.Digest{byte(i >> 16), byte(i >> 8), byte(i)}, frame: frame, size: 1})
		}
		return out
	}
	small, large := Frame{Codec: Raw, Raw: 2, Stored: 2, Chunks: 2}, Frame{Codec: Raw, Raw: 60000, Stored: 60000, Chunks: 60000}
	for what, b := range map[string]func() ([]byte, int){
		"all chunks in the first frame": func() ([]byte, int) { return build([]Frame{small, large}, rows(60002, 0)) },
		"all chunks in the last frame":  func() ([]byte, int) { return build([]Frame{small, large}, rows(60002, 1)) },
		"all at one place":              func() ([]byte, int) { return build([]Frame{large}, rows(60000, 0)) },
	} {
		t.Run(what, func(t *testing.T) {
			pack, start := b()
			p, err := open(t, pack, start)
			if err == nil {
				check(t, p)
			} else if fault.KindOf(err) != fault.Integrity {
				t.Error(err)
			}
		})
	}
	for what, b := range map[string]func() ([]byte, int){
		"no such frame":     func() ([]byte, int) { return build([]Frame{small}, rows(2, 7)) },
		"out of order":      func() ([]byte, int) { r := rows(2, 0); r[0], r[1] = r[1], r[0]; return build([]Frame{small}, r) },
		"out of the frame":  func() ([]byte, int) { r := rows(2, 0); r[1].at = 2; return build([]Frame{small}, r) },
		"longer than it":    func() ([]byte, int) { r := rows(2, 0); r[1].size = 3; return build([]Frame{small}, r) },
		"codec 0":           func() ([]byte, int) { f := small; f.Codec = 0; return build([]Frame{f}, rows(2, 0)) },
		"raw, but smaller":  func() ([]byte, int) { f := small; f.Stored = 1; return build([]Frame{f}, rows(2, 0)) },
		"delta of two":      func() ([]byte, int) { return build([]Frame{{Codec: Delta, Raw: 9, Stored: 90, Chunks: 2}}, rows(2, 0)) },
		"delta of no base":  func() ([]byte, int) { return build([]Frame{{Codec: Delta, Raw: 9, Stored: 32, Chunks: 1}}, rows(1, 0)) },
		"more than it says": func() ([]byte, int) { return build([]Frame{small}, rows(3, 0)) },
		"chunks of nothing": func() ([]byte, int) { return build([]Frame{{Codec: Raw, Raw: 1, Stored: 1, Chunks: 2}}, rows(2, 0)) },
	} {
		pack, start := b()
		if p, err := open(t, pack, start); fault.KindOf(err) != fault.Integrity {
			t.Errorf("%s: %v", what, err)
			if err == nil {
				p.Close()
			}
		}
	}
}

// A pack that was killed before it had its name is adopted as it is, chunk for chunk.
func TestAdoptWhole(t *testing.T) {
	name, b := sample(t)
	for cut := range len(b) {
		dir := t.TempDir()
		tmp := filepath.Join(dir, "x"+TempSuffix)
		if err := os.WriteFile(tmp, b[:len(b)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		set := NewSet(dir)
		base := bytes.Repeat([]byte("some text "), 100)
		r, err := set.NewReader()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Adopt(tmp, dir, AdoptOptions{Decode: func(f Frame, payload []byte) ([]byte, error) {
			if f.Codec == Delta { // its base is in another pack, or in this one
				return r.dec.Delta(nil, payload[digestSize:], base, f.Raw)
			}
			return r.Decode(f, payload, nil)
		}})
		if err != nil || cut == 0 && got != name {
			t.Fatalf("cut by %d: %s, %v", cut, got.Short(), err)
		}
		if cut > 0 {
			continue
		}
		if again, err := os.ReadFile(filepath.Join(dir, FileName(got))); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%d bytes, %v", len(again), err)
		}
	}
}
