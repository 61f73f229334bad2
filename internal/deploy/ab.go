package deploy

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/stats"
)

// UserPlan is what an A/B test compares, fixed before anybody looks.
type UserPlan struct {
	// What is compared: what a command prints of users, or the labels of a monitor.
	Command string `json:"command,omitempty"`
	Label   string `json:"label,omitempty"`
	Monitor string `json:"monitor,omitempty"`

	LowerIsBetter bool    `json:"lower_is_better,omitempty"`
	Margin        float64 `json:"margin,omitempty"` // a smaller difference counts as none, as a share of the mean of stable; 0: 1 %
	// MarginIs is Margin in the unit of the values; 0: Margin counts.
	MarginIs float64 `json:"margin_is,omitempty"`
	// Cap is what greater values of one user count as; 0: the 99th percentile, of those that are not zero, of the users before the first look.
	Cap float64 `json:"cap,omitempty"`
	// MinUsers is how many users of each arm there are at the first look; 0: 1000.
	MinUsers int64 `json:"min_users,omitempty"`
	// Users is after how many users of both arms "no difference" is the verdict when there is no winner; 0: when it is certain.
	Users int64 `json:"users,omitempty"`
	// Window is for how long a user is looked at, from its first request on: its value is what came within it, and it counts when that is
	// over. 0: a user counts at once, with all that is known of it.
	Window time.Duration `json:"window_ns,omitempty"`
}

func (u *UserPlan) check(bad func(string, ...any) *fault.Error) error {
	if u == nil {
		return bad("an A/B test needs something to compare")
	}
	for _, v := range []float64{u.Margin, u.MarginIs, u.Cap} {
		if v < 0 || v-v != 0 {
			return bad("margin and cap are numbers from 0 up")
		}
	}
	if u.MinUsers < 0 || u.Users < 0 || u.Window < 0 || u.Window > longest || u.MinUsers == 1 {
		return bad("users and windows are not below zero, and an arm has at least two users")
	}
	return nil
}

// Event is something that one user of an A/B test did, or that it answered a request.
type Event struct {
	User      string
	At        time.Time
	Candidate bool    // its arm
	Value     float64 // 0: it was there
}

// user is what is known of one.
type user struct {
	first     time.Time
	candidate bool
	both      bool // it was seen in both arms
	value     float64
	id        string
}

// usersOf adds the events up by user: requests of one user are not independent, and it was the user who was drawn. Users come in the order in
// which their values are final. Who was seen in both arms counts in neither, and is counted.
func usersOf(events []Event, window time.Duration, now time.Time) (users []user, both int) {
	all := map[string]*user{}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	for _, e := range events {
		u := all[e.User]
		if u == nil {
			u = &user{first: e.At, candidate: e.Candidate, id: e.User}
			all[e.User] = u
		}
		u.both = u.both || u.candidate != e.Candidate
		if window == 0 || e.At.Before(u.first.Add(window)) {
			u.value += e.Value
		}
	}
	for _, u := range all {
		switch {
		case u.both:
			both++
		case window == 0 || !u.first.Add(window).After(now):
			users = append(users, *u)
		}
	}
	slices.SortFunc(users, func(a, b user) int { return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.id, b.id)) })
	return users, both
}

// subjectUsers is the subject of the finding about users.
const subjectUsers = "users"

// users judges the winner of an A/B test: pass, the candidate wins; fail, it does not.
func (j Judge) users(ctx context.Context, r Rollout) gate.Finding {
	f := gate.Finding{Name: "users", Subject: subjectUsers, Severity: gate.SeverityFail, Verdict: gate.Inconclusive, Needs: version(r.To) + " wins"}
	if j.Users == nil {
		f.Shown = "nobody measures it"
		return f
	}
	events, err := j.Users(ctx, r)
	if err != nil {
		f.Shown = err.Error()
		return f
	}
	users, both := usersOf(events, r.Users.Window, r.looked)
	look, err := lookAt(r, users)
	if err != nil {
		f.Shown = err.Error()
		return f
	}
	sayLook(&f, r, look)
	if both > 0 {
		f.Note += fmt.Sprintf("; %s users were in both arms and count in none", group(int64(both)))
	}
	return f
}

// lookAt takes a look at the users so far.
func lookAt(r Rollout, users []user) (stats.Look, error) {
	p := *r.Users
	e, err := stats.NewExperiment(stats.Plan{Share: r.Share().Float(), Level: level, Margin: p.Margin, MarginIs: p.MarginIs, CapAt: p.Cap,
		MinUnits: float64(p.MinUsers), Expected: float64(p.Users), LowerIsBetter: p.LowerIsBetter})
	if err != nil {
		return stats.Look{}, err
	}
	for _, u := range users {
		if err := e.Add(u.candidate, u.value); err != nil {
			return stats.Look{}, err
		}
	}
	look, err := e.Look()
	if n := int64(len(users)); err == nil && p.Users > 0 && n >= p.Users && look.Outcome == stats.NotEnough {
		look.Outcome = stats.NoDifference
	}
	return look, err
}

// sayLook says a look in words, and what it means for the candidate.
func sayLook(f *gate.Finding, r Rollout, look stats.Look) {
	rows := int64(look.A.N + look.B.N)
	f.Rows, f.Value, f.Baseline = &rows, finite(look.B.Mean()), finite(look.A.Mean())
	f.Difference, f.Interval = finite(look.Bounds.Value), finitePair([2]float64{look.Bounds.Lower, look.Bounds.Upper})
	means := fmt.Sprintf("%s against %s a user", digits(look.B.Mean()), digits(look.A.Mean()))
	f.Shown = means
	if f.Interval != nil {
		f.Shown += fmt.Sprintf(" (95%% at all times: %s to %s)", signed(look.Bounds.Lower), signed(look.Bounds.Upper))
	}
	if need := look.Needed; need > 0 && need < 1e15 {
		n := int64(need)
		f.RowsNeeded = &n
	}
	of := fmt.Sprintf(", %s users", group(rows))
	switch look.Outcome {
	case stats.WinnerB:
		f.Verdict, f.Note = gate.Pass, version(r.To)+" wins: "+means+of
	case stats.WinnerA:
		f.Verdict, f.Note = gate.Fail, r.stableName()+" wins: "+means+of
	case stats.NoDifference:
		f.Verdict, f.Note = gate.Fail, "no difference: "+means+of
	case stats.Invalid:
		f.Note = fmt.Sprintf("the arms have %s and %s users, which %s is no chance of (p %s): what draws them is broken", group(int64(look.A.N)),
			group(int64(look.B.N)), r.Share(), digits(look.Ratio.P))
		f.Shown = f.Note
	case stats.NotEnough:
		if rows == 0 {
			f.Shown, f.Note = "no users", "not enough data: no users yet"
			return
		}
		f.Note = "not enough data: " + means + of
	}
}

func signed(v float64) string {
	if v < 0 || math.IsNaN(v) {
		return digits(v)
	}
	return "+" + digits(v)
}
