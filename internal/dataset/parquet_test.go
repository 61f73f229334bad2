package dataset

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// readWanted reads the values that testdata/parquet.py says are in a file.
func readWanted(t *testing.T, file string) map[string][]any {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(file, "parquet") + "json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

func comparePyarrow(t *testing.T, file string, workers int, want map[string][]any) {
	t.Helper()
	f, err := FromFS(os.DirFS(filepath.Dir(file)), filepath.Base(file), file)
	if err != nil {
		t.Fatal(err)
	}
	table, err := Open(context.Background(), []File{f}, Options{Workers: workers, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if err := table.Settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(table.Schema()) != len(want) {
		t.Fatalf("columns %v", table.Schema().Names())
	}
	row, wrong := 0, 0
	for b, err := range table.Batches(context.Background(), Request{}) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Columns {
			c := &b.Columns[i]
			for k := range b.Rows {
				if problem := differs(c, k, want[c.Name][row+k]); problem != "" && wrong < 10 {
					wrong++
					t.Errorf("%s row %d: %s", c.Name, row+k, problem)
				}
			}
		}
		row += b.Rows
	}
	for name, values := range want {
		if len(values) != row {
			t.Errorf("%s: %d rows, not %d", name, row, len(values))
		}
	}
}

// differs says how a value is not the expected one.
func differs(c *Column, i int, want any) string {
	if c.Missing.Has(i) || want == nil {
		if c.Missing.Has(i) != (want == nil) {
			return fmt.Sprintf("missing %v, want %v", c.Missing.Has(i), want)
		}
		return ""
	}
	if b, ok := want.(bool); ok {
		if c.Type != Bool || (c.Ints[i] != 0) != b {
			return fmt.Sprintf("%d, want %v", c.Ints[i], b)
		}
		return ""
	}
	text, got := fmt.Sprint(want), ""
	switch c.Type {
	case Float:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(v) != math.Float64bits(c.Floats[i]) && !(math.IsNaN(v) && math.IsNaN(c.Floats[i])) {
			return fmt.Sprintf("%v, want %s", c.Floats[i], text)
		}
		return ""
	case Date, Time, Clock:
		got = strconv.FormatInt(c.Ints[i], 10)
	case Bytes:
		got = hex.EncodeToString(c.Bytes(i))
	default:
		got = string(c.AppendText(nil, i))
	}
	if got != text {
		return fmt.Sprintf("%s, want %s", got, text)
	}
	return ""
}

func fixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/parquet/*.parquet")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	return files
}

// TestParquetFixtures reads files that testdata/parquet.py wrote by pyarrow.
func TestParquetFixtures(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) { comparePyarrow(t, file, 2, readWanted(t, file)) })
	}
}

// parquetBytes is a file of a table that is in memory.
func parquetBytes(name string, b []byte) File {
	return File{Name: name, Size: int64(len(b)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
		At:   func(context.Context) (Random, error) { return randomBytes{bytes.NewReader(b)}, nil }}
}

type randomBytes struct{ *bytes.Reader }

func (randomBytes) Close() error { return nil }

// readAll reads a table and returns its rows, or an error.
func readAll(f File, opts Options) (int, error) {
	ctx := context.Background()
	table, err := Open(ctx, []File{f}, opts)
	if err != nil {
		return 0, err
	}
	defer table.Close()
	rows := 0
	err = Fold(ctx, table, Request{}, Folding[int]{
		Start: func() { rows = 0 },
		Part: func(b *Batch) (int, error) {
			var text []byte
			for i := range b.Columns {
				for k := range b.Rows {
					text = b.Columns[i].AppendText(text[:0], k)
				}
			}
			return b.Rows, nil
		},
		Merge: func(_ Span, n int) error { rows += n; return nil },
	})
	return rows, err
}

// TestParquetBroken reads every fixture cut anywhere and with a bit turned anywhere: that is an error or other values, never a panic and
// never much memory.
func TestParquetBroken(t *testing.T) {
	for _, file := range fixtures(t) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		step := max(len(whole)/150, 1)
		for at := 0; at < len(whole); at += step {
			if _, err := readAll(parquetBytes("cut.parquet", whole[:at]), Options{Format: "parquet", Workers: 2}); err == nil {
				t.Errorf("%s cut at %d: no error", file, at)
			}
			if _, err := readAll(parquetBytes("cut.parquet", whole[at+1:]), Options{Format: "parquet", Workers: 2}); err == nil {
				t.Errorf("%s without its first %d bytes: no error", file, at+1)
			}
			broken := bytes.Clone(whole)
			broken[at] ^= 1 << (at % 8)
			_, err := readAll(parquetBytes("bit.parquet", broken), Options{Format: "parquet", Workers: 1})
			if err != nil && !strings.Contains(err.Error(), "bit.parquet") {
				t.Errorf("%s with a bit turned at %d: %v", file, at, err)
			}
		}
	}
}

// TestParquetChecksum turns bits in the pages of a file that has checksums: each is noticed, with its place.
func TestParquetChecksum(t *testing.T) {
	whole, err := os.ReadFile("testdata/parquet/checksums.parquet")
	if err != nil {
		t.Fatal(err)
	}
	footer := int(binary.LittleEndian.Uint32(whole[len(whole)-8:]))
	noticed := 0
	for at := 4; at < len(whole)-8-footer; at++ {
		broken := bytes.Clone(whole)
		broken[at] ^= 0x10
		rows, err := readAll(parquetBytes("x.parquet", broken), Options{Format: "parquet", Workers: 1})
		if err != nil && strings.Contains(err.Error(), "does not have its checksum") {
			noticed++
			if !strings.HasPrefix(err.Error(), "cannot read x.parquet: row group ") {
				t.Errorf("at %d: %v", at, err)
			}
		} else if err == nil && rows == 0 {
			t.Errorf("at %d: no rows and no error", at)
		}
	}
	if noticed < 200 {
		t.Errorf("only %d turned bits were noticed by a checksum", noticed)
	}
}

// TestParquetHostile says what is wrong with files that are none.
func TestParquetHostile(t *testing.T) {
	huge := append([]byte("PAR1some bytes in between"), 0xff, 0xff, 0xff, 0x7f)
	huge = append(huge, "PAR1"...)
	for name, c := range map[string]struct{ data, want string }{
		"empty":       {"", "it is empty"},
		"magic only":  {"PAR1", "it has 4 bytes"},
		"twice":       {"PAR1PAR1", "it has 8 bytes"},
		"csv":         {"a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n", "it does not begin with PAR1"},
		"footer":      {string(huge), "its metadata has 2147483647 bytes"},
		"encrypted":   {"PARE............PARE", "it is encrypted"},
		"no end":      {"PAR1 and then something else", "it is cut short"},
		"no start":    {"something else and then\x00\x00\x00\x00PAR1", "its start is missing"},
		"zero footer": {"PAR1 something\x00\x00\x00\x00PAR1", "cut short"},
		"many":        {footerFile([]byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f}), "cut short"}, // 4 billion elements
	} {
		_, err := readAll(parquetBytes("bad.parquet", []byte(c.data)), Options{Format: "parquet"})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot read bad.parquet: ") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// footerFile is a file that consists of metadata.
func footerFile(meta []byte) string {
	return string(append(binary.LittleEndian.AppendUint32(append([]byte("PAR1"), meta...), uint32(len(meta))), "PAR1"...))
}

// TestParquetRandomAccess reads a file that can only be read from its start, by a temporary copy that is removed.
func TestParquetSpool(t *testing.T) {
	whole, err := os.ReadFile("testdata/parquet/types.parquet")
	if err != nil {
		t.Fatal(err)
	}
	f, temp := parquetBytes("pipe.parquet", whole), t.TempDir()
	f.At, f.Size = nil, -1
	rows, err := readAll(f, Options{Temp: temp})
	left, _ := os.ReadDir(temp)
	if rows != 40 || err != nil || len(left) > 0 {
		t.Errorf("%d rows, %v, %d files left", rows, err, len(left))
	}
}

// TestParquetStops stops when it is told to.
func TestParquetStops(t *testing.T) {
	whole, err := os.ReadFile("testdata/parquet/types.parquet")
	if err != nil {
		t.Fatal(err)
	}
	table, err := Open(context.Background(), []File{parquetBytes("x.parquet", whole)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = Fold(ctx, table, Request{}, Folding[int]{Part: func(*Batch) (int, error) { return 0, nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestParquetSchema reads columns as other types that the user fixes.
func TestParquetSchema(t *testing.T) {
	whole, err := os.ReadFile("testdata/parquet/types.parquet")
	if err != nil {
		t.Fatal(err)
	}
	read := func(column string, to Field) error {
		to.Name = column
		table, err := Open(context.Background(), []File{parquetBytes("x.parquet", whole)}, Options{Schema: Schema{to}})
		if err != nil {
			return err
		}
		for b, err := range table.Batches(context.Background(), Request{Columns: []string{column}}) {
			if err != nil {
				return err
			}
			if b.Columns[0].Type != to.Type {
				t.Errorf("%s is %s, not %s", column, b.Columns[0].Type, to.Type)
			}
		}
		return nil
	}
	for _, c := range []struct {
		column string
		to     Type
		want   string
	}{{"int8", Float, ""}, {"few", Text, ""}, {"bool", Text, ""}, {"words", Int, `value "word `}, {"date", Text, ""}, {"uint64", Text, ""}} {
		err := read(c.column, Field{Type: c.to})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %s: %v", c.column, c.to, err)
		}
	}
}

// FuzzParquet reads anything.
func FuzzParquet(f *testing.F) {
	for _, file := range fixtures(f) {
		if b, err := os.ReadFile(file); err == nil && len(b) < 4_000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file := parquetBytes("fuzz.parquet", b)
		table, err := Open(t.Context(), []File{file}, Options{Format: "parquet", Workers: 1})
		if err != nil {
			return
		}
		rows := 0
		for batch, err := range table.Batches(t.Context(), Request{}) {
			if err != nil {
				return
			}
			if rows += batch.Rows; rows > 1<<12 {
				return // runs of missing values may be long
			}
			var text []byte
			for i := range batch.Columns {
				for k := range batch.Rows {
					text = batch.Columns[i].AppendText(text[:0], k)
				}
			}
		}
	})
}
