// Command ab counts how often an A/B test that is watched after every user names a winner where there is none, and how soon it finds one where
// there is.
//
//	go run ./bench/ab
//	go run ./bench/ab -experiments 200 -kpis revenue      a part of it
//
// Beside it stands what the same looks say by the t-test of a fixed number of users, which most people peek at.
package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"mlx/bench/internal/measure"
	"mlx/internal/stats"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ab:", err)
		os.Exit(1)
	}
}

// kpi draws what one user is worth; lift multiplies the mean.
type kpi struct {
	name string
	draw func(r *rand.Rand, lift float64) float64
	lift float64 // that is to be found
}

func kpis() []kpi {
	bought := func(share float64, spent func(*rand.Rand) float64) func(*rand.Rand, float64) float64 {
		return func(r *rand.Rand, lift float64) float64 {
			if r.Float64() >= share {
				return 0
			}
			return lift * spent(r)
		}
	}
	logNormal := func(sigma float64) func(*rand.Rand) float64 {
		return func(r *rand.Rand) float64 { return math.Exp(sigma*r.NormFloat64() + 3) }
	}
	pareto := func(r *rand.Rand) float64 { return 5 * math.Pow(1-r.Float64(), -1/1.5) } // its variance is infinite
	converts := func(share float64) func(*rand.Rand, float64) float64 {
		return func(r *rand.Rand, lift float64) float64 {
			if r.Float64() < share*lift {
				return 1
			}
			return 0
		}
	}
	return []kpi{
		{"conversion of 10 %", converts(0.1), 1.2},
		{"conversion of 1 %", converts(0.01), 1.6},
		{"clicks", func(r *rand.Rand, lift float64) float64 { return math.Floor(3 * lift * r.ExpFloat64()) }, 1.1},
		{"revenue, 20 % buy, log-normal 1.5", bought(0.2, logNormal(1.5)), 1.3},
		{"revenue, 5 % buy, log-normal 2", bought(0.05, logNormal(2)), 1.6},
		{"revenue, 10 % buy, Pareto 1.5", bought(0.1, pareto), 1.3},
	}
}

type options struct {
	experiments, users int
	only               string
}

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("ab", flag.ContinueOnError)
	flags.IntVar(&o.experiments, "experiments", 1000, "experiments of each kind; the bars are for 1000")
	flags.IntVar(&o.users, "users", 20_000, "users of each")
	flags.StringVar(&o.only, "kpis", "", "part of the names of what is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	report := &measure.Report{Out: os.Stdout, NoBars: o.experiments != 1000 || o.users != 20_000}
	for _, k := range kpis() {
		if !strings.Contains(k.name, o.only) {
			continue
		}
		if err := k.measure(report, o); err != nil {
			return err
		}
	}
	if report.Missed > 0 {
		return fmt.Errorf("%d bars are missed", report.Missed)
	}
	return nil
}

// result is what became of one experiment.
type result struct {
	outcome stats.Outcome
	users   int  // at which it was found out
	peeked  bool // a t-test was below 5 % at some look
}

func (k kpi) measure(report *measure.Report, o options) error {
	same, err := k.several(o, 1, 0.5)
	if err != nil {
		return err
	}
	better, err := k.several(o, k.lift, 0.5)
	if err != nil {
		return err
	}
	lost, err := k.several(o, 1, 0.47)
	if err != nil {
		return err
	}
	share := func(all []result, is func(result) bool) float64 {
		n := 0
		for _, r := range all {
			if is(r) {
				n++
			}
		}
		return 100 * float64(n) / float64(len(all))
	}
	won := func(r result) bool { return r.outcome == stats.WinnerA || r.outcome == stats.WinnerB }
	peeked := func(r result) bool { return r.peeked }
	report.Add(measure.Line{Measure: k.name + ": false winners", Value: share(same, won), Unit: "%", Peer: "t-test, peeked at",
		Theirs: share(same, peeked), Bar: 5})
	report.Add(measure.Line{Measure: "  fair, and called invalid", Value: share(same, func(r result) bool { return r.outcome == stats.Invalid }), Unit: "%", Bar: 1})
	report.Add(measure.Line{Measure: fmt.Sprintf("  %+.0f %% found", 100*(k.lift-1)), Value: share(better, func(r result) bool { return r.outcome == stats.WinnerB }), Unit: "%"})
	report.Add(measure.Line{Measure: "  the worse one named", Value: share(better, func(r result) bool { return r.outcome == stats.WinnerA }), Unit: "%", Bar: 2.5})
	var needed []int
	for _, r := range better {
		if r.outcome == stats.WinnerB {
			needed = append(needed, r.users)
		}
	}
	if slices.Sort(needed); len(needed) > 0 {
		report.Add(measure.Line{Measure: "  median of users until then", Value: float64(needed[len(needed)/2]), Unit: "users"})
	}
	report.Add(measure.Line{Measure: "  6 % of one arm lost, and called invalid", Value: share(lost, func(r result) bool { return r.outcome == stats.Invalid }), Unit: "%", Bar: 95, AtLeast: true})
	return nil
}

func (k kpi) several(o options, lift, split float64) ([]result, error) {
	all := make([]result, o.experiments)
	for i := range all {
		var err error
		if all[i], err = k.once(o, uint64(i), lift, split); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// once watches one experiment, after every user, until it has an answer.
func (k kpi) once(o options, seed uint64, lift, split float64) (result, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	e, err := stats.NewExperiment(stats.Plan{Share: 0.5})
	if err != nil {
		return result{}, err
	}
	end := result{outcome: stats.NotEnough, users: o.users}
	for n := 1; n <= o.users; n++ {
		b, times := r.Float64() < split, 1.0
		if b {
			times = lift
		}
		if err := e.Add(b, k.draw(r, times)); err != nil {
			return result{}, err
		}
		if end.outcome != stats.NotEnough && (end.peeked || lift != 1 || n%10 > 0) {
			if lift != 1 || end.peeked {
				break
			}
			continue
		}
		look, err := e.Look()
		if err != nil {
			return result{}, err
		}
		if end.outcome == stats.NotEnough && look.Outcome != stats.NoDifference {
			end.outcome, end.users = look.Outcome, n
		}
		if se := math.Sqrt(look.A.Variance()/look.A.N + look.B.Variance()/look.B.N); min(look.A.N, look.B.N) >= 1000 && math.Abs(look.B.Mean()-look.A.Mean()) > 1.96*se {
			end.peeked = true
		}
	}
	return end, nil
}
