package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

func readOnly(t *testing.T, h *History) map[string]*Run {
	t.Helper()
	all := map[string]*Run{}
	for _, ref := range h.Runs {
		r, err := h.Read(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		all[r.Name] = r
	}
	return all
}

func pointsOfRun(t *testing.T, r *Run) map[string][]Point {
	t.Helper()
	all := map[string][]Point{}
	for p, err := range r.Points {
		if err != nil {
			t.Fatal(err)
		}
		all[p.Name] = append(all[p.Name], p)
	}
	return all
}

// TestWandbFolder reads what the client of W&B wrote: testdata/wandb_make.py.
func TestWandbFolder(t *testing.T) {
	h, err := OpenWandb(t.Context(), "testdata", Options{})
	if err != nil {
		t.Fatal(err)
	}
	runs := readOnly(t, h)
	r := runs["depth six"]
	if r == nil || len(runs) != 2 {
		t.Fatalf("%v", slices.Collect(maps.Keys(runs)))
	}
	if r.State != Succeeded || *r.ExitStatus != 0 || r.Experiment != "flights" || len(r.Command) != 1 || filepath.Base(r.Command[0]) != "wandb_make.py" || r.Output == "" ||
		r.Tags["wandb.group"] != "sweep" || r.Tags["wandb.notes"] != "first try" || r.Tags["wandb.tag.a"] != "true" || r.Ended.Before(r.Started) {
		t.Errorf("%+v", r)
	}
	config := shortJSON(r.Document)
	if config != `{"epochs":5,"flag":true,"layers":[64,32],"lr":0.1,"none":null,"opt":{"beta":0.9,"name":"adam"}}` {
		t.Error(config)
	}
	points := pointsOfRun(t, r)
	for name, want := range map[string][]float64{"loss": {1, 0.5, 1.0 / 3, 0.25, 0.2}, "val.auc": {0.5, 0.6, 0.7, 0.8, 0.9}, "big": {0, 1, math.NaN(), 3, 4}, "best": {0.25}} {
		got := points[name]
		if len(got) != len(want) {
			t.Errorf("%s: %v", name, got)
			continue
		}
		for i, p := range got {
			if math.Abs(p.Value-want[i]) > 1e-15 || math.IsNaN(p.Value) != math.IsNaN(want[i]) || len(want) > 1 && p.Step != int64(i) || p.MS == 0 {
				t.Errorf("%s: %+v, not %v", name, p, want[i])
			}
		}
	}
	crash := runs["crash"]
	if crash.State != Failed || *crash.ExitStatus != 1 || pointsOfRun(t, crash)["loss"][0].Step != 7 {
		t.Errorf("%+v", crash)
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWandbExports(t *testing.T) {
	table := writeFile(t, "runs.csv", "\ufeffName,State,Created,Runtime,lr,\"a,b\",loss\nx,finished,2026-11-20T10:00:00.000Z,60,0.10,\"two\nlines\",0.5\nx,finished,2026-11-20T10:00:00.000Z,,,,\n")
	h, err := OpenWandb(t.Context(), table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Runs) != 2 || h.Runs[0].ID != "x@2026-11-20T10:00:00.000Z" || h.Runs[1].ID != "x@2026-11-20T10:00:00.000Z#2" {
		t.Fatalf("%+v", h.Runs)
	}
	r, err := h.Read(t.Context(), h.Runs[0])
	if err != nil || !cmp.Equal(r.Params, map[string]string{"lr": "0.10", "a,b": "two\nlines", "loss": "0.5"}) || r.Ended.Sub(r.Started).Seconds() != 60 {
		t.Errorf("%+v, %v", r, err)
	}
	dump := writeFile(t, "runs.jsonl", `{"id": "a", "name": "one", "state": "crashed", "config": "{\"lr\": 0.5}", "summary": {"acc": Infinity, "deep": {"x": 1}}, "history": {"loss": [3, NaN]}}
{"id": "b", "state": "running", "config": {}, "tags": ["t"]}
{"id": "a"}
`)
	if h, err = OpenWandb(t.Context(), dump, Options{}); err != nil {
		t.Fatal(err)
	}
	r, err = h.Read(t.Context(), h.Runs[0])
	if err != nil || r.State != Lost || shortJSON(r.Document) != `{"lr":0.5}` || len(h.Runs) != 2 || len(h.Left.List) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	points := pointsOfRun(t, r)
	if len(points["loss"]) != 2 || !math.IsNaN(points["loss"][1].Value) || !math.IsInf(points["acc"][0].Value, 1) || points["deep.x"][0].Value != 1 {
		t.Errorf("%+v", points)
	}
	for name, text := range map[string]string{"a.csv": "Step,run - loss\n1,2\n", "b.csv": "", "c.csv": "Name,x\na\n", "a.json": "[{]", "b.json": "[]", "c.json": `{"x": 1}`, "d.txt": "x"} {
		if _, err := OpenWandb(t.Context(), writeFile(t, name, text), Options{}); err == nil || fault.KindOf(err) == fault.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func logOf(f interface{ Fatal(...any) }) []byte {
	files, _ := filepath.Glob("testdata/wandb/*/*.wandb")
	if len(files) == 0 {
		f.Fatal("no log")
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		f.Fatal(err)
	}
	return b
}

func readLog(b []byte) (n int, err error) {
	for record, err := range logRecords(bytes.NewReader(b)) {
		if err != nil {
			return n, err
		}
		g := &wandbGathered{config: document{}, summary: document{}, tags: map[string]string{}, run: &Run{}}
		if err := fields(record, g.record); err != nil {
			return n, err
		}
		if err := fields(record, func(f field) error { return pointsOf(f, map[string]float64{}, map[string]int64{}, func(Point) {}) }); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// TestLogCut holds that a log which was cut off anywhere gives the records before that, and that a flipped byte is an error.
func TestLogCut(t *testing.T) {
	whole := logOf(t)
	all, err := readLog(whole)
	if err != nil || all < 10 {
		t.Fatal(all, err)
	}
	last := 0
	for cut := frameBytes; cut < len(whole); cut += 13 {
		n, err := readLog(whole[:cut])
		if err != nil || n < last || n > all {
			t.Fatalf("%d bytes: %d records after %d, %v", cut, n, last, err)
		}
		last = n
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		bad := slices.Clone(whole)
		bad[frameBytes+r.IntN(len(bad)-frameBytes)] ^= 1 << r.IntN(8)
		n, err := readLog(bad)
		if err == nil && n == all {
			t.Fatal("a flipped bit was not noticed")
		}
	}
}

// TestLongRecord holds that a record may be longer than a block.
func TestLongRecord(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(wandbMagic + "\x00")
	want := bytes.Repeat([]byte("0123456789"), 10_000)
	writeRecord(&b, want)
	writeRecord(&b, []byte("short"))
	var got [][]byte
	for record, err := range logRecords(&b) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, bytes.Clone(record))
	}
	if len(got) != 2 || !bytes.Equal(got[0], want) || string(got[1]) != "short" {
		t.Errorf("%d records", len(got))
	}
}

func FuzzLog(f *testing.F) {
	f.Add(logOf(f))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = readLog(b) })
}

// FuzzRecord skips the sums, which keep mutants out.
func FuzzRecord(f *testing.F) {
	for record, err := range logRecords(bytes.NewReader(logOf(f))) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(record))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		var log bytes.Buffer
		log.WriteString(wandbMagic + "\x00")
		writeRecord(&log, b)
		_, _ = readLog(log.Bytes())
	})
}

