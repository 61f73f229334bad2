package deploy

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// ledger opens a ledger in a folder, in the name of somebody.
func ledger(t *testing.T, dir, by string, now func() time.Time) *lineage.Ledger {
	t.Helper()
	l, err := lineage.Open(lineage.Options{Dir: dir, Now: now, By: by, Host: "host", PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// halting is a Book after which the process dies at the n-th write: before it, or after it.
type halting struct {
	Book
	writes, at int
	after      bool
}

type killed struct{}

func (h *halting) write(do func() error) error {
	h.writes++
	if h.writes == h.at && !h.after {
		panic(killed{})
	}
	err := do()
	if h.writes == h.at {
		panic(killed{})
	}
	return err
}

func (h *halting) Moved(ctx context.Context, before, after Rollout) error {
	return h.write(func() error { return h.Book.Moved(ctx, before, after) })
}

func (h *halting) Observed(ctx context.Context, o Observation) error {
	return h.write(func() error { return h.Book.Observed(ctx, o) })
}

// carryOut drives a rollout in a world, with records in a ledger; dead: the process was killed.
func carryOut(t *testing.T, p *play, records Records, id object.Digest) (dead bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			dead = true
		}
	}()
	c := p.controller()
	c.Records = records
	d, err := c.begin(t.Context(), "flights", id)
	if err != nil {
		t.Fatal(err)
	}
	p.d = d
	for range 2000 {
		if p.turn(time.Second) {
			return false
		}
	}
	t.Fatal("it never ends")
	return false
}

// told are the changes of a rollout that the records have, without their times and samples.
func told(t *testing.T, b Book, id object.Digest) []Move {
	t.Helper()
	var all []Move
	for rec, err := range b.Ledger.Select(t.Context(), lineage.Query{Nouns: []string{noun}, Sort: "lc", All: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if Moved.Is(rec) {
			m, err := Moved.Decode(rec)
			if err != nil {
				t.Fatal(err)
			}
			if m.Rollout == id {
				all = append(all, Move{From: m.From, To: m.To, Step: m.Step, Share: m.Share, Generation: m.Generation, Actor: m.Actor})
			}
		}
	}
	return all
}

// TestKilledAtEveryWrite kills the controller before and after each of its writes, and goes on from the records alone: the changes are the
// same as without, each of them once, whether the candidate is good or bad.
func TestKilledAtEveryWrite(t *testing.T) {
	for _, command := range []string{"good", "bad"} {
		t.Run(command, func(t *testing.T) {
			var want []Move
			writes := 1
			for at := 0; at <= writes; at++ {
				for _, after := range []bool{false, true} {
					p := newPlay(t, 5)
					p.w.rate = 200
					b := Book{ledger(t, t.TempDir(), "ana", p.clock)}
					first := planned(t, b, spec(1, "good"))
					carryOut(t, p, b, first.ID)
					s := spec(2, command)
					s.Steps, s.Bake = []Share{500, All}, 10*time.Second
					r := planned(t, b, s)
					h := &halting{Book: b, at: at, after: after}
					if carryOut(t, p, h, r.ID) {
						if h.writes != at {
							t.Fatalf("killed at write %d, not %d", h.writes, at)
						}
						p.w.pass(time.Second)
						carryOut(t, p, b, r.ID)
					}
					got := told(t, b, r.ID)
					if at == 0 {
						want, writes = got, h.writes
						break
					}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("killed at write %d (after: %v): %+v, and not %+v", at, after, got, want)
					}
					service, err := b.Service(t.Context(), "flights")
					if err != nil {
						t.Fatal(err)
					}
					if share := p.w.share(service.Current.Key); share != All || len(service.Conflicts) > 0 || p.w.lost > 0 {
						t.Errorf("killed at write %d (after: %v): v%d has %v, conflicts %v, %d lost", at, after, service.Current.Version, share, service.Conflicts, p.w.lost)
					}
				}
			}
			if writes < 6 {
				t.Errorf("only %d writes", writes)
			}
		})
	}
}

func planned(t *testing.T, b Book, s Spec) Rollout {
	t.Helper()
	r, err := b.Plan(t.Context(), Planning{Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAskingOfABook(t *testing.T) {
	p := newPlay(t, 6)
	b := Book{ledger(t, t.TempDir(), "ana", p.clock)}
	for _, w := range []Word{Abort, Pause, Resume, Now, Full} {
		if _, err := b.Ask(t.Context(), Asking{Service: "flights", Word: w}); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "no rollout is under way") {
			t.Errorf("%s with no rollout: %v", w, err)
		}
	}
	r := planned(t, b, spec(1, "good"))
	if r.Sticky.Salt == "" || r.Generation != 1 || r.By != "ana" {
		t.Errorf("planned: %+v", r)
	}
	r, err := b.Ask(t.Context(), Asking{Service: "flights", Word: Pause, Reason: "lunch", Actor: "li"})
	if err != nil || len(r.Asks) != 1 || r.Asks[0].Reason != "lunch" || r.Asks[0].By != "li" {
		t.Errorf("%+v, %v", r.Asks, err)
	}
	if r, err = b.Ask(t.Context(), Asking{Service: "flights", Word: Resume}); err != nil || len(r.Asks) != 1 {
		t.Errorf("what is not paused cannot be resumed, and that is no error: %+v, %v", r.Asks, err)
	}
	// What is in service already cannot be deployed; a plan that the target is ahead of is above it.
	carryOutAsked(t, p, b, r.ID)
	if _, err := b.Plan(t.Context(), Planning{Spec: spec(1, "good")}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("again: %v", err)
	}
	next, err := b.Plan(t.Context(), Planning{Spec: spec(2, "good"), Seen: 70, Message: "spring"})
	if err != nil || next.Generation != 71 || next.From.Version != 1 || next.Message != "spring" {
		t.Errorf("%+v, %v", next, err)
	}
	if other, err := b.Service(t.Context(), "other"); err != nil || len(other.Rollouts) > 0 || other.Current != nil {
		t.Errorf("another service: %+v, %v", other, err)
	}
}

// carryOutAsked drives what is paused on the way, and resumes it.
func carryOutAsked(t *testing.T, p *play, b Book, id object.Digest) {
	t.Helper()
	c := p.controller()
	c.Records = b
	d, err := c.begin(t.Context(), "flights", id)
	if err != nil {
		t.Fatal(err)
	}
	p.d = d
	for range 2000 {
		if p.turn(time.Second) {
			return
		}
		if p.d.r.State == StatePaused {
			if _, err := b.Ask(t.Context(), Asking{Service: "flights", Word: Resume, Actor: "li"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatalf("it never ends: %s", p.d.r.State)
}

// TestTwoClones: both deploy at the same time, and then each learns what the other did.
func TestTwoClones(t *testing.T) {
	p := newPlay(t, 7)
	a := Book{ledger(t, t.TempDir(), "ana", p.clock)}
	carryOut(t, p, a, planned(t, a, spec(1, "good")).ID)
	b := Book{ledger(t, t.TempDir(), "li", p.clock)}
	if _, err := b.Ledger.Union(t.Context(), a.Ledger); err != nil {
		t.Fatal(err)
	}
	mine, theirs := planned(t, a, spec(2, "good")), planned(t, b, spec(3, "good"))
	if mine.Generation != theirs.Generation {
		t.Fatalf("generations %d and %d", mine.Generation, theirs.Generation)
	}
	for _, pair := range [][2]*lineage.Ledger{{a.Ledger, b.Ledger}, {b.Ledger, a.Ledger}} {
		if _, err := pair[0].Union(t.Context(), pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	one, err := a.Service(t.Context(), "flights")
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.Service(t.Context(), "flights")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(one, two) {
		t.Errorf("the clones do not agree:\n%+v\n%+v", one, two)
	}
	if len(one.Conflicts) != 1 || !strings.Contains(one.Conflicts[0].Text, "by somebody who did not know") {
		t.Errorf("conflicts: %+v", one.Conflicts)
	}
	r, busy := one.Progress()
	if !busy || len(one.heads[r.ID]) != 1 {
		t.Errorf("under way is %v, heads %v", r.To.Version, one.heads)
	}
	// The next word follows what is known of the rollout, and of no other.
	if _, err := a.Ask(t.Context(), Asking{Service: "flights", Word: Abort}); err != nil {
		t.Fatal(err)
	}
	if next, _ := a.Service(t.Context(), "flights"); len(next.heads[r.ID]) != 1 || next.heads[r.ID][0] == one.heads[r.ID][0] {
		t.Errorf("heads: %v", next.heads)
	}
}

// TestFoldIsOfASet: records in any order are the same service.
func TestFoldIsOfASet(t *testing.T) {
	p := inService(t, 20)
	p.deploy(spec(3, "bad"))
	p.deploy(spec(4, "good"))
	want := p.m.service()
	for range 20 {
		p.w.random.Shuffle(len(p.m.read), func(i, k int) { p.m.read[i], p.m.read[k] = p.m.read[k], p.m.read[i] })
		if got := p.m.service(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v is not %+v", got, want)
		}
	}
}

// TestGivingUpWins: of two changes of one generation the one that gives the candidate up counts, whichever was written first; and what comes
// after the end comes to nothing.
func TestGivingUpWins(t *testing.T) {
	for _, abortFirst := range []bool{false, true} {
		p := inService(t, 21)
		r := p.m.plan(spec(3, "good"))
		p.start(r.ID)
		p.until(func() bool { return p.d.r.State == StateStep })
		now := p.d.r
		step, abort := now.forward("", Mlx), now.abort(Actual{}, "no", "li")
		if step.Generation != abort.Generation {
			t.Fatalf("generations %d and %d", step.Generation, abort.Generation)
		}
		both := []Rollout{step, abort}
		if abortFirst {
			both = []Rollout{abort, step}
		}
		for _, next := range both {
			if err := p.m.Moved(t.Context(), now, next); err != nil {
				t.Fatal(err)
			}
		}
		service := p.m.service()
		if got, _ := service.Rollout(r.ID); got.State != StateAborting || got.Share() != 0 || len(service.Conflicts) != 1 {
			t.Errorf("it is %s with %v, conflicts %v", got.State, got.Share(), service.Conflicts)
		}
		late := step.forward("", Mlx)
		if err := p.m.Moved(t.Context(), step, late); err != nil {
			t.Fatal(err)
		}
		if got, _ := p.m.service().Rollout(r.ID); got.State != StateAborting || got.Generation != abort.Generation {
			t.Errorf("a late step makes it %s in generation %d", got.State, got.Generation)
		}
		p.must(StateRolledBack, p.finish(r.ID))
	}
}

// FuzzRecords reads bodies that anybody may have written: no service that is folded of them panics, and none desires shares beyond all.
func FuzzRecords(f *testing.F) {
	for _, body := range []string{
		`{"service":"flights","to":{"key":"k","model":"m","version":2},"strategy":"canary","steps":[100,10000],"replicas":1,"generation":3}`,
		`{"service":"flights","rollout":"","generation":4,"from":"planned","to":"step","step":1,"share":10000,"actor":"mlx","candidate":"k"}`,
		`{"service":"flights","word":"abort"}`, `{"service":"flights","generation":4,"state":"step","watched_ns":5}`,
	} {
		for kind := range 4 {
			f.Add(kind, []byte(body), kind, []byte(body))
		}
	}
	kinds := []string{Planned.Name(), Moved.Name(), Asked.Name(), Observed.Name()}
	f.Fuzz(func(t *testing.T, kind int, body []byte, other int, more []byte) {
		var all []said
		for i, rec := range []lineage.Record{{Kind: kinds[uint(kind)%4], Body: body}, {Kind: kinds[uint(other)%4], Body: more}} {
			rec.ID, rec.LC = object.Sum(append([]byte{byte(i)}, rec.Body...)), uint64(i)
			s, ok, err := read(rec)
			if err != nil || !ok {
				continue
			}
			if m, isMove := s.body.(Move); isMove && len(all) > 0 {
				m.Rollout = all[0].rec.ID
				s.body = m
			}
			all = append(all, s)
		}
		service := fold("flights", all)
		service.Story()
		for _, r := range service.Rollouts {
			sum := Share(0)
			for _, a := range r.Desired().Arms {
				if sum += a.Share; a.Share < 0 {
					sum = All + 1
				}
			}
			if sum > All {
				t.Errorf("shares sum to %v", sum)
			}
			r.Next(Actual{Generation: r.Generation}, Judgement{Verdict: "pass"}, time.Unix(5, 0))
		}
	})
}
