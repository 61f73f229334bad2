// Package series hides how the points of many metrics lie in one file: by column and by name, so that one curve can be read
// without the others, and so that steps and times cost next to nothing. docs/format/series.md has the bytes.
package series

import (
	"mlx/internal/fault"
)

// Limits of version 1. A reader refuses a file that states more before it allocates anything.
const (
	MaxNames  = 10_000
	MaxName   = 250               // bytes
	MaxPoints = 10_000_000        // of all names together
	MaxWhole  = 1<<53 - 1         // of a step and, in milliseconds, of a time
	blockMax  = 1 << 15           // points in a block
	blockMin  = 2 + 3*2           // bytes of the shortest block: its form, and three streams of zeros
	blockSize = 27*blockMax + 256 // bytes of the longest block: 8 for each of step, time and value, and what zstd may add
	indexMax  = 4 << 20
	heldMax   = 1 << 20 // points that a Writer keeps in memory
)

const (
	magic    = "mlx series 1\n"
	tailMark = "mlx series 1 end"
	tailSize = 8 + 4 + 4 + len(tailMark)
)

// How the values of a block are kept.
const (
	asFloat32 = 0
	asFloat64 = 1
	asDecimal = 2 // whole numbers, to be divided by a power of ten
)

// maxScale is the largest power of ten that values are tried with.
const maxScale = 9

// Column is the curve of one name, in the order in which its points were written. All three have one length.
type Column struct {
	Name   string
	Steps  []int64
	Times  []int64 // milliseconds since 1970, 0 where it is not known
	Values []float64
}

// Len is the number of points.
func (c *Column) Len() int { return len(c.Values) }

func (c *Column) add(step, time int64, value float64) {
	c.Steps, c.Times, c.Values = append(c.Steps, step), append(c.Times, time), append(c.Values, value)
}

func (c *Column) reset() { c.Steps, c.Times, c.Values = c.Steps[:0], c.Times[:0], c.Values[:0] }

func damaged(format string, args ...any) error {
	return fault.New(fault.Integrity, "damaged series: "+format, args...)
}
