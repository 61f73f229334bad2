package run

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/fault"
	"mlx/internal/run/internal/series"
)

// Limits of what a command may tell in $MLX_METRICS.
const (
	maxMetricsFile  = 256 << 20 // bytes of a file that a run wrote point by point
	maxMetricsBytes = 16 << 20  // of one object, and of a file of results
	maxMetrics      = 5000
	maxMetricName   = series.MaxName
	maxMetricsText  = 256 << 10 // of all names and numbers together, as a record keeps them
	maxMetricDepth  = 32
)

// systemPrefix begins the names of what the machine did. They are series and never results of a run.
const systemPrefix = "system/"

// ReadMetricsFile reads the results that a command wrote to a JSON file of its own: one object of numbers, or one a line.
// Nested names are joined with dots. Of a name that stands in several lines, the one with the highest step counts, and the
// last one of these. It returns the numbers that it could read beside an error that names file and line.
func ReadMetricsFile(path string) (map[string]Number, error) {
	t := newMetricsTable(nil)
	_, err := t.readFile(path, maxMetricsBytes)
	return t.values(), err
}

// metricsTable gathers points by their name: the value that counts of each, and all of them in a file of series.
type metricsTable struct {
	ids    map[string]int
	rows   []metricRow
	text   int            // bytes of names and numbers in a record
	series *series.Writer // nil where only results are asked for
}

type metricRow struct {
	name   string
	count  int64 // of points
	step   int64 // of value
	value  Number
	number int   // in the file of series
	line   int64 // that named it last
	at     int   // among the pairs of that line
}

func newMetricsTable(w *series.Writer) *metricsTable {
	return &metricsTable{ids: make(map[string]int), series: w}
}

// values returns the results: every name but those of the machine.
func (t *metricsTable) values() map[string]Number {
	all := t.all()
	maps.DeleteFunc(all, func(name string, _ Number) bool { return strings.HasPrefix(name, systemPrefix) })
	return all
}

func (t *metricsTable) all() map[string]Number {
	all := make(map[string]Number, len(t.rows))
	for _, row := range t.rows {
		if row.count > 0 {
			all[row.name] = row.value
		}
	}
	return all
}

// errLimit is what a file has too much of.
type errLimit string

func (e errLimit) Error() string { return string(e) }

// intern returns the place of a name, which is valid UTF-8.
func (t *metricsTable) intern(name []byte) (int, error) {
	if id, ok := t.ids[string(name)]; ok {
		return id, nil
	}
	if len(name) == 0 || len(name) > maxMetricName {
		return 0, errLimit("the name of a metric must have 1 to " + strconv.Itoa(maxMetricName) + " bytes")
	}
	if !utf8.Valid(name) {
		return 0, errLimit("not UTF-8 text")
	}
	if len(t.rows) == maxMetrics {
		return 0, errLimit("more than " + strconv.Itoa(maxMetrics) + " metrics")
	}
	const number = 24 // bytes of the longest, with its punctuation
	if t.text += len(name) + number; t.text > maxMetricsText {
		return 0, errLimit("more than " + strconv.Itoa(maxMetricsText) + " bytes of metrics")
	}
	row := metricRow{name: string(name)}
	if t.series != nil {
		var err error
		if row.number, err = t.series.Name(row.name); err != nil {
			return 0, err
		}
	}
	t.ids[row.name] = len(t.rows)
	t.rows = append(t.rows, row)
	return len(t.rows) - 1, nil
}

// add adds the points of one line.
func (t *metricsTable) add(l *metricsLine) error {
	for _, p := range l.pairs {
		row := &t.rows[p.id]
		step := row.count
		if l.hasStep {
			step = l.step
		}
		if row.count == 0 || step >= row.step {
			row.step, row.value = step, p.value
		}
		row.count++
		if t.series == nil {
			continue
		}
		err := t.series.Add(row.number, step, l.time, float64(p.value))
		if errors.Is(err, series.ErrFull) {
			return errLimit("more than " + strconv.Itoa(series.MaxPoints) + " points")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readFile adds what a file holds, if there is one. torn says that it ends in the middle of a line, as it does when its
// writer was killed: then the error is about that line and everything before it was read.
func (t *metricsTable) readFile(path string, limit int64) (torn bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot read the metrics: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot read the metrics: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fault.New(fault.Usage, "cannot read the metrics: %s is no file", path).
			Hint(metricsHint)
	}
	return t.read(path, f, limit)
}

func (t *metricsTable) read(path string, r io.Reader, limit int64) (torn bool, err error) {
	scan := &metricsScan{path: path, r: r, limit: limit, table: t, lineNumber: 1}
	scan.line.table = t
	return scan.all()
}

const metricsHint = `write JSON objects of numbers to $MLX_METRICS, one a line, as in {"step": 12, "auc": 0.741}`

func misread(path string, line int, why string) error {
	return fault.New(fault.Usage, "cannot read the metrics: line %d of %s: %s", line, path, why).
		In(fault.Position{File: path, Line: line}).Hint(metricsHint)
}
