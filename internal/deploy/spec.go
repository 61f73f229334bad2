package deploy

import (
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Strategy is how a version takes over.
type Strategy string

// The strategies. Back is what a rollback is: to a release that has proven itself, in one step.
const (
	Canary     Strategy = "canary"    // more and more of the traffic, judged at each step
	ShadowOnly Strategy = "shadow"    // copies alone; without steps nothing is put into service
	AB         Strategy = "ab"        // users are split until a winner is certain
	BlueGreen  Strategy = "bluegreen" // all at once, the old one kept ready
	Replace    Strategy = "replace"   // the old one is stopped first: both do not fit
	Back       Strategy = "rollback"
)

// Spec is a rollout as it was asked for.
type Spec struct {
	Service  string   `json:"service"`
	From     *Release `json:"from,omitempty"` // what is in service; nil: nothing is
	To       Release  `json:"to"`
	Strategy Strategy `json:"strategy"`
	// Steps are the shares of the candidate, ascending. The last is All, but for ab, where the winner gets all at the end.
	Steps    []Share `json:"steps,omitempty"`
	Replicas int     `json:"replicas"`
	// Bake is how long a step is watched at least. Only time counts in which somebody watched.
	Bake         time.Duration `json:"bake_ns"`
	MaxBake      time.Duration `json:"max_bake_ns"`         // inconclusive for longer: paused
	MinSamples   int64         `json:"min_samples"`         // answers of the candidate that a step has at least
	Uncounted    bool          `json:"uncounted,omitempty"` // the target counts no answers: none are waited for
	StartTimeout time.Duration `json:"start_timeout_ns"`
	Keep         time.Duration `json:"keep_ns"`             // how long the release before it is kept ready at the end
	Mirror       Share         `json:"mirror,omitempty"`    // copies that the candidate is judged by before it gets any request; 0: none
	Lease        time.Duration `json:"lease_ns"`            // see Desired
	Hold         bool          `json:"hold,omitempty"`      // of ab: the arms stay as they are without a controller
	Unguarded    bool          `json:"unguarded,omitempty"` // the target follows a file, and takes nothing back by itself: there is no lease
	Breaks       int           `json:"breaks,omitempty"`    // see Desired
	BreaksIn     time.Duration `json:"breaks_in_ns,omitempty"`
	Sticky       Sticky        `json:"sticky"`
	Checks       []Rule        `json:"checks,omitempty"`
	Users        *UserPlan     `json:"users,omitempty"` // of ab: what is compared
}

// The defaults.
const (
	defaultBake         = time.Hour
	defaultMaxBakes     = 6 // times the bake
	defaultMinSamples   = 1000
	defaultStartTimeout = 180 * time.Second
	defaultKeep         = 24 * time.Hour
	defaultLease        = 30 * time.Second
	defaultBreaks       = 3
	defaultBreaksIn     = 10 * time.Second

	longest  = 90 * 24 * time.Hour // a record keeps nanoseconds in 53 bits, which are 104 days
	maxSteps = 100
)

// Filled is the spec with what is not said: canary, 1-5-20-100 %, an hour a step, 1,000 answers.
func (s Spec) Filled() Spec {
	if s.Strategy == "" {
		s.Strategy = Canary
	}
	if len(s.Steps) == 0 {
		s.Steps = s.usualSteps()
	}
	fill(&s.Replicas, 1)
	fill(&s.Bake, defaultBake)
	fill(&s.MaxBake, defaultMaxBakes*s.Bake)
	if !s.Uncounted {
		fill(&s.MinSamples, defaultMinSamples)
	}
	fill(&s.StartTimeout, s.To.Serve.Start)
	fill(&s.StartTimeout, defaultStartTimeout)
	fill(&s.Keep, defaultKeep)
	fill(&s.Lease, defaultLease)
	fill(&s.Breaks, defaultBreaks)
	fill(&s.BreaksIn, defaultBreaksIn)
	if s.Strategy == ShadowOnly {
		fill(&s.Mirror, All)
	}
	if s.Strategy == AB {
		s.Sticky.Strict = true
		fill(&s.Users, &UserPlan{})
	}
	if len(s.Checks) == 0 && s.Strategy != Back {
		s.Checks = UsualRules()
	}
	return s
}

func fill[T comparable](v *T, to T) {
	if zero := *new(T); *v == zero {
		*v = to
	}
}

func (s Spec) usualSteps() []Share {
	switch {
	case s.Strategy == ShadowOnly:
		return nil
	case s.Strategy == AB && s.From != nil:
		return []Share{All / 2}
	case s.Strategy == Canary && s.From != nil:
		return []Share{All / 100, All / 20, All / 5, All}
	}
	return []Share{All}
}

// Check refuses what cannot be carried out safely.
func (s Spec) Check() error {
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Usage, "cannot deploy "+s.To.Name()+" to "+s.Service+": "+format, args...)
	}
	switch {
	case s.Service == "" || s.To.Key == "":
		return fault.New(fault.Internal, "a rollout names a service and a release")
	case s.From != nil && s.From.Key == s.To.Key:
		return fault.New(fault.Conflict, "cannot deploy %s to %s: it is in service", s.To.Name(), s.Service)
	case s.Bake < 0 || s.MaxBake < s.Bake || s.MaxBake > longest:
		return bad("max_bake is at least bake, and at most 90d")
	case s.Replicas < 1 || s.MinSamples < 0 || s.Breaks < 0:
		return bad("there is at least one replica, and no count is below zero")
	case s.StartTimeout <= 0 || s.StartTimeout > longest || s.Lease < 0 || s.Lease > longest || s.BreaksIn < 0 || s.BreaksIn > longest || s.Keep < 0 || s.Keep > longest:
		return bad("time-outs are above zero, and at most 90d")
	case s.Mirror < 0 || s.Mirror > All:
		return bad("between none and all requests are copied")
	case s.Mirror > 0 && (s.From == nil || s.Strategy == Replace):
		return bad("copies are compared with what is in service beside it, and here nothing is")
	}
	for _, rule := range s.Checks {
		if err := rule.check(); err != nil {
			return err
		}
		if rule.Kind == KindMeasure && rule.Name == MeasureDisagreement && s.Mirror == 0 {
			return bad("disagreement is told from copies, and none are made").Hint("rollout: {mirror: 100%%, …}")
		}
	}
	return s.checkSteps(bad)
}

