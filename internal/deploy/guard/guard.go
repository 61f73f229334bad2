// Package guard hides who gives all traffic back to the stable release of a service on Kubernetes when nobody is heard of any more who controls
// its rollout. It watches one Lease: whoever renews it controls the rollout, and an annotation says what is to be done when nobody does. Times
// of two machines are never compared: a lease lasts from the moment at which the guard sees that it was renewed.
package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog" //nolint:depguard // as the router, which does the same on a host
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// The annotations of the Lease.
const (
	// NoteRevert is what is to be done: a list of Step.
	NoteRevert = "dev.mlx/revert"
	// NoteGuard is what the guard has done: a Done.
	NoteGuard = "dev.mlx/guard"

	noteReverted   = "dev.mlx/reverted"   // which a step sets, with the generation
	noteGeneration = "dev.mlx/generation" // of the state that an object obeys
)

// Step is a change of one object.
type Step struct {
	Path  string          `json:"path"`  // of the object at the API server, in the namespace of the Lease
	Patch json.RawMessage `json:"patch"` // merge patch of JSON
}

// Done is what a guard has done.
type Done struct {
	Generation uint64    `json:"generation"` // of the state that was taken back; 0: the steps name none
	Revert     string    `json:"revert"`     // digest of the steps
	At         time.Time `json:"at"`         // when it began, on the clock of the guard
	Done       bool      `json:"done"`       // false: it has begun
}

const (
	maxSteps = 16
	retry    = time.Second // how soon is tried again what failed
	patience = 10 * time.Second
)

// Options are what a guard is started with.
type Options struct {
	Client *kube.Client // of the namespace of the Lease
	Lease  string       // its name
	Now    func() time.Time
	Log    *slog.Logger // what a person should see; nil: nobody
}

type guard struct {
	o     Options
	seen  lease
	armed bool
	over  time.Time // when the lease has run out, if nobody renews it
	lost  bool      // the API server did not answer: what happened meanwhile was not seen
	deaf  string    // why it could not be watched last
	said  string    // why the traffic is not taken back yet
}

// lease is what is read of a Lease.
type lease struct {
	Metadata struct {
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Seconds int    `json:"leaseDurationSeconds"`
		Renewed string `json:"renewTime"` // it is only compared with the one before
		Holder  string `json:"holderIdentity"`
	} `json:"spec"`
}

func (l lease) duration() time.Duration { return time.Duration(max(l.Spec.Seconds, 1)) * time.Second }

func (l lease) revert() string { return l.Metadata.Annotations[NoteRevert] }

// renewed says whether somebody has renewed it, or asks for another state, since it was as before.
func (l lease) renewed(before lease) bool {
	return l.Spec != before.Spec || l.Metadata.UID != before.Metadata.UID || l.revert() != before.revert()
}

// done is what a guard has done about exactly this state.
func (l lease) done() (Done, bool) {
	var d Done
	note := l.Metadata.Annotations[NoteGuard]
	return d, note != "" && json.Unmarshal([]byte(note), &d) == nil && d.Revert == digest(l.revert())
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Run guards until ctx ends.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &guard{o: o}
	news := make(chan news)
	go g.watch(ctx, news)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		if g.armed {
			wait = max(g.over.Sub(o.Now()), 0)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case n := <-news:
			g.hear(n)
		case <-timer.C:
			if g.armed {
				g.act(ctx)
			}
		}
	}
}

// news is what is heard of the Lease.
type news struct {
	err   error // the Lease cannot be watched
	blind bool  // nor read: the API server cannot be asked
	gone  bool
	lease lease
}

