package deploy

import (
	"fmt"
	"time"

	"mlx/internal/gate"
	"mlx/internal/object"
)

// Next is the rollout after one look at the target, and what the target is to do from then on. It is pure, and takes one step of the states
// at a time: whoever sees that the state changed records it, asks the target, and calls it again.
//
//   - An abort that was asked for, a candidate that the target gave up, a check that fails and a candidate without servers end it, in this
//     order, in every state before it is over, also while it is paused.
//   - Pass moves it on when the step has been watched for long enough and has enough answers, and while stable is well.
//   - What is inconclusive for MaxBake pauses it. Nothing but a word of a person makes it go on from there.
func (r Rollout) Next(seen Actual, j Judgement, now time.Time) (Rollout, Desired) {
	if r.State.Over() {
		return r, r.Desired()
	}
	r = r.Watch(seen, now)
	if len(j.Findings) > 0 {
		r.Findings = j.Findings
	}
	next := r.decide(seen, j)
	if next.Generation != r.Generation || next.State != r.State {
		next.Since = now
		if next.began(r) {
			next.Began = now
		}
		if next.State == StateCompleted {
			next.Until = now.Add(r.Keep).UTC().Truncate(time.Second)
		}
	}
	return next, next.Desired()
}

func (r Rollout) decide(seen Actual, j Judgement) Rollout {
	ask, asked := r.asked()
	switch {
	case r.State == StateAborting:
		return r.aborting(seen)
	case asked && ask.Word == Abort:
		return r.abort(seen, saidWhy(ask), ask.By)
	case r.takenBack(seen):
		return r.abort(seen, "the target has given it up", Mlx)
	case seen.Generation > r.Generation:
		return r // somebody else is ahead: whoever keeps the records finds out who
	case r.Share() > 0 && seen.Reverted != nil && seen.Reverted.Generation >= r.First:
		return r.abort(seen, seen.Reverted.Reason, Mlx)
	case j.Verdict == gate.Fail && r.Strategy != Back && !r.starts():
		return r.abort(seen, j.Reason, Mlx)
	case r.dead(seen) != "":
		return r.abort(seen, r.dead(seen), Mlx)
	case asked && ask.Word == Pause && r.State != StatePaused:
		return r.pause(saidWhy(ask), ask.By)
	case asked && (ask.Word == Now || ask.Word == Full || ask.Word == Resume && r.State == StatePaused):
		if next, done := r.obey(ask, seen); done {
			return next
		}
	}
	if seen.Generation != r.Generation || r.State == StatePaused {
		return r
	}
	next := r.progress(seen, j)
	if asked && ask.Word == Full && next.State != r.State && next.State.rank() < StatePaused.rank() {
		return next.still(ask)
	}
	return next
}

// asked is the word that counts of those that nobody has obeyed.
func (r Rollout) asked() (Ask, bool) {
	for _, a := range r.Asks {
		if a.Word == Abort {
			return a, true
		}
	}
	if len(r.Asks) == 0 {
		return Ask{}, false
	}
	return r.Asks[len(r.Asks)-1], true
}

// to is the rollout in another state, which obeys what has been asked so far.
func (r Rollout) to(state State, reason, actor string) Rollout {
	r.Generation++
	r.State, r.Held, r.Reason, r.Actor = state, "", reason, actor
	r.Watched, r.Dead, r.Waited, r.watching = 0, 0, 0, false
	r.Obeyed = make([]object.Digest, 0, len(r.Asks))
	for _, a := range r.Asks {
		r.Obeyed = append(r.Obeyed, a.Record)
	}
	r.Asks = nil
	return r
}

// abort ends it. The generation is above whatever the target obeys, so that it wins over everybody.
func (r Rollout) abort(seen Actual, reason, actor string) Rollout {
	r.Generation = max(r.Generation, seen.Generation)
	return r.to(StateAborting, reason, actor)
}

// aborting waits until the target has obeyed.
func (r Rollout) aborting(seen Actual) Rollout {
	if seen.Generation != r.Generation || seen.Reverted != nil {
		return r
	}
	if s, _ := seenArm(seen, r.To.Key); s.Share > 0 && s.Role != Stable {
		return r
	}
	if r.From != nil {
		s, _ := seenArm(seen, r.From.Key)
		if s.Share != All || r.Strategy == Replace && s.Ready == 0 {
			return r
		}
	}
	return r.to(StateRolledBack, r.Reason, r.Actor)
}

