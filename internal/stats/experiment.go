package stats

import (
	"math"
	"slices"
)

// SampleRatioLevel is the p below which the sizes of two arms are no chance: whoever was to be in one arm is missing, or in the other.
const SampleRatioLevel = 0.001

// SampleRatio is what is known of whether two arms have the sizes that they were to have.
type SampleRatio struct {
	P      float64 // of Pearson's chi-squared with one degree of freedom, at this look
	Always float64 // always-valid p: the mixture of Lindon and Malek (2020); below a at any time with at most the probability a
}

// Mismatch says that the arms do not have the sizes that they were to have: then no difference between them means anything. The first p is
// the one that is usual; looked at again and again it would accuse one fair experiment in fifty, and so the second must say so too, at 1 %.
func (s SampleRatio) Mismatch() bool { return s.P < SampleRatioLevel && s.Always < 10*SampleRatioLevel }

// ratioUnits says how far from the wanted share the mixture of SampleRatio looks: as far as chance takes that many units.
const ratioUnits = 1000

// NewSampleRatio tests that of some units, those of b are a share of all. p of 1 without units.
func NewSampleRatio(a, b, share float64) (SampleRatio, error) {
	if !(share > 0 && share < 1) {
		return SampleRatio{}, problem(-1, "share %v is not between 0 and 1", share)
	}
	if err := checkProportion(b, a+b, 0.5); err != nil {
		return SampleRatio{}, err
	}
	n := a + b
	if n == 0 {
		return SampleRatio{1, 1}, nil
	}
	over := b - n*share
	r := SampleRatio{P: chi2Survival(over*over/(n*share*(1-share)), 1)}
	mixed := mixtureLog(b, n, share*ratioUnits, (1-share)*ratioUnits)
	r.Always = min(1, math.Exp(binomialLog(b, n, share)-mixed))
	return r, nil
}

// Arm sums up the values of the units of one arm of an experiment, each unit once. The zero value is empty.
type Arm struct {
	N, mean, squares float64 // of values as they are capped, by Welford's recurrence
	NotZero          float64 // of N
	Capped           float64 // of N, larger than the cap
}

// Mean is the mean of the capped values; NaN without units.
func (a Arm) Mean() float64 { return ratio(a.mean*a.N, a.N) }

// Variance is that of the capped values; NaN for fewer than two.
func (a Arm) Variance() float64 { return ratio(a.squares, a.N-1) }

// Plan is what is fixed before the first look at an experiment with two arms, of which b is new.
type Plan struct {
	Share float64 // of the units that b is to get
	Level float64 // confidence; 0: 0.95
	// Margin is the relative difference that does not matter: when the bounds are within it there is no difference. 0: 0.01.
	Margin float64
	// MarginIs is that difference in the unit of the values; 0: Margin counts.
	MarginIs float64
	// MinUnits is how many units of each arm there are at the first look. 0: 1000.
	MinUnits float64
	// MinNotZero is how many values of both arms that are not zero there are then: a mean over few buyers is not nearly normal. 0: 200.
	MinNotZero float64
	// Expected is the number of units of both arms at which an answer is hoped for. 0: ten times those of the first look.
	Expected float64
	// Cap is the quantile, of the values above zero, that larger ones are counted as: few very large ones would else decide. 0: 0.99.
	// 1: nothing is capped.
	Cap float64
	// CapAt is the value that larger ones are counted as, known before; 0: Cap counts.
	CapAt float64
	// LowerIsBetter says that the arm with the smaller mean wins.
	LowerIsBetter bool
}

// Filled is the plan with what is not said.
func (p Plan) Filled() Plan {
	fill := func(v *float64, to float64) {
		if *v == 0 {
			*v = to
		}
	}
	fill(&p.Level, 0.95)
	fill(&p.Margin, 0.01)
	fill(&p.MinUnits, 1000)
	fill(&p.MinNotZero, 200)
	fill(&p.Cap, 0.99)
	if p.Share > 0 && p.Share < 1 {
		fill(&p.Expected, 10*p.MinUnits/min(p.Share, 1-p.Share))
	}
	return p
}

func (p Plan) check() error {
	if !(p.Share > 0 && p.Share < 1) {
		return problem(-1, "share %v is not between 0 and 1", p.Share)
	}
	if !(p.Cap > 0 && p.Cap <= 1) {
		return problem(-1, "there is no quantile %v", p.Cap)
	}
	if !(p.MarginIs >= 0) || !(p.CapAt >= 0) || math.IsInf(p.CapAt, 1) || !(p.Margin > 0) || !(p.MinUnits >= 2) || !(p.MinNotZero >= 1) {
		return problem(-1, "an experiment needs a margin above 0, at least 2 units an arm and one value that is not zero")
	}
	return Mixture{p.Level, p.Expected}.check(0)
}

// Experiment compares two arms that are watched continuously. A unit is whatever was drawn into an arm, as a rule a user, and has one value: the
// rows of one user are not independent, so the caller adds them up first. Units come in the order in which their values are final.
type Experiment struct {
	plan  Plan
	A, B  Arm
	cap   float64 // +Inf until the first look
	first []unit  // units before the first look, which the cap is taken from, without regard to their arms
}

