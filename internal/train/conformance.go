package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Case is something that every backend must be able to do. Cases work through mlx itself, as a user does, in a project of their
// own: what passes here works for people.
type Case struct {
	Number int
	Name   string // for --case
	Title  string
	try    func(ctx context.Context, t *Trial) error
}

// Conformance lists what every backend must pass, in the order of the numbers.
func Conformance() []Case {
	return []Case{
		{1, "once", "a repeated submit is one run, also after a lost reply", tryOnce},
		{2, "client", "the client killed while it uploads and while the run goes on; another clone attaches", tryClient},
		{3, "logs", "the log is complete, in order, and has nothing twice across reconnects", tryLogs},
		{4, "ends", "exit statuses, signals, time limit and cancel are told apart", tryEnds},
		{5, "cancel", "cancel while pending, running, finished, and twice; TERM, grace, KILL; children gone", tryCancel},
		{6, "impossible", "what no node has is refused, or waits with a reason and a deadline", tryImpossible},
		{7, "queue", "a run that waits starts when there is room", tryQueue},
		{8, "tree", "files, arguments and variables arrive as they are; no .git, nothing ignored", tryTree},
		{9, "secrets", "secrets are in no argument, object, log or record", trySecrets},
		{10, "outputs", "outputs come back after success, failure and cancel, checked by digest", tryOutputs},
		{11, "retry", "another attempt goes on from the checkpoint and says its number", tryRetry},
		{12, "time", "the time limit holds, and a signal warns of it", tryTime},
		{13, "ranks", "rank, world size and master address on two nodes", tryRanks},
		{14, "down", "a backend that cannot be reached makes a run unknown, never failed", tryDown},
		{15, "key", "a wrong host key, certificate or token is refused", tryKey},
		{16, "clean", "nothing is left behind", tryClean},
	}
}

// Call is a call of mlx.
type Call struct {
	Dir  string // folder of the project; empty is the first one
	Args []string
	Env  []string
	Kill time.Duration // the process gets SIGKILL after this; 0 never
}

// Said is what mlx answered.
type Said struct {
	Out, Err string
	Status   int // -1 when it was killed
}

// Bench is where cases are tried. The project has the backend under the name Tried, and once more under the name Hurried.
type Bench interface {
	// MLX runs mlx.
	MLX(ctx context.Context, c Call) (Said, error)
	// Clone makes another clone of the project, which knows its records, and returns its folder.
	Clone(ctx context.Context) (string, error)
	// Disturb does something to the backend: see the Disturb words. errors.Is(err, errors.ErrUnsupported): not here.
	Disturb(ctx context.Context, what string) (undo func() error, err error)
	// Shows returns all that the backend itself shows of a job, or of what is left of all jobs for the zero Ref.
	Shows(ctx context.Context, job Ref) (string, error)
}

// What cases ask of a bench.
const (
	Tried       = "tried"          // name of the backend
	Patience    = 3 * time.Minute  // its pending deadline: a busy cluster needs some of it to start what it has room for
	Hurried     = "hurried"        // the same backend, for what can never start
	Waits       = 15 * time.Second // the pending deadline of that one
	OddVariable = "MLX_TRIED_ODD"  // a variable of the backend's env, with the value OddText
	OddText     = "a b  'c' \"d\" $HOME `e` \\ ü *;&|<>"

	DisturbStop = "stop" // the backend, or the way to it, is gone until undo
	DisturbKey  = "key"  // the backend shows another key, or no longer takes ours, until undo
)

// Finding is what a case found.
type Finding struct {
	Number  int     `json:"number"`
	Case    string  `json:"case"`
	Title   string  `json:"title"`
	Verdict string  `json:"verdict"` // pass, fail or inconclusive
	Text    string  `json:"text"`
	Seconds float64 `json:"seconds"`
}

// Trial is one case at one bench.
type Trial struct {
	Bench
	Root    string // folder of the project
	Backend Backend

	now     func() time.Time
	notes   []string
	without []string // parts that cannot be tried here
}

// Try tries a case. An error is of the bench: nothing was found out.
func (c Case) Try(ctx context.Context, t Trial, now func() time.Time) (Finding, error) {
	f := Finding{Number: c.Number, Case: c.Name, Title: c.Title, Verdict: "pass"}
	t.now = now
	began := now()
	err := c.try(ctx, &t)
	f.Seconds = now().Sub(began).Seconds()
	if ctx.Err() != nil {
		return f, ctx.Err()
	}
	var broken *brokenError
	switch {
	case err == nil && len(t.without) > 0 && len(t.notes) == 0:
		f.Verdict, f.Text = "inconclusive", strings.Join(t.without, "; ")
	case err == nil:
		f.Text = strings.Join(append(t.notes, t.without...), "; ")
	case errors.Is(err, errors.ErrUnsupported):
		f.Verdict, f.Text = "inconclusive", err.Error()
	case errors.As(err, &broken):
		f.Verdict, f.Text = "fail", broken.text
	default:
		return f, err
	}
	return f, nil
}

