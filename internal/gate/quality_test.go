package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/object"
	"mlx/internal/stats"
)

// tables is a world that holds nothing but tables: a name, and the text of each of its files.
type tables map[string][]string

func (w tables) world() World {
	return World{Now: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC), Identify: func(_ context.Context, where string) (Ref, error) { return w.ref(where), nil },
		Table: func(ctx context.Context, where string) (Table, error) {
			var files []dataset.File
			for i, text := range w[where] {
				name := where
				if len(w[where]) > 1 {
					name = fmt.Sprintf("%s/%d", where, i)
				}
				files = append(files, dataset.File{Name: name, Size: int64(len(text)), Open: func(context.Context) (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader(text)), nil
				}})
			}
			t, err := dataset.Open(ctx, files, dataset.Options{})
			return Table{Table: t, Ref: w.ref(where)}, err
		}}
}

func (w tables) ref(where string) Ref {
	return Ref{Kind: "table", ID: object.Sum([]byte(strings.Join(w[where], "\x00"))), Name: where}
}

// qualityReport judges one gate about tables, against others when there are any.
func qualityReport(s Spec, candidate, production tables) (Report, error) {
	if s.Name == "" {
		s.Name = "g"
	}
	if s.Predictions == "" {
		s.Predictions = "p.csv"
	}
	answer, troubles := Job{Specs: []Spec{s}, Version: "test", Subject: func(context.Context, Spec) (Subject, error) {
		of := Subject{For: Ref{Kind: "run", ID: object.Sum([]byte("run"))}, World: candidate.world()}
		if production != nil {
			of.Against = &Subject{For: Ref{Kind: "run", ID: object.Sum([]byte("other"))}, World: production.world()}
		}
		return of, nil
	}}.Judge(context.Background())
	return answer.Report, errors.Join(troubles...)
}

func qualityChecks(t *testing.T, s Spec, candidate, production tables) []Finding {
	t.Helper()
	r, err := qualityReport(s, candidate, production)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := object.Encode(r); err != nil {
		t.Fatalf("the report cannot be recorded: %v", err)
	}
	return r.Gates[0].Checks
}

// limit is a number in a rule.
func limit(v float64) *Bound { return &Bound{Value: v, Text: fmt.Sprint(v)} }

func oneMeasure(name string) Rule { return Rule{Kind: "measure", Name: name, Min: limit(-1e9)} }

// Six rows by hand: positives 0.9 0.6 0.3, negatives 0.6 0.2 0.1.
const six = "id,label,score\n1,1,0.9\n2,1,0.6\n3,1,0.3\n4,0,0.6\n5,0,0.2\n6,0,0.1\n"

