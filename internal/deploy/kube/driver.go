package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// Options are what a Driver is made of.
type Options struct {
	Cluster  *Cluster
	Settings Settings
	Now      func() time.Time
	// Counts is the file that keeps what pods had counted which are gone; empty: it is forgotten.
	Counts string
	// Lock keeps other processes from that file until it is let go; nil: there are none.
	Lock func(ctx context.Context) (release func(), err error)
	// Holder is how this controller calls itself in the Lease.
	Holder string
	// Spare is how long, from the last change of shares, releases are kept that get no requests any more: a gateway that is busy may still send some.
	// 0: 6 s. Below zero: not at all.
	Spare time.Duration
	// Follows: the cluster follows a file, which is how it is told.
	Follows bool
	// Unfile has that file say no more than what is wanted, which the cluster does: what was kept beside that ends.
	Unfile func(ctx context.Context, d deploy.Desired) error
	// Prepare is called before pods are made, and may say by SetAgent of which image of mlx; nil: there is nothing to prepare.
	Prepare func(ctx context.Context) error
	// Tell hears what is worth knowing and no error, once each; nil: nobody does.
	Tell func(text string)
}

// Driver is the target Kubernetes, for one service.
type Driver struct {
	Options

	client *kube.Client
	cache  *kube.Cache
	counts *counts

	mu      sync.Mutex
	done    uint64          // the generation of which all is made
	bare    uint64          // the generation in which nothing is to be served, of a form whose anchor is what serves
	told    map[string]bool // what was told
	renewed bool            // there may be a Lease that the cluster has not told of yet
	watched watched         // for breaks
	agent   string          // image of mlx in pods that are made
}

var _ deploy.Driver = (*Driver)(nil)

// New makes a driver.
func New(o Options) *Driver {
	return &Driver{Options: o, client: o.Cluster.client, cache: o.Cluster.of(o.Settings.Service), counts: openCounts(o.Counts, o.Lock), told: map[string]bool{},
		agent: o.Settings.Agent}
}

// Agent is the image of mlx in pods that are made; empty: they have none.
func (v *Driver) Agent() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.agent
}

// SetAgent says which one it is from now on.
func (v *Driver) SetAgent(image string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.agent = image
}

func (v *Driver) settings() Settings {
	s := v.Settings
	s.Agent = v.Agent()
	return s
}

func (v *Driver) name() string { return NameOf(v.Settings.Service) }

func (v *Driver) tell(text string) {
	v.mu.Lock()
	first := !v.told[text]
	v.told[text] = true
	v.mu.Unlock()
	if first && v.Tell != nil {
		v.Tell(text)
	}
}

