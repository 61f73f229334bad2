package deploy

import (
	"fmt"
	"math"
	"time"

	"mlx/internal/fault"
)

// SLO is how much may go wrong: a share of the requests within a window, as a rule 99.99 % within 30 days.
type SLO struct {
	Availability float64       // share of the requests that are answered without an error, below 1
	Window       time.Duration // 0: 30 days
}

// usualWindow is the window of an SLO that names none.
const usualWindow = 30 * 24 * time.Hour

// Period is what a service answered within a time.
type Period struct {
	From, To time.Time
	Requests int64
	Errors   int64
}

// Budget is what is left of the errors that an SLO allows.
type Budget struct {
	SLO      SLO
	Requests int64   // within the window
	Errors   int64   // of these
	Allowed  float64 // errors that so many requests may have
	Left     float64 // share of Allowed that is left; below 0 when more went wrong; 1 without requests
	// Fast and Slow are burn rates: how many times faster than the window allows errors come, over the last hour and the last six. At 1
	// the budget lasts just as long as the window. NaN without requests.
	Fast, Slow float64
	// Lasts is how long the budget lasts at the rate of the last six hours; negative when it does not end.
	Lasts time.Duration
}

// NewBudget computes the budget of a service as of a time. A period that lies across the edge of a window counts in part.
func NewBudget(slo SLO, periods []Period, now time.Time) (Budget, error) {
	if !(slo.Availability > 0 && slo.Availability < 1) || slo.Window < 0 {
		return Budget{}, fault.New(fault.Usage, "cannot compute an error budget: an availability is between 0 and 1").Hint("slo: {availability: 99.99%%, window: 30d}")
	}
	fill(&slo.Window, usualWindow)
	b := Budget{SLO: slo, Left: 1, Lasts: -1}
	requests, errors := happened(periods, now.Add(-slo.Window), now)
	b.Requests, b.Errors = int64(math.Round(requests)), int64(math.Round(errors))
	b.Allowed = (1 - slo.Availability) * requests
	if requests > 0 {
		b.Left = 1 - errors/b.Allowed
	}
	burn := func(span time.Duration) float64 {
		requests, errors := happened(periods, now.Add(-span), now)
		return errors / requests / (1 - slo.Availability)
	}
	b.Fast, b.Slow = burn(time.Hour), burn(6*time.Hour)
	if b.Slow > 0 {
		b.Lasts = max(time.Duration(min(b.Left/b.Slow*float64(slo.Window), float64(longest))), 0).Round(time.Second)
	}
	return b, nil
}

// happened adds up what happened from one time to another.
func happened(periods []Period, from, to time.Time) (requests, errors float64) {
	for _, p := range periods {
		start, end := p.From, p.To
		if start.Before(from) {
			start = from
		}
		if end.After(to) {
			end = to
		}
		part := 1.0
		switch whole := p.To.Sub(p.From); {
		case end.Before(start) || end.Equal(start) && whole > 0:
			continue
		case whole > 0:
			part = float64(end.Sub(start)) / float64(whole)
		}
		requests += part * float64(p.Requests)
		errors += part * float64(p.Errors)
	}
	return requests, errors
}

// Burning says that errors come so fast that somebody must look: a fiftieth of the budget of 30 days within an hour, or a twentieth within six
// (the burn rates 14.4 and 6 of the SRE workbook of Google, chapter 5).
func (b Budget) Burning() bool { return b.Fast >= 14.4 || b.Slow >= 6 }

// String says it in words: "92% of the error budget left (38 of 479 errors in 30 d)".
func (b Budget) String() string {
	text := fmt.Sprintf("%s of the error budget left (%s of %s errors in %s)", percent(math.Floor(1000*max(b.Left, 0)+1e-6)/1000), group(b.Errors),
		group(int64(math.Round(b.Allowed))), span(b.SLO.Window))
	if b.Fast >= 1 {
		text += fmt.Sprintf(", burning %s times too fast", digits(b.Fast))
	}
	return text
}
