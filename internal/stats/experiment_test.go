package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// kpi draws the value of one user; effect multiplies the mean.
type kpi struct {
	name string
	draw func(r *rand.Rand, effect float64) float64
}

func kpis() []kpi {
	return []kpi{
		{"conversion of 10 %", func(r *rand.Rand, effect float64) float64 { return number(r.Float64() < 0.1*effect) }},
		{"clicks", func(r *rand.Rand, effect float64) float64 { return math.Floor(r.ExpFloat64() * 3 * effect) }},
		// One user in five buys, and what is spent is log-normal: its coefficient of variation is 2.9, of all users 7.
		{"revenue", func(r *rand.Rand, effect float64) float64 {
			if r.Float64() >= 0.2 {
				return 0
			}
			return effect * math.Exp(1.5*r.NormFloat64()+2)
		}},
	}
}

// watch looks after every few users and says what the first answer was, and after how many users.
func watch(t *testing.T, seed uint64, k kpi, effect float64, users int) (Outcome, int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 21))
	e, err := NewExperiment(Plan{Share: 0.5, MinUnits: 500, Expected: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= users; n++ {
		b := r.Float64() < 0.5
		arm := 1.0
		if b {
			arm = effect
		}
		if err := e.Add(b, k.draw(r, arm)); err != nil {
			t.Fatal(err)
		}
		if n%5 != 0 {
			continue
		}
		look, err := e.Look()
		if err != nil {
			t.Fatal(err)
		}
		if look.Outcome != NotEnough && look.Outcome != NoDifference {
			return look.Outcome, n
		}
	}
	return NotEnough, users
}

// TestFalseWinners watches experiments between equal arms after every fifth user and counts those that ever name a winner, or call the arms
// of wrong sizes; and shows that there is power. bench/ab does more of it.
func TestFalseWinners(t *testing.T) {
	const experiments, users = 200, 6000
	for _, k := range kpis() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			won, invalid, found := 0, 0, 0
			for s := range experiments {
				switch outcome, _ := watch(t, uint64(s), k, 1, users); outcome {
				case WinnerA, WinnerB:
					won++
				case Invalid:
					invalid++
				default:
				}
				if s < 40 {
					outcome, _ := watch(t, uint64(s), k, 1.5, users)
					found += whole(outcome == WinnerB)
				}
			}
			t.Logf("of %d: %d winners, %d invalid; of 40 with 50 %% more: %d found", experiments, won, invalid, found)
			if limit := int(0.05*experiments + 3*math.Sqrt(0.05*0.95*experiments)); won > limit {
				t.Errorf("%d of %d equal arms win, at most %d may", won, experiments, limit)
			}
			if invalid > 4 {
				t.Errorf("%d of %d fair experiments are called invalid", invalid, experiments)
			}
			if found < 20 {
				t.Errorf("of 40 arms that are better by half %d are found", found)
			}
		})
	}
}

func TestSampleRatio(t *testing.T) {
	// Kohavi, Tang and Xu (2020), chapter 21: 821,588 against 815,482 users of a fair split is p = 1.8e-6.
	r, err := NewSampleRatio(821_588, 815_482, 0.5)
	if err != nil || !r.Mismatch() {
		t.Errorf("%+v, %v", r, err)
	}
	closeTo(t, "p", r.P, 1.8e-6, 1e-7)
	if r, _ = NewSampleRatio(5020, 4980, 0.5); r.Mismatch() || r.P < 0.5 {
		t.Errorf("40 of 10,000 more: %+v", r)
	}
	if r, _ = NewSampleRatio(0, 0, 0.2); r.P != 1 || r.Mismatch() {
		t.Errorf("nobody: %+v", r)
	}
	for _, bad := range [][3]float64{{1, 1, 0}, {1, 1, 1}, {-1, 1, 0.5}, {1, math.NaN(), 0.5}} {
		if _, err := NewSampleRatio(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestExperimentOutcomes(t *testing.T) {
	run := func(p Plan, users int, value func(r *rand.Rand, b bool) float64, isB func(r *rand.Rand) bool) Look {
		t.Helper()
		e, err := NewExperiment(p)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(8, 8))
		for range users {
			b := isB(r)
			if err := e.Add(b, value(r, b)); err != nil {
				t.Fatal(err)
			}
		}
		look, err := e.Look()
		if err != nil {
			t.Fatal(err)
		}
		return look
	}
	half := func(r *rand.Rand) bool { return r.Float64() < 0.5 }
	steady := func(r *rand.Rand, b bool) float64 { return 10 + r.NormFloat64() }
	better := func(r *rand.Rand, b bool) float64 { return 10 + 0.5*number(b) + r.NormFloat64() }
	for _, c := range []struct {
		name  string
		plan  Plan
		users int
		value func(*rand.Rand, bool) float64
		isB   func(*rand.Rand) bool
		want  Outcome
	}{
		{"too few", Plan{Share: 0.5}, 1500, better, half, NotEnough},
		{"better", Plan{Share: 0.5}, 4000, better, half, WinnerB},
		{"less is better", Plan{Share: 0.5, LowerIsBetter: true}, 4000, better, half, WinnerA},
		{"no difference", Plan{Share: 0.5, Margin: 0.02}, 8000, steady, half, NoDifference},
		{"a finer margin", Plan{Share: 0.5, Margin: 0.001}, 8000, steady, half, NotEnough},
		{"half are lost", Plan{Share: 0.5}, 4000, better, func(r *rand.Rand) bool { return r.Float64() < 0.4 }, Invalid},
		{"a share of 5 %", Plan{Share: 0.05, MinUnits: 300}, 20_000, better, func(r *rand.Rand) bool { return r.Float64() < 0.05 }, WinnerB},
		{"all are zero", Plan{Share: 0.5}, 8000, func(*rand.Rand, bool) float64 { return 0 }, half, NotEnough},
	} {
		if look := run(c.plan, c.users, c.value, c.isB); look.Outcome != c.want {
			t.Errorf("%s: %q, not %q: %+v", c.name, look.Outcome, c.want, look)
		}
	}
	for _, bad := range []Plan{{}, {Share: 1}, {Share: 0.5, Cap: 2}, {Share: 0.5, Margin: -1}, {Share: 0.5, Level: 1}, {Share: math.NaN()}} {
		if _, err := NewExperiment(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	e, _ := NewExperiment(Plan{Share: 0.5})
	if err := e.Add(true, math.NaN()); err == nil {
		t.Error("NaN was taken")
	}
}

// TestCapIsFixedWithoutRegardToArms: the same units give the same cap whichever arm they are of, and a whale after it counts as the cap.
func TestCapIsFixedWithoutRegardToArms(t *testing.T) {
	caps := [2]float64{}
	for i, swap := range []bool{false, true} {
		e, _ := NewExperiment(Plan{Share: 0.5, MinUnits: 500})
		r := rand.New(rand.NewPCG(3, 3))
		for n := range 1000 {
			if err := e.Add((n%2 == 0) != swap, r.ExpFloat64()); err != nil {
				t.Fatal(err)
			}
		}
		before := e.A.Mean()
		if err := e.Add(false, 1e12); err != nil {
			t.Fatal(err)
		}
		if e.A.Mean() > before+0.1 || e.A.Capped < 1 {
			t.Errorf("one whale moves the mean from %v to %v", before, e.A.Mean())
		}
		caps[i] = e.cap
	}
	if caps[0] != caps[1] || math.IsInf(caps[0], 1) {
		t.Errorf("caps are %v", caps)
	}
}
