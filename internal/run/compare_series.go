package run

import "mlx/internal/fault"

// Step is where two series of a metric differ first, and how much: within the tolerance or beyond it.
type Step struct {
	At     int64
	Result Sameness
}

// FirstSteps finds, for each metric that both runs kept as a series, the first step beyond the tolerance; where there is
// none, the first that is not exactly the same. A series that ends earlier differs where it ends. Either may be nil.
func FirstSteps(a, b *Curves, t Tolerance) (map[string]Step, error) {
	if a == nil || b == nil {
		return nil, nil
	}
	steps := make(map[string]Step)
	for _, name := range a.Names() {
		if systemMetric(name) || b.Len(name) == 0 {
			continue
		}
		x, err := a.Column(name)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot compare the series: %w", err)
		}
		y, err := b.Column(name)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot compare the series: %w", err)
		}
		if step, differs := firstStep(x, y, t); differs {
			steps[name] = step
		}
	}
	return steps, nil
}

func firstStep(x, y Curve, t Tolerance) (first Step, differs bool) {
	for i := range min(x.Len(), y.Len()) {
		same := Different
		if x.Steps[i] == y.Steps[i] {
			same = sameNumber(t.allows(x.Name, x.Values[i]), maybe{Number(x.Values[i]), true}, maybe{Number(y.Values[i]), true})
		}
		if same == Different {
			return Step{x.Steps[i], Different}, true
		}
		if same == Equal && !differs {
			first, differs = Step{x.Steps[i], Equal}, true
		}
	}
	switch n := min(x.Len(), y.Len()); {
	case x.Len() > n:
		return Step{x.Steps[n], Different}, true
	case y.Len() > n:
		return Step{y.Steps[n], Different}, true
	}
	return first, differs
}