// takenBack says that the target was told to give the candidate up by somebody who could not write it down: it is ahead of the records, and
// gives all to what was in service. That ends the rollout, and not what somebody else may be doing.
func (r Rollout) takenBack(seen Actual) bool {
	if seen.Generation <= r.Generation {
		return false
	}
	for _, s := range seen.Arms {
		if isStable := r.From != nil && s.Key == r.From.Key; !isStable && s.Share > 0 || isStable && s.Share != All {
			return false
		}
	}
	return r.From == nil || len(seen.Arms) > 0
}

func (r Rollout) stableName() string {
	if r.From == nil {
		return "nothing"
	}
	return version(*r.From)
}

// dead says why the candidate is given up for want of servers; empty: it is not.
func (r Rollout) dead(seen Actual) string {
	s, _ := seenArm(seen, r.To.Key)
	why := ""
	if s.Trouble != "" {
		why = ": " + s.Trouble
	}
	starting := r.phase() == StatePackaged && r.Strategy != Replace && r.Watched >= r.StartTimeout && s.Ready < r.Replicas
	if starting || r.Strategy == Replace && r.wants() && r.Dead >= r.StartTimeout {
		if r.Waited > 0 {
			why = fmt.Sprintf(", after %s without a node%s", span(r.Waited), why)
		}
		return fmt.Sprintf("%s was not ready within %s%s", version(r.To), span(r.StartTimeout), why)
	}
	if r.Strategy != Replace && r.phase() != StatePackaged && r.wants() && r.Dead >= deadFor {
		return fmt.Sprintf("no server of %s was ready for %s%s", version(r.To), span(deadFor), why)
	}
	return ""
}

func (r Rollout) pause(reason, actor string) Rollout {
	held := r.State
	r = r.to(StatePaused, reason, actor)
	r.Held = held
	return r
}

// unpause goes on where it was paused, with the samples that it has.
func (r Rollout) unpause(reason, actor string) Rollout {
	return r.to(r.Held, reason, actor)
}

// obey does what was asked; false: that has to wait.
func (r Rollout) obey(ask Ask, seen Actual) (Rollout, bool) {
	if ask.Word == Resume {
		return r.unpause(saidWhy(ask), ask.By), true
	}
	if seen.Generation != r.Generation {
		return r, false
	}
	phase := r.phase()
	reason := saidWhy(ask)
	switch {
	case phase == StatePlanned:
		return r.to(StatePackaged, reason, ask.By).still(ask), true
	case !r.up(seen) || phase == StatePackaged:
		return r, false
	case phase == StateReady && r.State != StatePaused:
		return r, false // the load test is still under way
	case phase == StateReady:
		return r.to(StateGated, reason, ask.By).still(ask), true
	case ask.Word == Full && r.Served():
		return r.complete(reason, ask.By), true
	case ask.Word == Now || ask.Word == Full:
		return r.forward(reason, ask.By), true
	}
	return r, false
}

// still keeps a word that is not done with.
func (r Rollout) still(ask Ask) Rollout {
	if ask.Word == Full {
		r.Asks = []Ask{ask}
		r.Obeyed = r.Obeyed[:len(r.Obeyed)-1]
	}
	return r
}

// progress moves on if this state is done.
func (r Rollout) progress(seen Actual, j Judgement) Rollout {
	pass := j.Verdict == gate.Pass
	switch r.State {
	case StatePlanned:
		return r.planned(seen, j)
	case StatePackaged:
		switch s, _ := seenArm(seen, r.To.Key); {
		case r.Strategy == Replace:
			return r.forward("", Mlx)
		case s.Ready < max(r.Replicas, 1):
			return r
		case r.Strategy == Back:
			return r.complete("", Mlx)
		default:
			return r.to(StateReady, fmt.Sprintf("%d of %d servers", s.Ready, r.Replicas), Mlx)
		}
	case StateReady:
		if pass {
			return r.to(StateGated, j.Reason, Mlx)
		}
		return r.hold(j)
	case StateGated:
		return r.forward("", Mlx)
	case StateShadow, StateStep:
		return r.judged(seen, j)
	default:
		return r
	}
}

