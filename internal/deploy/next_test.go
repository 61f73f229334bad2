package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// at is a rollout of v2 over v1 in a state, which a target obeys.
func at0(state State, change func(*Rollout, *Actual)) (Rollout, Actual) {
	from := release(1, "good")
	s := spec(2, "good")
	s.From = &from
	s.Mirror = All
	r := Rollout{Spec: s.Filled(), ID: object.Sum([]byte("r")), By: "ana", First: 5, Generation: 9, State: state}
	r.Since = time.Unix(1000, 0)
	if state == StatePaused {
		r.Held = StateStep
	}
	seen := obeying(r)
	if change != nil {
		change(&r, &seen)
	}
	return r, seen
}

// obeying is what a target shows that obeys: every server ready, a thousand answers each.
func obeying(r Rollout) Actual {
	a := Actual{Generation: r.Generation, Pairs: Pairs{Eligible: 1000, Compared: 1000}}
	for _, arm := range r.Desired().Arms {
		a.Arms = append(a.Arms, Seen{Key: arm.Release.Key, Role: arm.Role, Share: arm.Share, Replicas: 1, Ready: 1,
			Counts: Counters{Requests: 1000, Answers: 1000, Latency: histogramOf(slices.Repeat([]int64{9000}, 1000)...)}})
	}
	return a
}

// watched says that a step has been watched for long.
func watched(d time.Duration) func(*Rollout, *Actual) {
	return func(r *Rollout, _ *Actual) { r.Watched = d }
}

func arm(seen *Actual, key string) *Seen {
	return &seen.Arms[slices.IndexFunc(seen.Arms, func(s Seen) bool { return s.Key == key })]
}

func both(all ...func(*Rollout, *Actual)) func(*Rollout, *Actual) {
	return func(r *Rollout, seen *Actual) {
		for _, f := range all {
			f(r, seen)
		}
	}
}

func ask(words ...Word) func(*Rollout, *Actual) {
	return func(r *Rollout, _ *Actual) {
		for i, w := range words {
			r.Asks = append(r.Asks, Ask{Record: object.Sum([]byte{byte(i)}), Word: w, By: "li"})
		}
	}
}

