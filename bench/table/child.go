//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"

	"mlx/internal/dataset"
)

// readTable reads all columns of a file with mlx's reader, and prints the rows. It is a child of its own, so that the kernel counts it
// apart. A fourth argument is a file for a profile.
func readTable(args []string) error {
	if len(args) < 2 {
		return errors.New("child-read FILE WORKERS [PROFILE]")
	}
	workers, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if len(args) > 2 {
		out, err := os.Create(args[2])
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	file, err := dataset.FromFS(os.DirFS(filepath.Dir(args[0])), filepath.Base(args[0]), args[0])
	if err != nil {
		return err
	}
	ctx := context.Background()
	table, err := dataset.Open(ctx, []dataset.File{file}, dataset.Options{Workers: workers})
	if err != nil {
		return err
	}
	var rows int64
	var sum float64
	err = dataset.Fold(ctx, table, dataset.Request{}, dataset.Folding[float64]{
		Start: func() { rows, sum = 0, 0 },
		Part:  func(b *dataset.Batch) (float64, error) { return firsts(b), nil },
		Merge: func(s dataset.Span, first float64) error { rows, sum = rows+int64(s.Rows), sum+first; return nil },
	})
	fmt.Println(rows, sum, table.Schema())
	return errors.Join(err, table.Close())
}

// firsts touches each column of a batch, as proof that it is there.
func firsts(b *dataset.Batch) float64 {
	var sum float64
	for i := range b.Columns {
		c := &b.Columns[i]
		switch {
		case c.InTexts():
			sum += float64(len(c.Bytes(b.Rows - 1)))
		case c.Type == dataset.Float:
			sum += c.Floats[b.Rows-1]
		default:
			sum += float64(c.Ints[b.Rows-1] & 1)
		}
	}
	return sum
}
