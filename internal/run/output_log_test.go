package run

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
)

// ticking is a clock that moves on by a step at each look.
func ticking(step time.Duration) func() time.Time {
	at := time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)
	return func() time.Time { at = at.Add(step); return at }
}

// readAll returns what a reader has at the moment: bytes by stream, all bytes, and those that were cut.
func readAll(t *testing.T, r *LogReader) (by map[string]string, all string, cut int64) {
	t.Helper()
	by = make(map[string]string)
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return by, all, cut
		}
		if err != nil {
			t.Fatal(err)
		}
		by[c.Stream] += string(c.Data)
		if c.Cut > 0 {
			by["before"] = all
		}
		all += string(c.Data)
		cut += c.Cut
	}
}

func TestLogKeepsStreamsApart(t *testing.T) {
	dir := t.TempDir()
	w := newLogWriter(dir, ticking(30*time.Millisecond), logLimits{})
	r := NewLogReader(os.DirFS(dir), 0)
	defer r.Close()
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("nothing was written: %v", err)
	}
	w.add(fromStdout, []byte("one\n"))
	if _, all, _ := readAll(t, r); all != "one\n" {
		t.Errorf("the first bytes are written at once, not %q", all)
	}
	w.add(fromStderr, []byte("\xff\xfe"))
	w.add(fromStdout, []byte("two\n"))
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	w.add(fromStdout, []byte("late"))
	by, all, _ := readAll(t, r)
	if all != "\xff\xfetwo\n" || by[Stdout] != "two\n" || by[Stderr] != "\xff\xfe" {
		t.Errorf("then %q", by)
	}
	size, cut, err := closeLog(dir, logLimits{})
	if err != nil || size != 10 || cut != 0 {
		t.Errorf("%d bytes, %d cut, %v", size, cut, err)
	}
}

// Whatever is written in whatever pieces, a reader that follows and one that comes after see the same, and of too much
// the beginning and the end are left.
func TestLogOfManyPieces(t *testing.T) {
	limits := logLimits{head: 4000, tail: 1000}
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		w := newLogWriter(dir, ticking(time.Duration(rnd.IntN(60))*time.Millisecond), limits)
		follower := NewLogReader(os.DirFS(dir), 0)
		var want, followed string
		var missed int64
		for range 1 + rnd.IntN(60) {
			b := make([]byte, 1+rnd.IntN(700))
			for i := range b {
				b[i] = byte(rnd.IntN(256))
			}
			w.add("oeb"[rnd.IntN(3)], b)
			want += string(b)
			if rnd.IntN(3) == 0 {
				_, all, cut := readAll(t, follower)
				followed, missed = followed+all, missed+cut
			}
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		_, all, cut := readAll(t, follower)
		followed, missed = followed+all, missed+cut
		follower.Close()
		if int64(len(followed))+missed != int64(len(want)) || missed == 0 && followed != want {
			t.Fatalf("seed %d: followed %d and missed %d of %d bytes", seed, len(followed), missed, len(want))
		}
		checkClosed(t, dir, limits, want)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkClosed closes a log twice and compares it with everything that was written.
func checkClosed(t *testing.T, dir string, limits logLimits, want string) {
	t.Helper()
	for range 2 {
		size, cut, err := closeLog(dir, limits)
		if err != nil || size+cut != int64(len(want)) {
			t.Fatalf("%d bytes and %d cut of %d: %v", size, cut, len(want), err)
		}
		if cut > 0 && size < (limits.tail+limits.head)/10*8 { // the index counts as well
			t.Errorf("only %d bytes are left", size)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 2 {
			t.Fatalf("left: %v %v", files, err)
		}
		r := NewLogReader(os.DirFS(dir), 0)
		by, all, missing := readAll(t, r)
		r.Close()
		head := len(by["before"])
		if missing != cut || cut == 0 && all != want || cut > 0 && (all[:head] != want[:head] || all[head:] != want[head+int(cut):]) {
			t.Errorf("%d bytes were read, %d of them are the beginning, %d missing", len(all), head, missing)
		}
		pos := int64(len(want)) - min(int64(len(want)), 300) // also behind what was cut
		r = NewLogReader(os.DirFS(dir), pos)
		if _, all, _ := readAll(t, r); all != want[pos:] {
			t.Errorf("from position %d: %d bytes", pos, len(all))
		}
		r.Close()
	}
}

// What a killed mlx leaves is made whole.
func TestCloseLogOfKilled(t *testing.T) {
	const head = "mlx-log/1 2026-11-23T16:00:00.000Z 0\n"
	tests := []struct {
		name, output, index string
		size                int64
		want                string
	}{
		{"no index", "abc", "", 3, "abc"},
		{"half a head", "abc", "mlx-lo", 3, "abc"},
		{"half a line", "abcdef", head + "o 3 0\ne 2", 6, "abcdef"},
		{"bytes without a line", "abcdef", head + "o 3 0\n", 6, "abcdef"},
		{"lines without bytes", "abc", head + "o 3 0\ne 5 1\n", 3, "abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, outputName), tt.output)
			if tt.index != "" {
				write(t, filepath.Join(dir, indexName), tt.index)
			}
			for range 2 {
				if size, cut, err := closeLog(dir, logLimits{}); err != nil || size != tt.size || cut != 0 {
					t.Fatalf("%d bytes, %d cut: %v", size, cut, err)
				}
				r := NewLogReader(os.DirFS(dir), 0)
				if _, all, _ := readAll(t, r); all != tt.want {
					t.Errorf("read %q", all)
				}
				r.Close()
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A log that cannot be written says so at the end, and disturbs nobody before.
func TestLogWithoutFolder(t *testing.T) {
	w := newLogWriter(filepath.Join(t.TempDir(), "none"), ticking(time.Second), logLimits{})
	w.add(fromStdout, []byte("x"))
	w.add(fromStdout, bytes.Repeat([]byte("x"), 1<<20))
	if err := w.close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// FuzzLogReader: an index from elsewhere never makes a reader fail otherwise than with an error, nor read what is not
// there.
func FuzzLogReader(f *testing.F) {
	f.Add("mlx-log/1 2026-11-23T16:00:00.000Z 0\no 3 0\ne 2 5\nx 7 9\nb 1 9\n", "abcdef", int64(0))
	f.Add("mlx-log/1 2026-11-23T16:00:00.000Z 900\no 3 0", "abcdef", int64(2))
	f.Add("mlx-log/1 2026-11-23T16:00:00.000Z 0\nx 4611686018427387903 0\nx 4611686018427387903 0\nx 4611686018427387903 0\n", "", int64(-1))
	f.Fuzz(func(t *testing.T, index, output string, from int64) {
		files := fstest.MapFS{outputName: {Data: []byte(output)}, indexName: {Data: []byte(index)}}
		r := NewLogReader(files, max(0, from))
		defer r.Close()
		n := 0
		for {
			c, err := r.Next()
			if err != nil {
				break
			}
			if n += len(c.Data); n > len(output) || c.Cut < 0 || c.Stream == "" && c.Cut == 0 {
				t.Fatalf("%d of %d bytes, %+v", n, len(output), c)
			}
		}
	})
}