func TestQualityByHand(t *testing.T) {
	const regression = "label,prediction\n1,2\n2,2\n4,1\n"
	const ranking = "query,label,score\na,1,3\na,0,2\na,1,1\nb,0,2\nb,1,1\n"
	const multi = "label,class\nx,x\nx,y\ny,y\nz,x\n"
	const lists = "label;score\n0;[0.7, 0.2, 0.1]\n1;[0.5, 0.4, 0.1]\n2;[0.1, 0.1, 0.8]\n"
	dcg := func(ranks ...float64) (sum float64) {
		for _, r := range ranks {
			sum += 1 / math.Log2(r+1)
		}
		return sum
	}
	tests := []struct {
		table string
		rule  Rule
		want  float64
	}{
		{six, oneMeasure("accuracy"), 4. / 6},
		{six, oneMeasure("balanced_accuracy"), 4. / 6},
		{six, oneMeasure("precision"), 2. / 3},
		{six, oneMeasure("recall"), 2. / 3},
		{six, oneMeasure("f1"), 2. / 3},
		{six, oneMeasure("specificity"), 2. / 3},
		{six, oneMeasure("mcc"), (4. - 1) / 9},
		{six, oneMeasure("roc_auc"), (3 + 2.5 + 2) / 9},
		{six, oneMeasure("pr_auc"), (1 + 2./3 + 3./4) / 3},
		{six, oneMeasure("brier"), (.01 + .16 + .49 + .36 + .04 + .01) / 6},
		{six, oneMeasure("log_loss"), -(math.Log(.9) + math.Log(.6) + math.Log(.3) + math.Log(.4) + math.Log(.8) + math.Log(.9)) / 6},
		{six, oneMeasure("uncertainty"), .25},
		{six, Rule{Kind: "measure", Name: "ece", Bins: 1, Max: limit(1)}, math.Abs(.5 - 2.7/6)},
		{regression, oneMeasure("rmse"), math.Sqrt(10. / 3)},
		{regression, oneMeasure("mae"), 4. / 3},
		{regression, oneMeasure("median_ae"), 1},
		{regression, oneMeasure("max_error"), 3},
		{regression, oneMeasure("bias"), -2. / 3},
		{regression, oneMeasure("mape"), (1 + 0 + .75) / 3},
		{regression, oneMeasure("r2"), 1 - 10./(14./3)},
		{regression, Rule{Kind: "measure", Name: "quantile_loss", Quantile: .9, Max: limit(9)}, (.1 + 0 + .9*3) / 3},
		{ranking, oneMeasure("mrr"), (1 + .5) / 2},
		{ranking, oneMeasure("map"), ((1+2./3)/2 + .5) / 2},
		{ranking, Rule{Kind: "measure", Name: "precision_at_k", K: 1, Min: limit(0)}, .5},
		{ranking, Rule{Kind: "measure", Name: "recall_at_k", K: 2, Min: limit(0)}, (.5 + 1) / 2},
		{ranking, oneMeasure("ndcg"), (dcg(1, 3)/dcg(1, 2) + dcg(2)/dcg(1)) / 2},
		{multi, oneMeasure("accuracy"), .5},
		{multi, oneMeasure("balanced_accuracy"), (.5 + 1 + 0) / 3},
		{multi, oneMeasure("f1"), (.5 + 2./3 + 0) / 3},
		{multi, Rule{Kind: "measure", Name: "f1", Average: "micro", Min: limit(0)}, .5},
		{multi, Rule{Kind: "measure", Name: "precision", Average: "weighted", Min: limit(0)}, (2*.5 + .5) / 4},
		{six, Rule{Kind: "measure", Name: "accuracy", Where: "score > 0.5", Min: limit(0)}, 2. / 3},
		{six, Rule{Kind: "measure", Name: "mean", Columns: []string{"label == 1 ? 1 - score : 2 * score"}, Max: limit(9)}, (.1 + .4 + .7 + 1.2 + .4 + .2) / 6},
		{lists, oneMeasure("accuracy"), 2. / 3},
		{lists, oneMeasure("log_loss"), -(math.Log(.7) + math.Log(.4) + math.Log(.8)) / 3},
		{lists, oneMeasure("roc_auc"), 1},
	}
	for _, tt := range tests {
		f := qualityChecks(t, Spec{Rules: []Rule{tt.rule}}, tables{"p.csv": {tt.table}}, nil)[0]
		if f.Value == nil || math.Abs(*f.Value-tt.want) > 1e-12 || f.Verdict != Pass {
			t.Errorf("%s: %s %s (%s), want %v", tt.rule.Name, f.Verdict, f.Shown, f.Note, tt.want)
		}
		if f.Interval != nil && !(f.Interval[0] <= *f.Value && *f.Value <= f.Interval[1]) {
			t.Errorf("%s: interval %v does not hold %v", tt.rule.Name, *f.Interval, *f.Value)
		}
	}
}

// golden tables for two models: labels, and the scores of a candidate and of production.
type twoModels struct{ labels, candidate, production []float64 }

// drawModels makes rows on which production is noise sd away from the truth and the candidate as well, worse by more noise.
func drawModels(rows int, seed uint64, worse float64) twoModels {
	r := rand.New(rand.NewPCG(seed, 7))
	var m twoModels
	for range rows {
		x := r.NormFloat64()
		y := 0.0
		if r.Float64() < 1/(1+math.Exp(-x)) {
			y = 1
		}
		logistic := func(v float64) float64 { return math.Round(1e6/(1+math.Exp(-v))) / 1e6 }
		m.labels = append(m.labels, y)
		m.production = append(m.production, logistic(x+0.5*r.NormFloat64()))
		m.candidate = append(m.candidate, logistic(x+math.Hypot(0.5, worse)*r.NormFloat64()))
	}
	return m
}

func (m twoModels) csv(scores []float64, extra func(i int) string) string {
	var b strings.Builder
	b.WriteString("id,label,score,city\n")
	for i, s := range scores {
		city := "A"
		if extra != nil {
			city = extra(i)
		}
		fmt.Fprintf(&b, "%d,%v,%v,%s\n", i, m.labels[i], s, city)
	}
	return b.String()
}

