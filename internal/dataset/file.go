package dataset

import (
	"context"
	"io"
)

// File is one file of a table, wherever it stands.
type File struct {
	Name string // as it is shown: a path, REF:PATH, a URL; its folders may hold partitions such as year=2013
	Size int64  // -1 when it is not known
	Open func(ctx context.Context) (io.ReadCloser, error)
	At   func(ctx context.Context) (Random, error) // nil where only Open works; then what needs it makes a temporary copy
}

// Random is a file that can be read anywhere.
type Random interface {
	io.ReaderAt
	io.Closer
}

// Options say how to read. The zero value infers everything.
type Options struct {
	Format   string   // "csv", "tsv", "jsonl" or "parquet"; empty: by name, then by content
	Schema   Schema   // types that are fixed: a value that does not fit is an error. Columns it does not name are inferred
	Exact    bool     // the table has exactly the columns of Schema
	Nulls    []string // words of a text file that mean missing; nil: the empty word, NA, N/A, n/a, null, NULL, None, NaT, #N/A
	Comma    rune     // separator of a text file; 0: inferred from , ; tab |
	NoHeader bool     // the first line of a CSV holds values; columns are called column_1, column_2, ...
	TimeZone string   // zone in which naive times are read; empty: they stay naive
	Workers  int      // that decode at once; 0: one for each core, at most 8
	Temp     string   // folder for temporary copies; needed when a file cannot be read anywhere
}

// Request says what to read of a table.
type Request struct {
	Columns []string // in this order; nil: all
}
