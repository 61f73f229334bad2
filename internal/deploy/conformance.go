package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// Case is something that every target must be able to do. Cases work through mlx itself, as a user does, under requests of users: what passes
// here works for people.
type Case struct {
	Number int
	Name   string
	Title  string
	try    func(ctx context.Context, t *Trial) error
}

// Conformance lists what every target must pass, in the order of the numbers.
func Conformance() []Case {
	return []Case{
		{1, "first", "the first release is in service as soon as it is ready", tryFirst},
		{2, "steps", "1, 5, 20 and 100 %: each share is observed before its step counts, and no request is lost", trySteps},
		{3, "back", "a rollback is one change of the target, and no request is lost", tryBack},
		{4, "cold", "a rollback to what does not run starts it first, and no request is lost", tryCold},
		{5, "failing", "a candidate whose answers fail a check is taken back, and the command ends with 1", tryFailing},
		{6, "unready", "a candidate that never becomes ready ends with the reason; nobody notices", tryUnready},
		{7, "crash", "a candidate that breaks while it answers is taken back; users are answered all the same", tryCrash},
		{8, "stable", "what is in service breaks: it is started again, and the candidate never gets more than its step", tryStable},
		{9, "words", "pause keeps the share, resume goes on, abort gives all to what was in service", tryWords},
		{10, "resume", "the controller is killed: resume finishes what it began", tryResume},
		{11, "lease", "the controller is killed and nobody comes: the target takes the candidate back by itself", tryLease},
		{12, "two", "two controllers, and two deploys at once: records and target agree, and no request is lost", tryTwo},
		{13, "stale", "an earlier generation is refused", tryStale},
		{14, "away", "a target that cannot be asked is waited for, and what it does is unknown, never taken for failed", tryAway},
		{15, "hand", "shares that somebody changed by hand are told, and put right by what comes next", tryHand},
		{16, "named", "what runs is named by its digest and compared with the ledger", tryNamed},
		{17, "copies", "copies of requests are answered by a shadow and compared, or refused before anything is begun", tryCopies},
		{18, "clean", "what is not needed any more ends, and nothing of it is left", tryClean},
	}
}

// Said is what mlx answered.
type Said struct {
	Out, Err string
	Status   int // -1 when it was killed
}

// Begun is a command of mlx that goes on.
type Begun interface {
	Kill() error           // by SIGKILL
	End() (Said, error)    // waits for its end
	Says(text string) bool // it has said this on either of its outputs
	Over() (ended bool)    // it has ended
}

// Bench is where cases are tried: a project with the service Tried of the model Tried. Its versions 1, 2 and 3 are good; of version 4 half of
// the answers fail once it has answered 20; version 5 never becomes ready. Its rollouts have the steps 20 % and 100 %, of one second and ten answers,
// the check errors < 0.05, start_timeout of 20 s and a lease of TriedLease, and servers may be asked twice.
type Bench interface {
	// MLX runs mlx in the project.
	MLX(ctx context.Context, args ...string) (Said, error)
	// Begin starts mlx in the project.
	Begin(ctx context.Context, args ...string) (Begun, error)
	// Ask asks the service once, as a user does: "v2" is an answer of version 2, everything else is none.
	Ask(ctx context.Context) string
	// Disturb does something to the target: see the Disturb words. errors.ErrUnsupported: not here.
	Disturb(ctx context.Context, what string) (undo func() error, err error)
}

// What cases ask of a bench.
const (
	Tried      = "tried"         // the service, and its model
	TriedLease = 4 * time.Second // of its rollouts

	DisturbCandidate = "candidate" // the servers of the candidate end, and none of that version starts until undo
	DisturbStable    = "stable"    // the servers of what is in service end once; they may be started again
	DisturbAway      = "away"      // the target cannot be told or asked until undo; it serves on
	DisturbHand      = "hand"      // somebody else gives all to the candidate
	DisturbLeft      = "left"      // nothing is done: an error if anything is left at the target of releases that are not in service
)

// Finding is what a case found.
type Finding struct {
	Number  int     `json:"number"`
	Case    string  `json:"case"`
	Title   string  `json:"title"`
	Verdict string  `json:"verdict"` // pass, fail, refused or inconclusive
	Text    string  `json:"text"`
	Seconds float64 `json:"seconds"`
}

// Trial is one case at one bench.
type Trial struct {
	Bench
	Driver Driver // of the service

	now     func() time.Time
	notes   []string
	refused bool
}

// Try tries a case, after those before it. An error is of the bench: nothing was found out.
func (c Case) Try(ctx context.Context, t Trial, now func() time.Time) (Finding, error) {
	f := Finding{Number: c.Number, Case: c.Name, Title: c.Title, Verdict: "pass"}
	t.now = now
	began := now()
	err := c.try(ctx, &t)
	f.Seconds = now().Sub(began).Seconds()
	f.Text = strings.Join(t.notes, "; ")
	var broken *brokenError
	switch {
	case ctx.Err() != nil:
		return f, ctx.Err()
	case err == nil && t.refused:
		f.Verdict = "refused"
	case err == nil:
	case errors.Is(err, errors.ErrUnsupported):
		f.Verdict, f.Text = "inconclusive", err.Error()
	case errors.As(err, &broken):
		f.Verdict, f.Text = "fail", broken.text
	default:
		return f, err
	}
	return f, nil
}

// brokenError is a promise that a target did not keep.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func broken(format string, args ...any) error { return &brokenError{fmt.Sprintf(format, args...)} }

