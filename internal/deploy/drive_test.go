package deploy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// inService makes a world in which v1 and then v2 came into service.
func inService(t *testing.T, seed uint64) *play {
	t.Helper()
	p := newPlay(t, seed)
	p.must(StateCompleted, p.deploy(spec(1, "good")))
	s := spec(2, "good")
	s.Bake, s.MinSamples = 5*time.Second, 0
	s.Strategy = BlueGreen
	p.must(StateCompleted, p.deploy(s))
	if p.w.share(release(2, "good").Key) != All {
		t.Fatalf("v2 has %v", p.w.share(release(2, "good").Key))
	}
	return p
}

func TestACanaryThatGoesWell(t *testing.T) {
	p := inService(t, 1)
	r := p.deploy(spec(3, "good"))
	p.must(StateCompleted, r)
	want := []State{StatePackaged, StateReady, StateGated, StateStep, StateStep, StateStep, StateStep, StateCompleted}
	if got := states(p.m, r.ID); !slices.Equal(got, want) {
		t.Errorf("it went through %v", got)
	}
	s := p.m.service()
	if s.Current == nil || s.Current.Version != 3 || len(s.Good) != 2 || s.Good[0].Version != 2 || s.Good[1].Version != 1 {
		t.Errorf("in service is %+v, before %+v", s.Current, s.Good)
	}
	for share := range map[Share]bool{100: true, 500: true, 2000: true} {
		if p.w.held[share] < time.Minute {
			t.Errorf("it had %v for %v only", share, p.w.held[share])
		}
	}
	if p.w.lost != 0 || len(s.Conflicts) != 0 {
		t.Errorf("%d requests were lost, conflicts: %v", p.w.lost, s.Conflicts)
	}
	if line := s.Story()[0]; line.By != "ana" || !strings.HasPrefix(line.Text, "v3 in service after 4 min") || !strings.HasSuffix(line.Text, ": 1% 5% 20% 100%") {
		t.Errorf("the story is %+v", line)
	}
}

func TestACanaryThatGoesWrong(t *testing.T) {
	p := inService(t, 2)
	r := p.deploy(spec(3, "bad"))
	p.must(StateRolledBack, r)
	if !strings.Contains(r.Reason, "errors ") || !strings.Contains(r.Reason, " against 0.") || r.Actor != Mlx {
		t.Errorf("the reason is %q of %s", r.Reason, r.Actor)
	}
	line := p.m.service().Story()[0]
	if !strings.HasPrefix(line.Text, "v3 rolled back at 1% after ") || line.By != Mlx {
		t.Errorf("the story is %+v", line)
	}
	if p.w.share(release(2, "good").Key) != All || p.w.servers[release(3, "bad").Key] != nil {
		t.Errorf("traffic goes to %+v", p.w.now)
	}
	if s := p.m.service(); s.Current.Version != 2 || s.Targets()[0].Version != 1 {
		t.Errorf("in service is %+v, a rollback goes to %+v", s.Current, s.Targets())
	}
}

func TestACandidateThatIsNeverReady(t *testing.T) {
	p := inService(t, 3)
	before := p.w.servers[release(2, "good").Key]
	r := p.deploy(spec(3, "broken"))
	p.must(StateRolledBack, r)
	if r.Reason != "v3 was not ready within 3 min: exit status 1" || p.w.held[100] > 0 {
		t.Errorf("%q; it had 1%% for %v", r.Reason, p.w.held[100])
	}
	if p.w.servers[release(2, "good").Key] != before || p.w.lost != 0 {
		t.Error("stable was touched")
	}
	if text := p.m.service().Story()[0].Text; text != "v3 not put into service: v3 was not ready within 3 min: exit status 1" {
		t.Errorf("the story is %q", text)
	}
}

