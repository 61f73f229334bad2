package drift

import (
	"math"
	"strings"
)

// conversion turns a value of one unit into one of another: a x + b.
type conversion struct {
	a, b float64
	text string // what happened when the reference holds x and the current side a x + b
}

// conversions are those that happen. A factor near 1 needs a better fit than one that nothing else explains.
func conversions() []conversion {
	type pair struct {
		from, to string
		a, b     float64
	}
	var all []conversion
	for _, p := range []pair{
		{"°F", "°C", 5. / 9, -160. / 9}, {"°C", "K", 1, 273.15}, {"°F", "K", 5. / 9, 273.15 - 160./9},
		{"m", "ft", 1 / 0.3048, 0}, {"km", "mi", 1 / 1.609344, 0}, {"kg", "lb", 1 / 0.45359237, 0}, {"inch", "cm", 2.54, 0}, {"m/s", "km/h", 3.6, 0},
	} {
		all = append(all, conversion{p.a, p.b, "looks like " + p.to + " read as " + p.from},
			conversion{1 / p.a, -p.b / p.a, "looks like " + p.from + " read as " + p.to})
	}
	for _, f := range []struct {
		by   float64
		name string
	}{{10, "10"}, {60, "60"}, {100, "100"}, {1000, "1000"}, {3600, "3600"}, {1e6, "1e6"}, {1e9, "1e9"}} {
		all = append(all, conversion{f.by, 0, "looks like another unit: " + f.name + " times as large"},
			conversion{1 / f.by, 0, "looks like another unit: 1/" + f.name + " as large"})
	}
	return all
}

// unitOf says which change of unit or of spelling explains the difference of the two sides much better than a change of what they
// describe; empty when none does. It only ever explains drift and never makes it: whether there is any, the tests say.
func (j *judging) unitOf(m *Measured) string {
	r, c := m.Reference, m.Current
	switch {
	case m.Kind == Categories:
		return spelling(m)
	case min(valuesOf(r), valuesOf(c)) < j.MinRows || r.Type == "date" || r.Type == "time":
		return ""
	case r.Median == nil || r.Mean == nil || r.Std == nil || c.Median == nil || c.Mean == nil || c.Std == nil || !(*r.Std > 0):
		return ""
	}
	if text := epoch(*r.Median, *c.Median); text != "" {
		return text
	}
	as := conversion{a: 1}
	place, width := as.misfit(r, c)
	was, gap := place+width, as.gap(m)
	if was < 1 || gap < 0.2 {
		return ""
	}
	noise := math.Sqrt(1/float64(valuesOf(r)) + 1/float64(valuesOf(c))) // of a mean, in standard deviations
	best, found := math.Inf(1), ""
	for _, v := range conversions() {
		place, width := v.misfit(r, c)
		var fits bool
		switch near, central := v.b == 0 && v.a > 0.25 && v.a < 4, math.Abs(*r.Median) < 0.5**r.Std; {
		case near && (central || noise > 0.025), v.b != 0 && math.Abs(v.b) < 0.5*v.a**r.Std:
			// a plain factor, that anything may grow by, cannot be told from it
		case near:
			fits = place <= 3*noise && width <= 0.1+4*noise
		case central:
			fits = place+width <= 0.25+4*noise
		default:
			fits = place+width <= 0.35+4*noise
		}
		if misfit := place + width; fits && misfit < best && misfit <= was/3 && v.gap(m) <= 0.3*gap {
			best, found = misfit, v.text
		}
	}
	return found
}

// misfit is how far mean and median of the current side are from those of the converted reference, in standard deviations, and the
// logarithm of how much wider it is.
func (v conversion) misfit(r, c Summary) (place, width float64) {
	std := v.a * *r.Std
	if !(*c.Std > 0) {
		return math.Inf(1), math.Inf(1)
	}
	off := func(from, to float64) float64 { return math.Abs(to-(v.a*from+v.b)) / std }
	return max(off(*r.Mean, *c.Mean), off(*r.Median, *c.Median)), math.Abs(math.Log(*c.Std / std))
}

// gap is the largest difference, at the edges of the bins, between the distribution of the current side and that of the converted
// reference, which is taken as even within a bin.
func (v conversion) gap(m *Measured) float64 {
	b, bins := m.Bins, len(m.Bins.Edges)+1
	if bins == 1 || len(b.Reference) < bins || len(b.Current) < bins || m.Reference.Min == nil || m.Reference.Max == nil {
		return 1
	}
	b.Reference, b.Current = b.Reference[:bins], b.Current[:bins] // without that of missing values
	x, y := []float64{*m.Reference.Min}, []float64{0}
	var below, current, n, k float64
	for i := range b.Reference {
		n, k = n+float64(b.Reference[i]), k+float64(b.Current[i])
	}
	for i, edge := range b.Edges {
		below += float64(b.Reference[i])
		x, y = append(x, edge), append(y, below/n)
	}
	x, y = append(x, *m.Reference.Max), append(y, 1)
	worst := 0.0
	for i, edge := range b.Edges {
		current += float64(b.Current[i])
		worst = max(worst, math.Abs(current/k-straight(x, y, (edge-v.b)/v.a)))
	}
	return worst
}

// straight is y at x, in a straight line between points that ascend; at equal points the last.
func straight(xs, ys []float64, x float64) float64 {
	switch last := len(xs) - 1; {
	case x < xs[0]:
		return 0
	case x >= xs[last]:
		return 1
	}
	i := 1
	for i < len(xs)-1 && xs[i] <= x {
		i++
	}
	if xs[i] <= xs[i-1] {
		return ys[i]
	}
	return ys[i-1] + (ys[i]-ys[i-1])*min(max((x-xs[i-1])/(xs[i]-xs[i-1]), 0), 1)
}

// epoch tells seconds since 1970 from the thousandth, millionth and billionth part of them: times go on, so they never fit exactly.
func epoch(was, is float64) string {
	unit := func(v float64) int {
		for i, scale := range []float64{1, 1e3, 1e6, 1e9} {
			if v >= 3e8*scale && v <= 5e9*scale { // 1979 to 2128
				return i
			}
		}
		return -1
	}
	a, b := unit(was), unit(is)
	if a < 0 || b < 0 || a == b {
		return ""
	}
	names := []string{"seconds", "milliseconds", "microseconds", "nanoseconds"}
	return "looks like " + names[b] + " since 1970 read as " + names[a]
}

// spelling tells new categories that are known ones in another case, with other blanks, or as a number with a point.
func spelling(m *Measured) string {
	if len(m.New) == 0 {
		return ""
	}
	plain := func(v string) string { return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(v)), ".0") }
	was := make(map[string]string)
	b := m.counts()
	for i, name := range b.Categories {
		if i < len(b.Reference) && b.Reference[i] > 0 {
			was[plain(name)] = name
		}
	}
	same, example := 0, ""
	for _, v := range m.New {
		if name, ok := was[plain(v)]; ok {
			if same++; example == "" {
				example = shownValue(v) + " for " + shownValue(name)
			}
		}
	}
	if same*5 < len(m.New)*4 {
		return ""
	}
	return "values are written another way: " + example
}