// saw adds to what the finding tells.
func (t *Trial) saw(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// expect runs mlx, which must end with a status.
func (t *Trial) expect(ctx context.Context, status int, args ...string) (Said, error) {
	s, err := t.MLX(ctx, args...)
	if err == nil && s.Status != status {
		err = broken("mlx %s: status %d, not %d: %s", strings.Join(args, " "), s.Status, status, lastWords(s.Err))
	}
	return s, err
}

// lastWords is the end of what a command said.
func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-4, 0):], " | ")
}

// deploy rolls a version out, which must end with a status.
func (t *Trial) deploy(ctx context.Context, status, version int, words ...string) (Said, error) {
	return t.expect(ctx, status, append([]string{"deploy", Tried, triedVersion(version)}, words...)...)
}

func triedVersion(n int) string { return fmt.Sprintf("%s@v%d", Tried, n) }

// shown is what mlx service status tells.
type shown struct {
	State      string
	Generation uint64
	Trouble    *string
	Arms       []shownArm
	Rollout    *struct{ State, Strategy string }
	RollbackTo *struct{ Warm bool } `json:"rollback_to"`
}

type shownArm struct {
	Role     string
	Release  string
	Model    struct{ Name string }
	Desired  float64  `json:"desired_share"`
	Observed *float64 `json:"observed_share"`
	Answers  int64
	Ready    int
	Replicas int
}

func (s shown) arm(role Role) (shownArm, bool) {
	for _, a := range s.Arms {
		if a.Role == string(role) {
			return a, true
		}
	}
	return shownArm{}, false
}

// status looks at the service.
func (t *Trial) status(ctx context.Context) (s shown, err error) {
	said, err := t.MLX(ctx, "service", "status", Tried, "--json")
	if err == nil && json.Unmarshal([]byte(said.Out), &s) != nil {
		err = broken("mlx service status: %s", lastWords(said.Err))
	}
	return s, err
}

// Times of cases. Targets on a busy machine need some.
const (
	soon   = 2 * time.Minute
	glance = 300 * time.Millisecond // each look is a process
)

// until looks at the service until something holds of it.
func (t *Trial) until(ctx context.Context, what string, holds func(shown) bool) (shown, error) {
	began := t.now()
	for {
		s, err := t.status(ctx)
		switch {
		case err != nil:
			return s, err
		case holds(s):
			return s, nil
		case t.now().Sub(began) > soon:
			return s, broken("after %s it is not so: %s. It is %+v", span(soon), what, s)
		}
		if err := pause(ctx, glance); err != nil {
			return s, err
		}
	}
}

// serves waits until a version is in service alone, and says so.
func (t *Trial) serves(ctx context.Context, version int) error {
	_, err := t.until(ctx, triedVersion(version)+" is in service", func(s shown) bool {
		a, ok := s.arm(Stable)
		_, other := s.arm(Candidate)
		return ok && !other && a.Model.Name == triedVersion(version) && a.Desired == 1 && a.Ready > 0
	})
	return err
}

// gets waits until the candidate is observed to answer: the target may count what the same release answered in an earlier rollout as well.
func (t *Trial) gets(ctx context.Context) error {
	first := int64(-1)
	_, err := t.until(ctx, "the candidate gets requests", func(s shown) bool {
		a, ok := s.arm(Candidate)
		if ok && first < 0 {
			first = a.Answers
		}
		return ok && a.Answers > first
	})
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-over.C:
		return nil
	}
}

// crowd are users who ask at a rate.
type crowd struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu    sync.Mutex
	words map[string]int
}

const crowdEvery = 20 * time.Millisecond // 50 requests a second

// users begin to ask.
func (t *Trial) users(ctx context.Context) *crowd {
	asking, stop := context.WithCancel(ctx)
	c := &crowd{stop: stop, words: map[string]int{}}
	c.all.Go(func() {
		every := time.NewTicker(crowdEvery)
		defer every.Stop()
		for {
			select {
			case <-asking.Done():
				return
			case <-every.C:
			}
			c.all.Go(func() {
				word := t.Ask(ctx)
				c.mu.Lock()
				c.words[word]++
				c.mu.Unlock()
			})
		}
	})
	return c
}

// soFar is how often each word was answered.
func (c *crowd) soFar() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.words)
}

// since waits for n more answers and returns which.
func (c *crowd) since(ctx context.Context, n int) (map[string]int, error) {
	before := c.soFar()
	for {
		total, more := 0, c.soFar()
		for word := range more {
			more[word] -= before[word]
			total += more[word]
		}
		if total >= n {
			maps.DeleteFunc(more, func(_ string, n int) bool { return n == 0 })
			return more, nil
		}
		if err := pause(ctx, glance); err != nil {
			return nil, err
		}
	}
}

// end waits for the last answer. All but most must be answers.
func (c *crowd) end(t *Trial, most int) error {
	c.stop()
	c.all.Wait()
	lost, total, one := 0, 0, ""
	for word, n := range c.words {
		total += n
		if !isAnswer(word) {
			lost, one = lost+n, word
		}
	}
	if lost > most {
		return broken("%d of %d requests were lost, such as: %s", lost, total, one)
	}
	t.saw("%d of %d requests lost", lost, total)
	return nil
}

func isAnswer(word string) bool {
	return strings.HasPrefix(word, "v") && !strings.ContainsAny(word, " :")
}
