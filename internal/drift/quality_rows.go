package drift

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// task is what predictions are of.
type task uint8

const (
	ofNumbers task = iota
	ofTwo
	ofClasses
)

// labelledRows are the labelled predictions in memory, in the order of the table.
type labelledRows struct {
	task     task
	score    []float64 // NaN: missing; nil: the table has none
	actual   []float64 // of binary 1 or 0; of classes NaN
	right    []bool    // of classes and binary: the predicted class is the true one
	time     []float64 // seconds since 1970; nil: unknown
	clusters []int32   // nil: rows are independent
	positive string    // the label of the positive class, of two
	places   []int64   // rows in the table of predictions, from 1
}

// load reads what calibration, streams and estimates need.
func (q Quality) load(ctx context.Context, l *Labelled) (*labelledRows, error) {
	r := &labelledRows{places: l.Places}
	cluster, day, zone := q.grouping(l)
	read := []string{l.LabelColumn}
	for _, name := range []string{q.Score, q.Class, cluster, q.Time} {
		if name != "" && !strings.ContainsRune(name, '*') && !slices.Contains(read, name) && l.Table.Schema().Index(name) >= 0 {
			read = append(read, name)
		}
	}
	c := collecting{rows: r, codes: map[string]int32{}, clusters: map[uint64]int32{}}
	var keys *clusterKeys
	if at := slices.Index(read, cluster+day); at >= 0 { // grouping names one of them, or none
		keys = &clusterKeys{at: at}
	}
	if keys != nil && day != "" {
		location, err := Zone(zone)
		if err == nil {
			*keys, err = dayKeys(l.Table, day, location, keys.at)
		}
		if err != nil {
			return nil, q.unsound("%w", err)
		}
	}
	for b, err := range l.Table.Batches(ctx, dataset.Request{Columns: read}) {
		if err != nil {
			return nil, err
		}
		column := func(name string) *dataset.Column {
			if i := slices.Index(read, name); name != "" && i >= 0 {
				return &b.Columns[i]
			}
			return nil
		}
		c.take(b.Rows, column(l.LabelColumn), column(q.Score), column(q.Class), column(q.Time))
		if keys != nil {
			c.group(keys.append(nil, b, chosen{n: b.Rows}))
		}
	}
	c.finish(q)
	return r, nil
}

// collecting is labelledRows on their way.
type collecting struct {
	rows     *labelledRows
	names    []string
	codes    map[string]int32
	text     []byte
	label    []int32
	class    []int32
	clusters map[uint64]int32
}

func (c *collecting) take(rows int, label, score, class, at *dataset.Column) {
	for i := range rows {
		c.label = append(c.label, c.code(label, i))
		if score != nil {
			c.rows.score = append(c.rows.score, score.Number(i))
		}
		if class != nil {
			c.class = append(c.class, c.code(class, i))
		}
		if at != nil {
			c.rows.time = append(c.rows.time, secondsOf(at, i))
		}
	}
}

// secondsOf is the time in row i in seconds since 1970; NaN where there is none.
func secondsOf(c *dataset.Column, i int) float64 {
	v := c.Number(i)
	if c.Type == dataset.Date {
		return v * daySeconds
	}
	return v
}

// group numbers the clusters of rows.
func (c *collecting) group(keys []uint64) {
	for _, key := range keys {
		number, known := c.clusters[key]
		if !known {
			number = int32(len(c.clusters))
			c.clusters[key] = number
		}
		c.rows.clusters = append(c.rows.clusters, number)
	}
}

func (c *collecting) code(column *dataset.Column, i int) int32 {
	if column.Missing.Has(i) {
		return -1
	}
	c.text = cellText(c.text[:0], column, i)
	code, known := c.codes[string(c.text)]
	if !known {
		code = int32(len(c.names))
		c.names = append(c.names, string(c.text))
		c.codes[c.names[code]] = code
	}
	return code
}

// finish tells what the predictions are of, and what is true of each row.
func (c *collecting) finish(q Quality) {
	r := c.rows
	used := map[int32]bool{}
	for _, code := range c.label {
		used[code] = true
	}
	inUnit := r.score != nil
	for _, s := range r.score {
		inUnit = inUnit && !(s < 0 || s > 1)
	}
	values := make([]float64, len(c.names))
	allNumbers := true
	for i, name := range c.names {
		v, err := strconv.ParseFloat(name, 64)
		values[i] = v
		allNumbers = allNumbers && err == nil
	}
	r.actual = make([]float64, len(c.label))
	positive, two := c.positive(q, used)
	switch {
	case two && (inUnit || r.score == nil || c.class != nil):
		r.task = ofTwo
		if positive >= 0 {
			r.positive = c.names[positive]
		}
		for i, code := range c.label {
			if code == positive {
				r.actual[i] = 1
			}
		}
	case r.score != nil && c.class == nil && allNumbers:
		r.task = ofNumbers
		for i, code := range c.label {
			r.actual[i] = values[code]
		}
		return
	default:
		r.task = ofClasses
		for i := range r.actual {
			r.actual[i] = math.NaN()
		}
	}
	c.decide(q, positive)
}

// decide says of each row whether the predicted class is the true one.
func (c *collecting) decide(q Quality, positive int32) {
	r := c.rows
	threshold := 0.5
	if q.Threshold != nil {
		threshold = *q.Threshold
	}
	r.right = make([]bool, len(c.label))
	for i := range r.right {
		switch {
		case c.class != nil && r.task == ofTwo:
			r.right[i] = (c.class[i] == positive) == (r.actual[i] == 1)
		case c.class != nil:
			r.right[i] = c.class[i] == c.label[i]
		case r.score != nil && r.task == ofTwo:
			r.right[i] = (r.score[i] >= threshold) == (r.actual[i] == 1)
		}
	}
}

// positive finds the positive label as gates do: the one that is named, else 1 or true, else the greater one. two says that there are not
// more than two labels, or that one is named: then all others count as one.
func (c *collecting) positive(q Quality, used map[int32]bool) (code int32, two bool) {
	if q.Positive != nil {
		text := strings.ToLower(scalarText(q.Positive))
		same := map[string]string{"1": "true", "true": "1"}[text]
		for i, name := range c.names {
			if lower := strings.ToLower(name); lower == text || lower == same {
				return int32(i), true
			}
		}
		return -1, true
	}
	if len(used) > 2 {
		return -1, false
	}
	code = -1
	best := ""
	for label := range used {
		if label < 0 {
			continue
		}
		name := strings.ToLower(c.names[label])
		switch {
		case name == "1" || name == "true":
			return label, true
		case len(used) == 1: // nothing says that it is the positive one
		case code < 0 || lessName(best, name):
			code, best = label, name
		}
	}
	return code, true
}

// lessName orders labels: numbers by size before all else, then texts.
func lessName(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case errX == nil && errY == nil:
		return x < y
	case (errX == nil) != (errY == nil):
		return errX == nil
	}
	return a < b
}

func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// unsound is the error for predictions that cannot be judged as they are.
func (q Quality) unsound(format string, args ...any) error {
	return fault.New(fault.Usage, "cannot judge "+q.Monitor+": "+format, args...).In(q.At)
}
