package run

import (
	"math"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// DefaultTolerance is the limit of a metric for which nothing else was said.
const DefaultTolerance = "1e-6"

// Tolerance says how far the metrics of two runs may be apart and still count as equal.
type Tolerance struct {
	Default Limit            `json:"default"`
	Of      map[string]Limit `json:"of,omitempty"` // by metric
}

// Limit is one tolerance as it was written: "1e-6", "1%", "inf". A number alone bounds the difference or, if that allows
// more, the difference over the first value; said of one metric it bounds the difference in the unit of the metric. A
// share bounds the difference over the first value.
type Limit string

// ParseTolerance reads what --tolerance was given: LIMIT, or METRIC=LIMIT.
func ParseTolerance(words []string) (Tolerance, error) {
	t := Tolerance{Default: DefaultTolerance}
	for _, word := range words {
		name, limit, ofOne := lastCut(word)
		if !ofOne {
			name, limit = "", word
		}
		if _, _, err := Limit(limit).parts(); err != nil || ofOne && name == "" {
			return t, fault.New(fault.Usage, "cannot read tolerance %q", word).Hint("--tolerance 1e-6, 1%% or METRIC=0.001")
		}
		if !ofOne {
			t.Default = Limit(limit)
			continue
		}
		if t.Of == nil {
			t.Of = make(map[string]Limit)
		}
		t.Of[name] = Limit(limit)
	}
	return t, nil
}

// lastCut cuts at the last =, because the name of a metric may hold one.
func lastCut(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// parts returns the number of a limit, and whether it is a share.
func (l Limit) parts() (value float64, share bool, err error) {
	text, share := strings.CutSuffix(string(l), "%")
	value, err = strconv.ParseFloat(text, 64)
	if err == nil && (value < 0 || math.IsNaN(value)) {
		err = strconv.ErrRange
	}
	if share {
		value /= 100
	}
	return value, share, err
}

// allows is the largest difference from a, the value of a metric, that counts as equal. A limit that cannot be read, as
// a record of a later version may have one, allows none.
func (t Tolerance) allows(metric string, a float64) float64 {
	limit, own := t.Of[metric]
	if !own {
		limit = t.Default
	}
	value, share, err := limit.parts()
	size := math.Abs(a)
	if !Number(a).Finite() {
		size = 0 // nothing is near to it
	}
	switch {
	case err != nil:
		return 0
	case share:
		return value * size
	case own:
		return value
	}
	return math.Max(value, value*size)
}
