package run

import (
	"context"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Rejudged is the kind of record that keeps how repeats of a run compared with it.
var Rejudged = lineage.Define[Rejudgement]("rerun.judged/v1")

// Rejudgement is the answer of one `mlx rerun`, as recorded.
type Rejudgement struct {
	Comparison
	Of        object.Digest   `json:"of"`   // id of the run that was repeated
	Runs      []object.Digest `json:"runs"` // ids of its repeats
	Tolerance Tolerance       `json:"tolerance"`
	Causes    []Cause         `json:"causes,omitempty"`
	Missing   []Need          `json:"missing,omitempty"` // what the repeats had to do without
}

// Need is what a repeat lacks, or has in another form than the run that it repeats.
type Need struct {
	What    string `json:"what"`
	Command string `json:"command,omitempty"` // what to type
}

// Limits of what a record keeps: rows beyond these are dropped, the same ones last.
const (
	maxRows   = 1000
	maxCauses = 20
)

// Keep records the answer. Both runs are inputs, so that each leads to it.
func (r Rejudgement) Keep(ctx context.Context, l *lineage.Ledger) (lineage.Record, error) {
	r.Metrics, r.Outputs = r.Metrics[:min(len(r.Metrics), maxRows)], r.Outputs[:min(len(r.Outputs), maxRows)]
	r.Causes = r.Causes[:min(len(r.Causes), maxCauses)]
	in := []lineage.Input{{Role: "of", ID: r.Of}}
	for _, id := range r.Runs {
		in = append(in, lineage.Input{Role: "run", ID: id})
	}
	return Rejudged.Append(ctx, l, lineage.Entry[Rejudgement]{Body: r, In: in})
}

// RerunView is rerun/v1: the answer and its record. A field is never left out.
type RerunView struct {
	Kind      string        `json:"kind"` // "rerun/v1"
	ID        string        `json:"id"`
	At        time.Time     `json:"at"`
	By        string        `json:"by"`
	Verdict   string        `json:"verdict"`
	Result    Sameness      `json:"result"`
	Why       *string       `json:"why"`
	Of        fault.Ref     `json:"of"`
	Run       fault.Ref     `json:"run"`  // the first repeat
	Runs      []fault.Ref   `json:"runs"` // all of them
	Outputs   []RerunOutput `json:"outputs"`
	Metrics   []RerunMetric `json:"metrics"`
	Causes    []RerunCause  `json:"causes"`
	Missing   []RerunNeed   `json:"missing"`
	Tolerance Tolerance     `json:"tolerance"`
	Mapped    *string       `json:"mapped"` // what --inconclusive made of the exit status

	Rejudgement Rejudgement   `json:"-"`
	Record      object.Digest `json:"-"`
}

// RerunOutput is one output of a view.
type RerunOutput struct {
	Path   string   `json:"path"`
	Result Sameness `json:"result"`
	A      *string  `json:"a"`
	B      *string  `json:"b"`
}

// RerunMetric is one metric of a view. What is missing, NaN or infinite is null.
type RerunMetric struct {
	Key        string   `json:"key"`
	A          *Number  `json:"a"`
	B          *Number  `json:"b"`
	Difference *Number  `json:"difference"`
	Tolerance  *Number  `json:"tolerance"`
	Result     Sameness `json:"result"`
	Low        *Number  `json:"low"`
	High       *Number  `json:"high"`
	Step       *int64   `json:"step"`
}

// RerunCause is one cause of a view.
type RerunCause struct {
	What    string  `json:"what"`
	Name    *string `json:"name"`
	A       *string `json:"a"`
	B       *string `json:"b"`
	Text    string  `json:"text"`
	Command *string `json:"command"`
}

// RerunNeed is one need of a view.
type RerunNeed struct {
	What    string  `json:"what"`
	Command *string `json:"command"`
}

// RerunOf folds a record of a comparison into its view.
func RerunOf(rec lineage.Record) (RerunView, error) {
	r, err := Rejudged.Decode(rec)
	if err != nil {
		return RerunView{}, err
	}
	v := r.View()
	v.ID, v.At, v.By, v.Record = rec.ID.Hex(), rec.At, rec.By, rec.ID
	return v, nil
}

// View is the answer without its record.
func (r Rejudgement) View() RerunView {
	v := RerunView{
		Kind: "rerun/v1", Verdict: r.Verdict, Result: r.Result, Why: some(r.Why),
		Of: fault.Ref{Kind: "run", ID: r.Of.Hex()}, Runs: []fault.Ref{}, Outputs: []RerunOutput{}, Metrics: []RerunMetric{},
		Causes: []RerunCause{}, Missing: ViewNeeds(r.Missing), Tolerance: r.Tolerance, Rejudgement: r,
	}
	for _, id := range r.Runs {
		v.Runs = append(v.Runs, fault.Ref{Kind: "run", ID: id.Hex()})
	}
	if len(v.Runs) > 0 {
		v.Run = v.Runs[0]
	}
	for _, o := range r.Outputs {
		v.Outputs = append(v.Outputs, RerunOutput{Path: o.Path, Result: o.Result, A: some(o.A), B: some(o.B)})
	}
	for _, m := range r.Metrics {
		v.Metrics = append(v.Metrics, RerunMetric{Key: m.Key, A: shownNumber(m.A), B: shownNumber(m.B), Difference: shownNumber(m.Difference),
			Tolerance: shownNumber(m.Tolerance), Result: m.Result, Low: shownNumber(m.Low), High: shownNumber(m.High), Step: m.Step})
	}
	for _, c := range r.Causes {
		v.Causes = append(v.Causes, RerunCause{c.What, some(c.Name), some(c.A), some(c.B), c.Text, some(c.Command)})
	}
	return v
}

// ViewNeeds are needs as views show them.
func ViewNeeds(needs []Need) []RerunNeed {
	all := make([]RerunNeed, len(needs))
	for i, n := range needs {
		all[i] = RerunNeed{n.What, some(n.Command)}
	}
	return all
}

// shownNumber reads a number of a record; what is none is nil.
func shownNumber(v any) *Number {
	n, ok := numberOf(v)
	if !ok {
		return nil
	}
	return &n
}