func TestRollbackNeverReplaysSteps(t *testing.T) {
	p := inService(t, 4)
	p.must(StateCompleted, p.deploy(spec(3, "good")))
	target := p.m.service().Targets()[0]
	if target.Version != 2 || p.w.servers[target.Key] == nil {
		t.Fatalf("the target is %+v and its server %v", target, p.w.servers[target.Key])
	}
	s := Spec{Service: "flights", To: target, Strategy: Back}
	began := p.w.at
	r := p.deploy(s)
	p.must(StateCompleted, r)
	if took := p.w.at - began; took > time.Second {
		t.Errorf("a rollback to what is warm took %v", took)
	}
	if got := states(p.m, r.ID); !slices.Equal(got, []State{StateCompleted}) {
		t.Errorf("it went through %v", got)
	}
	service := p.m.service()
	if service.Current.Version != 2 || len(service.Good) != 1 || service.Good[0].Version != 1 {
		t.Errorf("in service is %+v, and a rollback goes to %+v: v3 was taken back", service.Current, service.Good)
	}
	// Now one that is cold, and then none is left.
	r = p.deploy(Spec{Service: "flights", To: service.Good[0], Strategy: Back})
	p.must(StateCompleted, r)
	if service = p.m.service(); service.Current.Version != 1 || len(service.Targets()) != 0 || p.w.lost != 0 {
		t.Errorf("in service is %+v, then %v; %d requests were lost", service.Current, service.Targets(), p.w.lost)
	}
	if text := service.Story()[0].Text; !strings.HasPrefix(text, "v1 back in service, from v2 in ") {
		t.Errorf("the story is %q", text)
	}
}

func TestLowTrafficPausesAndNeverDecides(t *testing.T) {
	for _, rate := range []float64{0, 2} {
		p := inService(t, 5)
		p.w.rate = rate
		r := p.deploy(spec(3, "good"))
		p.must(StatePaused, r)
		if !strings.HasPrefix(r.Reason, "too few answers: ") || !strings.HasSuffix(r.Reason, ", after 6 min") || p.w.share(r.To.Key) != 100 {
			t.Errorf("%q, it has %v", r.Reason, p.w.share(r.To.Key))
		}
		// It is still watched, and may still fail.
		p.w.rate = 400
		p.w.servers[r.To.Key].errors = 0.3
		for range 60 {
			p.turn(time.Second)
		}
		r, _ = p.m.service().Rollout(r.ID)
		p.must(StateRolledBack, r)
	}
}

func TestWordsArePutIntoPractice(t *testing.T) {
	p := inService(t, 6)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	until := func(state State, step int) {
		t.Helper()
		for range 1000 {
			if now, _ := p.m.service().Rollout(r.ID); now.State == state && (state != StateStep || now.Step == step) {
				return
			}
			p.turn(time.Second)
		}
		t.Fatalf("it never came to %s %d", state, step)
	}
	until(StateStep, 1)
	p.m.ask(Pause, "lunch")
	until(StatePaused, 0)
	for range 300 {
		p.turn(time.Second)
	}
	now, _ := p.m.service().Rollout(r.ID)
	if now.State != StatePaused || now.Reason != "lunch" || now.Actor != "li" || p.w.share(r.To.Key) != 500 {
		t.Errorf("it is %s, %q by %s, and has %v", now.State, now.Reason, now.Actor, p.w.share(r.To.Key))
	}
	p.m.ask(Resume, "")
	until(StateStep, 1)
	p.turn(time.Second)
	p.m.ask(Now, "")
	began := p.w.at
	until(StateStep, 2)
	if p.w.at-began > 5*time.Second {
		t.Errorf("the wait was not skipped: %v", p.w.at-began)
	}
	p.m.ask(Pause, "")
	p.m.ask(Full, "it is fine")
	until(StateCompleted, 0)
	if text := p.m.service().Story()[0].Text; !strings.HasSuffix(text, ": 1% 5% 20%, then 100%: it is fine") {
		t.Errorf("the story is %q", text)
	}
	// Abort has nothing to do any more.
	p.m.ask(Abort, "")
	if s := p.m.service(); s.Current.Version != 3 {
		t.Errorf("in service is %+v", s.Current)
	}
}

