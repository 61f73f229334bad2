package measure

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Line is one measure beside its peer and its bar.
type Line struct {
	Measure string
	Value   float64
	Unit    string  // "s", "ms", "MiB", "MB", "x", "files", ...
	Peer    string  // "dvc add", empty when there is none
	Theirs  float64 // in the same unit
	Bar     float64 // the limit for Value, 0 when it is only shown
	AtLeast bool    // the bar is a lower limit
}

// Report prints lines as they come and remembers how many missed.
type Report struct {
	Out      io.Writer
	NoBars   bool // a workload of another size than the bars are for
	Met      int
	Missed   int
	headings bool
}

const widths = "%-46s %12s  %-16s %12s %8s  %12s  %s\n"

// Add prints one line.
func (r *Report) Add(l Line) {
	if !r.headings {
		r.headings = true
		r.print("MEASURE", "MLX", "PEER", "THEIRS", "RATIO", "BAR", "")
	}
	theirs, ratio, bar, verdict := "", "", "", ""
	if l.Peer != "" && l.Theirs > 0 {
		theirs = quantity(l.Theirs, l.Unit)
		if l.Value > 0 {
			ratio = fmt.Sprintf("%.2f", l.Theirs/l.Value)
		}
	}
	if l.Bar > 0 {
		sign, met := "<= ", l.Value <= l.Bar
		if l.AtLeast {
			sign, met = ">= ", l.Value >= l.Bar
		}
		bar = sign + quantity(l.Bar, l.Unit)
		switch {
		case r.NoBars:
			verdict = "not judged"
		case met:
			r.Met++
			verdict = "met"
		default:
			r.Missed++
			verdict = "MISSED"
		}
	}
	r.print(l.Measure, quantity(l.Value, l.Unit), l.Peer, theirs, ratio, bar, verdict)
}

// Row is a part of a program that can be asked for by its name.
type Row struct {
	Name string
	Do   func() error
}

// Run does the rows that only names, with commas between them, or all of them when it is empty, and says how many bars were met. A bar that
// was missed is an error.
func (r *Report) Run(only string, rows ...Row) error {
	for _, row := range rows {
		if only != "" && !slices.Contains(strings.Split(only, ","), row.Name) {
			continue
		}
		if err := row.Do(); err != nil {
			return fmt.Errorf("%s: %w", row.Name, err)
		}
	}
	fmt.Fprintf(r.Out, "%d bars met, %d missed\n", r.Met, r.Missed)
	if r.Missed > 0 {
		return errors.New("bars were missed")
	}
	return nil
}

func (r *Report) print(columns ...any) {
	fmt.Fprintln(r.Out, strings.TrimRight(fmt.Sprintf(strings.TrimSuffix(widths, "\n"), columns...), " "))
}

func quantity(v float64, unit string) string {
	switch {
	case unit == "files" || v >= 1000:
		return fmt.Sprintf("%.0f %s", v, unit)
	case v >= 100:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

// Milliseconds of a time.
func Milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
