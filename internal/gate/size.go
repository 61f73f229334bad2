package gate

import (
	"cmp"
	"context"

	"mlx/internal/fault"
)

// sizeCheck holds the bytes of the model against limits, or against those of what is in production.
type sizeCheck struct {
	session *session
	rule    Rule
}

func (s *session) size(r Rule) (Check, error) {
	if err := s.only(r, "min", "max", "margin"); err != nil {
		return nil, err
	}
	if r.Min == nil && r.Max == nil && r.Margin == nil {
		return nil, s.wrong(r, "%s has no limit", r.quoted()).Hint("max: 40MB")
	}
	for _, b := range []*Bound{r.Min, r.Max, r.Margin} {
		if b != nil && b.Unit != "bytes" {
			return nil, s.wrong(r, "a size is written with its unit, not %s", b.Text).Hint("max: 40MB")
		}
	}
	return sizeCheck{s, r}, nil
}

// Check compares the sizes. Both are exact, so that a margin needs no interval.
func (c sizeCheck) Check(ctx context.Context, about Subject) ([]Finding, error) {
	s, r := c.session, c.rule
	bytes, err := s.modelSize(ctx, about, r)
	if err != nil {
		return nil, err
	}
	f := r.judged(float64(bytes))
	f.Shown, f.Needs = bytesText(float64(bytes)), r.limits()
	if r.Margin == nil {
		return []Finding{f}, nil
	}
	verdicts := []Verdict{f.Verdict}
	if about.Against == nil {
		verdicts = append(verdicts, cmp.Or(s.spec.WithoutBaseline, Inconclusive))
		f.Note = "there is nothing to compare with"
	} else {
		before, err := s.modelSize(ctx, *about.Against, r)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, Rule{Max: r.Margin}.within(float64(bytes-before)))
		f.Baseline, f.Difference = finite(float64(before)), finite(float64(bytes-before))
		f.Shown += " against " + bytesText(float64(before))
	}
	f.Verdict = worst(verdicts)
	return []Finding{f}, nil
}

func (s *session) modelSize(ctx context.Context, about Subject, r Rule) (int64, error) {
	if about.World.Size == nil {
		return 0, s.wrong(r, "%s has no model", about.For.words())
	}
	bytes, err := about.World.Size(ctx)
	if err != nil {
		return 0, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	return bytes, nil
}
