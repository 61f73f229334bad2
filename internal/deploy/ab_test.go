package deploy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mlx/internal/gate"
)

// test is a rollout in its A/B step.
func abTest(users UserPlan) Rollout {
	r, _ := at0(StateStep, nil)
	r.Strategy, r.Steps, r.Users, r.Step = AB, []Share{All / 2}, &users, 0
	r.Marks.Candidate, r.Marks.Stable = Tally{}.see(counted(0, 5000)), Tally{}.see(counted(0, 5000))
	return r
}

// visits are several requests of each user, and what each of them brought.
func visits(n int, of func(r *rand.Rand, candidate bool) float64, share float64) []Event {
	random := rand.New(rand.NewPCG(5, uint64(n)))
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var all []Event
	for u := range n {
		candidate := random.Float64() < share
		for k := range 1 + random.IntN(5) {
			all = append(all, Event{User: fmt.Sprint(u), At: start.Add(time.Duration(u)*time.Minute + time.Duration(k)*time.Hour), Candidate: candidate,
				Value: of(random, candidate)})
		}
	}
	random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all
}

func TestTheVerdictOfAnABTest(t *testing.T) {
	same := func(r *rand.Rand, _ bool) float64 { return r.ExpFloat64() }
	better := func(r *rand.Rand, c bool) float64 {
		if c {
			return 1.3 * r.ExpFloat64()
		}
		return r.ExpFloat64()
	}
	for _, c := range []struct {
		name  string
		users UserPlan
		n     int
		of    func(*rand.Rand, bool) float64
		share float64
		want  gate.Verdict
		says  string
	}{
		{"the new one wins", UserPlan{}, 8000, better, 0.5, gate.Pass, "v2 wins: 3."},
		{"the old one wins", UserPlan{LowerIsBetter: true}, 8000, better, 0.5, gate.Fail, "v1 wins: 3."},
		{"not enough", UserPlan{}, 1500, better, 0.5, gate.Inconclusive, "not enough data: "},
		{"none wins within what was planned", UserPlan{Users: 8000}, 8000, same, 0.5, gate.Fail, "no difference: "},
		{"none wins yet", UserPlan{}, 8000, same, 0.5, gate.Inconclusive, "not enough data: "},
		{"no difference that counts", UserPlan{MarginIs: 0.5}, 8000, same, 0.5, gate.Fail, "no difference: "},
		{"users are lost", UserPlan{}, 8000, better, 0.45, gate.Inconclusive, "the arms have "},
	} {
		events := visits(c.n, c.of, c.share)
		j := Judge{Users: func(context.Context, Rollout) ([]Event, error) { return events, nil }}
		got := j.Judge(t.Context(), abTest(c.users))
		if got.Verdict != c.want || c.want != gate.Pass && !strings.HasPrefix(got.Reason, c.says) {
			t.Errorf("%s: %s, %q", c.name, got.Verdict, got.Reason)
		}
		if f := got.Findings[len(got.Findings)-1]; !strings.HasPrefix(f.Note, c.says) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestUsersAreAddedUp(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 1, h, 0, 0, 0, time.UTC) }
	events := []Event{
		{"b", at(3), true, 5}, {"a", at(1), false, 1}, {"a", at(2), false, 2}, {"a", at(9), false, 100}, {"c", at(4), true, 7}, {"c", at(5), false, 7}, {"d", at(8), true, 1},
	}
	users, both := usersOf(events, 4*time.Hour, at(11))
	if both != 1 || len(users) != 2 || users[0].id != "a" || users[0].value != 3 || users[1].id != "b" || !users[1].candidate {
		t.Errorf("%+v, %d in both", users, both)
	}
	if users, _ = usersOf(events, 0, at(11)); len(users) != 3 || users[0].value != 103 {
		t.Errorf("without a window: %+v", users)
	}
	if events[0].User != "b" {
		t.Error("the events were put in another order")
	}
}

// TestAnABTestFromEndToEnd splits users, waits for the verdict and puts the winner into service.
func TestAnABTestFromEndToEnd(t *testing.T) {
	p := inService(t, 50)
	s := spec(3, "good")
	s.Strategy, s.Sticky, s.Hold, s.Bake = AB, Sticky{Header: "X-User"}, true, time.Minute
	r := p.m.plan(s)
	p.start(r.ID)
	p.until(func() bool { return p.w.share(r.To.Key) == All/2 })
	if p.w.desired.Lease != 0 || p.w.desired.Breaks == 0 || p.w.desired.Sticky.Header == "" {
		t.Errorf("the arms do not hold: %+v", p.w.desired)
	}
	p.d = nil // nobody is there for an hour, and the arms stay as they are
	p.w.pass(time.Hour)
	if p.w.share(r.To.Key) != All/2 {
		t.Errorf("it has %v", p.w.share(r.To.Key))
	}
	p.start(r.ID)
	events := visits(8000, func(r *rand.Rand, c bool) float64 {
		if c {
			return 1.3 * r.ExpFloat64()
		}
		return r.ExpFloat64()
	}, 0.5)
	judge := Judge{Users: func(context.Context, Rollout) ([]Event, error) { return events[:min(len(events), 300*p.judged)], nil }}
	for range 200 {
		j := Judgement{}
		if p.d.seenIn == p.d.r.Generation && p.d.r.Judged() {
			p.judged++
			j = judge.Judge(t.Context(), p.d.r)
		}
		if _, done, err := p.d.turn(t.Context(), j); err != nil {
			t.Fatal(err)
		} else if done {
			break
		}
		p.w.pass(time.Second)
	}
	now, _ := p.m.service().Rollout(r.ID)
	p.must(StateCompleted, now)
	if p.w.share(r.To.Key) != All || p.w.held[All/2] < time.Hour+time.Minute {
		t.Errorf("it has %v, after %v at 50%%", p.w.share(r.To.Key), p.w.held[All/2])
	}
}
