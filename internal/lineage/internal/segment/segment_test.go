package segment

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func lines(n int) ([]byte, []string) {
	var out []byte
	var recs []string
	for i := range n {
		rec := fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("é", i%40))
		out, recs = Frame(out, []byte(rec)), append(recs, rec)
	}
	return out, recs
}

func scan(t testing.TB, data []byte) (recs []string, bad []Damage) {
	t.Helper()
	bad, _, err := Scan(data, func(_ int64, rec []byte) error {
		recs = append(recs, string(rec))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return recs, bad
}

func TestTruncatedAnywhere(t *testing.T) {
	data, recs := lines(50)
	for n := range len(data) + 1 {
		for _, room := range []int{0, 1, 700} {
			got, bad := scan(t, append(bytes.Clone(data[:n]), make([]byte, room)...))
			whole := bytes.Count(data[:n], []byte("\n"))
			if whole < len(recs) && n > 0 && data[n-1] != '\n' && n < len(data) && data[n] == '\n' {
				whole++ // only the newline is missing
			}
			if len(got) != whole {
				t.Fatalf("cut at %d: %d records, want %d", n, len(got), whole)
			}
			for i := range got {
				if got[i] != recs[i] {
					t.Fatalf("cut at %d: record %d is %q", n, i, got[i])
				}
			}
			for _, d := range bad {
				if !d.Torn {
					t.Fatalf("cut at %d: a torn write was taken for damage: %+v", n, d)
				}
			}
		}
	}
}

func TestFlippedAnywhere(t *testing.T) {
	data, recs := lines(30)
	want := map[string]bool{}
	for _, r := range recs {
		want[r] = true
	}
	for i := range data {
		for _, flip := range []byte{1, 0x20, 0x80, data[i], data[i] ^ '\n'} {
			if flip == 0 {
				continue
			}
			mutant := bytes.Clone(data)
			mutant[i] ^= flip
			got, bad := scan(t, mutant)
			for _, r := range got {
				if !want[r] {
					t.Fatalf("byte %d ^ %#x: accepted %q", i, flip, r)
				}
			}
			real := 0
			for _, d := range bad {
				if !d.Torn {
					real++
				}
			}
			if real == 0 && i < len(data)-1 {
				t.Fatalf("byte %d ^ %#x: no damage seen", i, flip)
			}
			if len(got) < len(recs)-2 {
				t.Fatalf("byte %d ^ %#x: only %d records left", i, flip, len(got))
			}
		}
	}
}

func TestTornSectorOfTheLastWrite(t *testing.T) {
	data, recs := lines(40)
	last := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	copy(data[last+20:last+40], make([]byte, 20))
	got, bad := scan(t, data)
	if len(got) != len(recs)-1 || len(bad) != 1 || !bad[0].Torn {
		t.Errorf("%d records, %+v", len(got), bad)
	}
}

func TestLongLineIsSkipped(t *testing.T) {
	data, _ := lines(1)
	huge := append(bytes.Repeat([]byte("x"), MaxLine+10), '\n')
	got, bad := scan(t, append(huge, data...))
	if len(got) != 1 || len(bad) != 1 || bad[0].Torn {
		t.Errorf("%d records, %+v", len(got), bad)
	}
}

func TestWriterNoticesSealers(t *testing.T) {
	dir := t.TempDir()
	o := Owner{Now: time.Unix(1, 0), Host: "h", PID: 1, Rand: rand.Reader}
	w, err := Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	data, recs := lines(1)
	for range 40 {
		if err := w.Append(data, 1); err != nil {
			t.Fatal(err)
		}
	}
	path, _, err := Find(dir, Base(w.Name()))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() <= w.Bytes {
		t.Errorf("no room was made: %v, %d bytes", err, w.Bytes)
	}
	size := w.Bytes
	if Grown(path, size) || !Grown(path, size-int64(len(data))) {
		t.Error("Grown is wrong")
	}
	claimed, mine, err := Claim(dir, Base(w.Name()))
	if err != nil || !mine || !MayRepeat(claimed) {
		t.Fatal(mine, err)
	}
	if err := w.Append(data, 1); !errors.Is(err, ErrMoved) {
		t.Errorf("append to a claimed segment: %v", err)
	}
	if _, mine, err := Claim(dir, Base(w.Name())); err != nil || mine {
		t.Errorf("second claim: %v, %v", mine, err)
	}
	n := 0
	if _, _, err := ScanFile(claimed, func(_ int64, rec []byte) error {
		if string(rec) != recs[0] {
			t.Errorf("read %q", rec)
		}
		n++
		return nil
	}); err != nil || n != 41 {
		t.Errorf("%d records in the claimed segment, %v", n, err)
	}
	if err := Drop(claimed, false); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(data, 1); !errors.Is(err, ErrMoved) {
		t.Errorf("append to a dropped segment: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestSegmentOfAbsurdSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.seg")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(MaxBytes + 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	bad, _, err := ScanFile(path, func(int64, []byte) error { t.Error("a record"); return nil })
	if err != nil || len(bad) != 1 {
		t.Errorf("%v, %v", bad, err)
	}
}

// FuzzScan checks that whatever is accepted would be written as it stands.
func FuzzScan(f *testing.F) {
	data, _ := lines(3)
	f.Add(data)
	f.Add(append(data, 0, 0, 0))
	f.Add([]byte("00000000 \n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, size, err := Scan(b, func(offset int64, rec []byte) error {
			line := Frame(nil, rec)
			line = line[:len(line)-1]
			if !bytes.HasPrefix(b[offset:], line) {
				t.Fatalf("record %q does not stand at %d", rec, offset)
			}
			return nil
		})
		if err != nil || size > int64(len(b)) {
			t.Fatal(size, err)
		}
	})
}
