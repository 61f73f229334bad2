package drift

import (
	"fmt"
	"math"
	"slices"

	"mlx/internal/stats"
)

// judgedColumn is one column while it is judged.
type judgedColumn struct {
	*Measured
	tests []judgedTest // those that are judged, that of the method first
	unit  string       // what was found to have happened to the unit
}

// judgedTest is a measure that is judged.
type judgedTest struct {
	method      Method
	value       float64
	threshold   float64
	p, adjusted float64 // NaN: not known
	why         string  // cannot tell
	verdict     Verdict
}

// test computes what is judged of a column. It does not know the other columns.
func (j *judging) test(m *Measured) *judgedColumn {
	m = m.finite()
	col := &judgedColumn{Measured: m}
	method, err := j.MethodOf(m.Name, m.Kind)
	main := judgedTest{method: method, p: math.NaN(), value: math.NaN(), threshold: math.NaN()}
	switch main.why = j.untold(m, method); {
	case err != nil:
		main.why = methodName(method) + " does not compare " + string(m.Kind)
	case main.why == "":
		j.measure(m, &main)
	}
	col.tests = []judgedTest{main}
	if t, ok := j.missing(m); ok {
		col.tests = append(col.tests, t)
	}
	if t, ok := j.unseen(m); ok && main.why == "" {
		col.tests = append(col.tests, t)
	}
	col.unit = j.unitOf(m)
	return col
}

// finite leaves out numbers of the summaries that are none: nothing can be told of them, and a record cannot hold them.
func (m Measured) finite() *Measured {
	for _, s := range []*Summary{&m.Reference, &m.Current} {
		for _, v := range []**float64{&s.Mean, &s.Std, &s.Min, &s.Median, &s.Max} {
			if *v != nil && !isNumber(**v) {
				*v = nil
			}
		}
	}
	return &m
}

// measure finds value, threshold and p of the method.
func (j *judging) measure(m *Measured, t *judgedTest) {
	e, ok := m.Distances[t.method]
	if m.constantBefore() && !m.binned() { // bins of a constant see nothing that lies in the same one
		if ks, measured := m.Distances[KS]; measured && ks.Value > 0 {
			t.method, e, ok = KS, ks, true
		}
	}
	if !ok || math.IsNaN(e.Value) {
		t.why = methodName(t.method) + " is not defined for these values"
		return
	}
	t.value, t.threshold = e.Value, j.ThresholdOf(m.Name, t.method)
	if j.Learn != nil {
		if t.threshold, t.why = j.learnt(m); t.why != "" {
			return
		}
	}
	switch {
	case m.Clustered != nil:
		t.p = j.clusterP(m)
	case t.method == KS:
		t.p = j.ksP(m)
	default:
		t.p = j.kindP(m)
	}
	if math.IsNaN(t.p) && j.Spec.Judge != JudgeEffect {
		t.why = "no value is frequent enough to be compared"
		if m.Kind == Numbers {
			t.why = "nothing can be tested"
		}
	}
}

// kindP is the p of the test of a kind of values, of independent rows: K-S of numbers, chi-square of categories. It is not that of the
// measure chi2, which is Pearson's as others compute it: of many rare categories that is below 5% far more often.
func (j *judging) kindP(m *Measured) float64 {
	if m.Kind == Numbers && !j.NullBin {
		if p := j.ksP(m); !math.IsNaN(p) {
			return p
		}
	}
	return chi2P(m.counts(), j.Yates)
}

// ksP is the p of K-S. Of a profile it is that of the smallest D that there may be: what a profile leaves open is not to raise alarms.
func (j *judging) ksP(m *Measured) float64 {
	e, ok := m.Distances[KS]
	switch {
	case !ok:
		return math.NaN()
	case m.KSError == 0 || math.IsNaN(e.Value):
		return e.P
	}
	ks, err := stats.KolmogorovSmirnovOf(int(valuesOf(m.Reference)), int(valuesOf(m.Current)), max(e.Value-m.KSError, 0), false)
	if err != nil {
		return e.P
	}
	return ksP(j.KSP, ks)
}

