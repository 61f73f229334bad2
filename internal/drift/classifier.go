package drift

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/stats"
)

// What a domain classifier does when nothing else is said.
const (
	classifierAUC  = 0.65
	classifierRows = 10_000
	// classifierLeast is the number of rows of a side below which nothing is trained, whatever MinRows says: two in each fold.
	classifierLeast = 2 * classifierFolds
	// classifierSpread widens the interval. The folds share rows that they are trained on, so that without drift the area varies up to a quarter more
	// between tables than its influences say (simulated: 1.25 at 300 rows, 1.13 at 2,000).
	classifierSpread = 1.25
	// classifierShown is how many columns the note names.
	classifierShown = 3
)

// Classify trains a classifier to tell rows of the two sides apart, and judges how well it does on rows that it has not seen: it finds that columns no
// longer belong together as they did while each of them looks the same. Rows of one cluster are never on both sides of training and test. Columns of times,
// of clusters and of keys are left out: they tell any two tables apart. Nil without Spec.Classifier.
func Classify(ctx context.Context, ref, cur Source, spec Spec, o Options) (*gate.Finding, error) {
	if spec.Classifier == nil {
		return nil, nil
	}
	c := classifying{spec: spec, limit: cmp.Or(spec.Classifier.MaxAUC, classifierAUC), most: cmp.Or(spec.Classifier.Rows, classifierRows)}
	if ref.Table == nil || cur.Table == nil {
		return c.cannot("a profile has no rows to learn from"), nil
	}
	for _, s := range []Source{ref, cur} {
		if err := s.Table.Settle(ctx); err != nil {
			return nil, err
		}
	}
	columns, category := c.columns(ref, cur)
	if len(columns) == 0 {
		return c.cannot("no column to tell the sides apart by"), nil
	}
	zone, err := time.LoadLocation(cmp.Or(spec.TimeZone, "UTC"))
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot find time zone %q: %w", spec.TimeZone, err)
	}
	most := max(min(c.most, maxCells/2/len(columns)), classifierLeast)
	var sides [2]*drawing
	for i, s := range []Source{ref, cur} {
		d := drawer{columns: columns, category: category, cluster: spec.Cluster, time: spec.Time, zone: zone, most: most}
		if sides[i], err = d.draw(ctx, s, uint64(spec.Seed)*2+uint64(i)); err != nil {
			return nil, err
		}
	}
	return c.judge(ctx, sides, columns, category, o.Workers)
}

type classifying struct {
	spec  Spec
	limit float64
	most  int
}

// columns are those that Compare would compare and that may be learnt from, and whether each holds categories.
func (c classifying) columns(ref, cur Source) (names []string, category []bool) {
	never := append([]string{c.spec.Cluster, c.spec.Time, ref.Rows.Time, cur.Rows.Time}, c.spec.Key...)
	second := cur.Table.Schema()
	for _, f := range ref.Table.Schema() {
		at := second.Index(f.Name)
		chosen := (len(c.spec.Columns) == 0 || named(c.spec.Columns, f.Name)) && !named(c.spec.Ignore, f.Name)
		if at < 0 || !chosen || slices.Contains(never, f.Name) || !comparableFields(f, second[at], &c.spec) {
			continue
		}
		if kinds := []family{familyOf(f, &c.spec), familyOf(second[at], &c.spec)}; !slices.Contains(kinds, familyTime) {
			names, category = append(names, f.Name), append(category, slices.Contains(kinds, familyWord))
		}
	}
	return names, category
}

func (c classifying) finding() *gate.Finding {
	return &gate.Finding{Name: "classifier", Subject: "measure", Severity: gate.SeverityFail, Limit: gate.Limit{Max: &c.limit},
		Needs: fmt.Sprintf("AUC at most %.4g", c.limit)}
}

func (c classifying) cannot(format string, args ...any) *gate.Finding {
	f := c.finding()
	f.Verdict, f.Shown, f.Note = gate.Inconclusive, "unknown", fmt.Sprintf(format, args...)
	return f
}

