package drift

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// judging is one answer that is being found.
type judging struct {
	Spec
	*Compared
	columns  []*judgedColumn
	exchange permutation
}

// Judge decides what was measured by a specification that is complete. The same measurements give the same answer, to the byte.
//
// All p-values of all columns that can be judged (of the method, of the missing share, and of values not seen before) are one family: the
// level is that of a whole table.
func (c *Compared) Judge(s Spec, asOf time.Time) Answer {
	j := &judging{Spec: s, Compared: c, exchange: newPermutation(s.Seed, 2*len(c.Columns), s.Level)}
	j.columns = make([]*judgedColumn, len(c.Columns))
	eachColumn(len(c.Columns), func(i int) { j.columns[i] = j.test(&c.Columns[i]) })
	j.correct()
	a := Answer{AsOf: asOf, Verdict: Stable, ReferenceN: c.Rows[0], Window: Window{Rows: c.Rows[1]}, LimitShare: s.MaxDrifted,
		Clusters: c.Clusters, KSError: c.KSError, Columns: []Column{}}
	for _, col := range j.columns {
		a.Columns = append(a.Columns, j.decide(col))
	}
	j.checks(&a, asOf)
	j.verdict(&a)
	j.notes(&a)
	return a
}

// eachColumn calls do for 0 to n-1, on all processors.
func eachColumn(n int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
}

// correct adjusts the p-values of the family.
func (j *judging) correct() {
	var p []float64
	for _, col := range j.columns {
		for _, t := range col.tests {
			p = append(p, t.p)
		}
	}
	p = adjusted(p, j.Correction)
	for _, col := range j.columns {
		for i := range col.tests {
			col.tests[i].adjusted, p = p[0], p[1:]
		}
	}
}

// family is how many p-values are judged together.
func (j *judging) family() int {
	n := 0
	for _, col := range j.columns {
		for _, t := range col.tests {
			if !math.IsNaN(t.p) {
				n++
			}
		}
	}
	return n
}

// verdict folds columns and checks into one. Drift is certain when even with every column that cannot be judged counted as stable the
// limit is exceeded, and its absence when it is not with all of them drifted. In between the columns that could be judged stand for the
// others, if they are at least half of the weight and do not exceed the limit among themselves; else nothing can be told.
func (j *judging) verdict(a *Answer) {
	var all, drifted, untold float64
	for _, c := range a.Columns {
		all += c.Weight
		switch c.Verdict {
		case Drift:
			drifted += c.Weight
		case CannotTell:
			untold += c.Weight
		case Stable:
		}
	}
	if all > 0 {
		share := drifted / all
		a.DriftedShare = &share
	}
	judged := all - untold
	switch {
	case len(a.Columns) == 0:
		a.Verdict, a.Why = CannotTell, "there is no column to compare"
	case all == 0 && countOf(a.Columns, CannotTell) == len(a.Columns):
		a.Verdict, a.Why = CannotTell, allWhy(a.Columns)
	case all == 0:
		a.Verdict, a.Why = CannotTell, "no column has a weight"
	case drifted/all > j.MaxDrifted:
		a.Verdict = Drift
	case (drifted+untold)/all <= j.MaxDrifted:
	case judged == 0:
		a.Verdict, a.Why = CannotTell, allWhy(a.Columns)
	case untold > judged:
		a.Verdict, a.Why = CannotTell, fmt.Sprintf("%s of %s cannot be judged", thousandsText(countOf(a.Columns, CannotTell)), columnsText(len(a.Columns)))
	case drifted/judged > j.MaxDrifted:
		a.Verdict, a.Why = CannotTell, fmt.Sprintf("%s drifted; with the %s that cannot be judged it may be more than %s",
			columnsText(countOf(a.Columns, Drift)), thousandsText(countOf(a.Columns, CannotTell)), shareText(j.MaxDrifted))
	}
	j.foldChecks(a)
}

// allWhy is why no column can be judged: the reason that all have in common, but for those that only name rows.
func allWhy(columns []Column) string {
	if counted := slices.DeleteFunc(slices.Clone(columns), func(c Column) bool { return c.Why == namesRowsWhy }); len(counted) > 0 {
		columns = counted
	}
	if !slices.ContainsFunc(columns, func(c Column) bool { return c.Why != columns[0].Why }) {
		return columns[0].Why
	}
	return "no column can be judged"
}

func countOf(columns []Column, v Verdict) int {
	n := 0
	for _, c := range columns {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// notes are what a reader has to know to trust the answer.
func (j *judging) notes(a *Answer) {
	clustered := slices.ContainsFunc(j.Compared.Columns, func(m Measured) bool { return m.Clustered != nil })
	switch {
	case clustered:
		a.Grouped = j.grouped()
	case j.grouped() != "" && len(j.Compared.Columns) == 0: // nothing was judged by rows
	case j.grouped() != "":
		a.Notes = append(a.Notes, "a profile does not say which rows belong together: they are assumed to be independent")
	default:
		a.Notes = append(a.Notes, "rows are assumed to be independent; with time or cluster they need not be")
	}
	if gaps := j.gaps(); gaps != "" {
		a.Notes = append(a.Notes, gaps)
	}
	if j.KSError > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("a side is a profile: D of K-S is within %s", shortNumber(j.KSError)))
	}
	if j.WeightsOf != "" {
		a.Notes = append(a.Notes, "columns are weighted by "+j.WeightsOf)
	}
}
