package drift

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/object"
)

// story is what happened to a monitor: windows a day apart are judged, and what Decide says is done at once.
type story struct {
	policy  Policy
	windows []Judged
	done    []Done
	lc      uint64
}

func day(n int) time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// judge records what drifted in the week that ends on a day: "" is stable, "?" cannot tell.
func (s *story) judge(n int, drifted string) Judged {
	s.lc++
	j := Judged{ID: object.Sum(fmt.Appendf(nil, "answer %d", s.lc)), LC: s.lc, From: day(n - 7), To: day(n), Verdict: Drift}
	switch drifted {
	case "":
		j.Verdict = Stable
	case "?":
		j.Verdict = CannotTell
	default:
		j.Drifted = strings.Fields(drifted)
	}
	s.windows = append(s.windows, j)
	return j
}

func (s *story) end(d Decision, cause Judged, state ActionState, now time.Time, cost float64) {
	s.lc++
	a := Action{Monitor: s.policy.Monitor, What: s.policy.What, Cause: cause.ID, State: state, Key: d.Key, AsOf: now}
	if cost > 0 {
		a.Cost = &Cost{Amount: cost, Currency: "EUR"}
	}
	s.done = append(s.done, Done{ID: object.Sum(fmt.Appendf(nil, "act %d", s.lc)), LC: s.lc, By: "ana", Op: fmt.Sprint(s.lc), Action: a})
}

// night judges a window, decides and does what is decided. It returns the decision in a word.
func (s *story) night(n int, drifted string) string {
	j := s.judge(n, drifted)
	d := Decide(s.policy, s.windows, s.done, j, day(n))
	switch d.Do {
	case DoRefuse:
		if d.Before == nil || d.Before.State != d.State {
			s.end(d, j, d.State, day(n), 0)
		}
		return string(d.State)
	case DoStart:
		s.end(d, j, ActionStarted, day(n), 0)
		s.end(d, j, ActionSucceeded, day(n), 5)
	case DoNothing, DoFindOut:
	}
	return string(d.Do)
}

func TestDecideNights(t *testing.T) {
	week := 7 * 24 * time.Hour
	eur := func(v float64) *Cost { return &Cost{Amount: v, Currency: "EUR"} }
	for name, c := range map[string]struct {
		policy Policy
		nights string // of each night what drifted, then what is decided
	}{
		"once for a run of windows":        {Policy{}, "- nothing | temp start | temp nothing | temp nothing | - nothing | temp start"},
		"cannot tell does not end it":      {Policy{}, "temp start | ? nothing | temp nothing"},
		"cannot tell does not begin it":    {Policy{}, "? nothing | temp start | ? nothing | - nothing | ? nothing | temp start"},
		"less is the same finding":         {Policy{}, "temp,dewp start | temp nothing | dewp nothing"},
		"more is another":                  {Policy{}, "temp start | temp,dewp start | dewp nothing | temp,dewp,wind start | temp nothing"},
		"cooldown, and again after it":     {Policy{Cooldown: 3 * 24 * time.Hour}, "temp start | - nothing | temp cooldown | - nothing | temp start"},
		"cooldown ends inside the finding": {Policy{Cooldown: 3 * 24 * time.Hour}, "temp start | - nothing | dewp cooldown | dewp start | dewp nothing"},
		"over the limit":                   {Policy{MaxCost: eur(20), Estimate: Estimate{Cost: eur(21)}}, "temp over_budget | temp over_budget"},
		"nobody knows the cost":            {Policy{MaxCost: eur(20), Estimate: Estimate{Why: "no price"}}, "temp over_budget"},
		"free is within every limit":       {Policy{MaxCost: eur(20), Estimate: Estimate{Cost: &Cost{}}}, "temp start"},
		"another currency":                 {Policy{MaxCost: eur(20), Estimate: Estimate{Cost: &Cost{Amount: 1, Currency: "USD"}}}, "temp over_budget"},
		"the sum of 30 days":               {Policy{MaxCost: eur(11), Estimate: Estimate{Cost: eur(5)}}, "temp start | - nothing | temp start | - nothing | temp over_budget"},
		"all is well":                      {Policy{Cooldown: week}, "- nothing | ? nothing | - nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &story{policy: c.policy}
			s.policy.Monitor, s.policy.What = "m", "repro train"
			for n, night := range strings.Split(c.nights, " | ") {
				words := strings.Fields(night)
				drifted := strings.ReplaceAll(strings.TrimPrefix(words[0], "-"), ",", " ")
				if got := s.night(n, drifted); got != words[1] {
					t.Errorf("night %d: %s, not %s", n, got, words[1])
				}
			}
		})
	}
}

// TestDecideAgain: whatever is asked again, in whatever order records arrive, and after a window was judged again, nothing is started twice.
func TestDecideAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		s := &story{policy: Policy{Monitor: "m", What: "repro train"}}
		for n := range 12 {
			drifted := []string{"", "?", "a", "a b", "b"}[random.IntN(5)]
			s.night(n, drifted)
			for range 3 { // a doubled line, another process, a clone that pulled
				random.Shuffle(len(s.windows), func(i, j int) { s.windows[i], s.windows[j] = s.windows[j], s.windows[i] })
				random.Shuffle(len(s.done), func(i, j int) { s.done[i], s.done[j] = s.done[j], s.done[i] })
				for _, j := range s.windows {
					if d := Decide(s.policy, s.windows, s.done, j, day(n)); d.Do == DoStart {
						t.Fatalf("night %d: %v would start again", n, j)
					}
				}
			}
			last := slices.MaxFunc(s.windows, func(a, b Judged) int { return int(a.LC) - int(b.LC) })
			again := s.judge(n, strings.Join(last.Drifted, " ")) // late data, the same drift
			if again.Verdict = last.Verdict; last.Verdict == Drift {
				if d := Decide(s.policy, s.windows, s.done, again, day(n)); d.Do != DoNothing {
					t.Fatalf("night %d: judged again, it would %s", n, d.Do)
				}
			}
		}
	}
}

