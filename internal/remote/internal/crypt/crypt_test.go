package crypt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// noise gives the same bytes for the same seed.
func noise(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func random(seed byte, n int64) []byte {
	b := make([]byte, n)
	noise(seed).Read(b)
	return b
}

func testRing(t testing.TB, seed byte) *Ring {
	t.Helper()
	r, err := NewRing(noise(seed))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func named(context string, plain []byte) Object {
	return Object{Context: context, Name: object.Sum(plain), Size: int64(len(plain))}
}

func seal(t testing.TB, r *Ring, o Object, plain []byte) []byte {
	t.Helper()
	s, err := r.Seal(o, bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// from makes a Fetch of bytes; what lies outside is cut, as a server would.
func from(b []byte, requests *int) Fetch {
	return func(off, n int64) ([]byte, error) {
		if requests != nil {
			*requests++
		}
		off = min(off, int64(len(b)))
		return slices.Clone(b[off:min(off+n, int64(len(b)))]), nil
	}
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Fatalf("got %v (%v), want kind %v", err, fault.KindOf(err), want)
	}
}

var sizes = []int64{0, 1, 100, segmentSize - 1, segmentSize, segmentSize + 1, 3 * segmentSize, 3*segmentSize + 17}

func TestSealedObjectsOpen(t *testing.T) {
	r := testRing(t, 1)
	for _, size := range sizes {
		plain := random(2, size)
		o := named("packs/x", plain)
		sealed := seal(t, r, o, plain)
		if int64(len(sealed)) != SealedSize(size) {
			t.Fatalf("%d bytes sealed are %d, SealedSize says %d", size, len(sealed), SealedSize(size))
		}
		if back, ok := PlainSize(int64(len(sealed))); !ok || back != size {
			t.Fatalf("PlainSize(%d) is %d, %v, want %d", len(sealed), back, ok, size)
		}
		if d, err := r.SealedDigest(o, bytes.NewReader(plain)); err != nil || d != object.Sum(sealed) {
			t.Fatalf("SealedDigest: %v, %v", d, err)
		}
		small, err := r.SealBytes(o.Context, plain)
		if err != nil || !bytes.Equal(small, sealed) {
			t.Fatalf("SealBytes differs from Seal at %d bytes (%v)", size, err)
		}
		if got, err := r.OpenBytes(o.Context, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("OpenBytes of %d: %v", size, err)
		}
		var out bytes.Buffer
		if err := r.OpenTo(o, &out, bytes.NewReader(sealed)); err != nil || !bytes.Equal(out.Bytes(), plain) {
			t.Fatalf("OpenTo of %d: %v", size, err)
		}
		if size > 30 && bytes.Contains(sealed, plain[:30]) {
			t.Fatal("plain bytes in the sealed object")
		}
	}
	for _, n := range []int64{-1, 0, Overhead - 1, 1 << 62, SealedSize(segmentSize) + 1, SealedSize(segmentSize) + tagSize} {
		if got, ok := PlainSize(n); ok {
			t.Errorf("PlainSize(%d) is %d, want none", n, got)
		}
	}
}

func TestRangesAreSlicesOfTheWhole(t *testing.T) {
	old := testRing(t, 1)
	rng := rand.New(noise(9))
	for _, size := range sizes {
		plain := random(3, size)
		o := named("packs/x", plain)
		sealed := seal(t, old, o, plain)
		r, err := old.Rotate(noise(4))
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			off := rng.Int64N(size + 1)
			n := rng.Int64N(size - off + 1)
			for _, name := range []object.Digest{o.Name, {}} {
				requests := 0
				got, err := r.OpenRange(Object{o.Context, name, size}, off, n, from(sealed, &requests))
				if err != nil || !bytes.Equal(got, plain[off:off+n]) {
					t.Fatalf("%d bytes from %d of %d: %v", n, off, size, err)
				}
				if !name.IsZero() && requests > 1 {
					t.Fatalf("%d requests for one range", requests)
				}
			}
		}
		for _, bad := range [][2]int64{{-1, 1}, {0, -1}, {size, 1}, {size + 1, 0}, {1, 1<<63 - 1}} {
			_, err := r.OpenRange(o, bad[0], bad[1], from(sealed, nil))
			wantKind(t, err, fault.Integrity)
		}
	}
}

// TestStreamSeeks holds that an upload in parts, in any order, sees the bytes of one pass.
func TestStreamSeeks(t *testing.T) {
	r := testRing(t, 1)
	plain := random(3, 5*segmentSize+99)
	o := named("packs/x", plain)
	want := seal(t, r, o, plain)
	s, err := r.Seal(o, bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(noise(5))
	for range 300 {
		off := rng.Int64N(s.Size() + 1)
		if _, err := s.Seek(off-s.Size(), io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, rng.IntN(3*segmentSize))
		n, err := io.ReadFull(s, b)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(b[:n], want[off:off+int64(n)]) {
			t.Fatalf("other bytes at %d", off)
		}
	}
}

// TestOtherBytesAreNotSealed holds that a nonce is not used for two texts: the name must be that of the bytes.
func TestOtherBytesAreNotSealed(t *testing.T) {
	r := testRing(t, 1)
	plain := random(3, 2*segmentSize+5)
	o := named("packs/x", plain)
	for _, at := range []int{0, segmentSize, len(plain) - 1} {
		other := slices.Clone(plain)
		other[at] ^= 1
		whole, err := r.Seal(o, bytes.NewReader(other))
		if err != nil {
			t.Fatal(err)
		}
		_, err = whole.WriteTo(io.Discard)
		wantKind(t, err, fault.Integrity)
		s, err := r.Seal(o, bytes.NewReader(other))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seek(-1, io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(s)
		wantKind(t, err, fault.Integrity)
	}
	_, err := r.SealedDigest(o, bytes.NewReader(plain[:len(plain)-1]))
	wantKind(t, err, fault.Integrity)
}

// opened says whether any way to open gives bytes that are not the plain ones, or no error.
func opened(r *Ring, o Object, sealed, plain []byte) bool {
	if _, err := r.OpenBytes(o.Context, sealed); err == nil {
		return true
	}
	if err := r.OpenTo(o, io.Discard, bytes.NewReader(sealed)); err == nil {
		return true
	}
	if got, err := r.OpenRange(Object{o.Context, object.Digest{}, o.Size}, 0, o.Size, from(sealed, nil)); err == nil && (len(got) > 0 || len(plain) > 0) {
		return true
	}
	return false
}

func TestEveryChangeIsNoticed(t *testing.T) {
	r := testRing(t, 1)
	plain := random(6, 200)
	o := named("log/1", plain)
	sealed := seal(t, r, o, plain)
	for i := range sealed {
		for bit := range 8 {
			bad := slices.Clone(sealed)
			bad[i] ^= 1 << bit
			if opened(r, o, bad, plain) {
				t.Fatalf("bit %d of byte %d flipped, and it opens", bit, i)
			}
		}
	}
	for n := range sealed {
		if opened(r, o, sealed[:n], plain) {
			t.Fatalf("cut to %d bytes, and it opens", n)
		}
	}
	for _, bad := range [][]byte{append(slices.Clone(sealed), 0), append(slices.Clone(sealed), sealed...)} {
		if _, err := r.OpenBytes(o.Context, bad); err == nil {
			t.Fatal("it opens with bytes after its end")
		}
		if err := r.OpenTo(o, io.Discard, bytes.NewReader(bad)); err == nil {
			t.Fatal("it opens with bytes after its end")
		}
	}
}

func TestSegmentsKeepTheirPlace(t *testing.T) {
	r := testRing(t, 1)
	plain := random(7, 3*segmentSize)
	o := named("packs/x", plain)
	sealed := seal(t, r, o, plain)
	at := func(i int) int { return headerSize + i*sealedFull }
	swapped := slices.Concat(sealed[:at(0)], sealed[at(1):at(2)], sealed[at(0):at(1)], sealed[at(2):])
	if opened(r, o, swapped, plain) {
		t.Error("two segments swapped, and it opens")
	}
	short := sealed[:at(2)] // whole segments, the last is missing
	for _, size := range []int64{2 * segmentSize, o.Size} {
		if opened(r, Object{o.Context, object.Digest{}, size}, short, plain) {
			t.Error("the last segment is cut off, and it opens")
		}
	}
	other := slices.Clone(plain)
	other[0] ^= 1
	twin := seal(t, r, named("packs/x", other), other)
	mixed := slices.Concat(sealed[:at(1)], twin[at(1):])
	if opened(r, o, mixed, plain) {
		t.Error("a segment of another object, and it opens")
	}
}

func TestObjectsKeepTheirName(t *testing.T) {
	r := testRing(t, 1)
	plain := random(8, 100)
	o := named("log/1", plain)
	sealed := seal(t, r, o, plain)
	if opened(r, Object{"log/2", o.Name, o.Size}, sealed, plain) {
		t.Error("it opens under another name")
	}
	named2 := named("log/1", random(9, 100))
	err := r.OpenTo(named2, io.Discard, bytes.NewReader(sealed))
	wantKind(t, err, fault.Integrity)
	_, err = r.OpenRange(named2, 0, 10, from(sealed, nil))
	wantKind(t, err, fault.Integrity)
	stranger := testRing(t, 2)
	_, err = stranger.OpenBytes(o.Context, sealed)
	wantKind(t, err, fault.Integrity)
	if !errors.Is(err, ErrNoKey) {
		t.Errorf("a strange key: %v, want ErrNoKey", err)
	}
	_, err = stranger.OpenRange(o, 0, 10, from(sealed, nil))
	wantKind(t, err, fault.Integrity)
	if _, err := r.SealBytes("", plain); err == nil {
		t.Error("it seals without a context")
	}
}

// TestVectors pins the bytes: what was sealed once must open for ever.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Master, KeyID, Context, Sealed string
		Size                           int64
		Digest                         object.Digest
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		r, err := ringOf([]string{v.Master})
		if err != nil {
			t.Fatal(err)
		}
		plain := make([]byte, v.Size)
		for i := range plain {
			plain[i] = byte(i % 251)
		}
		sealed, err := r.SealBytes(v.Context, plain)
		if err != nil {
			t.Fatal(err)
		}
		if r.Keys()[0].String() != v.KeyID || object.Digest(sha256.Sum256(sealed)) != v.Digest {
			t.Errorf("%s, %d bytes: key %s, digest %s, want %s, %s", v.Context, v.Size, r.Keys()[0], object.Sum(sealed), v.KeyID, v.Digest)
		}
		if v.Sealed != "" && hex.EncodeToString(sealed) != v.Sealed {
			t.Errorf("%s, %d bytes: sealed %x, want %s", v.Context, v.Size, sealed, v.Sealed)
		}
	}
	if len(vectors) < 4 {
		t.Errorf("%d vectors", len(vectors))
	}
}

func FuzzOpenBytes(f *testing.F) {
	r := testRing(f, 1)
	for _, size := range []int64{0, 10, segmentSize + 3} {
		sealed, err := r.SealBytes("log/1", random(2, size))
		if err != nil {
			f.Fatal(err)
		}
		f.Add("log/1", sealed)
		f.Add("log/2", sealed)
	}
	f.Fuzz(func(t *testing.T, context string, sealed []byte) {
		plain, err := r.OpenBytes(context, sealed)
		if err != nil {
			return
		}
		again, err := r.SealBytes(context, plain)
		if err != nil || !bytes.Equal(again, sealed) {
			t.Fatalf("%x opens and is not what its bytes seal to (%v)", sealed, err)
		}
	})
}

func FuzzOpenRange(f *testing.F) {
	r := testRing(f, 1)
	plain := random(2, segmentSize+3)
	sealed, err := r.SealBytes("packs/x", plain)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(int64(len(plain)), int64(10), int64(20), true, 0, byte(0))
	f.Add(int64(len(plain)), int64(0), int64(len(plain)), false, 100, byte(1))
	f.Add(int64(1<<62), int64(1<<61), int64(5), false, 100, byte(1))
	f.Fuzz(func(t *testing.T, size, off, n int64, known bool, at int, flip byte) {
		bad := slices.Clone(sealed)
		if at >= 0 && at < len(bad) {
			bad[at] ^= flip
		}
		o := Object{Context: "packs/x", Size: size}
		if known {
			o.Name = object.Sum(plain)
		}
		got, err := r.OpenRange(o, off, n, from(bad, nil))
		if err == nil && n > 0 && !bytes.Equal(got, plain[off:off+n]) {
			t.Fatal("it opens to other bytes")
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r := testRing(b, 1)
	plain := random(2, 64<<20)
	o := named("packs/x", plain)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(o.Size)
		for b.Loop() {
			s, err := r.Seal(o, bytes.NewReader(plain))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("digest", func(b *testing.B) {
		b.SetBytes(o.Size)
		for b.Loop() {
			if _, err := r.SealedDigest(o, bytes.NewReader(plain)); err != nil {
				b.Fatal(err)
			}
		}
	})
	sealed := seal(b, r, o, plain)
	b.Run("open", func(b *testing.B) {
		b.SetBytes(o.Size)
		for b.Loop() {
			if err := r.OpenTo(o, io.Discard, bytes.NewReader(sealed)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("range", func(b *testing.B) {
		b.SetBytes(o.Size)
		read := func(off, n int64) ([]byte, error) { return slices.Clone(sealed[off : off+n]), nil }
		for b.Loop() {
			if _, err := r.OpenRange(o, 0, o.Size, read); err != nil {
				b.Fatal(err)
			}
		}
	})
}
