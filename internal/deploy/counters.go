package deploy

import "maps"

// Since is what was counted after an earlier state of the same counters.
func (c Counters) Since(earlier Counters) Counters {
	minus := func(a, b int64) int64 { return max(a-b, 0) }
	return Counters{
		Requests: minus(c.Requests, earlier.Requests), Answers: minus(c.Answers, earlier.Answers), Errors: minus(c.Errors, earlier.Errors),
		Retried: minus(c.Retried, earlier.Retried), Refused: minus(c.Refused, earlier.Refused), Schema: minus(c.Schema, earlier.Schema),
		Lost: minus(c.Lost, earlier.Lost), Latency: c.Latency.Since(earlier.Latency), Outputs: c.Outputs.Since(earlier.Outputs),
	}
}

// And is what both count together.
func (c Counters) And(other Counters) Counters {
	return Counters{
		Requests: c.Requests + other.Requests, Answers: c.Answers + other.Answers, Errors: c.Errors + other.Errors,
		Retried: c.Retried + other.Retried, Refused: c.Refused + other.Refused, Schema: c.Schema + other.Schema,
		Lost: c.Lost + other.Lost, Latency: c.Latency.And(other.Latency), Outputs: c.Outputs.And(other.Outputs),
	}
}

// Ended is how many requests have been answered or have failed.
func (c Counters) Ended() int64 { return c.Answers + c.Errors }

// Since is what was counted after an earlier state of the same outputs.
func (o Outputs) Since(earlier Outputs) Outputs {
	return Outputs{Low: o.Low.Since(earlier.Low), High: o.High.Since(earlier.High),
		Words: combineWords(o.Words, earlier.Words, func(a, b int64) int64 { return max(a-b, 0) })}
}

// And is what both count together.
func (o Outputs) And(other Outputs) Outputs {
	return Outputs{Low: o.Low.And(other.Low), High: o.High.And(other.High),
		Words: combineWords(o.Words, other.Words, func(a, b int64) int64 { return a + b })}
}

func combineWords(a, b map[string]int64, count func(a, b int64) int64) map[string]int64 {
	var all map[string]int64
	add := func(word string) {
		if n := count(a[word], b[word]); n > 0 {
			if all == nil {
				all = map[string]int64{}
			}
			all[word] = n
		}
	}
	for word := range maps.Keys(a) {
		add(word)
	}
	for word := range maps.Keys(b) {
		if _, done := a[word]; !done {
			add(word)
		}
	}
	return all
}

// Since is what was compared after an earlier state of the same pairs.
func (p Pairs) Since(earlier Pairs) Pairs {
	minus := func(a, b int64) int64 { return max(a-b, 0) }
	return Pairs{
		Eligible: minus(p.Eligible, earlier.Eligible), Compared: minus(p.Compared, earlier.Compared), Dropped: minus(p.Dropped, earlier.Dropped),
		Unlike: minus(p.Unlike, earlier.Unlike), Failed: minus(p.Failed, earlier.Failed), Disagreed: minus(p.Disagreed, earlier.Disagreed),
		Differences: p.Differences.Since(earlier.Differences),
	}
}

// And is what both compare together.
func (p Pairs) And(other Pairs) Pairs {
	return Pairs{
		Eligible: p.Eligible + other.Eligible, Compared: p.Compared + other.Compared, Dropped: p.Dropped + other.Dropped,
		Unlike: p.Unlike + other.Unlike, Failed: p.Failed + other.Failed, Disagreed: p.Disagreed + other.Disagreed,
		Differences: p.Differences.And(other.Differences),
	}
}

// Tally counts from a mark on: the target counts since it began, and a step since it began. A target that lost its counts, because its
// router came back without them, begins again; what was counted before is kept.
type Tally struct {
	Base Counters `json:"base"` // as it was at the mark
	Kept Counters `json:"kept"` // since the mark, before the target began again
	// New: at the mark nobody had seen what the target counts of it. What it shows first was perhaps counted in an earlier rollout.
	New  bool `json:"new,omitempty"`
	seen bool
	last Counters
}

// see takes the counts that a target shows now.
func (t Tally) see(c Counters) Tally {
	if t.seen = true; t.New {
		t.New, t.Base = false, c
	} else if c.Requests < max(t.last.Requests, t.Base.Requests) {
		t.Kept, t.Base = t.Kept.And(t.last.Since(t.Base)), Counters{}
	}
	t.last = c
	return t
}

// mark makes it count from here on.
func (t Tally) mark() Tally { return Tally{Base: t.last, last: t.last, seen: t.seen} }

// since is what was counted since the mark.
func (t Tally) since() Counters {
	if t.last.Requests < t.Base.Requests {
		return t.Kept // nothing has been seen since it was read from a record
	}
	return t.Kept.And(t.last.Since(t.Base))
}

// PairTally is a Tally of pairs.
type PairTally struct {
	Base Pairs `json:"base"`
	Kept Pairs `json:"kept"`
	last Pairs
}

func (t PairTally) see(p Pairs) PairTally {
	if p.Eligible < max(t.last.Eligible, t.Base.Eligible) {
		t.Kept, t.Base = t.Kept.And(t.last.Since(t.Base)), Pairs{}
	}
	t.last = p
	return t
}

func (t PairTally) mark() PairTally { return PairTally{Base: t.last, last: t.last} }

func (t PairTally) since() Pairs { return t.Kept.And(t.last.Since(t.Base)) }

// Marks are the tallies of a rollout.
type Marks struct {
	Candidate Tally     `json:"candidate"` // since the step began
	Stable    Tally     `json:"stable"`    // since the step began
	Whole     Tally     `json:"whole"`     // stable, since the candidate first had requests or copies; where it has all at once, since ever
	Pairs     PairTally `json:"pairs"`     // since the step began
}

// see takes what a target shows.
func (m Marks) see(seen Actual, stable, candidate string) Marks {
	for _, s := range seen.Arms {
		switch {
		case s.Role == "": // it runs, and the target counts nothing for it now
		case s.Key == candidate:
			m.Candidate = m.Candidate.see(s.Counts)
		case s.Key == stable:
			m.Stable, m.Whole = m.Stable.see(s.Counts), m.Whole.see(s.Counts)
		}
	}
	m.Pairs = m.Pairs.see(seen.Pairs)
	return m
}

// step begins a step, and with whole the whole too.
func (m Marks) step(whole bool) Marks {
	m.Candidate, m.Stable, m.Pairs = m.Candidate.mark(), m.Stable.mark(), m.Pairs.mark()
	m.Candidate.New = !m.Candidate.seen
	so := m.Whole.since()
	if m.Whole = m.Whole.mark(); !whole {
		m.Whole.Kept = so
	}
	return m
}

// Sample is what a step is judged by.
type Sample struct {
	Candidate Counters
	Stable    Counters
	Pairs     Pairs
	Before    bool // Stable counted before this step, which gives it nothing
}
