package remote

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/remote/internal/crypt"
)

// maxKeyring bounds one body of the keyring.
const maxKeyring = 1 << 20

// unlock reads the keyring and opens it with the user's identities.
func (r *Remote) unlock(ctx context.Context) error {
	bodies, err := r.keyring(ctx)
	if err != nil {
		return err
	}
	if len(bodies) == 0 {
		return fault.New(fault.Integrity, "remote %s is encrypted and has no keyring", r.o.Name)
	}
	if r.o.Identities == nil {
		return fault.New(fault.Denied, "remote %s is encrypted, and no key was given", r.o.Name)
	}
	keys, err := r.o.Identities()
	if err != nil {
		return err
	}
	ring, err := crypt.OpenRing(bodies, keys)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read encrypted remote %s: %w", r.o.Name, err)
	}
	return r.believe(ring)
}

// believe uses a ring from now on, if it has every key that this clone has seen. One that has not was put back to an older
// state, for which somebody who was removed has all keys, or is a stranger's.
func (r *Remote) believe(ring *crypt.Ring) error {
	ids := []string{}
	for _, id := range ring.Keys() {
		ids = append(ids, id.String())
	}
	if seen := r.known.keys; len(ids) < len(seen) || !slices.Equal(ids[:len(seen)], seen) {
		return fault.New(fault.Integrity, "the keyring of remote %s was put back to an older state or replaced: it lacks keys that this clone has seen", r.o.Name).
			Hint("mlx verify -r %s   # once keyring/ is as it was", r.o.Name)
	}
	r.ring, r.known.sealed, r.known.keys = ring, true, ids
	return nil
}

// ready makes sure that what is written next is encrypted if it has to be.
func (r *Remote) ready(ctx context.Context) error {
	r.locking.Lock()
	defer r.locking.Unlock()
	switch {
	case r.ring != nil:
		return nil
	case r.known.sealed:
		return r.unlock(ctx)
	case len(r.o.Recipients) > 0 && r.known.state.begun():
		return r.notEncrypted()
	}
	return nil
}

func (r *Remote) notEncrypted() error {
	return fault.New(fault.Conflict, "remote %s is to be encrypted, and was not when it was made", r.o.Name).
		Hint("mlx remote add NAME URL --encrypt RECIPIENT   # an empty place")
}

// maxKeyrings bounds all bodies together.
const maxKeyrings = 64 << 20

// keyring reads its bodies, in order.
func (r *Remote) keyring(ctx context.Context) ([][]byte, error) {
	var bodies [][]byte
	size := 0
	for {
		if size > maxKeyrings {
			return nil, fault.New(fault.Integrity, "the keyring of remote %s is too large", r.o.Name)
		}
		b, err := r.o.Bucket.Read(ctx, keyringKey(uint64(len(bodies))), maxKeyring)
		if notFound(err) {
			return bodies, nil
		}
		if err != nil {
			return nil, err
		}
		bodies, size = append(bodies, b), size+len(b)
	}
}

// makeRing makes the key of a remote that begins now, if it is to be encrypted. Of two who do that at once the first
// counts.
func (r *Remote) makeRing(ctx context.Context) error {
	bodies, err := r.keyring(ctx)
	if err != nil {
		return err
	}
	if len(bodies) > 0 {
		return r.unlock(ctx)
	}
	if len(r.o.Recipients) == 0 {
		return nil
	}
	ring, err := crypt.NewRing(r.o.Rand)
	if err != nil {
		return err
	}
	return r.addRing(ctx, ring, 0)
}

// addRing writes a ring for the recipients as the n-th body of the keyring, and opens what is there then.
func (r *Remote) addRing(ctx context.Context, ring *crypt.Ring, n int) error {
	body, err := ring.Wrap(r.o.Recipients)
	if err != nil {
		return err
	}
	err = r.o.Bucket.Create(ctx, keyringKey(uint64(n)), body)
	switch {
	case exists(err):
		return r.unlock(ctx)
	case err != nil:
		return err
	}
	return r.believe(ring)
}

// Rekey makes sure that the keyring is for exactly the recipients of the options: whoever is new can read all, whoever is
// left out cannot read what is written from now on. It reports whether anything changed. An entry of the log follows: who
// is shown an older keyring cannot open it.
func (r *Remote) Rekey(ctx context.Context) (changed bool, err error) {
	if err := r.advance(ctx); err != nil {
		return false, err
	}
	for range maxRaces {
		again, err := r.rekeyOnce(ctx)
		if err != nil {
			return changed, err
		}
		if !again {
			break
		}
		changed = true
	}
	for range maxRaces {
		if !changed {
			return false, nil
		}
		if done, err := r.append(ctx, &Entry{Do: DoPush}, nil); done || err != nil {
			return true, err
		}
		if err := r.follow(ctx); err != nil {
			return true, err
		}
	}
	return true, fault.New(fault.Unavailable, "cannot note the change of keys of %s: others push too fast", r.o.Name)
}

// rekeyOnce adds a body to the keyring where one is needed; somebody else may have been faster, so the caller asks again.
func (r *Remote) rekeyOnce(ctx context.Context) (bool, error) {
	bodies, err := r.keyring(ctx)
	if err != nil || len(bodies) == 0 {
		return false, err
	}
	if err := r.unlock(ctx); err != nil {
		return false, err
	}
	now, err := crypt.Recipients(bodies[len(bodies)-1])
	if err != nil || sameSet(now, r.o.Recipients) {
		return false, err
	}
	ring := r.ring
	if !covers(r.o.Recipients, now) { // somebody is removed: a new key
		if ring, err = ring.Rotate(r.o.Rand); err != nil {
			return false, err
		}
	}
	return true, r.addRing(ctx, ring, len(bodies))
}
