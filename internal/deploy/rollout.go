package deploy

import (
	"slices"
	"time"

	"mlx/internal/gate"
	"mlx/internal/object"
)

// State is how far a rollout has come.
type State string

// The states, in their order. What is Over moves no more.
const (
	StatePlanned    State = "planned"     // nothing has been started; may it be?
	StatePackaged   State = "packaged"    // it may, and its servers start
	StateReady      State = "ready"       // they answer; is it warm, and does it hold the load?
	StateGated      State = "gated"       // it is and does
	StateShadow     State = "shadow"      // it gets copies
	StateStep       State = "step"        // it gets a share
	StatePaused     State = "paused"      // it keeps what it has, and is watched
	StateCompleted  State = "completed"   // it is in service
	StateAborting   State = "aborting"    // everything goes back to what was in service
	StateRolledBack State = "rolled_back" // everything has gone back
)

// rank orders the states in which a rollout goes on.
func (s State) rank() int {
	return slices.Index([]State{StatePlanned, StatePackaged, StateReady, StateGated, StateShadow, StateStep, StatePaused, StateAborting, StateCompleted,
		StateRolledBack}, s)
}

// Over says that nothing more happens.
func (s State) Over() bool { return s == StateCompleted || s == StateRolledBack }

// Word is what somebody asks of a rollout.
type Word string

// The words. Abort wins over all others; of these the last one counts.
const (
	Pause  Word = "pause"
	Resume Word = "resume"
	Now    Word = "now"  // skip the wait of this step
	Full   Word = "full" // skip the steps that are left
	Abort  Word = "abort"
)

// Ask is a word that nobody has obeyed yet.
type Ask struct {
	Record object.Digest // that says so
	Word   Word
	Reason string
	By     string
}

// Mlx is the actor of what no person decided.
const Mlx = "mlx"

// Judgement is what is known about a rollout in its state. The zero Verdict: nothing yet.
//
// While it is planned it says whether the candidate may be started; while it is ready, whether it is warm and holds the load; from then on
// whether its answers are good enough.
type Judgement struct {
	Verdict  gate.Verdict
	Findings []gate.Finding
	Reason   string // in words, why it is not pass
}

// Rollout is one version taking over from another. It is a value: Next gives another one.
type Rollout struct {
	Spec
	ID      object.Digest // of the record that planned it
	By      string        // who planned it
	Message string
	At      time.Time // when

	First      uint64 // the generation in which it was planned
	Generation uint64
	State      State
	Step       int   // of Steps, from 0, while it is in a step or paused in one
	Held       State // what it goes back to when it is no longer paused
	Since      time.Time
	Began      time.Time // when its phase or step began: a pause does not change it
	Reason     string    // why it is in this state
	Actor      string    // who brought it there: Mlx, or a person
	Findings   []gate.Finding
	Asks       []Ask
	Obeyed     []object.Digest // records of the words that this state obeys

	Until time.Time // once it is completed: until when the release before it is kept ready

	// Watched is for how long somebody has watched the target do what this state asks for. A clock that jumps does not add to it.
	Watched time.Duration
	Dead    time.Duration // of it, the last span without one server of the candidate that is ready
	Waited  time.Duration // beside it: for how long the servers of the candidate had no node. Whoever takes over begins to count anew
	Marks   Marks

	watching bool      // the target did it when it was last looked at
	stood    bool      // of Replace: the candidate had a server when it was last looked at
	started  bool      // of Replace: it had one at two looks in a row, so that what fails from then on is its own
	looked   time.Time // when it was last looked at
}

// deadFor is how long a candidate may be without a server.
const deadFor = 30 * time.Second

// NodeWait is how long servers may wait for a node before that counts as the time that they have to start: a cluster that grows from no GPU node
// at all needs a quarter of an hour.
const NodeWait = 20 * time.Minute

// longestLook is what counts at most as watched between two looks. The clock of a machine has a part that does not jump, which Go takes; where
// there is none, and where the machine slept, this is what a jump is worth.
func (r Rollout) longestLook() time.Duration {
	return min(30*time.Second, max(r.Bake/4, time.Second))
}

// phase is the state, and of a paused rollout the one that it holds.
func (r Rollout) phase() State {
	if r.State == StatePaused {
		return r.Held
	}
	return r.State
}

// began says whether a state begins a phase or a step that an earlier one was not in.
func (r Rollout) began(before Rollout) bool {
	return r.phase() != before.phase() || r.Step != before.Step
}

// Share is what the candidate is to have.
func (r Rollout) Share() Share {
	switch {
	case r.State == StateCompleted && r.Served():
		return All
	case r.phase() == StateStep && r.Step < len(r.Steps):
		return r.Steps[r.Step]
	}
	return 0
}

// Sample is what the step so far is judged by. At the step that leaves stable nothing, that is what stable did since the rollout began.
func (r Rollout) Sample() Sample {
	s := Sample{Candidate: r.Marks.Candidate.since(), Stable: r.Marks.Stable.since(), Pairs: r.Marks.Pairs.since()}
	if r.Share() == All {
		s.Stable, s.Before = r.Marks.Whole.since(), true
	}
	return s
}

