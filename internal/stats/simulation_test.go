package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A trial compares a candidate that is truly worse than production by `worse` (0: equally good) on rows that it draws.
type trial func(r *rand.Rand, worse float64) (Comparison, error)

type simulated struct {
	margin float64
	try    trial
	few    bool // too few units for an equal model to pass: only the other error is counted
}

// TestDecisionsAreRight draws pairs of models again and again, with a truth that is known, and counts wrong verdicts: equally good
// models that do not pass, and models worse by exactly the margin that do.
func TestDecisionsAreRight(t *testing.T) {
	n := pairs(1000, 10_000)
	for name, c := range map[string]*simulated{
		"accuracy, score interval":         {0.02, accuracyTrial, false},
		"accuracy, paired means":           {0.02, meansTrial, false},
		"area, DeLong":                     {0.02, areaTrial, false},
		"F1, bootstrap":                    {0.03, f1Trial, false},
		"100 clusters, means":              {0.05, clusterTrial(100, Values.Compare), false},
		"100 clusters, bootstrap":          {0.05, clusterTrial(100, Values.Bootstrap), false},
		"8 clusters, means":                {0.05, clusterTrial(8, Values.Compare), true},
		"8 clusters, bootstrap":            {0.05, clusterTrial(8, Values.Bootstrap), true},
		"clustered area, DeLong":           {0.03, clusteredAreaTrial(BinaryPair.DeLong), false},
		"clustered average precision":      {0.06, clusteredAreaTrial(precisionBootstrap), true},
		"300 rows, accuracy, 3 discordant": {0.02, rareTrial, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blocked, passed, failed := 0, 0, 0
			for k := range n {
				equal, worse := c.run(t, uint64(k), 0), c.run(t, uint64(k), c.margin)
				if equal != Pass {
					blocked++
				}
				if equal == Fail {
					failed++
				}
				if worse == Pass {
					passed++
				}
			}
			rate := func(count int) float64 { return float64(count) / float64(n) }
			t.Logf("equal: %.2f%% not passed, %.2f%% failed; worse by the margin: %.2f%% passed", 100*rate(blocked), 100*rate(failed), 100*rate(passed))
			limit := 0.05 + 3*math.Sqrt(0.05*0.95/float64(n)) // 5 %, and what chance adds to so many trials
			if !c.few && rate(blocked) > limit || rate(failed) > limit || rate(passed) > limit {
				t.Errorf("more than %.1f%% of %d are wrong", 100*limit, n)
			}
		})
	}
}

func (c *simulated) run(t *testing.T, seed uint64, worse float64) Verdict {
	t.Helper()
	got, err := c.try(rand.New(rand.NewPCG(seed, 5)), worse)
	if err != nil {
		t.Fatal(err)
	}
	return got.Decide(c.margin).Verdict
}

// TestRowsThatDepend shows that the trials above have power: without clusters the same rows are trusted too much.
func TestRowsThatDepend(t *testing.T) {
	t.Parallel()
	n, passed := 1000, 0
	naive := clusterTrial(100, func(v Values, d Design) (Comparison, error) { return v.Compare(Design{}) })
	c := simulated{margin: 0.05, try: naive}
	for k := range n {
		if c.run(t, uint64(k), c.margin) == Pass {
			passed++
		}
	}
	if rate := float64(passed) / float64(n); rate < 0.1 {
		t.Errorf("only %.1f%% of worse models pass when clusters are ignored", 100*rate)
	}
}

// discordantRows are 0/1 answers: only a right, only b right with the given chances, else both.
func discordantRows(r *rand.Rand, n int, onlyA, onlyB float64) (a, b []bool) {
	a, b = make([]bool, n), make([]bool, n)
	for i := range a {
		u := r.Float64()
		a[i], b[i] = u >= onlyB, u < onlyB || u >= onlyB+onlyA
		if u >= 0.9 {
			a[i], b[i] = false, false
		}
	}
	return a, b
}

func accuracyTrial(r *rand.Rand, worse float64) (Comparison, error) {
	d, err := NewDiscordant(discordantRows(r, 2000, 0.03-worse/2, 0.03+worse/2))
	if err != nil {
		return Comparison{}, err
	}
	return d.Compare(0.95)
}

func rareTrial(r *rand.Rand, worse float64) (Comparison, error) {
	d, err := NewDiscordant(discordantRows(r, 300, 0.002, 0.002+worse))
	if err != nil {
		return Comparison{}, err
	}
	return d.Compare(0.95)
}