type unit struct {
	b     bool
	value float64
}

// NewExperiment begins one.
func NewExperiment(p Plan) (*Experiment, error) {
	p = p.Filled()
	if err := p.check(); err != nil {
		return nil, err
	}
	e := &Experiment{plan: p, cap: math.Inf(1)}
	if p.CapAt > 0 {
		e.cap = p.CapAt
	}
	return e, nil
}

// Add adds one unit of arm b or else of arm a.
func (e *Experiment) Add(b bool, value float64) error {
	if value-value != 0 {
		return problem(-1, "value is %v", value)
	}
	e.count(unit{b, value})
	if e.plan.Cap < 1 && math.IsInf(e.cap, 1) {
		e.first = append(e.first, unit{b, value})
		if e.looking() {
			e.settle()
		}
	}
	return nil
}

// looking says whether there are enough units for a look.
func (e *Experiment) looking() bool {
	return min(e.A.N, e.B.N) >= e.plan.MinUnits && e.A.NotZero+e.B.NotZero >= e.plan.MinNotZero
}

// settle fixes the cap by the units so far, and counts these again.
func (e *Experiment) settle() {
	var sizes []float64
	for _, u := range e.first {
		if u.value != 0 {
			sizes = append(sizes, math.Abs(u.value))
		}
	}
	slices.Sort(sizes)
	e.cap = sizes[min(int(e.plan.Cap*float64(len(sizes))), len(sizes)-1)]
	e.A, e.B = Arm{}, Arm{}
	for _, u := range e.first {
		e.count(u)
	}
	e.first = nil
}

func (e *Experiment) count(u unit) {
	arm := &e.A
	if u.b {
		arm = &e.B
	}
	if u.value != 0 {
		arm.NotZero++
	}
	v := max(min(u.value, e.cap), -e.cap)
	if v != u.value {
		arm.Capped++
	}
	arm.N++
	d := v - arm.mean
	arm.mean += d / arm.N
	arm.squares += d * (v - arm.mean)
}

// Outcome is what an experiment says.
type Outcome string

// The outcomes.
const (
	WinnerA      Outcome = "A"
	WinnerB      Outcome = "B"
	NoDifference Outcome = "no difference"
	NotEnough    Outcome = "not enough data"
	Invalid      Outcome = "invalid" // the arms do not have the sizes that they were to have
)

// Look is what is known of an experiment at one time. It may be taken as often as one likes.
type Look struct {
	Outcome Outcome
	A, B    Arm
	Ratio   SampleRatio
	Cap     float64  // that values were counted at; +Inf: none
	Bounds  Interval // of mean of b minus mean of a, at all times at once; infinite before the first look
	P       float64  // always-valid, of "there is no difference"
	Margin  float64  // in the unit of the values
	Needed  float64  // how many units, about, make the bounds as short as the margin; 0: enough, NaN: not known
}

// Look judges what there is.
func (e *Experiment) Look() (Look, error) {
	l := Look{Outcome: NotEnough, A: e.A, B: e.B, Cap: e.cap, P: 1, Bounds: Interval{e.B.Mean() - e.A.Mean(), math.Inf(-1), math.Inf(1)}, Needed: math.NaN()}
	var err error
	if l.Ratio, err = NewSampleRatio(e.A.N, e.B.N, e.plan.Share); err != nil {
		return l, err
	}
	if l.Ratio.Mismatch() {
		l.Outcome = Invalid
		return l, nil
	}
	if !e.looking() {
		return l, nil
	}
	n, m := e.A.N+e.B.N, Mixture{e.plan.Level, e.plan.Expected}
	se := math.Sqrt(e.A.Variance()/e.A.N + e.B.Variance()/e.B.N)
	if l.Bounds, err = m.Interval(l.Bounds.Value, se, n); err != nil {
		return l, err
	}
	if l.P, err = m.P(l.Bounds.Value, se, n); err != nil {
		return l, err
	}
	if l.Margin = e.plan.MarginIs; l.Margin == 0 {
		l.Margin = e.plan.Margin * math.Abs(e.A.Mean())
	}
	l.Outcome = e.outcome(l)
	if half := l.Bounds.Upper - l.Bounds.Value; half > l.Margin && l.Margin > 0 {
		l.Needed = math.Ceil(n * (half / l.Margin) * (half / l.Margin))
	} else {
		l.Needed = 0
	}
	return l, nil
}

func (e *Experiment) outcome(l Look) Outcome {
	more, less := WinnerB, WinnerA
	if e.plan.LowerIsBetter {
		more, less = less, more
	}
	switch {
	case l.Bounds.Lower > 0:
		return more
	case l.Bounds.Upper < 0:
		return less
	case l.Bounds.Lower >= -l.Margin && l.Bounds.Upper <= l.Margin && l.Margin > 0:
		return NoDifference
	}
	return NotEnough
}
