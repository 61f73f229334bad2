package drift

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Acted is the kind of record that keeps what drift started, or why it started nothing.
var Acted = lineage.Define[Action]("drift.acted/v1")

// ActionState is what is known of an action.
type ActionState string

// The states. The record of one that started is written before anything happens, that of its end afterwards.
const (
	ActionStarted    ActionState = "started"
	ActionSucceeded  ActionState = "succeeded"
	ActionFailed     ActionState = "failed"
	ActionCooldown   ActionState = "cooldown"    // another was started not long ago
	ActionOverBudget ActionState = "over_budget" // it would cost too much, or nobody knows what it would cost
	ActionUnchanged  ActionState = "unchanged"   // there was nothing to do
)

// Action is what drift started, or why it started nothing: the body of a record.
type Action struct {
	Monitor string         `json:"monitor"`
	Cause   object.Digest  `json:"cause"`             // id of the record of the answer
	Because []string       `json:"because,omitempty"` // columns and checks that drifted, the first 20
	More    int            `json:"more,omitempty"`    // how many others
	What    string         `json:"what"`              // "repro train", "run python retrain.py", "retire flights@v6"
	State   ActionState    `json:"state"`
	Key     object.Digest  `json:"key"` // of the finding and of What: one thing is started for one key
	Clone   string         `json:"clone,omitempty"`
	Run     *object.Digest `json:"run,omitempty"`
	URL     string         `json:"url,omitempty"` // of an issue
	Cost    *Cost          `json:"cost,omitempty"`
	AsOf    time.Time      `json:"as_of"`
	Why     string         `json:"why,omitempty"`   // in words, where it is not plain success
	Retry   bool           `json:"retry,omitempty"` // nothing was started: the next check tries again

	Rollback string   `json:"rollback,omitempty"` // version that is to take the place of the one that was retired
	Stage    string   `json:"stage,omitempty"`    // that it had
	Services []string `json:"services,omitempty"` // that are asked to leave it
}

// Cost is an amount of money, and where it comes from: "estimated" or "measured".
type Cost struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency"`
	Basis    string  `json:"basis"`
}

// Done is an action as the ledger has it.
type Done struct {
	ID object.Digest
	LC uint64
	By string
	Op string
	Action
}

// DoneOf reads the record of an action.
func DoneOf(rec lineage.Record) (Done, error) {
	body, err := Acted.Decode(rec)
	return Done{rec.ID, rec.LC, rec.By, rec.Op, body}, err
}

// Fold returns the newest that is known of each action, in the order in which they were begun. What two clones recorded under one name by
// one hand counts once.
func Fold(all []Done) []Done {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Done) int { return cmp.Or(cmp.Compare(a.LC, b.LC), a.ID.Compare(b.ID)) })
	type hand struct{ by, op string }
	seen := map[hand]bool{}
	at := map[object.Digest]int{}
	var newest []Done
	for _, d := range all {
		if d.Op != "" && seen[hand{d.By, d.Op}] {
			continue
		}
		seen[hand{d.By, d.Op}] = true
		i, known := at[d.Key]
		switch {
		case !known:
			at[d.Key] = len(newest)
			newest = append(newest, d)
		case d.State == ActionStarted && newest[i].State == ActionSucceeded:
			// another clone began what was done here already
		default:
			newest[i] = d
		}
	}
	return newest
}

// counts says whether something was started, or may have been.
func (a Action) counts() bool {
	switch a.State {
	case ActionStarted, ActionSucceeded:
		return true
	case ActionFailed:
		return !a.Retry
	case ActionCooldown, ActionOverBudget, ActionUnchanged:
	}
	return false
}

// maxBecause is how many columns the record of an action names.
const maxBecause = 20

// because keeps the first names.
func (a *Action) because(names []string) {
	a.Because = names[:min(len(names), maxBecause)]
	a.More = len(names) - len(a.Because)
}

// Reason is why, in words: "dewp and temp drifted".
func (a Action) Reason() string {
	names := a.Because
	if a.More > 0 {
		names = append(slices.Clone(names), plural(a.More, "other"))
	}
	if len(names) == 0 {
		return "the table drifted"
	}
	return enumerate(names) + " drifted"
}

// enumerate writes "a", "a and b", "a, b and c".
func enumerate(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// Drifted names what drifted of an answer, in its order: columns, then checks of the table as a whole. Empty where the answer is not drift.
func (a Answer) Drifted() []string {
	if a.Verdict != Drift {
		return nil
	}
	var names []string
	for _, c := range a.Columns {
		if c.Verdict == Drift {
			names = append(names, c.Name)
		}
	}
	for _, f := range a.Checks {
		if f.Word() == string(Drift) {
			names = append(names, f.Name)
		}
	}
	return names
}
