package pack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/object"
)

func build(t testing.TB, n, pad int) ([]byte, []string) {
	t.Helper()
	enc, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	b := enc.Builder(Nonce{1, 2, 3})
	var recs []string
	for i := range n {
		rec := fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, strings.Repeat("ab1", pad*i%1000))
		b.Add(object.Sum([]byte(rec)), []byte(rec))
		recs = append(recs, rec)
	}
	data, _ := b.Finish()
	return data, recs
}

// read returns the records of a pack whose ids are right.
func read(data []byte) (recs []string, err error) {
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	dec, err := NewDecoder(false)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	for i, f := range r.Frames {
		raw, err := dec.Decode(nil, r, i)
		if err != nil {
			return recs, err
		}
		err = Lines(raw, f, func(row, _ int, rec []byte) error {
			if object.Sum(rec) != r.IDs[row] {
				return fmt.Errorf("record %d is not its id", row)
			}
			recs = append(recs, string(rec))
			return nil
		})
		if err != nil {
			return recs, err
		}
	}
	return recs, nil
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, 300, 2000} {
		data, recs := build(t, n, 7)
		got, err := read(data)
		if err != nil || strings.Join(got, "\n") != strings.Join(recs, "\n") {
			t.Errorf("%d records: %d came back, %v", n, len(got), err)
		}
	}
}

func TestStartOfAFrame(t *testing.T) {
	data, _ := build(t, 900, 9)
	src := bytes.NewReader(data)
	r, err := NewReader(src, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder(true)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	whole, err := dec.DecodeFrame(nil, src, r.Frames[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 1000, len(whole) / 2, len(whole) - 1, len(whole)} {
		got, err := dec.DecodeStart(nil, src, r.Frames[1], n)
		if err != nil || !bytes.HasPrefix(whole, got) || len(got) < n {
			t.Errorf("first %d bytes: got %d, %v", n, len(got), err)
		}
	}
}

func TestStandardToolsReadPacks(t *testing.T) {
	zstdcat, err := exec.LookPath("zstdcat")
	if err != nil {
		t.Skip("zstdcat is not installed")
	}
	data, recs := build(t, 600, 5)
	path := filepath.Join(t.TempDir(), "p.jsonl.zst")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(zstdcat, path).Output()
	if err != nil || string(out) != strings.Join(recs, "\n")+"\n" {
		t.Errorf("zstdcat: %v, %d bytes", err, len(out))
	}
}

// Any other implementation sees the records too: the index is a skippable frame.
func TestPlainZstdReadsPacks(t *testing.T) {
	data, recs := build(t, 600, 5)
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(z); err != nil || out.String() != strings.Join(recs, "\n")+"\n" {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
}

func TestDamageIsNeverServed(t *testing.T) {
	data, recs := build(t, 12, 3)
	want := strings.Join(recs, "\n")
	for n := range data {
		if _, err := read(data[:n]); err == nil {
			t.Fatalf("cut at %d: accepted", n)
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			mutant := bytes.Clone(data)
			mutant[n] ^= flip
			got, err := read(mutant)
			for i, r := range got {
				if r != recs[i] {
					t.Fatalf("byte %d ^ %#x: record %d is %q", n, flip, i, r)
				}
			}
			if err == nil && strings.Join(got, "\n") != want {
				t.Fatalf("byte %d ^ %#x: not noticed", n, flip)
			}
		}
	}
}

// hostile packs have a right checksum and lie about everything else.
func TestHostileIndexes(t *testing.T) {
	zeros := bytes.Repeat([]byte{0}, 1<<20)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := z.EncodeAll(bytes.Repeat(zeros, 64), nil)
	one := z.EncodeAll([]byte("{}\n"), nil)
	id := []object.Digest{object.Sum([]byte("{}"))}
	for name, data := range map[string][]byte{
		"bomb":            appendIndex(bytes.Clone(bomb), Nonce{}, []Frame{{Stored: len(bomb), Raw: 64 << 20, Records: 1}}, id),
		"bomb, small raw": appendIndex(bytes.Clone(bomb), Nonce{}, []Frame{{Stored: len(bomb), Raw: 3, Records: 1}}, id),
		"raw too large":   appendIndex(bytes.Clone(one), Nonce{}, []Frame{{Stored: len(one), Raw: MaxFrame + 1, Records: 1}}, id),
		"raw wrong":       appendIndex(bytes.Clone(one), Nonce{}, []Frame{{Stored: len(one), Raw: 4, Records: 1}}, id),
		"stored too long": appendIndex(bytes.Clone(one), Nonce{}, []Frame{{Stored: len(one) + 1, Raw: 3, Records: 1}}, id),
		"too many rows":   appendIndex(bytes.Clone(one), Nonce{}, []Frame{{Stored: len(one), Raw: 3, Records: 2}}, id),
		"no frames":       appendIndex(bytes.Clone(one), Nonce{}, nil, id),
		"no records":      appendIndex(bytes.Clone(one), Nonce{}, []Frame{{Stored: len(one), Raw: 3}}, nil),
		"wrong id":        appendIndex(bytes.Clone(one), Nonce{}, []Frame{{Stored: len(one), Raw: 3, Records: 1}}, []object.Digest{{1}}),
		"no newline": appendIndex(z.EncodeAll([]byte("{}x"), nil), Nonce{}, []Frame{{Stored: len(z.EncodeAll([]byte("{}x"), nil)), Raw: 3,
			Records: 1}}, id),
	} {
		if recs, err := read(data); err == nil {
			t.Errorf("%s: accepted %q", name, recs)
		}
	}
	data, _ := build(t, 3, 1)
	for _, at := range []int{len(data) - 12, len(data) - trailerLen - 3*32 - frameLen - len(Nonce{}) - 8} { // sizes and counts of 2^32-1
		mutant := bytes.Clone(data)
		binary.LittleEndian.PutUint32(mutant[at:], 1<<32-1)
		if _, err := read(mutant); err == nil {
			t.Errorf("count at %d of 2^32-1 accepted", at)
		}
	}
}

func FuzzReader(f *testing.F) {
	data, _ := build(f, 5, 2)
	f.Add(data)
	f.Add(appendIndex(nil, Nonce{}, nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > headLen+trailerLen+8 { // make the checksum right, so that what is behind it is reached
			end := len(b) - trailerLen
			if n := int64(binary.LittleEndian.Uint32(b[end+4:])); n < int64(len(b)) && n > int64(trailerLen) {
				binary.LittleEndian.PutUint32(b[end:], checksum(b[int64(len(b))-n:end]))
			}
		}
		if _, err := read(b); err != nil {
			return
		}
		r, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		framesEnd := 0
		for _, fr := range r.Frames {
			framesEnd += fr.Stored
		}
		var nonce Nonce
		copy(nonce[:], b[framesEnd+8+16:])
		if again := appendIndex(bytes.Clone(b[:framesEnd]), nonce, r.Frames, r.IDs); !bytes.Equal(again, b) {
			t.Fatal("the index has two encodings")
		}
	})
}