func meansTrial(r *rand.Rand, worse float64) (Comparison, error) {
	a, b := discordantRows(r, 2000, 0.03-worse/2, 0.03+worse/2)
	var v Values
	for i := range a {
		v.A, v.B = append(v.A, number(a[i])), append(v.B, number(b[i]))
	}
	return v.Compare(Design{})
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// shift is the distance of two unit normals whose area is the given one.
func shift(area float64) float64 { return math.Sqrt2 * normalQuantile(area) }

func areaTrial(r *rand.Rand, worse float64) (Comparison, error) {
	p := BinaryPair{Labels: codes(1500, func() int { return int(number(r.Float64() < 0.3)) })}
	for _, y := range p.Labels {
		shared := math.Sqrt(0.9) * r.NormFloat64()
		p.A = append(p.A, shift(0.85-worse)*float64(y)+shared+math.Sqrt(0.1)*r.NormFloat64())
		p.B = append(p.B, shift(0.85)*float64(y)+shared+math.Sqrt(0.1)*r.NormFloat64())
	}
	return p.DeLong(Design{})
}

// clusteredAreaTrial gives each of 80 clusters of 25 rows a part of the noise of both models and one of each.
func clusteredAreaTrial(compare func(BinaryPair, Design) (Comparison, error)) trial {
	return func(r *rand.Rand, worse float64) (Comparison, error) {
		var p BinaryPair
		var d Design
		part := func(share float64) float64 { return math.Sqrt(share) * r.NormFloat64() }
		for c := range 80 {
			both, ofA, ofB := part(0.3), part(0.06), part(0.06)
			for range 25 {
				y := number(r.Float64() < 0.4)
				shared := part(0.5)
				p.Labels, d.Clusters = append(p.Labels, int32(y)), append(d.Clusters, int32(c))
				p.A = append(p.A, shift(0.85-worse)*y+both+ofA+shared+part(0.14))
				p.B = append(p.B, shift(0.85)*y+both+ofB+shared+part(0.14))
			}
		}
		return compare(p, d)
	}
}

// precisionBootstrap compares average precision; where areas differ by 0.06 of 0.85, it differs by at least as much.
func precisionBootstrap(p BinaryPair, d Design) (Comparison, error) {
	d.Resamples = 100
	return p.Compare(PRAUC, d)
}

// f1Trial flips few of production's decisions so that F1 falls by what is asked.
func f1Trial(r *rand.Rand, worse float64) (Comparison, error) {
	const base, tpr, fpr = 0.3, 0.8, 0.1
	f1 := 2*base*tpr/(base+base*tpr+(1-base)*fpr) - worse
	wanted := f1 * (base + (1-base)*fpr) / (2*base - f1*base) // the true positive rate that has this F1
	lost := 0.02 + 1.05*(tpr-wanted)
	found := (wanted - tpr*(1-lost)) / (1 - tpr)
	p := BinaryPair{Threshold: 0.5}
	for range 1000 {
		y := r.Float64() < base
		rate, drop, gain := fpr, 0.1, 0.1*fpr/(1-fpr)
		if y {
			rate, drop, gain = tpr, lost, found
		}
		b := r.Float64() < rate
		a := b
		if b && r.Float64() < drop || !b && r.Float64() < gain {
			a = !b
		}
		p.Labels = append(p.Labels, int32(number(y)))
		p.A, p.B = append(p.A, number(a)), append(p.B, number(b))
	}
	return p.Compare(F1, Design{Resamples: 200, Seed: r.Uint64()})
}

// clusterTrial draws clusters of 40 rows, in each of which either model is better or worse than it is on the whole.
func clusterTrial(clusters int, compare func(Values, Design) (Comparison, error)) trial {
	return func(r *rand.Rand, worse float64) (Comparison, error) {
		var v Values
		d := Design{Resamples: 200, Seed: r.Uint64()}
		for c := range clusters {
			a, b := 0.8-worse+0.24*(r.Float64()-0.5), 0.8+0.24*(r.Float64()-0.5)
			for range 40 {
				v.A, v.B = append(v.A, number(r.Float64() < a)), append(v.B, number(r.Float64() < b))
				d.Clusters = append(d.Clusters, int32(c))
			}
		}
		return compare(v, d)
	}
}
