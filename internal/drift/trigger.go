package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Judged is one answer of a monitor as far as it matters to what is started.
type Judged struct {
	ID        object.Digest // of the record
	LC        uint64
	From, To  time.Time // of the window; zero of one that no times bound
	Inputs    object.Digest
	Reference string // what the window was compared with, as people call it; empty of a reference that moves with the window
	Verdict   Verdict
	Drifted   []string
}

// JudgedOf reads the record of an answer. moving says that the reference moves with the window, so that a new one means nothing.
func JudgedOf(rec lineage.Record, moving bool) (Judged, error) {
	a, err := Checked.Decode(rec)
	if err != nil {
		return Judged{}, err
	}
	j := Judged{ID: rec.ID, LC: rec.LC, Inputs: a.Inputs, Reference: a.Reference.Name, Verdict: a.Verdict, Drifted: a.Drifted()}
	if moving {
		j.Reference = ""
	}
	if a.Window.From != nil {
		j.From = *a.Window.From
	}
	if a.Window.To != nil {
		j.To = *a.Window.To
	}
	return j, nil
}

// window tells windows apart: one that is judged again is the same window.
func (j Judged) window() string {
	if j.To.IsZero() {
		return j.Inputs.Hex()
	}
	return j.From.UTC().Format(time.RFC3339Nano) + " " + j.To.UTC().Format(time.RFC3339Nano)
}

// Policy is what a monitor says of one thing that drift starts.
type Policy struct {
	Monitor  string
	What     string
	Cooldown time.Duration
	MaxCost  *Cost // nil: whatever it costs
	Estimate Estimate
}

// Estimate is what an action will cost. Without Cost nobody knows, and Why says what is missing.
type Estimate struct {
	Cost *Cost
	Why  string
}

// Do is what to do about a finding.
type Do string

// What can be done.
const (
	DoNothing Do = "nothing" // there is no drift, or what it starts was started
	DoStart   Do = "start"
	DoFindOut Do = "find out" // it was begun, and nobody knows how it ended
	DoRefuse  Do = "refuse"   // Decision.State says why
)

// Decision is what to do about a finding, and what is known of it.
type Decision struct {
	Do     Do
	State  ActionState     // of DoRefuse
	Why    string          // in words
	Key    object.Digest   // of the finding
	Before *Done           // what is known of an action for this finding
	Others []object.Digest // records of answers that belong to the finding as well
}

// spentOver is the time over which the costs of actions are added up.
const spentOver = 30 * 24 * time.Hour

// Decide says whether a drifting window starts something. It is pure: what was judged and done in, a decision out.
//
// A finding is a run of consecutive windows that drift, by one reference: "cannot tell" neither begins nor ends it, and a window that
// started something stays in it, whatever a later look at the same window says. The finding starts its action once. Columns or checks that
// drift later, and were not among those that started it, are a finding of their own. What was refused, and what had nothing to do, was not
// started: it is decided about again with every check. A window that is judged after a later one starts nothing. now is the time as of which the window is judged.
func Decide(p Policy, windows []Judged, done []Done, this Judged, now time.Time) Decision {
	if this.Verdict != Drift {
		return Decision{Do: DoNothing}
	}
	if slices.ContainsFunc(windows, func(j Judged) bool { return j.LC < this.LC && j.To.After(this.To) && !this.To.IsZero() }) {
		return Decision{Do: DoNothing, Why: "a later window was judged before it"} // what it found is past, and was known to be when it was judged
	}
	var mine []Done
	for _, d := range Fold(done) {
		if d.Monitor == p.Monitor && d.What == p.What {
			mine = append(mine, d)
		}
	}
	e := episodeOf(windows, mine, this)
	d := Decision{Do: DoNothing, Others: e.ids}
	covered := map[string]bool{}
	for i := range mine {
		if !mine[i].counts() || !slices.Contains(e.ids, mine[i].Cause) {
			continue
		}
		if d.Before = &mine[i]; mine[i].State == ActionStarted {
			d.Do, d.Key = DoFindOut, mine[i].Key
			return d
		}
		for _, name := range e.drifted[mine[i].Cause] {
			covered[name] = true
		}
	}
	fresh := func(name string) bool { return !covered[name] }
	if d.Before != nil && !slices.ContainsFunc(this.Drifted, fresh) {
		d.Key = d.Before.Key
		return d
	}
	d.Key, d.Before = keyOf(p, e.start, covered), nil
	for i := range mine {
		if mine[i].Key == d.Key {
			d.Before = &mine[i]
		}
	}
	if d.State, d.Why = p.refused(mine, d.Key, now); d.State != "" {
		d.Do = DoRefuse
		return d
	}
	d.Do = DoStart
	return d
}

// keyOf names a finding: the same on every machine that judged the same windows, however often.
func keyOf(p Policy, start string, covered map[string]bool) object.Digest {
	names := make([]string, 0, len(covered))
	for name := range covered {
		names = append(names, name)
	}
	slices.Sort(names)
	text := strconv.Quote(p.Monitor) + strconv.Quote(p.What) + strconv.Quote(start)
	for _, name := range names {
		text += strconv.Quote(name)
	}
	return object.Sum([]byte(text))
}