// watch tells of each change of the Lease, and when the API server cannot be asked.
func (g *guard) watch(ctx context.Context, to chan<- news) {
	tell := func(n news) error {
		select {
		case to <- n:
			return nil
		case <-ctx.Done():
			return io.EOF
		}
	}
	only := kube.Select{Fields: "metadata.name=" + g.o.Lease}
	for ctx.Err() == nil {
		l, err := g.read(ctx) // a watch says nothing of what is gone already
		if kube.Missing(err) {
			_ = tell(news{gone: true}) // it ends with ctx
		} else if err == nil {
			_ = tell(news{lease: l})
		}
		read := err == nil || kube.Missing(err)
		if read {
			err = g.o.Client.Watch(ctx, kube.Leases, only, func(c kube.Change) error {
				n := news{gone: c.Type == "DELETED"}
				if err := json.Unmarshal(c.Object, &n.lease); err != nil {
					return err
				}
				return tell(n)
			})
		}
		if err == nil {
			continue // the server ends a watch after some minutes
		}
		_ = tell(news{err: err, blind: !read})
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// read reads the Lease as it is now.
func (g *guard) read(ctx context.Context) (lease, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var l lease
	err := g.o.Client.Get(ctx, kube.Leases, g.o.Lease, &l)
	return l, err
}

func (g *guard) hear(n news) {
	switch {
	case n.err != nil:
		if why := n.err.Error(); why != g.deaf {
			g.deaf = why
			g.o.Log.Warn("the Lease cannot be watched", "error", n.err)
		}
		// One that can be read all the same is seen every second: who renews it could do so.
		g.lost = g.lost || n.blind
	case n.gone:
		g.lost, g.armed, g.seen = false, false, lease{}
	default:
		g.look(n.lease)
	}
}

// look sees how the Lease is, and sets when it has run out.
func (g *guard) look(l lease) {
	now := g.o.Now()
	before, lost := g.seen, g.lost
	g.seen, g.lost = l, false
	done, begun := l.done()
	switch {
	case l.revert() == "" || begun && done.Done:
		g.armed = false
	case begun: // whoever began has ended
		g.armed, g.over = true, now
	case !g.armed || l.renewed(before):
		g.armed, g.over = true, now.Add(l.duration())
	case lost:
		// Who renews it could perhaps not reach the API server either: it gets some time.
		if soon := now.Add(l.duration() / 3); g.over.Before(soon) {
			g.over = soon
		}
	}
}

// act takes the traffic back if the Lease has really run out.
func (g *guard) act(ctx context.Context) {
	g.over = g.o.Now().Add(retry) // if this fails
	l, err := g.read(ctx)
	switch {
	case kube.Missing(err):
		g.hear(news{gone: true})
		return
	case err != nil:
		g.hear(news{err: err, blind: true})
		return
	}
	if lost := g.lost; lost || l.renewed(g.seen) {
		g.look(l)
		return
	}
	g.seen = l
	err = g.revert(ctx, l)
	switch {
	case err == nil:
		g.armed, g.said = false, ""
	case !kube.Changed(err) && ctx.Err() == nil && g.said != err.Error(): // who has changed it has renewed it, which will be heard
		g.said = err.Error()
		g.o.Log.Error("the traffic is not taken back yet", "error", err)
	}
}

// revert says first that it begins, which fails if somebody has renewed the Lease meanwhile; then it does what the Lease holds.
func (g *guard) revert(ctx context.Context, l lease) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	steps, err := ReadSteps(l.revert())
	if err != nil {
		return err
	}
	note, begun := l.done()
	if begun && note.Done { // what was heard of it came late
		return nil
	}
	if !begun {
		note = Done{Generation: generation(steps), Revert: digest(l.revert()), At: g.o.Now().UTC()}
		if l, err = g.mark(ctx, note, l.Metadata.ResourceVersion); err != nil {
			return err
		}
		g.seen = l
	}
	for _, s := range steps {
		err := g.take(ctx, s, note.Generation)
		if err != nil && !kube.Missing(err) { // what is not there has no traffic
			return err
		}
	}
	note.Done = true
	if _, err := g.mark(ctx, note, ""); err != nil && !kube.Missing(err) {
		return err
	}
	g.o.Log.Warn("nobody renewed the Lease: all goes to stable", "lease", g.o.Lease, "generation", note.Generation, "holder", l.Spec.Holder)
	return nil
}

// takeTries is how often an object is read again that others have changed meanwhile: controllers write what they see of it all the time.
const takeTries = 20

// take does one step, unless the object obeys a later generation: whoever asked for that came late with the Lease, and nothing of it is to be
// taken back.
func (g *guard) take(ctx context.Context, s Step, generation uint64) error {
	for tries := 1; ; tries++ {
		var now struct {
			Metadata struct {
				ResourceVersion string            `json:"resourceVersion"`
				Annotations     map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		if err := g.o.Client.GetAt(ctx, s.Path, &now); err != nil {
			return err
		}
		if obeyed, err := strconv.ParseUint(now.Metadata.Annotations[noteGeneration], 10, 64); err == nil && generation > 0 && obeyed > generation {
			return nil
		}
		if err := s.Take(ctx, g.o.Client, now.Metadata.ResourceVersion); !kube.Changed(err) || tries == takeTries {
			return err
		}
	}
}

// Take changes the object, if nobody has changed it since it had a version; empty: however it is.
func (s Step) Take(ctx context.Context, c *kube.Client, version string) error {
	var patch map[string]any
	if err := json.Unmarshal(s.Patch, &patch); err != nil {
		return fault.New(fault.Integrity, "cannot read what is to be taken back: %w", err)
	}
	if version != "" {
		meta, _ := patch["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
		}
		meta["resourceVersion"] = version
		patch["metadata"] = meta
	}
	return c.MergeAt(ctx, s.Path, patch, nil)
}

// mark writes into the Lease what the guard does. With a version the Lease must be as it was read.
func (g *guard) mark(ctx context.Context, d Done, version string) (lease, error) {
	var l lease
	text, err := json.Marshal(d)
	if err != nil {
		return l, fault.New(fault.Internal, "cannot write what the guard does: %w", err)
	}
	meta := map[string]any{"annotations": map[string]string{NoteGuard: string(text)}}
	if version != "" {
		meta["resourceVersion"] = version
	}
	err = g.o.Client.Merge(ctx, kube.Leases, g.o.Lease, map[string]any{"metadata": meta}, &l)
	return l, err
}

// ReadSteps reads what a Lease holds.
func ReadSteps(text string) ([]Step, error) {
	var steps []Step
	if err := json.Unmarshal([]byte(text), &steps); err != nil {
		return nil, fault.New(fault.Integrity, "cannot read what is to be taken back: %w", err)
	}
	if len(steps) == 0 || len(steps) > maxSteps {
		return nil, fault.New(fault.Integrity, "cannot read what is to be taken back: %d steps, and 1 to %d are expected", len(steps), maxSteps)
	}
	return steps, nil
}

// generation is that of the state that the steps take back: one of them writes it down.
func generation(steps []Step) uint64 {
	for _, s := range steps {
		var patch struct {
			Metadata struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		var note struct {
			Generation uint64 `json:"generation"`
		}
		if json.Unmarshal(s.Patch, &patch) == nil && json.Unmarshal([]byte(patch.Metadata.Annotations[noteReverted]), &note) == nil && note.Generation > 0 {
			return note.Generation
		}
	}
	return 0
}
