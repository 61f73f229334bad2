//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/bench/internal/measure"
)

const (
	steps = 100_000 // of one: values have five decimals, so that all of them can be counted
	reach = 8       // no value is further from zero
)

// counted is how often each value of a column was written.
type counted struct {
	n  int64
	of []uint32
}

func newCounted() *counted { return &counted{of: make([]uint32, 2*reach*steps+1)} }

// append writes a value and counts it.
func (c *counted) append(dst []byte, v float64) []byte {
	k := int(v * steps)
	k = min(max(k, -reach*steps), reach*steps)
	c.of[k+reach*steps]++
	c.n++
	if k < 0 {
		dst, k = append(dst, '-'), -k
	}
	dst = append(strconv.AppendInt(dst, int64(k/steps), 10), '.')
	rest := k % steps
	for by := steps / 10; by > 0; by /= 10 {
		dst = append(dst, byte('0'+rest/by%10))
	}
	return dst
}

// between counts the values in bins with interior edges.
func (c *counted) between(edges []float64) []int64 {
	bins := make([]int64, len(edges)+1)
	at := 0
	for k, n := range c.of {
		v := float64(k-reach*steps) / steps
		for at < len(edges) && edges[at] <= v {
			at++
		}
		bins[at] += int64(n)
	}
	return bins
}

// generator makes rows of two columns: one that is measured, and one that is mostly zero.
type generator struct {
	rng    *rand.Rand
	rows   int
	shift  float64
	counts map[string]*counted
}

const schemaOfTwo = "columns:\n  amount: {type: float}\n  rain: {type: float}\n"

func newGenerator(seed uint64, rows int, shift float64) *generator {
	return &generator{rand.New(rand.NewPCG(seed, 1)), rows, shift, map[string]*counted{"amount": newCounted(), "rain": newCounted()}}
}

func (g *generator) write(w io.Writer) error {
	if _, err := io.WriteString(w, "amount,rain\n"); err != nil {
		return err
	}
	amount, rain := g.counts["amount"], g.counts["rain"]
	buf := make([]byte, 0, 1<<16)
	for range g.rows {
		wet := 0.0
		if g.rng.Uint32() < 1<<28 {
			wet = g.rng.ExpFloat64() * (1 + g.shift)
		}
		buf = append(amount.append(buf, g.rng.NormFloat64()+g.shift), ',')
		buf = append(rain.append(buf, wet), '\n')
		if len(buf) > 1<<16-64 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(buf)
	return err
}

// tableOfTwenty measures how large the profile of a table of 1M rows and 20 columns is.
func tableOfTwenty(mlx, dir string, report *measure.Report) error {
	rng := rand.New(rand.NewPCG(3, 1))
	var names, types strings.Builder
	types.WriteString("columns:\n")
	for k := range 20 {
		fmt.Fprintf(&names, ",c%d", k)
		fmt.Fprintf(&types, "  c%d: {type: %s}\n", k, []string{"float", "text"}[k/15])
	}
	_, err := profile(mlx, dir, "twenty.prof", types.String(), func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		if _, err := b.WriteString(names.String()[1:] + "\n"); err != nil {
			return err
		}
		var row []byte
		for range 1_000_000 {
			row = row[:0]
			for k := range 20 {
				if k >= 15 {
					row = strconv.AppendInt(append(row, ",v"...), int64(rng.IntN(3+9*(k-15))), 10)
					continue
				}
				row = append(row, ',')
				row = strconv.AppendFloat(row, []float64{rng.NormFloat64(), rng.Float64() * 100, rng.ExpFloat64()}[k%3], 'g', 12, 64)
			}
			if _, err := b.Write(append(row[1:], '\n')); err != nil {
				return err
			}
		}
		return b.Flush()
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, "twenty.prof"))
	if err != nil {
		return err
	}
	report.Add(measure.Line{Measure: "profile of 1M rows x 20", Value: float64(info.Size()) / 1e6, Unit: "MB", Bar: 1})
	return nil
}