func (j *judging) clusterP(m *Measured) float64 {
	reference, current := m.Clustered.Reference, m.Clustered.Current
	if !j.NullBin {
		reference, current = withoutLast(reference), withoutLast(current)
	}
	return j.exchange.clusterP(reference, current, m.Kind == Numbers)
}

// withoutLast leaves out the bin of missing values.
func withoutLast(rows [][]uint32) [][]uint32 {
	all := make([][]uint32, len(rows))
	for i, row := range rows {
		all[i] = row[:max(len(row)-1, 0)]
	}
	return all
}

// missing is the test of the share of missing values. It is not made where none is missing.
func (j *judging) missing(m *Measured) (judgedTest, bool) {
	n, gone := m.Reference.Rows, missingOf(m.Reference)
	k, goneNow := m.Current.Rows, missingOf(m.Current)
	if n < j.MinRows || k < j.MinRows || gone+goneNow == 0 || gone+goneNow == n+k || m.Reference.Type == "" || m.Current.Type == "" {
		return judgedTest{}, false
	}
	t := judgedTest{method: Missing, value: math.Abs(float64(goneNow)/float64(k) - float64(gone)/float64(n)), threshold: j.ThresholdOf(m.Name, Missing)}
	if m.Clustered == nil {
		t.p = shareP(gone, n, goneNow, k)
		return t, true
	}
	t.p = j.exchange.clusterP(missingOrNot(m.Clustered.Reference), missingOrNot(m.Clustered.Current), true)
	if math.IsNaN(t.p) && j.Spec.Judge != JudgeEffect {
		t.why = j.fewClusters(m.Clustered)
	}
	return t, true
}

// missingOrNot makes two bins of many.
func missingOrNot(rows [][]uint32) [][]uint32 {
	all := make([][]uint32, len(rows))
	for i, row := range rows {
		all[i] = make([]uint32, 2)
		for b, v := range row {
			if b == len(row)-1 {
				all[i][1] = v
			} else {
				all[i][0] += v
			}
		}
	}
	return all
}

func missingOf(s Summary) int64 { return s.Missing + s.NaN + s.PlusInf + s.MinusInf }

func valuesOf(s Summary) int64 { return s.Rows - missingOf(s) }

// unseen is the test of categories that the reference does not have.
func (j *judging) unseen(m *Measured) (judgedTest, bool) {
	k := valuesOf(m.Current)
	if m.Kind != Categories || k < j.MinRows || valuesOf(m.Reference) < j.MinRows {
		return judgedTest{}, false
	}
	t := judgedTest{method: Unseen, value: float64(m.Unseen) / float64(k), threshold: j.ThresholdOf(m.Name, Unseen)}
	if m.Clustered == nil {
		t.p = unseenP(m.Unseen, k, m.counts().Reference)
		return t, true
	}
	t.p = j.exchange.unseenP(withoutLast(m.Clustered.Reference), withoutLast(m.Clustered.Current))
	return t, !math.IsNaN(t.p)
}

// counts are the finest that are known.
func (m *Measured) counts() Bins {
	if len(m.Full.Reference) > 0 {
		return m.Full
	}
	return m.Bins
}