// TestNext is the table of the states: what moves a rollout, and what does not.
func TestNext(t *testing.T) {
	pass, fail := Judgement{Verdict: "pass", Reason: "good"}, Judgement{Verdict: "fail", Reason: "errors 3.1% against 0.02%"}
	unsure, none := Judgement{Verdict: "inconclusive", Reason: "cannot tell"}, Judgement{}
	candidate, stable := release(2, "good").Key, release(1, "good").Key
	dead := func(key string) func(*Rollout, *Actual) {
		return func(_ *Rollout, seen *Actual) { arm(seen, key).Ready = 0 }
	}
	unready := func(d time.Duration) func(*Rollout, *Actual) {
		return both(dead(candidate), func(r *Rollout, _ *Actual) {
			r.Dead, r.Watched, r.watching, r.looked = d, d, true, time.Unix(1999, 0)
		})
	}
	nodeless := func(d time.Duration) func(*Rollout, *Actual) {
		return func(r *Rollout, seen *Actual) { r.Waited, arm(seen, candidate).Waits = d, "no GPU is free" }
	}
	reverted := func(_ *Rollout, seen *Actual) {
		seen.Reverted = &Reverted{Generation: seen.Generation, Reason: "lease expired"}
	}
	ahead := func(_ *Rollout, seen *Actual) { seen.Generation++ }
	behind := func(_ *Rollout, seen *Actual) { seen.Generation-- }
	few := func(_ *Rollout, seen *Actual) { arm(seen, candidate).Counts.Answers = 299 }
	hour := watched(time.Hour)
	for _, c := range []struct {
		name   string
		state  State
		change func(*Rollout, *Actual)
		j      Judgement
		want   State
		reason string
	}{
		{"may be started", StatePlanned, nil, pass, StatePackaged, "good"},
		{"may not", StatePlanned, nil, fail, StateAborting, "errors"},
		{"cannot tell whether it may", StatePlanned, nil, unsure, StatePaused, "cannot tell"},
		{"nobody has judged yet", StatePlanned, nil, none, StatePlanned, ""},
		{"the target has not obeyed", StatePlanned, behind, pass, StatePlanned, ""},
		{"somebody else is ahead", StatePlanned, both(ahead, func(_ *Rollout, seen *Actual) { arm(seen, stable).Share = 0 }), pass, StatePlanned, ""},
		{"and a check fails", StateStep, both(ahead, func(_ *Rollout, seen *Actual) { arm(seen, stable).Share = 7000 }), fail, StateStep, ""},
		{"the target gave it up, and nobody wrote it down", StateStep, both(ahead, func(_ *Rollout, seen *Actual) {
			arm(seen, stable).Share, arm(seen, candidate).Share = All, 0
		}), none, StateAborting, "the target has given it up"},
		{"its servers are ready", StatePackaged, nil, none, StateReady, "1 of 1 servers"},
		{"they start", StatePackaged, dead(candidate), pass, StatePackaged, ""},
		{"they start for too long", StatePackaged, unready(180 * time.Second), none, StateAborting, "v2 was not ready within 3 min"},
		{"at this look it is too long", StatePackaged, unready(179 * time.Second), none, StateAborting, "v2 was not ready within 3 min"},
		{"but for the node that they have not yet", StatePackaged, both(unready(179*time.Second), nodeless(0)), none, StatePackaged, ""},
		{"no node for too long", StatePackaged, both(unready(179*time.Second), nodeless(NodeWait)), none, StateAborting,
			"v2 was not ready within 3 min, after 20 min without a node"},
		{"it is warm", StateReady, nil, pass, StateGated, "good"},
		{"the load test failed", StateReady, nil, fail, StateAborting, ""},
		{"the load test was too weak", StateReady, nil, unsure, StatePaused, ""},
		{"copies first", StateGated, nil, none, StateShadow, ""},
		{"no copies", StateGated, func(r *Rollout, _ *Actual) { r.Mirror = 0 }, none, StateStep, ""},
		{"copies are good", StateShadow, hour, pass, StateStep, ""},
		{"copies are bad", StateShadow, nil, fail, StateAborting, ""},
		{"good, too early", StateStep, watched(59 * time.Second), pass, StateStep, ""},
		{"good", StateStep, hour, pass, StateStep, ""},
		{"good, too few answers", StateStep, both(watched(time.Minute), few), pass, StateStep, ""},
		{"good, too few for too long", StateStep, both(hour, few), pass, StatePaused, "too few answers: 299 of 300, after 1 h"},
		{"no traffic at all", StateStep, both(hour, func(_ *Rollout, seen *Actual) { arm(seen, candidate).Counts = Counters{} }), unsure, StatePaused, "too few answers"},
		{"unsure", StateStep, watched(time.Minute), unsure, StateStep, ""},
		{"unsure for too long", StateStep, hour, unsure, StatePaused, "cannot tell, after 1 h"},
		{"a judge that never ends", StateStep, watched(13 * time.Minute), none, StatePaused, "no verdict"},
		{"a judge that is slow", StateStep, watched(7 * time.Minute), none, StateStep, ""},
		{"stable is down", StateStep, both(hour, dead(stable)), pass, StatePaused, "v1 has no server that is ready"},
		{"it fails with few answers", StateStep, few, fail, StateAborting, "errors 3.1% against 0.02%"},
		{"its servers are gone", StateStep, unready(30 * time.Second), pass, StateAborting, "no server of v2 was ready for 30 s"},
		{"its servers are gone for a moment", StateStep, unready(20 * time.Second), pass, StateStep, ""},
		{"the target gave it up", StateStep, reverted, pass, StateAborting, "lease expired"},
		{"also when it is paused", StatePaused, reverted, none, StateAborting, "lease expired"},
		{"long ago", StatePackaged, func(_ *Rollout, seen *Actual) { seen.Reverted = &Reverted{Generation: 2} }, none, StateReady, ""},
		{"paused and good", StatePaused, hour, pass, StatePaused, ""},
		{"paused and bad", StatePaused, nil, fail, StateAborting, "errors"},
		{"paused and dead", StatePaused, unready(30 * time.Second), none, StateAborting, "no server"},
		{"resume", StatePaused, ask(Resume), none, StateStep, "resume"},
		{"resume what fails", StatePaused, ask(Resume), fail, StateAborting, "errors"},
		{"pause", StateStep, both(hour, ask(Pause)), pass, StatePaused, "pause"},
		{"the last word counts", StateStep, ask(Resume, Pause), none, StatePaused, ""},
		{"abort counts always", StateStep, ask(Abort, Full), pass, StateAborting, "aborted"},
		{"abort, the target being ahead", StatePaused, both(ask(Abort), ahead), none, StateAborting, "aborted"},
		{"full", StateStep, ask(Full), none, StateCompleted, "full"},
		{"full of what is dead", StateStep, both(ask(Full), dead(candidate)), none, StateStep, ""},
		{"full before the load test is over", StateReady, ask(Full), none, StateReady, ""},
		{"now", StateStep, ask(Now), none, StateStep, "now"},
		{"gone back", StateAborting, func(_ *Rollout, seen *Actual) { arm(seen, stable).Share = All }, none, StateRolledBack, ""},
		{"not gone back", StateAborting, func(_ *Rollout, seen *Actual) { arm(seen, stable).Share = 9500 }, none, StateAborting, ""},
		{"over", StateCompleted, ask(Abort), fail, StateCompleted, ""},
		{"over the other way", StateRolledBack, ask(Full), pass, StateRolledBack, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, seen := at0(c.state, c.change)
			before := r
			next, desired := r.Next(seen, c.j, time.Unix(2000, 0))
			if next.State != c.want || !strings.HasPrefix(next.Reason, c.reason) {
				t.Errorf("it is %s: %q", next.State, next.Reason)
			}
			if moved := next.State != before.State || next.Step != before.Step; moved != (next.Generation > max(before.Generation, 0)) {
				t.Errorf("generation %d, before %d", next.Generation, before.Generation)
			}
			if desired.Generation != next.Generation || c.want == StateAborting && c.state != StateAborting && next.Generation <= seen.Generation {
				t.Errorf("generation %d is desired, the target obeys %d", desired.Generation, seen.Generation)
			}
			for _, a := range desired.Arms {
				if a.Release.Key == candidate && a.Share > 0 && (c.want == StateAborting || c.want == StateRolledBack || c.want == StatePackaged) {
					t.Errorf("the candidate has %v", a.Share)
				}
			}
			if r.Generation != 9 || r.State != c.state {
				t.Error("Next wrote to its receiver")
			}
		})
	}
}

