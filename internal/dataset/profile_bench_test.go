package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// BenchmarkProfile describes rows of ten columns such as a table of measurements has; ns/value is CPU when it runs with -cpu 1.
func BenchmarkProfile(b *testing.B) {
	const rows = 1 << 16
	rng := rand.New(rand.NewPCG(1, 2))
	batches := make([]*Batch, 40)
	for i := range batches {
		if i < 5 {
			batches[i] = benchBatch(rng, rows)
		} else {
			batches[i] = batches[i-5]
		}
	}
	var schema Schema
	for _, c := range batches[0].Columns {
		schema = append(schema, c.Field)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ProfileOf(b.Context(), tableOf(1, schema, batches...), ProfileOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(10*rows*float64(len(batches))), "ns/value")
}

func benchBatch(rng *rand.Rand, rows int) *Batch {
	batch := &Batch{Rows: rows}
	for i := range 10 {
		c := Column{Field: Field{Name: fmt.Sprint("c", i), Type: Float}}
		switch {
		case i < 4:
			for range rows {
				c.Floats = append(c.Floats, rng.NormFloat64())
			}
		case i < 5:
			for range rows {
				c.Floats = append(c.Floats, math.Round(rng.NormFloat64()*40))
			}
		case i < 8:
			c.Type = Int
			for range rows {
				c.Ints = append(c.Ints, rng.Int64N([]int64{12, 5000, math.MaxInt64}[i-5]))
			}
		default:
			c.Type, c.Texts = Text, new(Texts)
			n := []int{16, 40000}[i-8]
			for k := range n {
				c.Texts.Append(fmt.Appendf(nil, "value %d", k))
			}
			for range rows {
				c.Codes = append(c.Codes, uint32(rng.IntN(n)))
			}
		}
		batch.Columns = append(batch.Columns, c)
	}
	return batch
}
