package drift

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Kept is an answer and the record that keeps it. What is kept nowhere has no ID.
type Kept struct {
	Answer
	ID     object.Digest
	At     time.Time // when it was recorded
	Record lineage.Record
}

// Basis is everything that an answer depends on.
type Basis struct {
	Monitor   string        `json:"monitor,omitempty"`
	Config    object.Digest `json:"config"`
	Reference gate.Ref      `json:"reference"`
	Current   []gate.Ref    `json:"current"` // of a window those parts that are there
	Others    []gate.Ref    `json:"others"`  // such as predictions, labels and the model whose importances are weights
	Window    string        `json:"window"`  // which rows of them count

	Meaning [2]object.Digest `json:"meaning"`         // what is said of the columns of both sides; zero: nothing
	AsOf    string           `json:"as_of,omitempty"` // where the time of the check matters
}

// Digest names a basis: by what it holds, not by what that is called.
func (b Basis) Digest() (object.Digest, error) {
	b.Reference = nameless([]gate.Ref{b.Reference})[0]
	b.Current, b.Others = nameless(b.Current), nameless(b.Others)
	return digestOf(b)
}

// nameless keeps of a name only its ending, which says how a table is read: the bytes of a CSV are no Parquet file.
func nameless(refs []gate.Ref) []gate.Ref {
	bare := make([]gate.Ref, len(refs))
	for i, r := range refs {
		bare[i] = gate.Ref{Kind: r.Kind, ID: r.ID}
		if dataset.NamesTable(r.Name) {
			bare[i].Name = strings.ToLower(path.Ext(r.Name))
		}
	}
	return bare
}

// ConfigOf names how a comparison is made: by a spec and whatever else of a monitor matters, as values that JSON can hold.
func ConfigOf(spec Spec, more ...any) (object.Digest, error) {
	return digestOf(struct {
		Spec Spec  `json:"spec"`
		More []any `json:"more"`
	}{spec, more})
}

func digestOf(v any) (object.Digest, error) {
	text, err := object.Encode(v)
	if err != nil {
		return object.Digest{}, fault.New(fault.Usage, "cannot compare: %w", err)
	}
	return object.Sum(text), nil
}

// Find is the newest answer that was recorded for these inputs: nothing else goes into one, so that it still counts.
func Find(ctx context.Context, l *lineage.Ledger, inputs object.Digest) (Kept, bool, error) {
	where := "inputs == " + strconv.Quote(inputs.String())
	for k, err := range answers(ctx, l, lineage.Query{Where: where}) {
		return k, err == nil, err
	}
	return Kept{}, false, nil
}