// TestFullIsKeptUntilItCanBeDone: who asks before the servers are ready that the steps be skipped is obeyed as soon as they are warm.
func TestFullIsKeptUntilItCanBeDone(t *testing.T) {
	r, _ := at0(StatePackaged, ask(Full))
	for i, want := range []State{StateReady, StateGated, StateCompleted} {
		before := r
		r, _ = r.Next(obeying(r), Judgement{Verdict: "pass", Reason: "good"}, time.Unix(2000+int64(i), 0))
		if r.State != want {
			t.Fatalf("after %s it is %s, asked %v", before.State, r.State, r.Asks)
		}
	}
	if len(r.Asks) > 0 || len(r.Obeyed) != 1 {
		t.Errorf("in the end %v is asked, and %v obeyed", r.Asks, r.Obeyed)
	}
}

// TestOnlyWhatIsSeenCounts: time in which the target does something else, or nobody looks, is no bake.
func TestOnlyWhatIsSeenCounts(t *testing.T) {
	r, seen := at0(StateStep, nil)
	now := time.Unix(2000, 0)
	look := func(seen Actual, after time.Duration) time.Duration {
		before := r.Watched
		now = now.Add(after)
		r = r.Watch(seen, now)
		return r.Watched - before
	}
	other := obeying(r)
	arm(&other, r.To.Key).Share = 50
	taken := obeying(r)
	taken.Reverted = &Reverted{Generation: r.Generation}
	earlier := obeying(r)
	earlier.Generation--
	for i, c := range []struct {
		seen  Actual
		after time.Duration
		want  time.Duration
	}{
		{seen, 0, 0}, {seen, 5 * time.Second, 5 * time.Second}, {seen, time.Hour, 15 * time.Second}, {seen, -time.Hour, 0}, {seen, 3 * time.Second, 3 * time.Second},
		{other, 3 * time.Second, 0}, {seen, 3 * time.Second, 0}, {seen, 3 * time.Second, 3 * time.Second}, {taken, 3 * time.Second, 0}, {earlier, 3 * time.Second, 0},
		{seen, 9 * time.Second, 0},
	} {
		if got := look(c.seen, c.after); got != c.want {
			t.Errorf("look %d counts %v, not %v", i, got, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	counts := func(n int64) Counters { return Counters{Requests: n, Answers: n} }
	r := Rollout{Spec: Spec{From: &Release{Key: "old"}, To: Release{Key: "new"}}}
	saw := func(candidate, stable int64) Actual {
		return Actual{Arms: []Seen{{Key: "new", Role: Candidate, Counts: counts(candidate)}, {Key: "old", Role: Stable, Counts: counts(stable)},
			{Key: "other", Role: Previous, Counts: counts(9)}}}
	}
	before := r.Marks.see(saw(10, 990), "old", "new").step(true)
	r.Marks = Marks{Candidate: Tally{Base: before.Candidate.Base}, Stable: Tally{Base: before.Stable.Base}} // as a record has it
	if c, s := r.Split(saw(30, 1070)); c != 20 || s != 80 {
		t.Errorf("since the step began %d and %d", c, s)
	}
	if c, s := r.Split(Actual{}); c != 0 || s != 0 {
		t.Errorf("nothing is seen, but %d and %d", c, s)
	}
}

func TestTallies(t *testing.T) {
	seen := func(n int64) Counters { return Counters{Requests: n, Answers: n} }
	tally := Tally{}.see(seen(100)).mark()
	for _, c := range []struct{ see, want int64 }{{100, 0}, {150, 50}, {20, 70}, {30, 80}, {5, 85}} {
		if tally = tally.see(seen(c.see)); tally.since().Answers != c.want {
			t.Errorf("after %d it is %d, not %d", c.see, tally.since().Answers, c.want)
		}
	}
	back := Tally{Base: tally.Base, Kept: tally.Kept} // as a record has it
	if got := back.since().Answers; got != 80 {
		t.Errorf("read again it is %d", got)
	}
	if got := back.see(seen(9)).since().Answers; got != 89 {
		t.Errorf("read again, and then seen, it is %d", got)
	}
	lost := Tally{}.see(seen(100)).mark()
	if got := (Tally{Base: lost.Base}).see(seen(7)).since().Answers; got != 7 {
		t.Errorf("counts that were lost while nobody looked: %d", got)
	}
	pairs := PairTally{}.see(Pairs{Eligible: 10}).mark().see(Pairs{Eligible: 15}).see(Pairs{Eligible: 3})
	if pairs.since().Eligible != 8 {
		t.Errorf("pairs: %+v", pairs.since())
	}
}

// TestEveryStrategy carries each of them out.
func TestEveryStrategy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Spec)
		want   []State
		served int
		story  string
	}{
		"bluegreen": {func(s *Spec) { s.Strategy = BlueGreen }, []State{StatePackaged, StateReady, StateGated, StateStep, StateCompleted}, 3, ": 100%"},
		"replace":   {func(s *Spec) { s.Strategy = Replace }, []State{StatePackaged, StateStep, StateCompleted}, 3, ": 100%"},
		"shadow, then steps": {func(s *Spec) { s.Strategy, s.Steps = ShadowOnly, []Share{2000, All} },
			[]State{StatePackaged, StateReady, StateGated, StateShadow, StateStep, StateStep, StateCompleted}, 3, ": 20% 100%"},
		"shadow": {func(s *Spec) { s.Strategy = ShadowOnly }, []State{StatePackaged, StateReady, StateGated, StateShadow, StateCompleted}, 2, "all checks pass"},
		"a bad one, replaced": {func(s *Spec) { s.Strategy, s.To = Replace, release(3, "bad") },
			[]State{StatePackaged, StateStep, StateAborting, StateRolledBack}, 2, "against"},
		"a broken one, replaced": {func(s *Spec) { s.Strategy, s.To = Replace, release(3, "broken") },
			[]State{StatePackaged, StateStep, StateAborting, StateRolledBack}, 2, "v3 was not ready within 3 min: exit status 1"},
		"a bad one, all at once": {func(s *Spec) { s.Strategy, s.To = BlueGreen, release(3, "bad") },
			[]State{StatePackaged, StateReady, StateGated, StateStep, StateAborting, StateRolledBack}, 2, "against"},
	} {
		t.Run(name, func(t *testing.T) {
			p := inService(t, 30)
			s := spec(3, "good")
			c.change(&s)
			s.Bake = 5 * time.Second
			p.w.mirror()
			r := p.deploy(s)
			if got := states(p.m, r.ID); !slices.Equal(got, c.want) {
				t.Errorf("it went through %v: %s", got, r.Reason)
			}
			if service := p.m.service(); service.Current.Version != c.served || !strings.Contains(service.Story()[0].Text, c.story) {
				t.Errorf("in service is %s; %s", service.Current.Name(), service.Story()[0].Text)
			}
			if share := p.w.share(release(c.served, "good").Key); share != All {
				t.Errorf("v%d has %v", c.served, share)
			}
			if !strings.Contains(name, "replace") && p.w.lost > 0 {
				t.Errorf("%d requests were lost", p.w.lost)
			}
		})
	}
}

