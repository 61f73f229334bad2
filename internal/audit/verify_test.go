package audit

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// threeSegments is a log of three segments, and their files.
func threeSegments(t testing.TB) (*site, [][]byte) {
	t.Helper()
	s := newSite(t)
	o := s.options()
	var files [][]byte
	o.Keep = func(ctx context.Context, path string) (object.Digest, func() error, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return object.Digest{}, nil, err
		}
		files = append(files, b)
		return s.keep(ctx, path)
	}
	o.SegmentBytes = 1
	w := mustOpen(t, o)
	for i := range 3 {
		_ = w.Add(flight("x", 2*i))
		_ = w.Add(flight("x", 2*i+1))
		until(t, "a segment is sealed", func() bool { return w.Stats().Sealed == int64(i+1) })
	}
	mustClose(t, w)
	return s, files
}

// inMemory is a file in memory.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// TestEveryBit: whichever byte of a segment is changed, verify names the segment.
func TestEveryBit(t *testing.T) {
	s, files := threeSegments(t)
	mustVerify(t, s.log())
	l := s.log()
	var changed []byte
	l.Open = func(_ context.Context, e Entry) (File, int64, error) {
		b := files[e.Number-1]
		if e.Number == 2 {
			b = changed
		}
		return inMemory{bytes.NewReader(b)}, int64(len(b)), nil
	}
	for i := range files[1] {
		changed = bytes.Clone(files[1])
		changed[i] ^= 1 << (i % 8)
		problems, _, err := l.Verify(t.Context(), true)
		if err != nil || len(problems) != 1 || !strings.HasSuffix(problems[0].Segment, "-00000002.jsonl.zst") {
			t.Fatalf("byte %d: %v, %v", i, problems, err)
		}
		for range l.Rows(t.Context(), Window{}) { // says something or an error, and does not panic
		}
	}
	changed = files[0] // another segment of the same writer
	if problems, _, err := l.Verify(t.Context(), true); err != nil || len(problems) != 1 {
		t.Errorf("%v, %v", problems, err)
	}
	for _, err := range l.Rows(t.Context(), Window{}) {
		if err != nil {
			return
		}
	}
	t.Error("another segment was read in its place")
}

// TestChain: a record that is missing, in another place or told twice is named.
func TestChain(t *testing.T) {
	s, _ := threeSegments(t)
	all := mustEntries(t, s)
	for _, c := range []struct {
		name   string
		change func(all []Entry) []Entry
		want   string
	}{
		{"whole", func(all []Entry) []Entry { return all }, ""},
		{"in another order", func(all []Entry) []Entry { slices.Reverse(all); return all }, ""}, // as two ledgers are merged
		{"the first is missing", func(all []Entry) []Entry { return all[1:] }, "-00000002.jsonl.zst: segments 1 to 1 of writer"},
		{"the second is missing", func(all []Entry) []Entry { return append(all[:1:1], all[2]) }, "-00000003.jsonl.zst: segments 2 to 2 of writer"},
		{"two have changed places", func(all []Entry) []Entry {
			all[0].Number, all[1].Number = 2, 1
			return all
		}, "-00000001.jsonl.zst: it is the first of its writer"},
		{"another one before", func(all []Entry) []Entry { all[1].Segment = object.Sum(nil); return all }, "-00000003.jsonl.zst: the one before it is e3b0c44298fc"},
		{"requests twice", func(all []Entry) []Entry { all[1].First = 1; return all }, "-00000002.jsonl.zst: it begins with request 1"},
		{"recorded twice", func(all []Entry) []Entry {
			other := all[1]
			other.Segment = object.Sum(nil)
			return append(all, other)
		}, "-00000002.jsonl.zst: it is recorded twice"},
		{"a record before is missing", func(all []Entry) []Entry {
			all[1].In = append(slices.Clone(all[1].In), lineage.Input{Role: rolePrevious, ID: object.Sum(nil)})
			return all
		}, "-00000002.jsonl.zst: record e3b0c44298fc, which it follows, is missing"},
	} {
		problems, err := checkChain(t.Context(), s.ledger, c.change(slices.Clone(all)))
		var told []string
		for _, p := range problems {
			told = append(told, p.Segment+": "+p.What)
		}
		if err != nil || (c.want == "") != (len(told) == 0) || !strings.Contains(strings.Join(told, "\n"), c.want) {
			t.Errorf("%s: %v, %v", c.name, told, err)
		}
	}
}