// episode is a run of drifting windows.
type episode struct {
	start   string                     // its first window
	ids     []object.Digest            // records of its windows, also those that a later one repeats
	drifted map[object.Digest][]string // by record
}

// episodeOf finds the run of drifting windows that this one ends.
func episodeOf(windows []Judged, done []Done, this Judged) episode {
	acted := map[object.Digest]bool{}
	for _, d := range done {
		acted[d.Cause] = acted[d.Cause] || d.counts()
	}
	type window struct {
		last  Judged
		all   []Judged
		acted bool
	}
	var order []*window
	known := map[string]*window{}
	windows = append(slices.Clone(windows), this)
	slices.SortStableFunc(windows, func(a, b Judged) int { return cmp.Compare(a.LC, b.LC) })
	for _, j := range windows {
		w := known[j.window()]
		if w == nil {
			w = &window{}
			known[j.window()] = w
			order = append(order, w)
		}
		w.last, w.all, w.acted = j, append(w.all, j), w.acted || acted[j.ID]
	}
	slices.SortStableFunc(order, func(a, b *window) int {
		if a.last.To.IsZero() || b.last.To.IsZero() {
			return 0 // in the order in which they were judged first
		}
		return a.last.To.Compare(b.last.To)
	})
	e := episode{drifted: map[object.Digest][]string{}}
	at := slices.Index(order, known[this.window()])
	for _, w := range slices.Backward(order[:at+1]) {
		drifts := w.last.Verdict == Drift || w.acted || w.last.window() == this.window()
		if !drifts && w.last.Verdict == CannotTell {
			continue
		}
		if !drifts || w.last.Reference != this.Reference {
			break
		}
		e.start = w.last.window()
		for _, j := range w.all {
			if !slices.Contains(e.ids, j.ID) {
				e.ids = append(e.ids, j.ID)
				e.drifted[j.ID] = j.Drifted
			}
		}
	}
	return e
}

// refused says why nothing may be started now: mine is what this monitor did before of the same kind.
func (p Policy) refused(mine []Done, key object.Digest, now time.Time) (ActionState, string) {
	for _, d := range slices.Backward(mine) {
		if p.Cooldown > 0 && d.counts() && d.Key != key && now.Sub(d.AsOf) < p.Cooldown {
			return ActionCooldown, fmt.Sprintf("the last was started on %s, and on_drift has a cooldown until %s",
				d.AsOf.UTC().Format(time.DateTime), d.AsOf.Add(p.Cooldown).UTC().Format(time.DateTime))
		}
	}
	if p.MaxCost == nil {
		return "", ""
	}
	limit, cost := *p.MaxCost, p.Estimate.Cost
	switch {
	case cost == nil:
		return ActionOverBudget, "its cost is not known: " + p.Estimate.Why
	case cost.Amount == 0:
		return "", ""
	case cost.Currency != limit.Currency:
		return ActionOverBudget, fmt.Sprintf("it costs %s, which cannot be compared with max_cost %s", cost.Text(), limit.Text())
	case cost.Amount > limit.Amount:
		return ActionOverBudget, fmt.Sprintf("it would cost about %s, and max_cost is %s", cost.Text(), limit.Text())
	}
	spent := 0.0
	for _, d := range mine {
		if !d.counts() || d.Key == key || d.Cost == nil || d.Cost.Amount == 0 || now.Sub(d.AsOf) >= spentOver {
			continue
		}
		if d.Cost.Currency != limit.Currency {
			return ActionOverBudget, fmt.Sprintf("%s were spent within 30 days, which cannot be compared with max_cost %s", d.Cost.Text(), limit.Text())
		}
		spent += d.Cost.Amount
	}
	if spent+cost.Amount > limit.Amount {
		return ActionOverBudget, fmt.Sprintf("it would cost about %s after %s within 30 days, and max_cost is %s", cost.Text(),
			Cost{Amount: spent, Currency: limit.Currency}.Text(), limit.Text())
	}
	return "", ""
}

// Text is the amount as people write it: "12.60 EUR".
func (c Cost) Text() string { return fmt.Sprintf("%.2f %s", c.Amount, c.Currency) }

// Draft makes the record of an action. n tells repeats of a state apart: how many records of it the key has already.
func Draft(a Action, names []string, n int, prev *Done) lineage.Draft {
	a.because(names)
	e := lineage.Entry[Action]{Body: a, In: []lineage.Input{{Role: "cause", ID: a.Cause}},
		Op: fmt.Sprintf("%s %s %d", a.Key.Hex(), a.State, n)}
	if a.Run != nil {
		e.In = append(e.In, lineage.Input{Role: "started", ID: *a.Run})
	}
	if prev != nil {
		e.Prev = []object.Digest{prev.ID}
	}
	return Acted.Draft(e)
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}

// errGrammar is an error of a text in mlx.yaml.
func errGrammar(text, format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, "cannot read %.80q: %s", text, fmt.Sprintf(format, args...))
}
