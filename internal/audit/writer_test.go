package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// TestKeepsAll: what was taken in by many goroutines is sealed when the writer is closed, in segments that follow each other, and is found
// by id and by time.
func TestKeepsAll(t *testing.T) {
	s := newSite(t)
	o := s.options()
	o.SegmentBytes = 4 << 10
	w := mustOpen(t, o)
	const each, many = 400, 4
	for part := range 4 {
		var all sync.WaitGroup
		for g := range many {
			all.Go(func() {
				for i := part * each / 4; i < (part+1)*each/4; i++ {
					if err := w.Add(flight(fmt.Sprintf("g%d", g), i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		until(t, "they are on the disk", func() bool { return w.Stats().Rows == int64(many*(part+1)*each/4) })
	}
	mustClose(t, w)
	stats := w.Stats()
	if stats.Accepted != each*many || stats.Rows != each*many || stats.Dropped != 0 || stats.Sealed < 2 {
		t.Fatalf("%+v", stats)
	}
	if list, _ := os.ReadDir(s.spool()); len(list) != 1 || list[0].Name() != keyName {
		t.Errorf("the spool still has %v", list)
	}
	l := s.log()
	mustVerify(t, l)
	ids := idsOf(t, l, Window{})
	if slices.Sort(ids); len(ids) != each*many || len(slices.Compact(ids)) != each*many {
		t.Errorf("%d rows", len(ids))
	}
	if got := idsOf(t, l, Window{From: noon.Add(10 * time.Second), To: noon.Add(12 * time.Second)}); len(got) != 2*many {
		t.Errorf("of two seconds there are %v", got)
	}
	rows, err := l.Find(t.Context(), "g3-77")
	if err != nil || len(rows) != 1 || !strings.Contains(string(rows[0].Line), `"features":{"distance":77,"carrier":"AA"},"score":0.077`) {
		t.Errorf("found %v, %v", rows, err)
	}
	if _, err := l.Find(t.Context(), "g3-7700"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("what is not there: %v", err)
	}
	for _, g := range mustEntries(t, s) {
		if g.Rows != g.Requests || g.Releases["k1"] != g.Rows || g.Last-g.First+1 != uint64(g.Requests) || g.From.Before(noon) || g.Service != "flights" {
			t.Errorf("%+v", g)
		}
	}
}

func mustEntries(t testing.TB, s *site) []Entry {
	t.Helper()
	all, err := Entries(t.Context(), s.ledger, "flights")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d segments, %v", len(all), err)
	}
	return all
}

// TestOpenSpool: what is not sealed yet is read as well, and a batch is found by the id of its request and of its parts.
func TestOpenSpool(t *testing.T) {
	s := newSite(t)
	w := mustOpen(t, s.options())
	defer w.Close(context.Background())
	p := flight("b", 1)
	p.Request.Bytes, p.Answer.Bytes = []byte(`{"instances":[{"a":1},{"a":2},{"a":3}]}`), []byte(`{"predictions":[0.1,0.2,0.3]}`)
	_ = w.Add(p)
	_ = w.Add(flight("b", 2))
	l := s.log()
	until(t, "four rows are read", func() bool { return len(idsOf(t, l, Window{})) == 4 })
	if rows, err := l.Find(t.Context(), "b-1"); err != nil || len(rows) != 3 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	mustClose(t, w)
	if rows, err := l.Find(t.Context(), "b-1#2"); err != nil || len(rows) != 1 || rows[0].Request != "b-1" {
		t.Errorf("%v, %v", rows, err)
	}
	if rows, err := l.Find(t.Context(), "b-1"); err != nil || len(rows) != 3 {
		t.Errorf("sealed: %d rows, %v", len(rows), err)
	}
}

// TestTwoWriters: an old and a new router write side by side, and each has a chain of its own.
func TestTwoWriters(t *testing.T) {
	s := newSite(t)
	a, b := mustOpen(t, s.options()), mustOpen(t, s.options())
	for i := range 100 {
		_ = a.Add(flight("a", i))
		_ = b.Add(flight("b", i))
	}
	mustClose(t, a)
	mustClose(t, b)
	l := s.log()
	mustVerify(t, l)
	all := mustEntries(t, s)
	if len(all) != 2 || all[0].Writer == all[1].Writer || all[1].In[1].ID != all[0].ID {
		t.Fatalf("%+v", all)
	}
	if ids := idsOf(t, l, Window{}); len(ids) != 200 {
		t.Errorf("%d rows", len(ids))
	}
}

// TestFullQueue: what does not fit is dropped and counted, or refused.
func TestFullQueue(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := newSite(t)
		o := s.options()
		o.Queue, o.Strict = 10, strict
		w := mustOpen(t, o)
		var refused int64
		for i := range 5000 {
			if err := w.Add(flight("x", i)); err != nil {
				refused++
			}
		}
		mustClose(t, w)
		stats := w.Stats()
		if stats.Dropped == 0 || int64(stats.Accepted)+stats.Dropped != 5000 || strict != (refused == stats.Dropped) || !strict && refused > 0 {
			t.Errorf("strict %v: %d refused, %+v", strict, refused, stats)
		}
		var dropped, rows int64
		for _, e := range mustEntries(t, s) {
			dropped += e.Dropped
			rows += e.Rows
		}
		if dropped != stats.Dropped || rows != int64(stats.Accepted) {
			t.Errorf("the records tell of %d rows and %d dropped, and %+v is so", rows, dropped, stats)
		}
		if err := w.Add(flight("x", 1)); strict != (err != nil) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// TestBytesAreBounded: a few large bodies fill the queue as many small ones do.
func TestBytesAreBounded(t *testing.T) {
	q := newQueue(1000, 1<<20)
	p := flight("x", 1)
	p.Request.Bytes = make([]byte, 300<<10)
	for i := range 4 {
		if err := q.add(p); (err != nil) != (i == 3) {
			t.Errorf("number %d: %v", i+1, err)
		}
	}
	taken := q.take()
	if err := q.add(p); err == nil {
		t.Error("what is being written takes no room")
	}
	q.release(len(taken), 3*p.weight())
	if err := q.add(p); err != nil {
		t.Error(err)
	}
}

// TestSealFails: while the store cannot be written predictions stay in the spool, the alarm says so, and nothing is lost.
func TestSealFails(t *testing.T) {
	s := newSite(t)
	o := s.options()
	var broken atomic.Bool
	broken.Store(true)
	o.Keep = func(ctx context.Context, path string) (object.Digest, func() error, error) {
		if broken.Load() {
			return object.Digest{}, nil, errors.New("no space left on device")
		}
		return s.keep(ctx, path)
	}
	alarms := make(chan error, 10)
	o.Alarm = func(err error) { alarms <- err }
	o.SegmentAge = 30 * time.Millisecond
	w := mustOpen(t, o)
	_ = w.Add(flight("x", 1))
	if err := <-alarms; err == nil || !strings.Contains(err.Error(), "no space left") || w.Stats().Trouble == nil {
		t.Errorf("the alarm says %v", err)
	}
	if err := w.Close(t.Context()); err == nil {
		t.Error("it was closed as if all were sealed")
	}
	if ids := idsOf(t, s.log(), Window{}); len(ids) != 1 {
		t.Errorf("%v can be read", ids)
	}
	broken.Store(false)
	mustClose(t, mustOpen(t, o))
	mustVerify(t, s.log())
	if ids := idsOf(t, s.log(), Window{}); len(ids) != 1 || len(mustEntries(t, s)) != 1 {
		t.Errorf("%v is there", ids)
	}
}

// TestClockSetBack: rows are written and segments sealed all the same.
func TestClockSetBack(t *testing.T) {
	s := newSite(t)
	o := s.options()
	var back atomic.Bool
	o.SegmentAge = time.Second
	o.Now = func() time.Time {
		if back.Load() {
			return time.Now().Add(-time.Hour).Round(0)
		}
		return time.Now().Round(0) // without what only this process knows
	}
	w := mustOpen(t, o)
	defer w.Close(context.Background())
	_ = w.Add(flight("x", 1))
	until(t, "it was taken", func() bool { accepted, _ := w.queue.numbers(); return accepted == 1 })
	back.Store(true)
	_ = w.Add(flight("x", 2))
	until(t, "both are on the disk", func() bool { return w.Stats().Rows == 2 })
	until(t, "they are sealed", func() bool { _ = w.Add(flight("x", 3)); return w.Stats().Sealed > 0 })
}

// TestTwiceIsOnce: a crash between keeping, recording and removing leaves one record.
func TestTwiceIsOnce(t *testing.T) {
	s := newSite(t)
	o := s.options()
	var copied string
	o.Keep = func(ctx context.Context, path string) (object.Digest, func() error, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return object.Digest{}, nil, err
		}
		copied = path
		if err := os.WriteFile(filepath.Join(s.dir, filepath.Base(path)), b, 0o600); err != nil {
			return object.Digest{}, nil, err
		}
		return s.keep(ctx, path)
	}
	w := mustOpen(t, o)
	for i := range 10 {
		_ = w.Add(flight("x", i))
	}
	mustClose(t, w)
	for range 2 { // the spool is as it was before the segment was removed, and its writer is dead
		b, err := os.ReadFile(filepath.Join(s.dir, filepath.Base(copied)))
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range map[string][]byte{copied: b, filepath.Join(s.spool(), w.name+writerEnd): nil} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if ids := idsOf(t, s.log(), Window{}); len(ids) != 10 {
			t.Errorf("%d rows", len(ids))
		}
		mustClose(t, mustOpen(t, o))
	}
	if all := mustEntries(t, s); len(all) != 1 {
		t.Errorf("%d records", len(all))
	}
	mustVerify(t, s.log())
}

// TestReadByOthers: a segment is a file of zstd to every tool.
func TestReadByOthers(t *testing.T) {
	s := newSite(t)
	o := s.options()
	var file []byte
	o.Keep = func(ctx context.Context, path string) (object.Digest, func() error, error) {
		var err error
		if file, err = os.ReadFile(path); err != nil {
			return object.Digest{}, nil, err
		}
		return s.keep(ctx, path)
	}
	w := mustOpen(t, o)
	for i := range 1000 {
		_ = w.Add(flight("x", i))
	}
	mustClose(t, w)
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("there is no zstd")
	}
	cmd := exec.Command(zstd, "-dc")
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.Output()
	if err != nil || bytes.Count(out, []byte("\n")) != 1000 {
		t.Errorf("%d lines, %v", bytes.Count(out, []byte("\n")), err)
	}
}

// TestTable: the log is a table with a column for each feature, which has the same name before and after it is sealed.
func TestTable(t *testing.T) {
	s := newSite(t)
	w := mustOpen(t, s.options())
	for i := range 300 {
		_ = w.Add(flight("x", i))
	}
	l := s.log()
	until(t, "all is written", func() bool { return w.Stats().Rows == 300 })
	window := Window{From: noon.Add(100 * time.Second), To: noon.Add(200 * time.Second)}
	read := func(bare bool) (object.Digest, string, int64) {
		table, err := l.Table(t.Context(), window, bare)
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		opened, err := dataset.Open(t.Context(), table.Files, dataset.Options{Temp: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		rows := int64(0)
		for b, err := range opened.Batches(t.Context(), dataset.Request{}) {
			if err != nil {
				t.Fatal(err)
			}
			rows += int64(b.Rows)
		}
		if rows != table.Rows {
			t.Errorf("%d rows, and it says %d", rows, table.Rows)
		}
		return table.ID, strings.Join(opened.Schema().Names(), " "), rows
	}
	before, columns, rows := read(false)
	if columns != "id at model release role status latency_us score distance carrier" || rows != 100 {
		t.Errorf("%d rows of %s", rows, columns)
	}
	if _, columns, _ := read(true); columns != "at distance carrier" {
		t.Errorf("bare: %s", columns)
	}
	mustClose(t, w)
	if after, _, rows := read(false); after != before || rows != 100 {
		t.Errorf("sealed it is %s with %d rows, and it was %s", after, rows, before)
	}
	if empty, err := l.Table(t.Context(), Window{To: noon}, false); err != nil || len(empty.Files) != 0 || empty.Rows != 0 {
		t.Errorf("%+v, %v", empty, err)
	}
}

// TestPromise: what has a place is taken in for certain, and without a place nothing more is.
func TestPromise(t *testing.T) {
	s := newSite(t)
	o := s.options()
	o.Queue, o.Strict = 10, true
	w := mustOpen(t, o)
	places := 0
	for w.Promise() == nil {
		places++
	}
	if stats := w.Stats(); places != 10 || stats.Refused != 1 || stats.Dropped != 0 || stats.Refusing == nil {
		t.Fatalf("%d places, %+v", places, stats)
	}
	if err := w.Add(flight("y", 1)); err == nil {
		t.Error("the places of others were taken")
	}
	for i := range places {
		w.AddPromised(flight("x", i))
	}
	until(t, "there is room again", func() bool { return w.Stats().Refusing == nil })
	mustClose(t, w)
	if ids := idsOf(t, s.log(), Window{}); len(ids) != places || w.Promise() == nil {
		t.Errorf("%d are kept of %d, and after the end there is a place", len(ids), places)
	}
	mustVerify(t, s.log())
}