// held is what the anchor of a service says.
type held struct {
	Metadata struct {
		Generation      int64             `json:"generation"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
		Managed         []managed         `json:"managedFields"`
	} `json:"metadata"`
	Spec   json.RawMessage `json:"spec"`
	Status json.RawMessage `json:"status"`

	generation uint64 // that is obeyed
	desired    deploy.Desired
	reverted   *reverted
}

// read takes an anchor apart.
func (h *held) read() error {
	notes := h.Metadata.Annotations
	text := notes[noteGeneration]
	if text == "" {
		return nil // somebody applied an export
	}
	var err error
	if h.generation, err = strconv.ParseUint(text, 10, 64); err == nil {
		err = json.Unmarshal([]byte(notes[noteDesired]), &h.desired)
	}
	if note := notes[noteReverted]; err == nil && note != "" {
		err = json.Unmarshal([]byte(note), &h.reverted)
	}
	if err != nil {
		return fault.New(fault.Integrity, "cannot read what mlx has written to the cluster: annotations of %s are no generation and no plan: %w", notes[noteService], err)
	}
	return nil
}

// anchor reads the anchor from the API server; nil: there is none.
func (v *Driver) anchor(ctx context.Context) (*held, error) {
	var h held
	err := v.client.Get(ctx, v.Settings.anchorResource(), v.name(), &h)
	if kube.Missing(err) {
		return nil, v.known(ctx, err)
	}
	if err != nil {
		return nil, v.explain(err, v.Settings.anchorResource())
	}
	return &h, h.read()
}

// known says that an object is not there because the cluster knows no such kind; nil: it does.
func (v *Driver) known(ctx context.Context, err error) error {
	has, lookErr := v.client.Has(ctx, v.Settings.anchorResource())
	if lookErr != nil {
		return v.explain(lookErr, v.Settings.anchorResource())
	}
	if !has {
		return v.explain(err, v.Settings.anchorResource())
	}
	return nil
}

// does says whether the anchor was asked for the same shares. What was in service before has none, and may have ended since.
func (h *held) does(d deploy.Desired) bool {
	rest := func(d deploy.Desired) []deploy.Arm {
		return slices.DeleteFunc(slices.Clone(d.Arms), func(a deploy.Arm) bool { return a.Role == deploy.Previous })
	}
	now, asked := rest(h.desired), rest(d)
	return len(now) == len(asked) && !slices.ContainsFunc(asked, func(a deploy.Arm) bool {
		return !slices.ContainsFunc(now, func(o deploy.Arm) bool {
			return o.Role == a.Role && o.Release.Key == a.Release.Key && o.Share == a.Share
		})
	})
}

// later says whether the anchor obeys somebody else, or has taken back what is asked for.
func (h *held) later(d deploy.Desired) bool {
	if h == nil || h.generation < d.Generation {
		return false
	}
	return h.generation > d.Generation || h.reverted != nil || !h.does(d)
}

// Apply has the cluster do what is wanted. What gets traffic runs before it gets it, and what gets none any more ends after that. Where all that
// gets traffic runs already, as in a rollback, the anchor comes first: that is one patch.
func (v *Driver) Apply(ctx context.Context, d deploy.Desired) error {
	if err := v.mode(ctx); err != nil {
		return err
	}
	now, err := v.cached(ctx) // what it has not heard of yet is found out when it is written
	switch {
	case err != nil:
		return err
	case now.later(d):
		return deploy.ErrStale
	case now != nil && now.generation == d.Generation && v.finished(d.Generation):
		v.watchBreaks(d)
		return v.renew(ctx, d)
	}
	if err := v.moved(ctx, now); err != nil {
		return err
	}
	if len(d.Arms) == 0 && !v.Settings.routed() {
		return v.bareOf(ctx, now, d)
	}
	beside, err := v.carry(ctx, now, d)
	if err != nil {
		return err
	}
	v.watchBreaks(d)
	return v.settle(ctx, d, beside)
}

// carry writes the anchor and what stands beside it.
func (v *Driver) carry(ctx context.Context, now *held, d deploy.Desired) ([]Object, error) {
	first := now != nil && d.Lease == 0 && (now.serves(d) || v.runs(ctx, d))
	if first {
		if err := v.turn(ctx, now, d); err != nil {
			return nil, err
		}
	}
	if v.Prepare != nil {
		if err := v.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	all, err := v.objects(ctx, d)
	if err != nil {
		return nil, err
	}
	beside, anchor := all[:len(all)-1], all[len(all)-1]
	if err := v.make(ctx, beside); err != nil || first {
		return beside, err
	}
	if err := v.renew(ctx, d); err != nil { // who is to take it back knows how before there is anything
		return nil, err
	}
	return beside, v.obey(ctx, anchor, now, d)
}

// objects are what a state consists of now, the anchor last.
func (v *Driver) objects(ctx context.Context, d deploy.Desired) ([]Object, error) {
	d = v.due(d)
	s, err := v.planned(ctx, d)
	if err != nil {
		return nil, err
	}
	return Objects(s, d)
}

// turn writes the anchor before anything else, for those who serve already. Of mlx in their pods it says what it has said before: another
// image may not be there yet.
func (v *Driver) turn(ctx context.Context, now *held, d deploy.Desired) error {
	s := v.settings()
	s.Agent = cmp.Or(now.Metadata.Annotations[noteAgent], s.Agent)
	anchor, err := s.anchor(v.due(d))
	if err == nil {
		anchor, err = s.placed(anchor)
	}
	if err != nil {
		return err
	}
	return v.obey(ctx, anchor, now, d)
}

// serves says whether all goes to who has been in service in the last state as well. Then nothing else has to be there before: a candidate may be
// doing harm.
func (h *held) serves(d deploy.Desired) bool {
	return !slices.ContainsFunc(d.Arms, func(a deploy.Arm) bool {
		return a.Share > 0 && !slices.ContainsFunc(h.desired.Arms, func(o deploy.Arm) bool {
			return o.Release.Key == a.Release.Key && a.Role == deploy.Stable && (o.Role == deploy.Stable || o.Share > 0)
		})
	})
}

func (v *Driver) finished(generation uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.done == generation
}

// due leaves out a release that need not be kept ready any longer.
func (v *Driver) due(d deploy.Desired) deploy.Desired {
	d.Arms = slices.DeleteFunc(slices.Clone(d.Arms), func(a deploy.Arm) bool {
		return a.Role == deploy.Previous && !a.Until.IsZero() && v.Now().After(a.Until)
	})
	return d
}

// runs says whether all that is to have traffic has servers that are ready.
func (v *Driver) runs(ctx context.Context, d deploy.Desired) bool {
	pods, err := v.pods(ctx)
	if err != nil || !v.Settings.routed() {
		return err == nil
	}
	return !slices.ContainsFunc(d.Arms, func(a deploy.Arm) bool {
		return a.Share > 0 && !slices.ContainsFunc(pods, func(p pod) bool { return p.of(a.Release.Key) && p.ready() })
	})
}

// obeyTries is how often the anchor is read again that others have changed meanwhile: controllers write what they see of it all the time.
const obeyTries = 20

// obey writes the anchor, if nobody else has asked for anything since it was read.
func (v *Driver) obey(ctx context.Context, anchor Object, now *held, d deploy.Desired) (err error) {
	r := v.Settings.anchorResource()
	for range obeyTries {
		if now == nil {
			err = v.client.Create(ctx, r, anchor, nil)
		} else if err = v.own(ctx, now); err == nil {
			if err = v.handOver(ctx, r, anchor); err != nil {
				return v.explain(err, r)
			}
			anchor["metadata"].(object)["resourceVersion"] = now.Metadata.ResourceVersion
			err = v.client.Apply(ctx, r, kube.Application{Object: v.kept(anchor, now, d)}, nil)
			if now.yields(kube.Conflicts(err)) {
				err = v.client.Apply(ctx, r, kube.Application{Object: v.kept(anchor, now, d), Force: true}, nil)
			}
			if who := byHand(kube.Conflicts(err)); who != "" {
				v.tell(who + " changed " + r.Plural + "/" + v.name() + " by hand: what mlx asks for is put in its place")
				err = v.client.Apply(ctx, r, kube.Application{Object: v.kept(anchor, now, d), Force: true}, nil)
			}
		}
		if !kube.Changed(err) && !kube.Exists(err) && !oursAlone(kube.Conflicts(err)) {
			return v.explain(err, r)
		}
		if now, err = v.anchor(ctx); err != nil {
			return err
		}
		if now.later(d) {
			return deploy.ErrStale
		}
		if now == nil {
			delete(anchor["metadata"].(object), "resourceVersion")
		}
	}
	return v.explain(err, r)
}

// kept leaves the template of Knative where taking its revision back is enough: another template would be another revision, that has to start.
func (v *Driver) kept(anchor Object, now *held, d deploy.Desired) Object {
	if v.Settings.Form != Knative || len(d.Arms) != 1 {
		return anchor
	}
	var spec struct {
		Predictor object `json:"predictor"`
	}
	if json.Unmarshal(now.Spec, &spec) != nil {
		return anchor
	}
	had, begun := armOf(now.desired, deploy.Candidate)
	if !begun || had.Release.Key == d.Arms[0].Release.Key || spec.Predictor["canaryTrafficPercent"] == nil {
		return anchor
	}
	template, err := v.Settings.inference(now.desired)
	if err != nil {
		return anchor
	}
	template, err = plain(template)
	if err != nil {
		return anchor
	}
	template["metadata"] = anchor["metadata"]
	template["spec"].(object)["predictor"].(object)["canaryTrafficPercent"] = 0
	return template
}