// TestDrive carries a rollout out with a judge that runs beside the controller.
func TestDrive(t *testing.T) {
	p := inService(t, 31)
	c := p.controller()
	slept := time.Duration(0)
	c.Sleep = func(_ context.Context, d time.Duration) {
		slept += d
		p.w.pass(d)
		time.Sleep(time.Millisecond) // the judge gets its turn
	}
	asked := map[State]bool{}
	c.Judge = func(ctx context.Context, r Rollout, _ Actual) (Judgement, error) {
		asked[r.State] = true
		if r.State == StatePlanned || r.State == StateReady {
			return Judgement{Verdict: "pass"}, nil
		}
		return Judge{}.Judge(ctx, r), nil
	}
	r, err := c.Drive(t.Context(), "flights", p.m.plan(spec(3, "good")).ID)
	if err != nil || r.State != StateCompleted {
		t.Fatalf("%s, %v", r.State, err)
	}
	if !asked[StatePlanned] || !asked[StateReady] || !asked[StateStep] || slept < 4*time.Minute || slept > 8*time.Minute {
		t.Errorf("asked %v, slept %v", asked, slept)
	}
	// An error is no verdict, and whoever is told to end ends.
	c.Judge = func(context.Context, Rollout, Actual) (Judgement, error) {
		return Judgement{}, errors.New("no such policy")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.Tell = func(n News) {
		if n.After.State == StatePaused {
			cancel()
		}
	}
	if r, err = c.Drive(ctx, "flights", p.m.plan(spec(4, "good")).ID); !errors.Is(err, context.Canceled) || r.State != StatePaused || r.Reason != "no such policy" {
		t.Errorf("%s %q, %v", r.State, r.Reason, err)
	}
	if _, err := c.Drive(t.Context(), "flights", object.Sum([]byte("no"))); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown rollout: %v", err)
	}
	p.m.plan(spec(5, "good"))
	if _, err := c.Drive(t.Context(), "flights", r.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("one that was replaced: %v", err)
	}
}