func (s Spec) checkSteps(bad func(string, ...any) *fault.Error) error {
	last := Share(0)
	for _, step := range s.Steps {
		if step <= last || step > All {
			return bad("steps grow from above 0%% to at most 100%%")
		}
		last = step
	}
	atOnce := len(s.Steps) == 1 && last == All
	switch s.Strategy {
	case Canary:
		if last != All || atOnce && s.From != nil && s.Mirror == 0 {
			return bad("a canary starts below 100%% and ends there").Hint("mlx deploy %s %s --strategy bluegreen   # all at once", s.Service, s.To.Name())
		}
	case ShadowOnly:
		if s.From == nil || len(s.Steps) > 0 && last != All {
			return bad("a shadow needs something in service; its steps, if it has any, end at 100%%")
		}
	case AB:
		if s.From == nil || last == All || last == 0 {
			return bad("an A/B test leaves a share to each of two arms")
		}
		if s.Sticky.Header == "" && s.Sticky.Cookie == "" && s.Sticky.Field == "" {
			return bad("an A/B test needs to know users: a header, a cookie or a field of the request")
		}
		return s.Users.check(bad)
	case BlueGreen, Replace, Back:
		if !atOnce {
			return bad("%s has one step", s.Strategy)
		}
	default:
		return bad("there is no strategy %q", string(s.Strategy)).Hint("mlx deploy %s %s --strategy canary", s.Service, s.To.Name())
	}
	if len(s.Steps) > maxSteps {
		return bad("at most %d steps", maxSteps)
	}
	return nil
}

// salted gives the rollout a salt of its own, the same whoever computes it.
func (s Spec) salted(generation uint64) Spec {
	if s.Sticky.Salt == "" {
		sum := object.Sum([]byte(s.Service + "\n" + s.To.Key + "\n" + strconv.FormatUint(generation, 10)))
		s.Sticky.Salt = hex.EncodeToString(sum[:8])
	}
	return s
}

// Served says whether the end of the rollout puts its release into service: shadows without steps are only judged.
func (s Spec) Served() bool { return len(s.Steps) > 0 }

// KeyOf is the Key of a release: it names exactly these bytes, served by exactly this command from exactly this package.
func KeyOf(r Release) (string, error) {
	r.Key = ""
	r.Data = slices.Clone(r.Data)
	slices.Sort(r.Data)
	text, err := object.Encode(r)
	if err != nil {
		return "", err
	}
	return object.Sum(text).Hex(), nil
}
