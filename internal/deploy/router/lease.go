package router

import (
	"errors"
	"fmt"
	"time"

	"mlx/internal/deploy"
)

// maxBreaks bounds how many broken connections may be needed until a candidate loses its traffic.
const maxBreaks = 10_000

// retryStore is how soon a revert that could not be stored is stored again.
const retryStore = time.Second

// clock is nanoseconds of a clock that nobody sets: of the machine, so that routers which follow each other have the same; else of this
// process.
func (r *router) clock() int64 {
	if at := r.monotonic(); at > 0 {
		return at
	}
	return int64(r.o.Now().Sub(r.started))
}

// armLease sets the timer of the lease, or ends what it is over for; called with mu held whenever the table is another or the lease was renewed.
func (r *router) armLease() {
	if r.lease != nil {
		r.lease.Stop()
		r.lease = nil
	}
	t := r.table.Load()
	if t.candidate == nil || t.candidate.given == 0 || t.desired.Lease == 0 || t.stable == nil { // without stable there is nothing to go back to
		return
	}
	left := t.desired.Lease - time.Duration(r.clock()-r.renewed())
	generation := t.desired.Generation
	if left <= 0 {
		r.revert(t, expired(t.desired.Lease))
		return
	}
	r.lease = time.AfterFunc(left, func() { r.expire(generation) })
}

// renewed is when somebody last said that the candidate may have its traffic. A time to come is of before the machine was started.
func (r *router) renewed() int64 {
	at := r.shared.N[cellRenewed].Load()
	if now := r.clock(); at > now {
		at = now
		r.shared.N[cellRenewed].Store(at)
	}
	return at
}

// expire takes the traffic from a candidate whose lease is over.
func (r *router) expire(generation uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	if t.desired.Generation != generation {
		return
	}
	r.armLease() // it may have been renewed meanwhile
}

func expired(lease time.Duration) string {
	return "lease_expired: nobody renewed the lease of the candidate for " + lease.String()
}

// broke notes that a connection of the candidate broke. Enough of them in a short time, and all goes to stable.
func (r *router) broke(t *table) {
	d := t.desired
	if d.Breaks == 0 || t.stable == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	if r.brokeIn != d.Generation {
		r.brokeIn, r.brokeAt = d.Generation, nil
	}
	r.brokeAt = append(r.brokeAt, now)
	if len(r.brokeAt) < d.Breaks {
		return
	}
	r.brokeAt = r.brokeAt[len(r.brokeAt)-d.Breaks:]
	if d.BreaksIn > 0 && now-r.brokeAt[0] > int64(d.BreaksIn) {
		return
	}
	if current := r.table.Load(); current.desired.Generation == d.Generation {
		reason := fmt.Sprintf("breaks: the connection of the candidate broke %d times", d.Breaks)
		if d.BreaksIn > 0 {
			reason += " within " + d.BreaksIn.String()
		}
		r.revert(current, reason)
	}
}

// revert takes effect first: it is the safe side. It is stored as soon as the disk takes it. The caller holds mu.
func (r *router) revert(t *table, reason string) {
	if t.reverted != nil || t.candidate == nil || t.candidate.given == 0 {
		return
	}
	v := &deploy.Reverted{Generation: t.desired.Generation, At: r.o.Now().UTC(), Reason: reason}
	r.state.Reverted = v
	r.table.Store(r.build(r.state))
	r.o.Log.Warn("all goes to stable", "generation", t.desired.Generation, "reason", reason)
	r.stores.Go(func() { _ = r.carry() }) // a carrier that cannot be reached is told as soon as it can
	r.stores.Go(func() { r.storeRevert(v) })
}

// storeRevert stores the state with a revert, unless somebody has said something since.
func (r *router) storeRevert(v *deploy.Reverted) {
	r.disk.Lock()
	defer r.disk.Unlock()
	err := locked(r.o.State, func() error {
		s := r.current()
		if !r.owner() || s.Reverted != v { // who has taken over knows the lease too
			return nil
		}
		if err := s.store(r.o.State); err != nil {
			return err
		}
		r.newEpoch()
		return nil
	})
	if err == nil {
		r.note("", nil)
		return
	}
	r.note("that all went to stable is not stored yet", err)
	time.AfterFunc(retryStore, func() { r.storeRevert(v) })
}

// errReverted answers who renews the lease of a candidate that lost its traffic.
var errReverted = errors.New("the candidate has lost its traffic")

// renew says that the candidate of a generation may keep its traffic for another lease.
func (r *router) renew(generation uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	if t.desired.Generation != generation {
		return deploy.ErrStale
	}
	if t.reverted != nil {
		return errReverted
	}
	r.shared.N[cellRenewed].Store(r.clock())
	r.armLease()
	return nil
}