func TestAbortWinsOverEverything(t *testing.T) {
	p := inService(t, 7)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	for range 60 {
		p.turn(time.Second)
	}
	p.m.ask(Abort, "no")
	p.m.ask(Full, "yes")
	for range 5 {
		p.turn(time.Second)
	}
	now, _ := p.m.service().Rollout(r.ID)
	p.must(StateRolledBack, now)
	if now.Reason != "no" || p.w.share(release(2, "good").Key) != All {
		t.Errorf("%q, traffic %+v", now.Reason, p.w.now)
	}
	if text := p.m.service().Story()[0].Text; !strings.HasPrefix(text, "v3 rolled back at 1% after ") || !strings.HasSuffix(text, ": no") {
		t.Errorf("the story is %q", text)
	}
}

func TestANewModelMidRolloutStartsAgain(t *testing.T) {
	p := inService(t, 8)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	p.until(func() bool {
		now, _ := p.m.service().Rollout(r.ID)
		return now.Step == 2
	})
	old := p.d
	next := p.m.plan(spec(4, "good"))
	if next.From.Version != 2 || next.State != StatePlanned {
		t.Fatalf("it takes over from %+v and is %s", next.From, next.State)
	}
	if _, done, err := old.turn(t.Context(), Judgement{Verdict: "pass"}); !done || err != nil || old.r.State != StateRolledBack {
		t.Errorf("the old one goes on: %v %v %s", done, err, old.r.State)
	}
	p.must(StateCompleted, p.finish(next.ID))
	if now, _ := p.m.service().Rollout(r.ID); now.State != StateRolledBack || now.Reason != "v4 took its place" {
		t.Errorf("the first one is %s: %q", now.State, now.Reason)
	}
	if s := p.m.service(); s.Good[0].Version != 2 {
		t.Errorf("a rollback goes to %+v", s.Good)
	}
}

func TestTheLeaseEndsARolloutWhoseControllerDied(t *testing.T) {
	p := inService(t, 9)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	p.until(func() bool { return p.w.share(r.To.Key) > 0 })
	p.d = nil // killed
	for range 31 {
		p.turn(time.Second)
	}
	if p.w.share(r.To.Key) != 0 {
		t.Error("the candidate still has requests")
	}
	r = p.finish(r.ID)
	p.must(StateRolledBack, r)
	if r.Reason != "lease expired" {
		t.Errorf("the reason is %q", r.Reason)
	}
}

func TestAfterACrashWithinTheLeaseItGoesOn(t *testing.T) {
	p := inService(t, 10)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	for i := range 2000 {
		if p.d == nil {
			p.start(r.ID)
		}
		if p.turn(time.Second) {
			break
		}
		if i%20 == 19 {
			p.d = nil
		}
		if now, _ := p.m.service().Rollout(r.ID); now.State.Over() && p.d == nil {
			p.start(r.ID)
		}
	}
	now, _ := p.m.service().Rollout(r.ID)
	// A bake begins again with each controller, and one of 20 s never bakes for a minute: it waits, and harms nobody.
	if now.State != StateStep || now.Step != 0 || p.w.lost > 0 {
		t.Errorf("it is %s, step %d; %d lost", now.State, now.Step, p.w.lost)
	}
	p.must(StateCompleted, p.finish(r.ID))
}

func TestAFullDiskMovesNothingForwardAndEverythingBack(t *testing.T) {
	p := inService(t, 11)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	p.until(func() bool { return p.w.share(r.To.Key) > 0 })
	p.m.full = true
	for range 300 {
		p.turn(time.Second)
	}
	if now, _ := p.m.service().Rollout(r.ID); now.Step != 0 || p.w.share(r.To.Key) != 100 {
		t.Errorf("without a record it came to step %d, %v", now.Step, p.w.share(r.To.Key))
	}
	p.w.servers[r.To.Key].errors = 0.5
	for range 300 {
		p.turn(time.Second)
	}
	if p.w.share(r.To.Key) != 0 {
		t.Error("what fails keeps its requests while the disk is full")
	}
	dead := p.d
	p.m.full = false
	for range 10 {
		p.turn(time.Second)
	}
	now, _ := p.m.service().Rollout(r.ID)
	p.must(StateRolledBack, now)
	if !strings.HasPrefix(now.Reason, "errors ") {
		t.Errorf("the reason is %q", now.Reason)
	}
	if dead == nil || !slices.ContainsFunc(p.news, func(n News) bool { return errors.Is(n.Err, errFull) }) {
		t.Error("nobody was told that the disk is full")
	}
}