// untold is why a column cannot be judged by a method, before anything is computed; empty when it can.
func (j *judging) untold(m *Measured, method Method) string {
	switch {
	case m.namesRows():
		return namesRowsWhy
	case m.Why != "":
		return m.Why
	case m.Reference.Type == "":
		return "the reference has no such column"
	case m.Current.Type == "":
		return "the current data have no such column"
	}
	if why := j.fewRows(m); why != "" {
		return why
	}
	if i := slices.IndexFunc(j.Compared.Schema, func(c SchemaChange) bool { return c.Column == m.Name && c.A != c.B && !c.Same && c.Now != "" }); i >= 0 {
		return fmt.Sprintf("its type changed from %s to %s", j.Compared.Schema[i].A, j.Compared.Schema[i].B)
	}
	if m.Kind == Categories {
		if most := max(countOr0(m.Reference.Distinct), countOr0(m.Current.Distinct)); most > int64(j.MaxTexts) {
			return fmt.Sprintf("too many different values: %s, at most %s are compared", thousandsText(int(most)), thousandsText(j.MaxTexts))
		}
	}
	if why := m.constant(); why != "" {
		return why
	}
	if seesBins(method) && !m.binned() && !m.constantBefore() {
		return m.oneBin()
	}
	if m.Clustered != nil && j.Spec.Judge != JudgeEffect {
		return j.fewClusters(&Clustered{withoutLast(m.Clustered.Reference), withoutLast(m.Clustered.Current)})
	}
	return ""
}

func (j *judging) fewRows(m *Measured) string {
	for _, side := range []struct {
		of    Summary
		where string
	}{{m.Reference, " of the reference"}, {m.Current, ""}} {
		switch n := valuesOf(side.of); {
		case side.of.Rows < j.MinRows:
			return fmt.Sprintf("%s rows%s, %s are needed", thousandsText(int(side.of.Rows)), side.where, thousandsText(int(j.MinRows)))
		case n <= 0:
			return fmt.Sprintf("all values%s are missing", side.where)
		case n < j.MinRows:
			return fmt.Sprintf("%s values%s that are not missing, %s are needed", thousandsText(int(n)), side.where, thousandsText(int(j.MinRows)))
		}
	}
	return ""
}

func (j *judging) fewClusters(c *Clustered) string {
	for _, side := range []struct {
		rows  [][]uint32
		where string
	}{{c.Reference, " of the reference"}, {c.Current, ""}} {
		n := 0
		for _, row := range side.rows {
			if slices.ContainsFunc(row, func(v uint32) bool { return v > 0 }) {
				n++
			}
		}
		if n < fewestClusters {
			return fmt.Sprintf("%s%s, %d are needed", clustersText(n, j.grouped()), side.where, fewestClusters)
		}
	}
	return ""
}

// constant is set when both sides hold the same value alone: a distribution that cannot change unnoticed was not seen to be one.
func (m *Measured) constant() string {
	if m.Kind == Categories {
		if countOr0(m.Reference.Distinct) == 1 && countOr0(m.Current.Distinct) == 1 && m.Unseen == 0 {
			if m.Reference.Top == "" { // of a private column nothing is shown
				return "constant"
			}
			return "constant: always " + shownValue(m.Reference.Top)
		}
		return ""
	}
	r, c := m.Reference, m.Current
	if m.constantBefore() && c.Min != nil && c.Max != nil && *c.Min == *r.Min && *c.Max == *r.Min {
		return "constant: always " + shortNumber(*r.Min)
	}
	return ""
}

// constantBefore says that the reference holds one number alone. Other numbers are then drift, by K-S.
func (m *Measured) constantBefore() bool {
	r := m.Reference
	return m.Kind == Numbers && r.Min != nil && r.Max != nil && *r.Min == *r.Max
}

// binned says that two bins at least are in use.
func (m *Measured) binned() bool {
	used, b := 0, m.counts()
	for i := range b.Reference {
		if b.Reference[i]+b.Current[i] > 0 {
			used++
		}
	}
	return used > 1
}

func (m *Measured) oneBin() string {
	if r := m.Reference; r.Median != nil && (r.Min != nil && *r.Min == *r.Median || r.Max != nil && *r.Max == *r.Median) {
		return fmt.Sprintf("most of the reference is %s: one bin", shortNumber(*r.Median))
	}
	return "all values fall into one bin"
}

// seesBins says whether a method sees bins only.
func seesBins(m Method) bool { return m != KS && m != Wasserstein }

func countOr0(v *int64) int64 {
	if v == nil {
		return 0
	}
	return *v
}
