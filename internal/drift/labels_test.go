package drift

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mlx/internal/dataset"
)

// inMemory is a file in memory.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// csvTable opens a CSV in memory.
func csvTable(t testing.TB, name, text string) *dataset.Table {
	t.Helper()
	f := dataset.File{Name: name, Size: int64(len(text)),
		Open: func(context.Context) (io.ReadCloser, error) { return inMemory{bytes.NewReader([]byte(text))}, nil },
		At:   func(context.Context) (dataset.Random, error) { return inMemory{bytes.NewReader([]byte(text))}, nil }}
	table, err := dataset.Open(context.Background(), []dataset.File{f}, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	return table
}

// TestCountAgainstMaps joins many small random tables, with and without the disk, and counts the same with maps.
func TestCountAgainstMaps(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for trial := range 60 {
		var predictions, known, added strings.Builder
		predictions.WriteString("id,at\n")
		known.WriteString("id,label\n")
		added.WriteString("id,label\n")
		predicted, before, said := map[int]int{}, map[int]int{}, map[int]int{}
		for range r.IntN(200) {
			id := r.IntN(60)
			predicted[id]++
			fmt.Fprintf(&predictions, "%d,2026-05-01T08:00:00Z\n", id)
		}
		for range r.IntN(80) {
			id := r.IntN(60)
			before[id] = r.IntN(2)
			fmt.Fprintf(&known, "%d,%d\n", id, before[id])
		}
		var want LabelCounts
		for range r.IntN(80) {
			id := r.IntN(80)
			want.Rows++
			label, again := said[id]
			switch {
			case r.IntN(10) == 0:
				want.Empty++
				fmt.Fprintf(&added, "%d,\n", id)
				continue
			case again:
				want.Duplicates++
			default:
				label = r.IntN(2)
			}
			said[id] = label
			fmt.Fprintf(&added, "%d,%d\n", id, label)
		}
		matched, unknown, missing := int64(0), int64(0), int64(0)
		for id, label := range said {
			old, knew := before[id]
			switch {
			case !knew:
				want.New++
			case old != label:
				want.Corrected++
			default:
				want.Repeated++
			}
			if predicted[id] > 0 {
				matched++
			} else {
				unknown++
			}
		}
		for id, n := range predicted {
			_, a := before[id]
			_, b := said[id]
			if !a && !b {
				missing += int64(n)
			}
		}
		if len(said) == 0 || len(predicted) == 0 || len(before) == 0 {
			continue // a column without values has no type worth a look
		}
		l := Labelling{
			Added:       LabelTable{"added.csv", csvTable(t, "added.csv", added.String()), "id", "label"},
			Known:       []LabelTable{{"known.csv", csvTable(t, "known.csv", known.String()), "id", "label"}},
			Predictions: &Predictions{Source: Source{Name: "p.csv", Table: csvTable(t, "p.csv", predictions.String())}, ID: "id", Time: "at"},
			At:          time.Date(2026, 5, 3, 9, 30, 0, 0, time.UTC),
		}
		got, err := l.Count(context.Background(), LabelOptions{Temp: t.TempDir(), Memory: int64(512 + trial%2*(1<<20))})
		if err != nil {
			t.Fatalf("trial %d: %v", trial, err)
		}
		if got.Rows != want.Rows || got.Empty != want.Empty || got.Duplicates != want.Duplicates || got.New != want.New ||
			got.Corrected != want.Corrected || got.Repeated != want.Repeated || *got.Matched != matched || *got.Unknown != unknown || *got.Missing != missing {
			t.Fatalf("trial %d: got %+v (matched %d unknown %d missing %d), want %+v (%d %d %d)", trial, got, *got.Matched, *got.Unknown, *got.Missing,
				want, matched, unknown, missing)
		}
		if matched > 0 && *got.Age != 49*3600 {
			t.Fatalf("trial %d: median age %v", trial, *got.Age)
		}
	}
}

func TestContradictionNamesBothRows(t *testing.T) {
	l := Labelling{Added: LabelTable{"added.csv", csvTable(t, "added.csv", "id,label\n1,a\n2,b\n1,c\n2,d\n"), "id", "label"}}
	_, err := l.Count(context.Background(), LabelOptions{Temp: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), `id "1" is "a" in row 1 and "c" in row 3`) {
		t.Fatalf("got %v", err)
	}
}

// TestLabelledRows: later tables win over earlier ones, and all over what stands beside the score; types stay as they are.
func TestLabelledRows(t *testing.T) {
	p := Predictions{Source: Source{Name: "p.csv", Table: csvTable(t, "p.csv",
		"id,score,label,zip,at\n1,0.5,0,007,2026-05-01T08:00:00Z\n2,0.25,,008,2026-05-02T08:00:00Z\n3,0.75,1,NA,2026-05-03T08:00:00Z\n4,0.1,,009,2026-05-04T08:00:00Z\n")},
		ID: "id", Score: "score", Label: "label", Time: "at"}
	tables := []LabelTable{
		{"a.csv", csvTable(t, "a.csv", "id,label\n2,0\n1,0\n"), "id", "label"},
		{"b.csv", csvTable(t, "b.csv", "id,label\n1,1\n9,1\n"), "id", "label"},
	}
	l, err := p.Labelled(context.Background(), tables, nil, LabelOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rows, err := l.Table.Head(context.Background(), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		var cells []string
		for _, c := range row {
			if c == nil {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, *c)
		}
		got = append(got, strings.Join(cells, " "))
	}
	want := "1 0.5 007 2026-05-01T08:00:00Z 1|2 0.25 008 2026-05-02T08:00:00Z 0|3 0.75 - 2026-05-03T08:00:00Z 1"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	if l.Rows != 4 || l.Labelled != 3 || l.Corrected != 1 || l.OldestHalf != 1 || l.NewestHalf != 0.5 {
		t.Errorf("%+v", l)
	}
	if schema := l.Table.Schema().String(); !strings.Contains(schema, "zip text") || !strings.Contains(schema, "at time") {
		t.Errorf("schema %s", schema)
	}

	p.Rows = Rows{Time: "at", From: time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)}
	windowed, err := p.Labelled(context.Background(), tables, []string{"id"}, LabelOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer windowed.Close()
	if windowed.Rows != 2 || windowed.Labelled != 2 || fmt.Sprint(windowed.Places) != "[2 3]" {
		t.Errorf("of the window %+v", windowed)
	}
}

// TestLabelledTimeIsNone: a window of a column that has no times is refused, as of data: else no prediction of it would count.
func TestLabelledTimeIsNone(t *testing.T) {
	p := Predictions{Source: Source{Name: "p.csv", Table: csvTable(t, "p.csv", "id,score,label,at\n1,0.5,0,morning\n2,0.25,1,noon\n"),
		Rows: Rows{Time: "at", From: time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC)}}, ID: "id", Score: "score", Label: "label", Time: "at"}
	if _, err := p.Labelled(t.Context(), nil, nil, LabelOptions{Temp: t.TempDir()}); err == nil || !strings.Contains(err.Error(), `column "at": it is text, not a time or date`) {
		t.Errorf("got %v", err)
	}
}

// FuzzEntry: whatever stands on disk is read as what was written, or refused.
func FuzzEntry(f *testing.F) {
	s := labelSpill{limit: 1 << 20}
	for _, e := range []labelEntry{{key: [2]uint64{1, 2}, row: 3, at: 4}, {key: [2]uint64{256, 0}, rank: 7, row: 1 << 40, text: []byte("late")}, {text: []byte{}}} {
		if err := s.add(e); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(s.parts[0])
	f.Add(s.parts[1])
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			e, rest, err := readEntry(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) || len(e.text) > len(b) {
				t.Fatal("an entry of nothing")
			}
			b = rest
		}
	})
}