func FuzzExport(f *testing.F) {
	f.Add("csv", []byte("Name,State\na,finished\n"))
	f.Add("json", []byte(`[{"id": "a", "summary": {"x": NaN}, "history": [{"_step": 1, "x": 2}]}]`))
	f.Add("jsonl", []byte("{\"id\": \"a\"}\n{}"))
	f.Fuzz(func(t *testing.T, kind string, b []byte) {
		if kind != "csv" && kind != "json" {
			kind = "jsonl"
		}
		path := filepath.Join(t.TempDir(), "x."+kind)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := OpenWandb(context.Background(), path, Options{})
		if err != nil {
			return
		}
		defer h.Close()
		for _, ref := range h.Runs {
			if r, err := h.Read(context.Background(), ref); err == nil {
				for range r.Points {
				}
			}
		}
	})
}

// writeRecord frames a record as W&B does.
func writeRecord(b *bytes.Buffer, record []byte) {
	for first := true; first || len(record) > 0; first = false {
		room := blockBytes - b.Len()%blockBytes
		if room < frameBytes {
			io.CopyN(b, zeros{}, int64(room))
			room = blockBytes
		}
		n := min(len(record), room-frameBytes)
		kind := byte(middlePiece)
		switch {
		case first && n == len(record):
			kind = wholeRecord
		case first:
			kind = firstPiece
		case n == len(record):
			kind = lastPiece
		}
		b.Write(frame(kind, record[:n]))
		record = record[n:]
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func frame(kind byte, data []byte) []byte {
	head := binary.LittleEndian.AppendUint32(nil, crc32.Update(crc32.ChecksumIEEE([]byte{kind}), crc32.IEEETable, data))
	head = append(binary.LittleEndian.AppendUint16(head, uint16(len(data))), kind)
	return append(head, data...)
}
