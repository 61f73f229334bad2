package drift

import (
	"math"
	"slices"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// rowFilter says which rows of a batch count by their time. It is used by several goroutines.
type rowFilter struct {
	rows     Rows
	at       int // place of the time column in the batch, or -1
	naive    bool
	date     bool
	from, to int64 // nanoseconds since 1970; of naive times as a clock on the wall shows them
}

// timeField checks that a column holds times.
func timeField(t *dataset.Table, name string) (dataset.Field, error) {
	schema := t.Schema()
	i := schema.Index(name)
	if i < 0 {
		return dataset.Field{}, t.NoColumn(name)
	}
	switch f := schema[i]; f.Type {
	case dataset.Time, dataset.Date, dataset.Null:
		return f, nil
	default:
		return f, fault.New(fault.Usage, "cannot take the time of a row from column %q: it is %s, not a time or date", name, typeName(f))
	}
}

func newRowFilter(rows Rows, f dataset.Field, at int) *rowFilter {
	r := &rowFilter{rows: rows, at: at, naive: f.Naive || f.Type == dataset.Date, date: f.Type == dataset.Date, from: math.MinInt64, to: math.MaxInt64}
	if !rows.From.IsZero() {
		r.from = r.wall(rows.From)
	}
	if !rows.To.IsZero() {
		r.to = r.wall(rows.To)
	}
	return r
}

// wall is a time as the column writes it.
func (r *rowFilter) wall(t time.Time) int64 {
	if !r.naive {
		return t.UnixNano()
	}
	zone := r.rows.Zone
	if zone == nil {
		zone = time.UTC
	}
	_, offset := t.In(zone).Zone()
	return t.UnixNano() + int64(offset)*int64(time.Second)
}

// seconds is the time of a column in seconds since 1970.
func (r *rowFilter) seconds(v int64) float64 {
	if r.naive && r.rows.Zone != nil {
		at := time.Unix(0, v).UTC()
		at = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), r.rows.Zone)
		v = at.UnixNano()
	}
	return float64(v) / 1e9
}

// bounded says whether times decide which rows count.
func (r *rowFilter) bounded() bool {
	return r.rows.Time != "" && (!r.rows.From.IsZero() || !r.rows.To.IsZero())
}

const (
	daySeconds = 86_400
	dayNanos   = daySeconds * int64(time.Second)
)

// nanos is the time of row i, which is there.
func (r *rowFilter) nanos(c *dataset.Column, i int) int64 {
	if !r.date {
		return c.Ints[i]
	}
	return scaled(c.Ints[i], dayNanos)
}

// scaled is v * by, or the end of the range.
func scaled(v, by int64) int64 {
	if v > math.MaxInt64/by {
		return math.MaxInt64
	}
	if v < math.MinInt64/by {
		return math.MinInt64
	}
	return v * by
}

// choose returns the rows of a batch that count.
func (r *rowFilter) choose(b *dataset.Batch, s *partScratch) chosen {
	if !r.bounded() {
		return chosen{n: b.Rows}
	}
	c := &b.Columns[r.at]
	s.chosen = s.chosen[:0]
	if c.Type == dataset.Null {
		return chosen{list: []int32{}}
	}
	for i := range b.Rows {
		if c.Missing.Has(i) {
			continue
		}
		if v := r.nanos(c, i); v >= r.from && v < r.to {
			s.chosen = append(s.chosen, int32(i))
		}
	}
	if len(s.chosen) == b.Rows {
		return chosen{n: b.Rows}
	}
	return chosen{n: len(s.chosen), list: s.chosen}
}

// timeRange is the first and the last time of rows, as the column writes them.
type timeRange struct{ first, last int64 }

func noRange() timeRange { return timeRange{math.MaxInt64, math.MinInt64} }

func (t *timeRange) take(times []int64) {
	for _, v := range times {
		if v != noTime {
			t.first, t.last = min(t.first, v), max(t.last, v)
		}
	}
}

func (t timeRange) seconds(r *rowFilter) [2]float64 {
	if t.first > t.last {
		return [2]float64{math.NaN(), math.NaN()}
	}
	return [2]float64{r.seconds(t.first), r.seconds(t.last)}
}

// noTime is the time of a row that has none.
const noTime = math.MinInt64

// times appends the time of each chosen row.
func (r *rowFilter) times(dst []int64, b *dataset.Batch, rows chosen) []int64 {
	c := &b.Columns[r.at]
	for k := range rows.n {
		i := rows.at(k)
		if c.Type == dataset.Null || c.Missing.Has(i) {
			dst = append(dst, noTime)
			continue
		}
		dst = append(dst, r.nanos(c, i))
	}
	return dst
}

// zoneDays tells the day of a time in a zone, without asking the zone for every row.
type zoneDays struct {
	zone     *time.Location
	from, to int64 // between these nanoseconds the offset holds
	offset   int64
}

func (z *zoneDays) day(v int64) int64 {
	if z.zone != nil && z.zone != time.UTC {
		if v < z.from || v >= z.to {
			z.look(v)
		}
		v += z.offset
	}
	return floorDiv(v, dayNanos)
}

func (z *zoneDays) look(v int64) {
	at := time.Unix(0, v).In(z.zone)
	start, end := at.ZoneBounds()
	_, offset := at.Zone()
	z.offset, z.from, z.to = int64(offset)*int64(time.Second), math.MinInt64, math.MaxInt64
	far := time.Unix(0, math.MaxInt64)
	if !start.IsZero() && start.After(time.Unix(0, math.MinInt64)) {
		z.from = start.UnixNano()
	}
	if !end.IsZero() && end.Before(far) {
		z.to = end.UnixNano()
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// without returns the names but for some.
func without(names []string, left ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(left, n) })
}
