package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
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

func (a alarmed) compared(t testing.TB, seed uint64) *Compared {
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
	return compared(all...)
}

// rates are the shares of data sets that are flagged, and in which the first column is.
func (a alarmed) rates(t testing.TB, spec Spec, sets int) (any, first float64) {
	t.Helper()
	spec, err := spec.Complete()
	if err != nil {
		t.Fatal(err)
	}
	for set := range sets {
		answer := a.compared(t, uint64(set)).Judge(spec, time.Unix(0, 0))
		if answer.Verdict == Drift {
			any++
		}
		if answer.Columns[0].Verdict == Drift {
			first++
		}
	}
	return any / float64(sets), first / float64(sets)
}

func TestAlarmsExplore(t *testing.T) {
	if os.Getenv("WHO") == "" {
		t.Skip()
	}
	sets, _ := strconv.Atoi(os.Getenv("WHO"))
	for _, a := range []alarmed{
		{columns: 60, reference: 1000, rows: 500},
		{columns: 60, reference: 60, rows: 7, day: 40, effect: 1},
		{columns: 60, reference: 60, rows: 7, day: 40, effect: 0},
	} {
		for _, judge := range []string{JudgeBoth, JudgeP} {
			start := time.Now()
			spec := Spec{Judge: judge}
			if a.day > 0 {
				spec.Cluster = "day"
			}
			any, first := a.rates(t, spec, sets)
			t.Logf("%+v %s: any %.3f first %.3f (%v)", a, judge, any, first, time.Since(start))
		}
	}
}
