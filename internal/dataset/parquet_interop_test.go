//go:build interop

package dataset

import (
	"os"
	"os/exec"
	"path/filepath"
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
	if out, err := exec.Command(python, "testdata/parquet.py", dir, "3000").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".parquet"), func(t *testing.T) {
			want := readWanted(t, file)
			for _, workers := range []int{1, 3} {
				comparePyarrow(t, file, workers, want)
			}
		})
	}
}