// Of are the newest answers of a monitor, one a window, the newest record first.
func Of(ctx context.Context, l *lineage.Ledger, monitor string, limit int) ([]Kept, error) {
	var all []Kept
	query := lineage.Query{Where: "monitor == " + strconv.Quote(monitor) + " and kind == " + strconv.Quote(Checked.Name()), Limit: limit}
	for k, err := range answers(ctx, l, query) {
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func answers(ctx context.Context, l *lineage.Ledger, q lineage.Query) func(func(Kept, error) bool) {
	q.Nouns = []string{"drift"}
	return func(yield func(Kept, error) bool) {
		for rec, err := range l.Select(ctx, q) {
			if err == nil && !Checked.Is(rec) {
				continue // of a later version, or what came of an answer
			}
			k := Kept{ID: rec.ID, At: rec.At, Record: rec}
			if err == nil {
				k.Answer, err = Checked.Decode(rec)
			}
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}

// Keep records an answer, after those that it replaces. The data of both sides are inputs of the record, so that lineage finds it.
func (a Answer) Keep(ctx context.Context, l *lineage.Ledger, replaces ...object.Digest) (Kept, error) {
	entry := lineage.Entry[Answer]{Body: a.fitted(), Op: "drift " + a.Inputs.Hex(), Prev: replaces}
	for _, in := range []lineage.Input{{Role: "reference", ID: a.Reference.ID}, {Role: "current", ID: a.Current.ID}} {
		if !in.ID.IsZero() && !slices.ContainsFunc(entry.In, func(i lineage.Input) bool { return i.ID == in.ID }) {
			entry.In = append(entry.In, in)
		}
	}
	rec, err := Checked.Append(ctx, l, entry)
	return Kept{Answer: a, ID: rec.ID, At: rec.At, Record: rec}, err
}

// Repeats says whether an answer says nothing that another does not: about the same window and the same reference the same was found. It may
// have come of other bytes, such as a table that has grown since.
func (a Answer) Repeats(other Answer) bool {
	if a.Config != other.Config || a.Reference.ID != other.Reference.ID || a.ReferenceN != other.ReferenceN || a.Window.Rows != other.Window.Rows {
		return false
	}
	said := func(a Answer) (object.Digest, error) {
		a = a.fitted()
		return digestOf(struct {
			Verdict Verdict        `json:"verdict"`
			Columns []Column       `json:"columns"`
			Checks  []gate.Finding `json:"checks"`
		}{a.Verdict, a.Columns, a.Checks})
	}
	mine, err := said(a)
	its, also := said(other)
	return err == nil && also == nil && mine == its
}

// FewestDays are needed on either side to tell anything of rows that belong together by their day.
const FewestDays = fewestClusters

// maxAnswer is how long an answer may be in the ledger, whose records end at 1 MiB.
const maxAnswer = 900 << 10

// fitted is the answer without what a record has no room for: first the bins of columns that have not drifted, then all bins, then what
// else was measured; and of very many columns in the end those that have not drifted, which are counted.
func (a Answer) fitted() Answer {
	for _, drop := range []func(*Column){
		func(*Column) {},
		func(c *Column) {
			if c.Verdict != Drift {
				c.Bins = Bins{}
			}
		},
		func(c *Column) { c.Bins = Bins{} },
		func(c *Column) { c.Measures = nil },
		func(c *Column) {
			if c.Verdict != Drift {
				c.Reference, c.Current = Summary{}, Summary{}
			}
		},
	} {
		a.Columns = slices.Clone(a.Columns)
		for i := range a.Columns {
			drop(&a.Columns[i])
		}
		if a.fits() {
			return a
		}
	}
	all := len(a.Columns)
	notes := a.Notes
	for keep := all / 2; ; keep /= 2 {
		a.Columns = first(a.Columns, keep)
		a.Notes = append(slices.Clone(notes), strconv.Itoa(all-len(a.Columns))+" columns are left out of the record, which has no room for them")
		if a.fits() || keep == 0 {
			return a
		}
	}
}

// first keeps so many columns, those that have drifted before the others.
func first(columns []Column, keep int) []Column {
	kept := slices.Clone(columns)
	rank := func(c Column) int { return slices.Index([]Verdict{Drift, CannotTell, Stable}, c.Verdict) }
	slices.SortStableFunc(kept, func(a, b Column) int { return rank(a) - rank(b) })
	return kept[:min(keep, len(kept))]
}

func (a Answer) fits() bool {
	text, err := object.Encode(a)
	return err != nil || len(text) <= maxAnswer // what cannot be encoded is refused where it is written
}

// Worst is the verdict of several: drift beats "cannot tell", which beats stable. A word that is not known is not yes.
func Worst(verdicts ...Verdict) Verdict {
	worst := Stable
	for _, v := range verdicts {
		switch v {
		case Drift:
			return Drift
		case Stable:
		default:
			worst = CannotTell
		}
	}
	return worst
}

// With adds findings that are not about columns, such as the quality of predictions. They count, unless they only warn.
func (a Answer) With(found []gate.Finding) Answer {
	verdicts := []Verdict{a.Verdict}
	for _, f := range found {
		if f.Severity != gate.SeverityWarn {
			verdicts = append(verdicts, f.Verdict)
		}
	}
	a.Checks, a.Verdict = append(slices.Clip(a.Checks), found...), Worst(verdicts...)
	return a
}