func TestDecideFindsOut(t *testing.T) {
	s := &story{policy: Policy{Monitor: "m", What: "webhook https://a"}}
	j := s.judge(0, "temp")
	d := Decide(s.policy, s.windows, s.done, j, day(0))
	s.end(d, j, ActionStarted, day(0), 0) // and killed
	again := Decide(s.policy, s.windows, s.done, j, day(0))
	if again.Do != DoFindOut || again.Key != d.Key || again.Before == nil {
		t.Errorf("%+v", again)
	}
	next := s.judge(1, "temp dewp")
	if d := Decide(s.policy, s.windows, s.done, next, day(1)); d.Do != DoFindOut || d.Key != again.Key {
		t.Errorf("before what was begun is settled nothing else begins: %+v", d)
	}
}

// TestDecideLate: a window that is judged after a later one starts nothing, nor does one that no longer drifts take back what it started.
func TestDecideLate(t *testing.T) {
	s := &story{policy: Policy{Monitor: "m", What: "repro train"}}
	s.night(5, "")
	if got := s.night(3, "temp"); got != string(DoNothing) {
		t.Errorf("an old window: %s", got)
	}
	if got := s.night(6, "temp"); got != string(DoStart) {
		t.Errorf("a new one: %s", got)
	}
	s.judge(6, "") // late rows, and it does not drift any more
	if got := s.night(7, "temp"); got != string(DoNothing) {
		t.Errorf("the finding had started already: %s", got)
	}
}

// TestDecideReference: against another reference it is another finding, unless the reference moves with the window.
func TestDecideReference(t *testing.T) {
	for _, moves := range []bool{false, true} {
		s := &story{policy: Policy{Monitor: "m", What: "repro train"}}
		var decisions []Do
		for n := range 2 {
			s.judge(n, "temp")
			w := &s.windows[n]
			if !moves {
				w.Reference = "training data of flights@v" + fmt.Sprint(n)
			}
			d := Decide(s.policy, s.windows, s.done, *w, day(n))
			decisions = append(decisions, d.Do)
			s.end(d, *w, ActionSucceeded, day(n), 0)
		}
		want := []Do{DoStart, DoStart}
		if moves {
			want[1] = DoNothing
		}
		if !slices.Equal(decisions, want) {
			t.Errorf("moves %v: %v", moves, decisions)
		}
	}
}

// TestDecideClones: two clones that judged the same windows name the finding alike, and what both did counts once after a pull.
func TestDecideClones(t *testing.T) {
	a := &story{policy: Policy{Monitor: "m", What: "repro train"}}
	b := &story{policy: a.policy, lc: 100}
	a.night(0, "")
	ja, jb := a.judge(1, "temp"), b.judge(1, "temp")
	da, db := Decide(a.policy, a.windows, a.done, ja, day(1)), Decide(b.policy, b.windows, b.done, jb, day(1))
	if da.Key != db.Key || da.Do != DoStart {
		t.Fatalf("%v %v", da, db)
	}
	a.end(da, ja, ActionSucceeded, day(1), 5)
	b.windows, b.done = append(b.windows, a.windows...), a.done
	if d := Decide(b.policy, b.windows, b.done, jb, day(1)); d.Do != DoNothing || d.Before == nil {
		t.Errorf("after a pull: %+v", d)
	}
	both := Fold([]Done{
		{ID: object.Sum([]byte("1")), LC: 1, By: "ana", Op: "k started 0", Action: Action{Key: da.Key, State: ActionStarted}},
		{ID: object.Sum([]byte("2")), LC: 2, By: "ana", Op: "k succeeded 0", Action: Action{Key: da.Key, State: ActionSucceeded}},
		{ID: object.Sum([]byte("3")), LC: 3, By: "ana", Op: "k started 0", Action: Action{Key: da.Key, State: ActionStarted}},
		{ID: object.Sum([]byte("4")), LC: 4, By: "bob", Op: "k started 0", Action: Action{Key: da.Key, State: ActionStarted}},
	})
	if len(both) != 1 || both[0].State != ActionSucceeded {
		t.Errorf("%+v", both)
	}
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{{nil, "the table drifted"}, {[]string{"a"}, "a drifted"}, {[]string{"a", "b"}, "a and b drifted"}, {[]string{"a", "b", "c"}, "a, b and c drifted"}} {
		a := Action{}
		a.because(c.names)
		if got := a.Reason(); got != c.want {
			t.Errorf("%v: %s", c.names, got)
		}
	}
	var many []string
	for i := range 22 {
		many = append(many, fmt.Sprint(i))
	}
	a := Action{}
	if a.because(many); !strings.HasSuffix(a.Reason(), "19 and 2 others drifted") {
		t.Error(a.Reason())
	}
}