// brokenError is a promise that the backend did not keep.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func broken(format string, args ...any) error {
	return &brokenError{fmt.Sprintf(format, args...)}
}

// saw adds to what the finding tells.
func (t *Trial) saw(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// lacks says what could not be tried here.
func (t *Trial) lacks(format string, args ...any) {
	t.without = append(t.without, fmt.Sprintf(format, args...))
}

// mlx runs mlx in the project.
func (t *Trial) mlx(ctx context.Context, args ...string) (Said, error) {
	return t.MLX(ctx, Call{Args: args})
}

// on runs a line of shell on the backend, with flags of mlx run before it.
func (t *Trial) on(ctx context.Context, line string, flags ...string) (Said, error) {
	return t.mlx(ctx, onArgs(line, flags...)...)
}

func onArgs(line string, flags ...string) []string { return backendArgs(Tried, line, flags...) }

func backendArgs(name, line string, flags ...string) []string {
	args := append([]string{"run", "--on", name}, flags...)
	return append(args, "--", "sh", "-c", line)
}

// expect runs a line on the backend that must end with a status.
func (t *Trial) expect(ctx context.Context, status int, line string, flags ...string) (Said, error) {
	s, err := t.on(ctx, line, flags...)
	if err == nil && s.Status != status {
		err = broken("%s: status %d, not %d: %s", line, s.Status, status, lastWords(s.Err))
	}
	return s, err
}

// detach submits a line and returns the id of its run.
func (t *Trial) detach(ctx context.Context, line string, flags ...string) (string, error) {
	return t.detachOn(ctx, Tried, line, flags...)
}

func (t *Trial) detachOn(ctx context.Context, backend, line string, flags ...string) (string, error) {
	s, err := t.mlx(ctx, backendArgs(backend, line, append([]string{"--json", "--detach"}, flags...)...)...)
	if err != nil {
		return "", err
	}
	var job struct {
		Run string `json:"run"`
	}
	if s.Status != 0 || json.Unmarshal([]byte(s.Out), &job) != nil || job.Run == "" {
		return "", broken("cannot submit %s: status %d: %s", line, s.Status, lastWords(s.Err))
	}
	return job.Run, nil
}

// shown is what mlx show tells of a run.
type shown struct {
	State     string   `json:"state"`
	Exit      *int     `json:"exit_status"`
	Signal    *string  `json:"signal"`
	Cause     *string  `json:"cause"`
	Attempt   int      `json:"attempt"`
	ID        string   `json:"id"`
	DurationS *float64 `json:"duration_s"`
}

func (s shown) cause() string {
	if s.Cause == nil {
		return ""
	}
	return *s.Cause
}

func (t *Trial) show(ctx context.Context, run string) (s shown, err error) {
	said, err := t.mlx(ctx, "show", "--json", run)
	if err == nil && json.Unmarshal([]byte(said.Out), &s) != nil {
		err = broken("mlx show %.12s: %s", run, lastWords(said.Err))
	}
	return s, err
}

// row is a row of mlx job list.
type row struct {
	Run    string  `json:"run"`
	State  string  `json:"state"`
	Reason *string `json:"reason"`
}

func (t *Trial) list(ctx context.Context) (map[string]row, error) {
	said, err := t.mlx(ctx, "job", "list", "--json")
	if err != nil {
		return nil, err
	}
	all := map[string]row{}
	lines := json.NewDecoder(bytes.NewReader([]byte(said.Out)))
	for lines.More() {
		var r row
		if err := lines.Decode(&r); err != nil {
			return nil, broken("mlx job list: %v", err)
		}
		all[r.Run] = r
	}
	return all, nil
}

// until waits for a state of a run.
func (t *Trial) until(ctx context.Context, run string, limit time.Duration, states ...string) (row, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last row
	for {
		rows, err := t.list(ctx)
		if err != nil && ctx.Err() == nil {
			return row{}, err
		}
		if r, ok := rows[run]; ok {
			last = r
			for _, s := range states {
				if r.State == s {
					return r, nil
				}
			}
		}
		if pause(ctx, glance) != nil {
			return last, broken("run %.12s is %q after %v, not %s", run, last.State, limit, strings.Join(states, " or "))
		}
	}
}

// glance is how long a case waits before it looks again.
const glance = 200 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// wait waits for the end of a run, and brings its results.
func (t *Trial) wait(ctx context.Context, run string) (shown, error) {
	if _, err := t.mlx(ctx, "job", "wait", "--timeout", Patience.String(), run); err != nil {
		return shown{}, err
	}
	return t.show(ctx, run)
}

// lastWords is the end of what was said, on one line.
func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " / ")
}
