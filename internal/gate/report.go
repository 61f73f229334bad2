package gate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// What every form of a report shares: the order of the findings, numbers in words, and what is said beside the table.

// tool names what judged.
func (v View) tool() string {
	if v.Tool == "" {
		return "gate"
	}
	return v.Tool
}

// recorded is the verdict and the record that keeps it; of two tables that are compared outside a repository nothing is kept.
func (v View) recorded() string {
	if v.Record.IsZero() {
		return string(v.Verdict)
	}
	return string(v.Verdict) + ", verdict " + v.Record.Short()
}

// Parted are the findings of a gate as they are read: what did not pass, the worst first, and what passed.
func (g Result) Parted() (open, passed []Finding) {
	order := []string{"fail", "inconclusive", "waived", "warn"}
	for _, f := range g.Checks {
		if f.Verdict == Pass {
			passed = append(passed, f)
		} else {
			open = append(open, f)
		}
	}
	slices.SortStableFunc(open, func(a, b Finding) int { return slices.Index(order, a.Word()) - slices.Index(order, b.Word()) })
	return open, passed
}

// Notes are what is to be known about the findings that passed, each thing once.
func (g Result) Notes() []string {
	_, passed := g.Parted()
	var notes []string
	for _, f := range passed {
		if f.Note != "" && !slices.Contains(notes, f.Note) {
			notes = append(notes, f.Note)
		}
	}
	return notes
}

// Compared says on how many rows both models were judged; empty when nothing was compared.
func (g Result) Compared() string {
	most := int64(-1)
	for _, f := range g.Checks {
		if f.Baseline != nil && f.Rows != nil {
			most = max(most, *f.Rows)
		}
	}
	if most < 0 {
		return ""
	}
	return thousands(most) + " golden rows, the same for both"
}

// Baseline names what the gate compared with: "flights@v6 (production)"; empty without one.
func (g Result) Baseline() string {
	if g.Against == nil {
		return ""
	}
	name := g.Against.words()
	if model, stage, ok := strings.Cut(g.As, "@"); ok && model != "" && g.As != name {
		name += " (" + stage + ")"
	}
	return name
}

// SaidWaiver says who accepted a failure, why, and until when.
func (f Finding) SaidWaiver() string {
	if f.Waiver == nil {
		return ""
	}
	return fmt.Sprintf("accepted by %s until %s: %s", f.Waiver.Owner, f.Waiver.Until, f.Waiver.Reason)
}

// Places says where the failing rows stand: "rows 17, 208 and 911", "rows 17, 208, 911, …".
func (f *Failing) Places() string {
	if f == nil || len(f.Rows) == 0 {
		return ""
	}
	const most = 5
	words := make([]string, 0, most)
	file := f.Rows[0].File
	for _, r := range f.Rows[:min(len(f.Rows), most)] {
		word := thousands(r.Row)
		if r.File != file {
			word = r.File + " row " + word
		}
		words = append(words, word)
	}
	if f.Count > int64(len(words)) {
		return "rows " + strings.Join(words, ", ") + ", …"
	}
	if len(words) == 1 {
		return "row " + words[0]
	}
	return "rows " + list(words)
}

// Where says where the failing rows stand, unless what was found says so already.
func (f Finding) Where() string {
	if strings.Contains(f.Shown, ": row") {
		return ""
	}
	return f.Failing.Places()
}

// sampled heads a sample of the failing rows; empty when there is none that says anything: values that are missing do not.
func (f *Failing) sampled() string {
	if f == nil || !slices.ContainsFunc(f.Sample, func(row []string) bool { return strings.Join(row, "") != "" }) {
		return ""
	}
	switch {
	case f.Count == 1:
		return "the failing row"
	case f.Count <= int64(len(f.Sample)):
		return "the " + thousands(f.Count) + " failing rows"
	}
	return "some of " + thousands(f.Count) + " failing rows"
}

func (f Finding) level() float64 {
	if f.Level == 0 {
		return 0.95
	}
	return f.Level
}

// number writes a number of the finding in its unit, with a sign for a difference.
func (f Finding) number(v float64, signed bool) string {
	sign := ""
	if signed && v >= 0 {
		sign = "+"
	}
	switch f.Unit {
	case "bytes":
		return sign + bytesText(v)
	case "s":
		return sign + secondsText(v)
	case "share":
		return sign + strconv.FormatFloat(v*100, 'f', 1, 64) + " %"
	}
	return sign + plainNumber(v)
}

// plainNumber writes whole numbers as they are, others with three digits after the point or as many that matter.
func plainNumber(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) && a < 1e15:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case a < 0.0005 || a >= 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func bytesText(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if math.Abs(v) >= u.size {
			return strings.TrimSuffix(strconv.FormatFloat(v/u.size, 'f', 1, 64), ".0") + " " + u.name
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + " B"
}

func secondsText(v float64) string {
	switch a := math.Abs(v); {
	case a == 0 || a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64) + " s"
	case a >= 1e-3:
		return strconv.FormatFloat(v*1e3, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(v*1e6, 'f', 0, 64) + " us"
}

// interval writes an interval between two numbers.
func (f Finding) interval(signed bool) string {
	if f.Interval == nil {
		return ""
	}
	return f.number(f.Interval[0], signed) + " to " + f.number(f.Interval[1], signed)
}

// thousands writes a count as people read it: 28,330.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
