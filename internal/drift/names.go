package drift

import "math"

// namesRowsWhy is said of a column that numbers or names the rows. Those of another window are always others: that is no drift, and no
// sign that there is none, so that the column has no weight.
const namesRowsWhy = "every value is different: it names rows"

// fewestNamed is how many values of either side have to be different before they count as names.
const fewestNamed = 100

// namesRows says whether no value of a side stands there twice. Floating point is measured, however rarely two are the same, and so are
// whole numbers unless they lie as evenly as those that are handed out one after the other.
func (m *Measured) namesRows() bool {
	for _, s := range []Summary{m.Reference, m.Current} {
		n := valuesOf(s)
		if n < fewestNamed || s.Distinct == nil || *s.Distinct != n {
			return false
		}
		switch s.Type {
		case "text", "time":
		case "int", "uint":
			if m.Kind == Numbers && !s.even() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// even says whether values lie over their range about as evenly as numbers of rows do, with gaps and busier times: their mean in the
// middle, and as wide as that (a uniform distribution has 0.289 of the range, the bell of a hundred values 0.2).
func (s Summary) even() bool {
	if s.Mean == nil || s.Std == nil || s.Min == nil || s.Max == nil || !(*s.Max > *s.Min) {
		return false
	}
	width := *s.Max - *s.Min
	middle, spread := math.Abs(*s.Mean-*s.Min-width/2)/width, *s.Std/width
	return middle <= 0.15 && spread >= 0.24 && spread <= 0.42
}