// TestTornEnd: of a file that ends in half a frame the whole ones are kept, whatever the place.
func TestTornEnd(t *testing.T) {
	s := newSite(t)
	w := mustOpen(t, s.options())
	for i := range 3 {
		_ = w.Add(flight("x", i))
		until(t, "it is on the disk", func() bool { return w.Stats().Rows == int64(i+1) })
	}
	list, _, err := listSpool(s.spool())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	whole, err := os.ReadFile(filepath.Join(s.spool(), list[0].name()))
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, w)
	seg, err := openSegment(bytes.NewReader(whole), int64(len(whole)))
	if err != nil || len(seg.frames) != 3 {
		t.Fatal(seg, err)
	}
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for n := range whole {
		cut, err := openSegment(bytes.NewReader(whole[:n]), int64(n))
		if err != nil {
			continue // before the end of the header
		}
		want := 0
		for _, f := range seg.frames {
			if f.offset+int64(f.size) <= int64(n) {
				want++
			}
		}
		var out bytes.Buffer
		counts, err := cut.finish(&out, c, ending{})
		if err != nil || counts.Requests != int64(want) {
			t.Fatalf("cut at %d: %d requests, not %d, %v", n, counts.Requests, want, err)
		}
		if again, err := openSegment(bytes.NewReader(out.Bytes()), int64(out.Len())); err != nil || again.index == nil || again.index.Rows != int64(want) {
			t.Fatalf("cut at %d: what was finished is %+v, %v", n, again, err)
		}
	}
	// A frame that is damaged costs its own rows, and they are counted.
	damaged := bytes.Clone(whole)
	damaged[seg.frames[1].offset+20] ^= 1
	half, err := openSegment(bytes.NewReader(damaged), int64(len(damaged)))
	if err != nil {
		t.Fatal(err)
	}
	if counts, err := half.finish(io.Discard, c, ending{}); err != nil || counts.Requests != 2 || counts.Lost != 1 || counts.First != 1 || counts.Last != 3 {
		t.Errorf("%+v, %v", counts, err)
	}
}

// FuzzSegment: bytes from outside are read as a segment or refused, within the memory that they take themselves.
func FuzzSegment(f *testing.F) {
	_, files := threeSegments(f)
	f.Add(files[0])
	f.Add(files[1][:len(files[1])-20])
	f.Add([]byte(emptyFrame))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := openSegment(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		c, err := newCodec()
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if s.index != nil {
			s.check(c, Entry{})
			for i := range s.frames {
				bloomHas(s.index.blooms[i], bloomKey("x"))
			}
		}
		p := &part{name: "x", seg: s}
		for i := range s.frames {
			_ = p.frame(c, i, Window{}, func(r Row) bool {
				_, _ = appendFlat(nil, r.Line, false)
				return true
			})
		}
		var out bytes.Buffer
		counts, err := s.finish(&out, c, ending{})
		if err != nil {
			return
		}
		again, err := openSegment(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil || again.index == nil || again.index.Rows != counts.Rows {
			t.Fatalf("finished: %v", err)
		}
	})
}

// FuzzSpool: names of files and what a writer says of itself.
func FuzzSpool(f *testing.F) {
	f.Add("abcd-00000001.open", "00000000000000000012 00000000000000000003\n")
	f.Add("abcd-1.jsonl.zst", "x")
	f.Fuzz(func(t *testing.T, name, text string) {
		if s, ok := readName(name); ok && (s.number < 1 || !isName(s.writer) || strings.ContainsAny(s.name(), "/\\")) {
			t.Fatalf("%+v", s)
		}
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if said := readTaken(file); said != (taken{}) {
			if err := said.write(file); err != nil || readTaken(file) != said {
				t.Fatalf("%+v, %v", said, err)
			}
		}
	})
}

// TestFindIsQuick: of many segments only frames that may hold an id are read.
func TestFindIsQuick(t *testing.T) {
	s := newSite(t)
	o := s.options()
	o.Queue = 1 << 20
	w := mustOpen(t, o)
	for i := range 20_000 {
		_ = w.Add(flight("x", i))
	}
	mustClose(t, w)
	l := s.log()
	read := 0
	err := l.each(t.Context(), Window{}, func(seg *segment, frame int) bool {
		hit := bloomHas(seg.index.blooms[frame], bloomKey("x-12345"))
		if hit {
			read++
		}
		return hit
	}, func(Row) bool { return true })
	if err != nil || read != 1 && read != 2 {
		t.Errorf("%d frames are read, %v", read, err)
	}
	begun := time.Now()
	if rows, err := l.Find(t.Context(), "x-12345"); err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
	t.Logf("found in %v", time.Since(begun))
}