func TestSpecs(t *testing.T) {
	from := release(1, "good")
	for name, c := range map[string]struct {
		change func(*Spec)
		says   string
	}{
		"usual":                {func(*Spec) {}, ""},
		"first":                {func(s *Spec) { s.From = nil }, ""},
		"in service":           {func(s *Spec) { s.To = from }, "it is in service"},
		"falling":              {func(s *Spec) { s.Steps = []Share{500, 100, All} }, "steps grow"},
		"too much":             {func(s *Spec) { s.Steps = []Share{500, 10_001} }, "steps grow"},
		"no end":               {func(s *Spec) { s.Steps = []Share{500} }, "ends there"},
		"all at once":          {func(s *Spec) { s.Steps = []Share{All} }, "starts below"},
		"after copies":         {func(s *Spec) { s.Steps, s.Mirror = []Share{All}, All }, ""},
		"unknown":              {func(s *Spec) { s.Strategy = "yolo" }, "no strategy"},
		"ab without users":     {func(s *Spec) { s.Strategy = AB }, "needs to know users"},
		"ab":                   {func(s *Spec) { s.Strategy, s.Sticky.Header = AB, "X-User" }, ""},
		"ab of all":            {func(s *Spec) { s.Strategy, s.Sticky.Header, s.Steps = AB, "X-User", []Share{All} }, "two arms"},
		"ab alone":             {func(s *Spec) { s.Strategy, s.Sticky.Header, s.From = AB, "X-User", nil }, "two arms"},
		"shadow of nothing":    {func(s *Spec) { s.Strategy, s.From = ShadowOnly, nil }, "nothing is"},
		"bake":                 {func(s *Spec) { s.Bake, s.MaxBake = time.Hour, time.Minute }, "max_bake"},
		"a measure":            {func(s *Spec) { s.Checks = []Rule{{Kind: KindMeasure, Name: "eror"}} }, "no such measure"},
		"without a limit":      {func(s *Spec) { s.Checks = []Rule{{Kind: KindMeasure, Name: "latency_p99"}} }, "no limit"},
		"without copies":       {func(s *Spec) { s.Checks = []Rule{{Kind: KindMeasure, Name: MeasureDisagreement, Max: ptr(0.01)}} }, "none are made"},
		"a budget of too much": {func(s *Spec) { s.Checks = []Rule{{Kind: KindMeasure, Name: MeasureBudget, Max: ptr(0.01)}} }, "has a min"},
		"a command":            {func(s *Spec) { s.Checks = []Rule{{Kind: "command"}} }, "nothing is said"},
	} {
		s := spec(2, "good")
		s.From = &from
		c.change(&s)
		err := s.Filled().Check()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := Spec{Service: "flights", From: &from, To: release(2, "good")}.Filled()
	if s.Strategy != Canary || shares(s.Steps) != "1% 5% 20% 100%" || s.Bake != time.Hour || s.MaxBake != 6*time.Hour || s.MinSamples != 1000 ||
		s.Lease != 30*time.Second || s.Checks[0].Name != MeasureErrors || *s.Checks[0].Margin != 0.01 {
		t.Errorf("the usual: %+v", s)
	}
}

func ptr[T any](v T) *T { return &v }

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		span(112 * time.Second): "1 min 52 s", span(100 * time.Millisecond): "0.1 s", span(0): "0 s", span(21 * time.Minute): "21 min",
		span(26 * time.Hour): "1 d 2 h", span(9 * time.Minute): "9 min", span(59999 * time.Millisecond): "1 min",
		percent(0.0002): "0.02%", percent(0.031): "3.1%", percent(0.2): "20%", percent(0.004): "0.4%", percent(0): "0%", percent(1): "100%",
		points(0.0038): "+0.38", points(-0.012): "-1.20", group(53208): "53,208", group(999): "999", group(1000000): "1,000,000",
		seconds(0.044): "44 ms", seconds(1.2): "1.2 s", seconds(0.0002): "200 us", Share(500).String(): "5%", Share(25).String(): "0.25%",
	} {
		if got != want {
			t.Errorf("%q is not %q", got, want)
		}
	}
}

