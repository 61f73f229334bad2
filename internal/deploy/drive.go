package deploy

import (
	"context"
	"errors"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// Records keep what a controller does. Book is one.
type Records interface {
	Service(ctx context.Context, name string) (Service, error)
	Moved(ctx context.Context, before, after Rollout) error
	Observed(ctx context.Context, o Observation) error
}

// Controller carries out rollouts: it looks at the target, reads the records, judges, and of each change of state it first writes the record,
// then asks the target, and then writes that it was seen. It may be killed at any instant: whoever goes on from the records comes to the same
// end, and until then the lease protects the users.
type Controller struct {
	Driver  Driver
	Records Records
	// Renew says that the candidate of a generation may keep its traffic for another lease, of a target that takes each generation once.
	// nil: it is asked for the same again.
	Renew func(ctx context.Context, service string, generation uint64) error
	// Judge says what is known of a rollout in its state; see Judgement. It may take long: the lease is renewed meanwhile. It is told to end
	// when the state changes. An error is no verdict.
	Judge func(ctx context.Context, r Rollout, seen Actual) (Judgement, error)
	Now   func() time.Time
	// Sleep waits, or ends before when the context does.
	Sleep func(ctx context.Context, d time.Duration)
	// Every is how often it looks while nothing changes. 0: a sixth of the lease, and at most 5 s.
	Every time.Duration
	// Tell hears what happens; nil: nobody listens.
	Tell func(News)
}

// News is something that happened to a rollout.
type News struct {
	At     time.Time
	Before Rollout       // before the change
	After  Rollout       // equal to Before when nothing changed
	Seen   bool          // the target was seen to do what After asks for
	Took   time.Duration // from the record until then
	Waits  string        // what the servers of the candidate wait for; nothing has changed
	Err    error         // that is no end: the target could not be asked, or the disk is full; it is tried again
}

const usualEvery = 5 * time.Second

// Drive carries out the rollout of a service until it is over, and the target was seen to do what that means. Unavailable and the like are
// tried again until the context ends. Conflict: the target obeys somebody of whom the records know nothing.
func (c Controller) Drive(ctx context.Context, service string, id object.Digest) (Rollout, error) {
	d, err := c.begin(ctx, service, id)
	if err != nil {
		return Rollout{}, err
	}
	judging := asking{judge: c.Judge}
	defer judging.stop()
	for {
		if err := ctx.Err(); err != nil {
			return d.r, err
		}
		sooner, done, err := d.turn(ctx, judging.answer(d.r))
		if done || err != nil {
			return d.r, err
		}
		rest, wake := context.WithCancel(ctx)
		judging.start(ctx, d, wake)
		switch {
		case sooner:
		case d.blinded:
			c.Sleep(rest, min(d.every(), time.Second)) // it may be long until there is something to see
		case d.r.Share() > 0 && d.seenIn == d.r.Generation:
			c.Sleep(rest, d.every())
		default: // something is starting or ending
			c.Sleep(rest, d.every()/20)
		}
		wake()
	}
}

// begin reads where a rollout is.
func (c Controller) begin(ctx context.Context, service string, id object.Digest) (*driving, error) {
	s, err := c.Records.Service(ctx, service)
	if err != nil {
		return nil, err
	}
	r, ok := s.Rollout(id)
	if !ok {
		return nil, fault.New(fault.NotFound, "cannot find rollout %s of %s", id.Short(), service).Hint("mlx log service:%s", service)
	}
	if last := s.Rollouts[len(s.Rollouts)-1]; last.ID != id {
		return nil, fault.New(fault.Conflict, "cannot go on with %s on %s: %s came after it", r.To.Name(), service, last.To.Name()).Hint("mlx service status %s", service)
	}
	return &driving{Controller: c, r: r, since: c.Now()}, nil
}

// driving is a rollout that is carried out.
type driving struct {
	Controller
	r       Rollout
	seen    Actual
	pending *Rollout  // an abort that the target was told of, and that could not be written down yet
	since   time.Time // when this generation began, here
	askedIn uint64    // the generation that the target was last asked for
	seenIn  uint64    // the one that it was seen to obey
	noted   time.Duration
	blinded bool // the target could not be asked at the last look
}

func (d *driving) every() time.Duration {
	every := d.Every
	if every == 0 {
		every = usualEvery
		if d.r.Lease > 0 {
			every = min(d.r.Lease/6, usualEvery)
		}
	}
	return every
}

func (d *driving) tell(n News) {
	if d.Tell != nil {
		n.At = d.Now()
		d.Tell(n)
	}
}

func (d *driving) trouble(err error) { d.tell(News{Before: d.r, After: d.r, Err: err}) }

// turn looks once, and does what is to be done. sooner: look again at once. done: it is over, and the target was seen to obey.
func (d *driving) turn(ctx context.Context, j Judgement) (sooner, done bool, err error) {
	seen, lookErr := d.Driver.Observe(ctx, d.r.Service)
	if err := ctx.Err(); err != nil {
		return false, false, err
	}
	if over, err := d.reread(ctx); over || err != nil {
		return false, over, err
	}
	if d.blinded = lookErr != nil; d.blinded {
		d.trouble(lookErr)
		return false, false, d.blind(ctx)
	}
	d.seen = seen
	if s, _ := seenArm(seen, d.r.To.Key); s.Waits != "" && d.r.phase() == StatePackaged {
		d.tell(News{Before: d.r, After: d.r, Waits: s.Waits})
	}
	if d.pending != nil {
		if seen.Generation < d.pending.Generation {
			d.apply(ctx, d.pending.Desired())
		}
		return false, false, nil
	}
	next, _ := d.r.Next(seen, j, d.Now())
	if next.Generation != d.r.Generation {
		d.r = d.r.Watch(seen, d.Now())
		d.move(ctx, next)
	} else {
		d.r = next
	}
	if seen.Generation > d.r.Generation && d.pending == nil {
		return false, false, fault.New(fault.Conflict, "cannot go on with %s on %s: the target obeys generation %d, and the records know %d: somebody else controls it",
			d.r.To.Name(), d.r.Service, seen.Generation, d.r.Generation).Hint("mlx pull   # and look at mlx service status %s", d.r.Service)
	}
	d.confirm(ctx, seen)
	if d.r.State.Over() && d.seenIn == d.r.Generation && d.askedIn == d.r.Generation {
		return false, true, nil
	}
	return d.ask(ctx), false, nil
}

// reread takes what others did and asked. over: another rollout took the place of this one.
func (d *driving) reread(ctx context.Context) (over bool, err error) {
	if d.pending != nil {
		if err := d.Records.Moved(ctx, d.r, *d.pending); err != nil {
			d.trouble(err)
			return false, nil
		}
		d.adopt(*d.pending)
	}
	s, err := d.Records.Service(ctx, d.r.Service)
	if err != nil {
		if fault.KindOf(err) == fault.Integrity {
			return false, err
		}
		d.trouble(err)
		return false, nil
	}
	fresh, ok := s.Rollout(d.r.ID)
	if !ok || fresh.Generation < d.r.Generation {
		return false, nil
	}
	if s.Rollouts[len(s.Rollouts)-1].ID != d.r.ID {
		d.tell(News{Before: d.r, After: fresh})
		d.r = fresh
		return true, nil
	}
	if fresh.Generation > d.r.Generation || fresh.State != d.r.State {
		d.tell(News{Before: d.r, After: fresh})
		d.since = d.Now()
	}
	d.r = fresh.Carry(d.r)
	return false, nil
}

// blind does what can be done when the target does not say how it is: an abort is written down, and asked for.
func (d *driving) blind(ctx context.Context) error {
	if ask, ok := d.r.asked(); ok && ask.Word == Abort && d.r.State != StateAborting && !d.r.State.Over() {
		next := d.r.abort(d.seen, saidWhy(ask), ask.By)
		next.Since = d.Now()
		d.move(ctx, next)
	}
	if d.r.State == StateAborting {
		d.ask(ctx)
	}
	return nil
}

// move writes a change down. Without the record nothing changes, but for an abort: users come before records. The target is told of it, and it is
// written down as soon as that can be done; should this process end before, whoever looks next sees that the target is one generation ahead.
func (d *driving) move(ctx context.Context, next Rollout) {
	err := d.Records.Moved(ctx, d.r, next)
	if err == nil {
		d.adopt(next)
		return
	}
	d.trouble(err)
	if next.State == StateAborting {
		d.pending = &next
		d.apply(ctx, next.Desired())
	}
}

func (d *driving) apply(ctx context.Context, desired Desired) {
	if err := d.Driver.Apply(ctx, desired); err != nil {
		d.trouble(err)
	}
}

func (d *driving) adopt(next Rollout) {
	before := d.r
	d.r, d.pending, d.since, d.noted = next, nil, d.Now(), 0
	d.tell(News{Before: before, After: next})
}

// confirm writes down that the target was seen to obey, and now and then for how long it has been watched.
func (d *driving) confirm(ctx context.Context, seen Actual) {
	if !d.r.obeys(seen) || d.pending != nil {
		return
	}
	first := d.seenIn != d.r.Generation
	if !first && (d.r.State.Over() || d.r.Watched-d.noted < max(d.r.Bake/10, time.Minute)) {
		return
	}
	took := max(d.Now().Sub(d.since), 0)
	if !first {
		took = 0
	}
	if err := d.Records.Observed(ctx, observationOf(d.r, seen, took)); err != nil {
		d.trouble(err)
	}
	d.noted = d.r.Watched
	if first {
		d.seenIn = d.r.Generation
		d.tell(News{Before: d.r, After: d.r, Seen: true, Took: took})
	}
}

// ask asks the target for what the state means: when that is new to it, and again to renew the lease. sooner: something was asked for that it was
// not asked for before.
func (d *driving) ask(ctx context.Context) (sooner bool) {
	if d.pending != nil {
		return false
	}
	// Whoever was asked before may have died between the routes and the servers: a controller asks at least once.
	desired, obeyed := d.r.Desired(), d.askedIn == d.r.Generation && d.r.obeys(d.seen)
	if obeyed && desired.Lease == 0 {
		return false
	}
	var err error
	if obeyed && d.Renew != nil {
		err = d.Renew(ctx, d.r.Service, d.r.Generation)
	} else {
		err = d.Driver.Apply(ctx, desired)
	}
	switch {
	case errors.Is(err, ErrStale):
		return d.stale(ctx)
	case err != nil:
		d.trouble(err)
		return false
	}
	sooner = d.askedIn != d.r.Generation
	d.askedIn = d.r.Generation
	return sooner
}

// stale finds out who was obeyed instead. A later generation, or a candidate that the target gave up, is met at the next look. The same
// generation with other shares is that of somebody who wrote at the same time and lost: what the records say is asked for again.
func (d *driving) stale(ctx context.Context) (sooner bool) {
	seen, err := d.Driver.Observe(ctx, d.r.Service)
	if err != nil {
		d.trouble(err)
		return false
	}
	if d.r.obeys(seen) {
		d.askedIn = d.r.Generation
		return false
	}
	if seen.Generation != d.r.Generation || seen.Reverted != nil && d.r.Share() > 0 {
		return false
	}
	d.move(ctx, d.r.Reassert(seen, d.Now()))
	return true
}

// asking runs a judge beside the controller, one at a time.
type asking struct {
	judge  func(ctx context.Context, r Rollout, seen Actual) (Judgement, error)
	mu     sync.Mutex
	of     uint64 // the generation that is or was judged
	busy   bool
	got    *Judgement
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// answer is what was found out about this state since the last call.
func (a *asking) answer(r Rollout) Judgement {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of != r.Generation || a.got == nil {
		return Judgement{}
	}
	j := *a.got
	a.got = nil
	return j
}

// start begins to judge, if nobody does and there is something to judge. wake is called when that ends what everybody waits for.
func (a *asking) start(ctx context.Context, d *driving, wake context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy && a.of != d.r.Generation {
		a.cancel()
		return
	}
	if a.judge == nil || a.busy || a.got != nil && a.of == d.r.Generation || d.seenIn != d.r.Generation || !d.r.Judged() {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	a.of, a.busy, a.got, a.cancel = d.r.Generation, true, nil, cancel
	r, seen := d.r, d.seen
	a.ended.Go(func() {
		defer cancel()
		j, err := a.judge(ctx, r, seen)
		if err != nil {
			j = Judgement{Verdict: gate.Inconclusive, Reason: err.Error()}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.busy, a.got = false, &j
		if j.Verdict != "" && r.phase().rank() < StateShadow.rank() {
			wake() // it moves on at once; steps are judged once a look
		}
	})
}

func (a *asking) stop() {
	a.mu.Lock()
	if a.cancel != nil {
		a.cancel()
	}
	a.mu.Unlock()
	a.ended.Wait()
}