// TestAnAbortThatCouldNotBeWritten: the disk is full, the target was told, and then the controller died too.
func TestAnAbortThatCouldNotBeWritten(t *testing.T) {
	p := inService(t, 12)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	p.until(func() bool { return p.w.share(r.To.Key) > 0 })
	p.m.full = true
	p.w.servers[r.To.Key].errors = 0.5
	p.until(func() bool { return p.w.share(r.To.Key) == 0 })
	p.m.full, p.d = false, nil
	r = p.finish(r.ID)
	p.must(StateRolledBack, r)
	if r.Reason != "the target has given it up" {
		t.Errorf("the reason is %q", r.Reason)
	}
}

func TestAClockThatJumpsShortensNoBake(t *testing.T) {
	p := inService(t, 13)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	for i := range 3000 {
		if i%17 == 0 {
			p.skew += time.Duration(p.w.random.IntN(48)-24) * time.Hour
		}
		before := p.w.at
		if p.turn(time.Second) {
			break
		}
		if p.w.at == before {
			t.Fatal("time stands still")
		}
	}
	now, _ := p.m.service().Rollout(r.ID)
	p.must(StateCompleted, now)
	for _, share := range []Share{100, 500, 2000} {
		// A jump counts as one look at most, of 30 s, and half of them go forward; each makes a bake shorter by as much.
		if p.w.held[share] < 20*time.Second {
			t.Errorf("it had %v for %v", share, p.w.held[share])
		}
	}
}

func TestTwoControllers(t *testing.T) {
	p := inService(t, 14)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	first := p.d
	p.start(r.ID)
	second := p.d
	for i := range 2000 {
		p.m.by = []string{"ana", "li"}[i%2]
		p.d = []*driving{first, second}[i%2]
		if p.turn(500*time.Millisecond) || p.d == nil {
			break
		}
	}
	now, _ := p.m.service().Rollout(r.ID)
	p.must(StateCompleted, now)
	if got := len(states(p.m, r.ID)); got != 8 {
		t.Errorf("%d changes were written: %v", got, states(p.m, r.ID))
	}
	if p.w.lost != 0 {
		t.Errorf("%d lost", p.w.lost)
	}
}

func TestSomebodyElseIsInCharge(t *testing.T) {
	p := inService(t, 15)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	p.until(func() bool { return p.w.share(r.To.Key) > 0 })
	// Another clone, of which these records know nothing, has deployed something else.
	other := release(9, "good")
	if err := p.w.Apply(t.Context(), Desired{Service: "flights", Generation: p.w.gen + 5, Arms: []Arm{{Role: Stable, Release: other, Share: All, Replicas: 1}}}); err != nil {
		t.Fatal(err)
	}
	_, _, err := p.d.turn(t.Context(), Judgement{Verdict: "pass"})
	if err == nil || !strings.Contains(err.Error(), "somebody else controls it") || p.w.share(other.Key) != All {
		t.Errorf("%v, traffic %+v", err, p.w.now)
	}
	// A person who aborts wins all the same.
	p.m.ask(Abort, "mine")
	for range 5 {
		p.turn(time.Second)
	}
	if p.w.share(release(2, "good").Key) != All {
		t.Errorf("traffic goes to %+v", p.w.now)
	}
}

func TestStableCrashesAndNothingIsRisked(t *testing.T) {
	p := inService(t, 16)
	r := p.m.plan(spec(3, "good"))
	p.start(r.ID)
	p.until(func() bool { return p.w.share(r.To.Key) > 0 })
	p.w.servers[release(2, "good").Key].broken = true
	for range 600 {
		p.turn(time.Second)
		if p.w.share(r.To.Key) > 100 {
			t.Fatalf("it got %v while stable was down", p.w.share(r.To.Key))
		}
	}
	now, _ := p.m.service().Rollout(r.ID)
	p.must(StatePaused, now)
	if !strings.HasPrefix(now.Reason, "v2 has no server that is ready") {
		t.Errorf("the reason is %q", now.Reason)
	}
}