// The report is the same bytes whatever the order of the rows of production and however the table is parted into files.
func TestQualityAnyOrder(t *testing.T) {
	m := drawModels(400, 1, 0.2)
	a, b := m.csv(m.candidate, nil), m.csv(m.production, nil)
	var rules []Rule
	for _, x := range measures() {
		if x.kind == ofClasses || x.kind == ofScores {
			r := Rule{Kind: "measure", Name: x.name, Min: limit(-9)}
			if !x.fixed {
				r.Margin = limit(0.05)
			}
			rules = append(rules, r)
		}
	}
	spec := Spec{Rules: rules}
	report := func(candidate, production []string) string {
		checks := qualityChecks(t, spec, tables{"p.csv": candidate}, tables{"p.csv": production})
		text, err := object.Encode(checks)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := report([]string{a}, []string{b})
	header, lines := "id,label,score,city\n", strings.SplitAfter(b[strings.IndexByte(b, '\n')+1:], "\n")
	lines = lines[:len(lines)-1]
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	if got := report([]string{a}, []string{header + strings.Join(lines, "")}); got != want {
		t.Error("another order of production gives another report")
	}
	rows := strings.SplitAfter(a[strings.IndexByte(a, '\n')+1:], "\n")
	if got := report([]string{header + strings.Join(rows[:77], ""), header + strings.Join(rows[77:], "")}, []string{b}); got != want {
		t.Error("another parting into files gives another report")
	}
}

// The derivative by the weight of a row is what the influence says, of every measure that has one.
func TestInfluence(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	text := "label,score,weight\n"
	for range 60 {
		s := math.Round(r.Float64()*20) / 20
		y := 0
		if r.Float64() < s {
			y = 1
		}
		text += fmt.Sprintf("%d,%v,%v\n", y, s, math.Round(r.Float64()*8)/4)
	}
	for _, m := range measures() {
		if m.kind == ofGroups || m.kind == ofQueries || m.kind == ofRows {
			continue
		}
		c := quality{m: m, r: Rule{Name: m.name, Quantile: 0.3}}
		c.s = &session{spec: Spec{Name: "g", Rules: []Rule{{Kind: "measure", Name: m.name}}}}
		g, err := c.s.golden(t.Context(), Subject{World: tables{"p": {text}}.world(), Table: "p"}, c.r)
		if err != nil {
			t.Fatal(err)
		}
		sm := g.sample(nil)
		value, err := c.value(sm, 0)
		if err != nil {
			t.Fatal(err)
		}
		influence, err := c.influence(sm, 0, value)
		if err != nil || influence == nil {
			if m.name != "max_error" && m.name != "median_ae" {
				t.Errorf("%s has no influence: %v", m.name, err)
			}
			continue
		}
		if m.name == "calibration" {
			continue // its bins move with the weights; the influence takes them as they are
		}
		for i := range 12 {
			weights := slices.Clone(sm.weights)
			step := 1e-6
			at := func(w float64) float64 {
				moved := *sm
				moved.weights = slices.Clone(weights)
				moved.weights[i] = w
				v, err := c.value(&moved, 0)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			want := weights[i] * (at(weights[i]+step) - at(max(weights[i]-step, 0))) / (weights[i] + step - max(weights[i]-step, 0))
			if math.Abs(influence[i]-want) > 1e-4*(1e-3+math.Abs(want)) {
				t.Errorf("%s row %d: influence %v, derivative %v", m.name, i, influence[i], want)
			}
		}
	}
}

// An equally good model is seldom failed, and one that is worse by the margin seldom passed, through the whole gate.
func TestQualityErrorRates(t *testing.T) {
	const pairs, rows = 200, 500
	for _, name := range []string{"accuracy", "roc_auc"} {
		failed, passed, drop := 0, 0, trueDrop(name)
		for seed := range uint64(pairs) {
			equal := drawModels(rows, seed, 0)
			f := qualityChecks(t, Spec{Rules: []Rule{{Kind: "measure", Name: name, Margin: limit(0.02)}}},
				tables{"p.csv": {equal.csv(equal.candidate, nil)}}, tables{"p.csv": {equal.csv(equal.production, nil)}})[0]
			if f.Verdict == Fail {
				failed++
			}
			worse := drawModels(rows, seed, 1.2)
			f = qualityChecks(t, Spec{Rules: []Rule{{Kind: "measure", Name: name, Margin: limit(drop)}}},
				tables{"p.csv": {worse.csv(worse.candidate, nil)}}, tables{"p.csv": {worse.csv(worse.production, nil)}})[0]
			if f.Verdict == Pass {
				passed++
			}
		}
		const most = pairs * 9 / 100 // five of a hundred, and three standard deviations of that count
		if failed > most || passed > most {
			t.Errorf("%s: %d of %d equal models failed, %d worse ones passed", name, failed, pairs, passed)
		}
		t.Logf("%s: %d of %d equal models failed, %d worse by the margin passed", name, failed, pairs, passed)
	}
}

// trueDrop is how much worse the candidate of drawModels with 1.2 is, measured on very many rows.
func trueDrop(name string) float64 {
	m := drawModels(400_000, 99, 1.2)
	labels := make([]int32, len(m.labels))
	for i, y := range m.labels {
		labels[i] = int32(y)
	}
	pair := func(scores []float64) float64 {
		v, err := stats.Binary{Labels: labels, Scores: scores}.Value(stats.Metric(name), 0.5)
		if err != nil {
			panic(err)
		}
		return v
	}
	return pair(m.production) - pair(m.candidate)
}

func names(all []Finding) []string {
	var names []string
	for _, f := range all {
		names = append(names, f.Name+" "+string(f.Verdict))
	}
	return names
}

func TestSlices(t *testing.T) {
	m := drawModels(3000, 11, 0)
	city := func(i int) string {
		switch {
		case i%3 == 0:
			return "LGA"
		case i > 2990:
			return "tiny"
		}
		return "JFK"
	}
	bad := slices.Clone(m.candidate)
	for i := range bad {
		if i%3 == 0 {
			bad[i] = 1 - bad[i]
		}
	}
	rule := Rule{Kind: "measure", Name: "roc_auc", Margin: limit(0.05), Slices: []string{"city"}, MinRows: 100}
	got := qualityChecks(t, Spec{Rules: []Rule{rule}}, tables{"p.csv": {m.csv(bad, city)}}, tables{"p.csv": {m.csv(m.production, city)}})
	want := []string{"roc_auc fail", "roc_auc city=JFK pass", "roc_auc city=LGA fail"}
	if !slices.Equal(names(got), want) {
		t.Errorf("got %q, want %q", names(got), want)
	}
	if note := got[0].Note; !strings.Contains(note, "1 of 3 slices have fewer than 100 rows") {
		t.Errorf("the small slice is not said: %q", note)
	}
	if !maps.Equal(got[2].Slice, map[string]string{"city": "LGA"}) {
		t.Errorf("slice is %v", got[2].Slice)
	}
}

// The note of a comparison of accuracies has the exact McNemar test where rows are independent: of 12 rows the candidate alone gets one
// right and production alone seven, so that p is 2 (1 + 8) / 2^8.
func TestAccuracyMcNemar(t *testing.T) {
	candidate, production := "id,label,score,user\n", "id,label,score,user\n"
	for i := range 12 {
		score := func(right bool) float64 { return map[bool]float64{true: 0.9, false: 0.1}[right] }
		candidate += fmt.Sprintf("%d,1,%v,u%d\n", i, score(i == 0 || i >= 8), i%6)
		production += fmt.Sprintf("%d,1,%v,u%d\n", i, score(i != 0), i%6)
	}
	rule := Rule{Kind: "measure", Name: "accuracy", Margin: limit(0.1)}
	for _, tt := range []struct{ cluster, want string }{{"", "rows are assumed independent; exact McNemar p 0.07"}, {"user", "6 clusters of user are the units"}} {
		f := qualityChecks(t, Spec{Cluster: tt.cluster, Rules: []Rule{rule}}, tables{"p.csv": {candidate}}, tables{"p.csv": {production}})[0]
		if !strings.HasSuffix(f.Note, tt.want) {
			t.Errorf("clusters %q: the note is %q, want %q at its end", tt.cluster, f.Note, tt.want)
		}
	}
}

// Production is asked for nothing but its answers: the columns of a mean, which is never compared, stand with the candidate alone.
func TestMeanOfCandidateOnly(t *testing.T) {
	spec := Spec{Rules: []Rule{
		{Kind: "measure", Name: "accuracy", Margin: limit(0.9)},
		{Kind: "measure", Name: "mean", Columns: []string{"price * 2"}, Max: limit(7)},
	}}
	candidate := "id,label,score,price\n1,1,0.9,3\n2,0,0.2,4\n"
	got := qualityChecks(t, spec, tables{"p.csv": {candidate}}, tables{"p.csv": {"id,label,score\n1,1,0.9\n2,0,0.2\n"}})
	if f := got[1]; f.Verdict != Pass || f.Value == nil || *f.Value != 7 {
		t.Errorf("the mean is %s %s", f.Verdict, f.Shown)
	}
}

// The interval of a measure of ranking is over queries, and over clusters of them where the gate declares these: queries of one user that
// agree are one unit.
func TestRankingInterval(t *testing.T) {
	var b strings.Builder
	b.WriteString("query,label,score,user\n")
	for user := range 8 {
		for query := range 10 {
			first := 1 + user%2 // whether the relevant row stands first is the user's own
			fmt.Fprintf(&b, "%d-%d,1,%d,u%d\n%d-%d,0,1.5,u%d\n", user, query, first, user, user, query, user)
		}
	}
	width := func(cluster string) float64 {
		f := qualityChecks(t, Spec{Cluster: cluster, Rules: []Rule{oneMeasure("mrr")}}, tables{"p.csv": {b.String()}}, nil)[0]
		if f.Interval == nil || *f.Value != 0.75 {
			t.Fatalf("clusters %q: %s", cluster, f.Shown)
		}
		return f.Interval[1] - f.Interval[0]
	}
	// Of n units, half at 0.5 and half at 1, the standard error is 0.25/sqrt(n-1), and t at 97.5% is 1.9905 of 79 degrees, 2.3646 of 7.
	for cluster, want := range map[string]float64{"": 2 * 1.9905 * 0.25 / math.Sqrt(79), "user": 2 * 2.3646 * 0.25 / math.Sqrt(7)} {
		if got := width(cluster); math.Abs(got-want) > 1e-4 {
			t.Errorf("clusters %q: the interval is %v wide, want %v", cluster, got, want)
		}
	}
}

// Accuracy is a mean whatever the number of classes, also where rows come in clusters.
func TestAccuracyOfManyClasses(t *testing.T) {
	var candidate, production strings.Builder
	for i := range 600 {
		for b, right := range map[*strings.Builder]bool{&candidate: i%4 != 0, &production: i%3 != 0} {
			if i == 0 {
				b.WriteString("id,label,class,user\n")
			}
			class := i % 60
			if !right {
				class = (class + 1) % 60
			}
			fmt.Fprintf(b, "%d,c%d,c%d,u%d\n", i, i%60, class, i/30)
		}
	}
	rule := Rule{Kind: "measure", Name: "accuracy", Margin: limit(0.05)}
	f := qualityChecks(t, Spec{Cluster: "user", Rules: []Rule{rule}}, tables{"p.csv": {candidate.String()}}, tables{"p.csv": {production.String()}})[0]
	if f.Verdict != Pass || f.Interval == nil {
		t.Errorf("%s %s (%s)", f.Verdict, f.Shown, f.Note)
	}
}

// A mean that is too large for a number is no value, also where no row has a label.
func TestMeanTooLarge(t *testing.T) {
	spec := Spec{Rules: []Rule{
		{Kind: "measure", Name: "mean", Columns: []string{"score * 1"}, Max: limit(1)},
		{Kind: "measure", Name: "accuracy", Where: "label != nil", Min: limit(0)},
	}}
	f := qualityChecks(t, spec, tables{"p.csv": {"id,label,score\n1,,1.7e308\n2,,1.7e308\n"}}, nil)[0]
	if f.Verdict != Inconclusive || !strings.HasPrefix(f.Shown, "no value") {
		t.Errorf("%s %s", f.Verdict, f.Shown)
	}
}

// Measures of several classes without a known interval say that they cannot tell.
func TestNoIntervalIsKnown(t *testing.T) {
	text := "id,label,p_a,p_b,p_c\n"
	for i := range 30 {
		text += fmt.Sprintf("%d,%c,0.%d,0.2,0.%d\n", i, 'a'+rune(i%3), 1+i%7, 7-i%7)
	}
	for _, rule := range []Rule{{Name: "ece"}, {Name: "roc_auc", Stat: "ovo"}} {
		rule.Kind, rule.Margin = "measure", limit(0.1)
		f := qualityChecks(t, Spec{Rules: []Rule{rule}}, tables{"p.csv": {text}}, tables{"p.csv": {text + "\n"}})[0]
		if f.Verdict != Inconclusive || !strings.HasPrefix(f.Note, "no interval is known for this measure") || f.Difference == nil {
			t.Errorf("%s: %s %s (%s)", rule.Name, f.Verdict, f.Shown, f.Note)
		}
	}
}