func (c classifying) judge(ctx context.Context, sides [2]*drawing, columns []string, category []bool, workers int) (*gate.Finding, error) {
	least := max(c.spec.MinRows, classifierLeast)
	for i, name := range []string{"reference", "window"} {
		if n := sides[i].seen; n < least {
			return c.cannot("the %s has %d rows, at least %d needed", name, n, least), nil
		}
	}
	t := trial{data: bin(sides, category), seed: uint64(c.spec.Seed), workers: workers}
	t.labels, t.clusters = labelled(sides)
	if t.clusters != nil {
		if n := clustersOfSmaller(sides); n < classifierFolds {
			return c.cannot("a side has %d %s, at least %d needed", n, c.clustersIn(), classifierFolds), nil
		}
	}
	scores, gain, err := t.run(ctx)
	if err != nil {
		return nil, err
	}
	level := 0.95
	if c.spec.Level > 0 && c.spec.Level < 0.5 {
		level = 1 - c.spec.Level
	}
	auc, err := stats.Binary{Labels: t.labels, Scores: scores}.AUCOverClusters(t.clusters, level)
	if err != nil {
		return nil, err
	}
	if auc.Problem != "" {
		return c.cannot("%s", auc.Problem), nil
	}
	auc.Lower = max(auc.Value-classifierSpread*(auc.Value-auc.Lower), 0)
	auc.Upper = min(auc.Value+classifierSpread*(auc.Upper-auc.Value), 1)
	return c.found(sides, auc, level, telling(columns, gain)), nil
}

// found is the finding about an area. An area above the limit that may be chance cannot be told from one below.
func (c classifying) found(sides [2]*drawing, auc stats.ClusteredAUC, level float64, columns string) *gate.Finding {
	f := c.finding()
	rows := int64(sides[0].rows + sides[1].rows)
	f.Value, f.Rows, f.Level = &auc.Value, &rows, 2*level-1 // of an interval whose bounds each hold at level
	f.Interval = &[2]float64{auc.Lower, auc.Upper}
	f.Shown = fmt.Sprintf("AUC %.3f, %.3f to %.3f", auc.Value, auc.Lower, auc.Upper)
	f.Verdict = gate.Pass
	switch {
	case auc.Lower > c.limit:
		f.Verdict = gate.Fail
	case auc.Value > c.limit:
		f.Verdict = gate.Inconclusive
	}
	f.Note = fmt.Sprintf("%d and %d rows drawn, rows are assumed independent", sides[0].rows, sides[1].rows)
	if sides[0].clusters != nil {
		f.Note = fmt.Sprintf("%d and %d rows drawn, of %d and %d %s", sides[0].rows, sides[1].rows, auc.Clusters[0], auc.Clusters[1], c.clustersIn())
	}
	if columns != "" && f.Verdict != gate.Pass {
		f.Shown += ", told by " + columns
	}
	if f.Verdict == gate.Inconclusive {
		f.Note = fmt.Sprintf("it may be %.4g by chance; %s", c.limit, f.Note)
	}
	return f
}

// clustersIn is what clusters are called.
func (c classifying) clustersIn() string {
	if c.spec.Cluster != "" {
		return fmt.Sprintf("values of %q", c.spec.Cluster)
	}
	return "days"
}

// labelled says of each drawn row whether it is of the current side, and its cluster.
func labelled(sides [2]*drawing) (labels, clusters []int32) {
	codes := make(map[uint64]int32)
	for side, d := range sides {
		for i := range d.rows {
			labels = append(labels, int32(side))
			if d.clusters == nil {
				continue
			}
			code, known := codes[d.clusters[i]]
			if !known {
				code = int32(len(codes))
				codes[d.clusters[i]] = code
			}
			clusters = append(clusters, code)
		}
	}
	return labels, clusters
}

func clustersOfSmaller(sides [2]*drawing) int {
	fewest := sides[0].rows
	for _, d := range sides {
		seen := make(map[uint64]bool)
		for _, c := range d.clusters {
			seen[c] = true
		}
		fewest = min(fewest, len(seen))
	}
	return fewest
}

// telling names the columns by which most was told, with their share of what all gained.
func telling(columns []string, gain []float64) string {
	var sum float64
	order := make([]int, len(gain))
	for i, v := range gain {
		order[i] = i
		sum += v
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(gain[b], gain[a]) })
	var all []string
	for _, i := range order[:min(len(order), classifierShown)] {
		if share := gain[i] / sum; share >= 0.05 {
			all = append(all, fmt.Sprintf("%s %.0f%%", shownValue(columns[i]), 100*share))
		}
	}
	return strings.Join(all, ", ")
}
