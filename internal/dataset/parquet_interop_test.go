//go:build interop

package dataset

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestParquetOfPyarrow reads what pyarrow writes: every type, codec, encoding and pattern of missing values, and compares each value.
func TestParquetOfPyarrow(t *testing.T) {
	python := os.Getenv("MLX_TEST_PARQUET")
	if python == "" {
		t.Fatal("MLX_TEST_PARQUET is not set: export MLX_TEST_PARQUET=$(.ci/python internal/dataset/testdata/parquet.txt)")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, "testdata/parquet.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".parquet"), func(t *testing.T) {
			text, err := os.ReadFile(strings.TrimSuffix(file, "parquet") + "json")
			if err != nil {
				t.Fatal(err)
			}
			var want map[string][]any
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			for _, workers := range []int{1, 3} {
				comparePyarrow(t, file, workers, want)
			}
		})
	}
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