// planned starts the candidate if it may be. What has proven itself may.
func (r Rollout) planned(seen Actual, j Judgement) Rollout {
	if r.Strategy == Back {
		if s, _ := seenArm(seen, r.To.Key); s.Ready >= max(r.Replicas, 1) {
			return r.complete("", Mlx)
		}
		return r.to(StatePackaged, "", Mlx)
	}
	if j.Verdict == gate.Pass {
		return r.to(StatePackaged, j.Reason, Mlx)
	}
	return r.hold(j)
}

// hold pauses what cannot be told before there is traffic: waiting does not help there.
func (r Rollout) hold(j Judgement) Rollout {
	if j.Verdict == gate.Inconclusive {
		return r.pause(j.Reason, Mlx)
	}
	return r
}

// judged moves on from a shadow or a step that is good, and pauses one of which that cannot be told for too long.
func (r Rollout) judged(seen Actual, j Judgement) Rollout {
	wait := r.wait(seen, j)
	switch {
	case r.starts() || r.Strategy == Replace && !r.up(seen): // it starts, or StartTimeout ends it
	case r.From == nil && r.obeys(seen) && ready(seen, r.To.Key):
		return r.forward("nothing was in service before", Mlx) // nobody is better off while it waits
	case wait == "" && r.Watched >= r.Bake:
		return r.forward(r.passed(j), Mlx)
	case wait != "" && r.Watched >= r.MaxBake && (j.Verdict != "" || r.Watched >= 2*r.MaxBake): // a judge that never ends is no verdict
		return r.pause(fmt.Sprintf("%s, after %s", wait, span(r.Watched)), Mlx)
	}
	return r
}

// passed says why a step is good: of the last one of an A/B test, who wins.
func (r Rollout) passed(j Judgement) string {
	for _, f := range j.Findings {
		if f.Subject == subjectUsers && f.Note != "" {
			return f.Note
		}
	}
	if r.Uncounted {
		return "all checks pass"
	}
	return group(r.Sample().Candidate.Ended()) + " answers, all checks pass"
}

// wait says why a step is not good yet, but for time; empty: it is.
func (r Rollout) wait(seen Actual, j Judgement) string {
	switch {
	case !r.obeys(seen):
		return "the target does not do what it was asked for"
	case r.From != nil && r.Strategy != Replace && !ready(seen, r.From.Key):
		return r.stableName() + " has no server that is ready, and so nothing to compare with"
	case !ready(seen, r.To.Key):
		return version(r.To) + " has no server that is ready"
	case r.Sample().Candidate.Ended() < r.MinSamples:
		return fmt.Sprintf("too few answers: %s of %s", group(r.Sample().Candidate.Ended()), group(r.MinSamples))
	case j.Verdict == gate.Pass:
		return ""
	case j.Reason != "":
		return j.Reason
	}
	return "no verdict"
}

// forward goes to the next step, or to the end.
func (r Rollout) forward(reason, actor string) Rollout {
	phase := r.phase()
	switch {
	case phase.rank() < StateShadow.rank() && r.Mirror > 0:
		r = r.to(StateShadow, reason, actor)
		r.Marks = r.Marks.step(true)
		return r
	case phase == StateStep && r.Step+1 < len(r.Steps):
		r = r.to(StateStep, reason, actor)
		r.Step++
		r.Marks = r.Marks.step(false)
		return r
	case phase != StateStep && len(r.Steps) > 0:
		r = r.to(StateStep, reason, actor)
		r.Step, r.Marks = 0, r.Marks.step(phase != StateShadow && r.Steps[0] < All)
		return r
	}
	return r.complete(reason, actor)
}

func (r Rollout) complete(reason, actor string) Rollout { return r.to(StateCompleted, reason, actor) }

// Reassert asks for the same again above the generation that the target obeys: somebody else asked for something else in the same one.
func (r Rollout) Reassert(seen Actual, now time.Time) Rollout {
	asks, held := r.Asks, r.Held
	r.Generation = max(r.Generation, seen.Generation)
	r = r.to(r.State, r.Reason, r.Actor)
	r.Asks, r.Obeyed, r.Held, r.Since = asks, nil, held, now
	return r
}

// saidWhy is the reason of a word.
func saidWhy(a Ask) string {
	if a.Reason != "" {
		return a.Reason
	}
	if a.Word == Abort {
		return "aborted"
	}
	return string(a.Word)
}
