package dataset

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// odd makes a CSV whose fields need quotes here and there, and whose types widen late.
func odd(rows int, crlf bool) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = crlf
	rng := rand.New(rand.NewPCG(3, 4))
	_ = w.Write([]string{"id", "n", "f", "text", "few", "day", "late"})
	for i := range rows {
		text := strings.Repeat("é\"\n,x"[:rng.IntN(7)], rng.IntN(4))
		late := ""
		if i > rows/2 {
			late = "2013-01-01"
		}
		n := fmt.Sprint(i)
		if i == rows-1 {
			n = "1.5"
		}
		_ = w.Write([]string{fmt.Sprint(rng.Int64()), n, fmt.Sprint(rng.Float64()), strings.ToValidUTF8(text, ""), []string{"a", "b,", ""}[rng.IntN(3)], fmt.Sprintf("2013-02-%02d", 1+i%28), late})
	}
	w.Flush()
	return b.String()
}

// TestFoldsTheSame holds that neither the number of workers nor the size of chunks changes what is read.
func TestFoldsTheSame(t *testing.T) {
	var lines strings.Builder
	for i := range 300 {
		fmt.Fprintf(&lines, "{\"a\":%d,\"b\":\"x\\n%d\"", i, i)
		if i == 200 {
			lines.WriteString(`,"late":[1, 2],"a2":"later"`)
		}
		lines.WriteString("}\n")
	}
	array := "[" + strings.ReplaceAll(strings.TrimSuffix(lines.String(), "\n"), "}\n", "} ,\n") + "]"
	for name, c := range map[string]struct{ format, content string }{
		"csv": {"", odd(400, false)}, "csv, CRLF": {"", odd(400, true)}, "jsonl": {"jsonl", lines.String()}, "array": {"jsonl", array},
	} {
		t.Run(name, func(t *testing.T) {
			want := ""
			for _, size := range []int{textBlock, 16, 100, 1000, 5000} {
				for _, workers := range []int{1, 2, 8} {
					tab, err := chunked(inMemory("t", c.content), Options{Format: c.format, Workers: workers}, size)
					if err != nil {
						t.Fatal(err)
					}
					if err := tab.Settle(context.Background()); err != nil {
						t.Fatal(err)
					}
					got, err := dump(tab)
					if err != nil {
						t.Fatalf("chunks of %d, %d workers: %v", size, workers, err)
					}
					if want == "" {
						want = got
						if strings.Count(got, "\n") < 300 {
							t.Fatalf("only %s", got)
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("chunks of %d, %d workers:\n%.2000s", size, workers, diff)
					}
				}
			}
		})
	}
}

// TestFewRestarts holds that columns which widen one after the other do not each cost a reading of all that is before them.
func TestFewRestarts(t *testing.T) {
	const columns, each = 40, 50
	var csv, lines, want strings.Builder
	for k := range columns {
		fmt.Fprintf(&csv, "c%d,", k)
		fmt.Fprintf(&want, "c%d float, ", k)
	}
	csv.WriteString("end\n")
	want.WriteString("end int\n")
	for i := range columns * each {
		lines.WriteString(`{"end":1`)
		for k := range columns {
			if i == k*each+each/2 {
				csv.WriteString("1")
			} else if i > k*each+each/2 {
				csv.WriteString("2.5")
			}
			csv.WriteByte(',')
			if i > k*each {
				fmt.Fprintf(&lines, `,"c%d":%d.5`, k, i)
			}
		}
		csv.WriteString("1\n")
		lines.WriteString("}\n")
	}
	for format, content := range map[string]string{"csv": csv.String(), "jsonl": lines.String()} {
		for _, workers := range []int{1, 4} {
			opened, file := 0, inMemory("t", content)
			open := file.Open
			file.Open = func(ctx context.Context) (io.ReadCloser, error) { opened++; return open(ctx) }
			tab, err := chunked(file, Options{Format: format, Workers: workers}, 1000)
			if err != nil {
				t.Fatal(err)
			}
			starts, rows := 0, 0
			err = Fold(context.Background(), tab, Request{}, Folding[int]{
				Start: func() { starts++; rows = 0 },
				Part:  func(b *Batch) (int, error) { return b.Rows, nil },
				Merge: func(_ Span, n int) error { rows += n; return nil },
			})
			if err != nil || rows != columns*each || starts > 12 {
				t.Errorf("%s, %d workers: %d rows, begun %d times, %v", format, workers, rows, starts, err)
			}
			got := strings.Split(tab.Schema().String(), ", ")
			if format == "csv" && tab.Schema().String()+"\n" != want.String() || len(got) != columns+1 {
				t.Errorf("%s: %s", format, tab.Schema())
			}
			if format == "jsonl" && (got[0] != "end int" || got[1] != "c0 float" || got[columns] != fmt.Sprintf("c%d float", columns-1)) {
				t.Errorf("%s: %s", format, tab.Schema())
			}
			if err := tab.Settle(context.Background()); err != nil || opened != starts+1 {
				t.Errorf("%s: opened %d times for %d readings: %v", format, opened, starts, err)
			}
		}
	}
}

// TestFirstErrorWins holds that of several flaws the first in the file is told, whatever worker finds which first.
func TestFirstErrorWins(t *testing.T) {
	content := "a,b\n" + strings.Repeat("1,2\n", 500) + "3\n" + strings.Repeat("1,2\n", 500) + "4,5,6\n7,\xff\n"
	for range 20 {
		tab, err := chunked(inMemory("t", content), Options{Workers: 8}, 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = dump(tab); err == nil || err.Error() != "cannot read t: line 502 has 1 value, the table 2 columns" {
			t.Fatal(err)
		}
	}
}

func TestWhy(t *testing.T) {
	content := "a,b,c\n" + strings.Repeat("1,2,x\n", 500) + "n.a.,2.5,y\n" + strings.Repeat("1,2,x\n", 500)
	for _, size := range []int{64, textBlock} {
		tab, err := chunked(inMemory("t", content), Options{}, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := tab.Settle(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := Schema{
			{Name: "a", Type: Text, Why: &Place{File: "t", Line: 502, Column: "a", Value: "n.a."}},
			{Name: "b", Type: Float, Why: &Place{File: "t", Line: 502, Column: "b", Value: "2.5"}},
			{Name: "c", Type: Text},
		}
		if diff := cmp.Diff(want, tab.Schema()); diff != "" {
			t.Errorf("chunks of %d: %s", size, diff)
		}
	}
}

func TestColumnsAsked(t *testing.T) {
	tab, err := chunked(inMemory("t", odd(100, false)), Options{}, 500)
	if err != nil {
		t.Fatal(err)
	}
	all, err := dump(tab, "n", "id")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(all, "\n")
	if len(lines) != 102 || !strings.HasPrefix(lines[1], "0|") {
		t.Errorf("%d lines, the first %q", len(lines), lines[1])
	}
	if _, err := dump(tab, "none"); err == nil {
		t.Error("a column that is not there was read")
	}
	// Structure is checked for all columns, wanted or not.
	bad, err := chunked(inMemory("t", "a,b\n1,2\n3\n"), Options{}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dump(bad, "a"); err == nil {
		t.Error("a ragged row went unseen")
	}
}

func TestDictionary(t *testing.T) {
	var b strings.Builder
	b.WriteString("few,many,none\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "%s,v%d,\n", []string{"x", "y", "NA"}[i%3], i)
	}
	tab, err := chunked(inMemory("t", b.String()), Options{}, textBlock)
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range tab.Batches(context.Background(), Request{}) {
		if err != nil {
			t.Fatal(err)
		}
		few, many := batch.Columns[0], batch.Columns[1]
		if few.Codes == nil || few.Texts.Len() != 3 || many.Codes != nil || many.Texts.Len() != 2000 {
			t.Errorf("few: %v of %d, many: %v of %d", few.Codes != nil, few.Texts.Len(), many.Codes != nil, many.Texts.Len())
		}
		for i := range batch.Rows {
			want := []string{"x", "y", ""}[i%3]
			if got := string(few.Bytes(i)); got != want || few.Missing.Has(i) != (want == "") || string(many.Bytes(i)) != fmt.Sprintf("v%d", i) {
				t.Fatalf("row %d: %q, %q", i, got, many.Bytes(i))
			}
		}
	}
}

func TestUnite(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		opts  Options
		want  string
	}{
		"by name":            {files: []string{"a,b\n1,x\n", "b,c\ny,2013-01-01\n"}, want: "a int, b text, c date\n1|x|<nil>\n<nil>|y|2013-01-01\n"},
		"int and float":      {files: []string{"a\n1\n", "a\n2.5\n"}, want: "a float\n1\n2.5\n"},
		"int and text":       {files: []string{"a\n1\n", "a\nx\n"}, want: "a text\n1\nx\n"},
		"empty and int":      {files: []string{"a\nNA\n", "a\n1\n"}, want: "a int\n<nil>\n1\n"},
		"a large id, floats": {files: []string{"a\n9007199254740993\n", "a\n2.5\n"}, want: "a text\n9007199254740993\n2.5\n"},
		"date and time":      {files: []string{"a\n2013-01-01\n", "a\n2013-01-01 10:00\n"}, want: "a time\n2013-01-01T00:00:00\n2013-01-01T10:00:00\n"},
		"date, time, a zone": {files: []string{"a\n2013-01-01\n", "a\n2013-01-01 10:00\n"}, opts: Options{TimeZone: "Europe/Berlin"}, want: "a time\n2012-12-31T23:00:00Z\n2013-01-01T09:00:00Z\n"},
		"zones":              {files: []string{"a\n2013-01-01 10:00Z\n", "a\n2013-01-01 10:00\n"}, want: "a text\n2013-01-01 10:00Z\n2013-01-01 10:00\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var files []File
			for i, content := range c.files {
				files = append(files, inMemory(fmt.Sprintf("%d.csv", i), content))
			}
			tab, err := Open(context.Background(), files, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := dump(tab)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