// Split is how many requests each side has got since the step began, by what the target shows now.
func (r Rollout) Split(seen Actual) (candidate, stable int64) {
	m := r.Watch(seen, r.looked).Marks
	return m.Candidate.since().Requests, m.Stable.since().Requests
}

// Last says whether it is in its last step.
func (r Rollout) Last() bool { return r.phase() == StateStep && r.Step == len(r.Steps)-1 }

// Desired is what the target is to do in this state.
func (r Rollout) Desired() Desired {
	d := Desired{Service: r.Service, Generation: r.Generation, Sticky: r.Sticky}
	arm := func(role Role, of Release, share Share) *Arm {
		d.Arms = append(d.Arms, Arm{Role: role, Release: of, Share: share, Replicas: r.Replicas})
		return &d.Arms[len(d.Arms)-1]
	}
	phase, share := r.phase(), r.Share()
	if phase == StateCompleted && r.Served() {
		arm(Stable, r.To, All)
		if r.From != nil && r.Strategy != Replace && r.Strategy != Back {
			arm(Previous, *r.From, 0).Until = r.Until
		}
		return d
	}
	if r.From != nil && (r.Strategy != Replace || share == 0) {
		arm(Stable, *r.From, All-share)
	}
	switch phase {
	case StatePlanned:
		if r.Strategy == Back { // it may be ready still
			arm(Previous, r.To, 0)
		}
	case StatePackaged, StateReady, StateGated:
		if r.Strategy != Replace {
			arm(Candidate, r.To, 0)
		}
	case StateShadow:
		arm(Shadow, r.To, 0)
		d.Mirror = r.Mirror
	case StateStep:
		arm(Candidate, r.To, share)
		if r.From != nil && r.Strategy != Replace {
			d.Breaks, d.BreaksIn = r.Breaks, r.BreaksIn
			if !(r.Strategy == AB && r.Hold) && !r.Unguarded {
				d.Lease = r.Lease
			}
		}
	default:
	}
	return d
}

// seenArm is what is seen of a release.
func seenArm(seen Actual, key string) (Seen, bool) {
	at := slices.IndexFunc(seen.Arms, func(s Seen) bool { return s.Key == key })
	if at < 0 {
		return Seen{}, false
	}
	return seen.Arms[at], true
}

// ready says whether a release has a server that is ready.
func ready(seen Actual, key string) bool {
	s, ok := seenArm(seen, key)
	return ok && s.Ready > 0
}

// obeys says whether the target does what this state asks for, as far as traffic goes.
func (r Rollout) obeys(seen Actual) bool {
	if seen.Generation != r.Generation || seen.Reverted != nil {
		return false
	}
	for _, arm := range r.Desired().Arms {
		if s, _ := seenArm(seen, arm.Release.Key); s.Share != arm.Share {
			return false
		}
	}
	return true
}

// Watch takes a look at the target. It changes no state.
func (r Rollout) Watch(seen Actual, now time.Time) Rollout {
	span := time.Duration(0)
	if !r.looked.IsZero() {
		span = min(max(now.Sub(r.looked), 0), r.longestLook())
	}
	obeys := r.obeys(seen)
	arm, _ := seenArm(seen, r.To.Key)
	switch {
	case !obeys || !r.watching:
	case r.phase() == StatePackaged && arm.Waits != "" && r.Waited < NodeWait:
		r.Waited += span
	default:
		r.Watched += span
		r.Dead += span
	}
	if !obeys || r.up(seen) {
		r.Dead = 0
	}
	r.watching, r.looked = obeys, now
	stable := ""
	if r.From != nil {
		stable = r.From.Key
	}
	r.Marks = r.Marks.see(seen, stable, r.To.Key)
	if r.starts() {
		r.Marks.Candidate, r.Watched = r.Marks.Candidate.mark(), 0
		up := obeys && ready(seen, r.To.Key)
		r.started, r.stood = up && r.stood, up
	}
	return r
}

// starts says whether the candidate takes the place of one that was stopped, and has not answered yet: what is asked meanwhile fails, and says
// nothing about it.
func (r Rollout) starts() bool {
	return r.Strategy == Replace && r.phase() == StateStep && !r.started
}

// up says whether the candidate has a server that is ready, or needs none.
func (r Rollout) up(seen Actual) bool {
	return !r.wants() || ready(seen, r.To.Key)
}

// wants says whether this state wants servers of the candidate.
func (r Rollout) wants() bool {
	switch r.phase() {
	case StatePackaged, StateReady, StateGated:
		return r.Strategy != Replace
	case StateShadow, StateStep:
		return true
	default:
		return false
	}
}

// Judged says whether a judgement counts in this state.
func (r Rollout) Judged() bool {
	switch r.phase() {
	case StatePlanned, StateReady:
		return r.State != StatePaused && r.Strategy != Back
	case StateShadow, StateStep:
		return !r.starts()
	default:
		return false
	}
}

// Carry gives a rollout that was read from records what only whoever watches it knows.
func (r Rollout) Carry(from Rollout) Rollout {
	if r.ID == from.ID && r.Generation == from.Generation && r.State == from.State {
		r.Watched, r.Dead, r.Marks, r.watching, r.looked = from.Watched, from.Dead, from.Marks, from.watching, from.looked
		r.Findings, r.stood, r.started, r.Waited = from.Findings, from.stood, from.started, from.Waited
	}
	return r
}
