package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// alarmed is how a data set without drift, or with one column that drifted, is drawn.
type alarmed struct {
	columns         int
	reference, rows int     // of either side; with days: days
	day             int     // rows of a day; 0: rows are independent
	shrink          float64 // rows of a day of the current side, as a share of those of the reference; 0: the same
	effect          float64 // of a day; standard deviations
	shift           float64 // by which the first column is moved, standard deviations
}

// side draws one side of column number i: of many shapes. Days differ in size, by much.
func (a alarmed) side(r *rand.Rand, i int, current bool) (s sampleOf) {
	groups, size := a.reference, 1.0
	if current {
		groups = a.rows
	}
	if a.day > 0 {
		size = float64(a.day)
		if current && a.shrink > 0 {
			size *= a.shrink
		}
	}
	move := 0.0
	if current && i == 0 {
		move = a.shift
	}
	for g := range groups {
		n, effect := 1, 0.0
		if a.day > 0 {
			n, effect = 1+int(size*(0.25+1.5*r.Float64())), a.effect*r.NormFloat64()
		}
		for range n {
			z := r.NormFloat64() + effect + move
			if a.day > 0 {
				s.cluster = append(s.cluster, g)
			}
			if i%4 == 3 {
				s.words = append(s.words, fmt.Sprintf("w%02d", min(int(math.Exp(0.8*z+1)), 40)))
				continue
			}
			s.numbers = append(s.numbers, shaped(r, i, z))
		}
	}
	return s
}

// shaped makes heavy tails, ties, and many zeros of a normal number, and leaves some out.
func shaped(r *rand.Rand, i int, z float64) float64 {
	if i%3 == 1 && r.Float64() < 0.05 {
		return math.NaN()
	}
	switch i % 12 {
	case 1, 5:
		return math.Exp(2 * z)
	case 2, 6:
		return math.Round(z * 2)
	case 8, 9:
		return max(0, z-1)
	}
	return z
}

func (a alarmed) comparedOf(t testing.TB, seed uint64) *Compared {
	r := rand.New(rand.NewPCG(seed, 7))
	var all []Measured
	for i := range a.columns {
		ref, cur := a.side(r, i, false), a.side(r, i, true)
		name := fmt.Sprintf("c%02d", i)
		if ref.words != nil {
			all = append(all, measuredWords(t, name, ref, cur))
		} else {
			all = append(all, measuredNumbers(t, name, ref, cur))
		}
	}
	return comparedOf(all...)
}

// rates are the shares of data sets that are flagged, and in which the first column is.
func (a alarmed) rates(t testing.TB, spec Spec, sets int) (any, first float64) {
	t.Helper()
	spec, err := spec.Complete()
	if err != nil {
		t.Fatal(err)
	}
	for set := range sets {
		answer := a.comparedOf(t, uint64(set)).Judge(spec, time.Unix(0, 0))
		if answer.Verdict == Drift {
			any++
		}
		if answer.Columns[0].Verdict == Drift {
			first++
		}
	}
	return any / float64(sets), first / float64(sets)
}

// TestFalseAlarms is a small version of the row alarms of bench/drift: data sets without drift are flagged as often as the level allows, with
// rows that are independent and in days that are each a world of their own; and drift is found. Without what keeps the level they are
// flagged nearly always.
func TestFalseAlarms(t *testing.T) {
	const sets = 40
	most := 0.05 + 3*math.Sqrt(0.05*0.95/sets)
	rows := alarmed{columns: 36, reference: 600, rows: 300}
	days := alarmed{columns: 36, reference: 40, rows: 7, day: 20, effect: 1}
	fewer := days
	fewer.shrink = 0.3
	for name, c := range map[string]struct {
		data alarmed
		spec Spec
	}{
		"rows": {rows, Spec{}}, "rows by p": {rows, Spec{Judge: JudgeP}},
		"days": {days, Spec{Cluster: "day"}}, "days by p": {days, Spec{Cluster: "day", Judge: JudgeP}}, "smaller days": {fewer, Spec{Cluster: "day"}},
	} {
		if any, _ := c.data.rates(t, c.spec, sets); any > most {
			t.Errorf("%s: %v of the sets are flagged", name, any)
		}
	}
	for name, c := range map[string]struct {
		data alarmed
		spec Spec
	}{
		"no correction": {rows, Spec{Judge: JudgeP, Correction: "none"}}, "effects alone": {days, Spec{Cluster: "day", Judge: JudgeEffect}},
	} {
		if any, _ := c.data.rates(t, c.spec, sets/4); any < 0.5 {
			t.Errorf("%s: only %v of the sets are flagged: the data are too tame to show anything", name, any)
		}
	}
	rows.shift, days.shift, days.effect = 0.5, 1.5, 0.4
	for name, data := range map[string]alarmed{"rows": rows, "days": days} {
		spec := Spec{}
		if data.day > 0 {
			spec.Cluster = "day"
		}
		if _, first := data.rates(t, spec, sets/2); first < 0.8 {
			t.Errorf("%s: drift is found in %v of the sets", name, first)
		}
	}
}