// TestAnEarlierLifeIsNotJudged replaces what is in service by a release that the target has served before. Its counts of then are shown first
// when it has requests again.
func TestAnEarlierLifeIsNotJudged(t *testing.T) {
	r, seen := at0(StateGated, func(r *Rollout, seen *Actual) {
		r.Strategy, r.Steps, r.Mirror = Replace, []Share{All}, 0
		*seen = obeying(*r)
		seen.Arms = append(seen.Arms, Seen{Key: r.To.Key}) // its servers are told of, and the target counts nothing for it
	})
	now := time.Unix(2000, 0)
	next, _ := r.Next(seen, Judgement{}, now)
	if next.State != StateStep {
		t.Fatalf("it is %s", next.State)
	}
	show := func(n int64) Counters {
		next, _ = next.Next(Actual{Generation: next.Generation, Arms: []Seen{{Key: r.To.Key, Role: Candidate, Share: All, Replicas: 1, Ready: 1,
			Counts: Counters{Requests: n + 500, Answers: n, Errors: 500}}}}, Judgement{}, now)
		return next.Sample().Candidate
	}
	for _, n := range []int64{5000, 5001} { // it has a server at two looks before it is judged
		if c := show(n); c.Ended() != 0 {
			t.Errorf("before it is judged it is judged by %+v", c)
		}
	}
	if c := show(5011); c.Ended() != 10 || c.Errors != 0 {
		t.Errorf("after ten answers it is judged by %+v", c)
	}
}
