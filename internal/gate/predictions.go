package gate

import (
	"context"
	"slices"
	"sort"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// predictions is a table of predictions in memory: of each column that the checks of a gate need, one entry a row. What a row lacks is
// kept as lacking (-1, NaN), because only a check knows whether it judges that row.
type predictions struct {
	name     string // as the gate has it
	ref      Ref
	roles    predictionsRoles
	files    []predictionsFile
	rows     int
	ids      []rowKey // nil when no check needs them or the table has none
	label    *codedColumn
	class    *codedColumn // predicted
	actual   []float64    // labels as numbers
	score    []float64    // rows x width
	width    int          // scores of a row
	classes  []string     // of the scores of a row; nil when only their order tells
	weights  []float64
	clusters []int32
	queries  []int32
	cuts     map[string]*codedColumn // of slices and groups
	masks    map[string][]bool       // rows that an expression is true of
	means    map[string][]float64    // values of expressions
}

// predictionsFile is where the rows of a file begin.
type predictionsFile struct {
	name  string
	first int // index of its first row in the table
	row   int64
}

// place says where a row stands: "work/golden.parquet row 17".
func (p *predictions) place(row int) string {
	i := sort.Search(len(p.files), func(i int) bool { return p.files[i].first > row }) - 1
	if i < 0 {
		return p.name + " row " + strconv.Itoa(row+1)
	}
	f := p.files[i]
	return f.name + " row " + strconv.FormatInt(f.row+int64(row-f.first), 10)
}

// codedColumn is a column as small numbers, and what they stand for: in ascending order, numbers as numbers.
type codedColumn struct {
	names []string
	codes []int32 // -1 where the value is missing
}

// sorted puts the names in order, and the codes with them.
func (c *codedColumn) sorted() {
	order := make([]int, len(c.names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return compareNames(c.names[i], c.names[j]) })
	names, to := make([]string, len(order)), make([]int32, len(order))
	for at, i := range order {
		names[at], to[i] = c.names[i], int32(at)
	}
	c.names = names
	c.recode(to)
}

func (c *codedColumn) recode(to []int32) {
	for i, code := range c.codes {
		if code >= 0 {
			c.codes[i] = to[code]
		}
	}
}

// compareNames orders values written as text: numbers by size before all else, then texts.
func compareNames(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case errX == nil && errY == nil && x != y:
		if x < y {
			return -1
		}
		return 1
	case (errX == nil) != (errY == nil):
		if errX == nil {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// predictionsNeed is which columns the checks of a gate use.
type predictionsNeed struct {
	ids      bool // rows are matched by them
	compares bool // with production
	baseline bool // it is production that is read: what is true of a row stands with the candidate
	classes  bool // labels as classes
	numbers  bool // labels as numbers
	query    bool
	cuts     []string
	masks    []string
	means    []string
}

// need is what all checks on one table use together, so that it is read once.
func (s *session) need(table string) predictionsNeed {
	var n predictionsNeed
	add := func(all *[]string, name string) {
		if name != "" && !slices.Contains(*all, name) {
			*all = append(*all, name)
		}
	}
	for _, r := range s.spec.Rules {
		m, ok := measureOf(r.Name)
		if r.Kind != "measure" || !ok || r.Table != table {
			continue
		}
		n.compares = n.compares || r.Margin != nil
		n.classes = n.classes || m.kind == ofClasses || m.kind == ofScores || m.kind == ofGroups
		n.numbers = n.numbers || m.kind == ofNumbers || m.kind == ofQueries
		n.query = n.query || m.kind == ofQueries
		for _, cut := range r.Slices {
			for column := range strings.SplitSeq(cut, "+") {
				add(&n.cuts, column)
			}
		}
		add(&n.cuts, r.Group)
		add(&n.masks, r.Where)
		if m.kind == ofRows && len(r.Columns) > 0 {
			add(&n.means, r.Columns[0])
		}
	}
	return n
}

// ofBaseline is what is needed of the table of production.
func (n predictionsNeed) ofBaseline() predictionsNeed {
	n.baseline, n.query, n.cuts, n.masks, n.means = true, false, nil, nil, nil
	return n
}

// openPredictions reads the table of predictions of a subject, and its labels when they stand elsewhere.
func (s *session) openPredictions(ctx context.Context, of Subject, table string, need predictionsNeed) (*predictions, error) {
	if of.World.Table == nil || table == "" {
		return nil, fault.New(fault.Usage, "cannot judge %s: it names no predictions (%s)", s.spec.Name, place(s.spec.At)).In(s.spec.At).
			Hint("predictions: work/golden.parquet   # a table with the columns id, label, score")
	}
	p, err := s.loadPredictions(ctx, of, table, need)
	if err != nil || s.spec.Labels == "" || need.baseline {
		return p, err
	}
	if p.ids == nil {
		return nil, s.unfit("%s has no column id, by which the labels of %s are joined", p.name, s.spec.Labels).Hint("columns: {id: NAME}")
	}
	truth, err := s.loadLabels(ctx, of, s.spec.Labels, need)
	if err != nil {
		return nil, err
	}
	to, err := s.match(p, truth)
	if err != nil {
		return nil, err
	}
	p.takeLabels(truth, to)
	return p, nil
}

// takeLabels puts the labels of another table beside the scores.
func (p *predictions) takeLabels(truth *predictions, to []int32) {
	p.roles.label = truth.roles.label
	if truth.label != nil {
		p.label = &codedColumn{names: truth.label.names, codes: gather(truth.label.codes, to)}
	}
	p.actual = gather(truth.actual, to)
}

// gather takes the entries of some rows, in that order; of nothing it is nothing.
func gather[T any](from []T, rows []int32) []T {
	if from == nil {
		return nil
	}
	to := make([]T, len(rows))
	for i, row := range rows {
		to[i] = from[row]
	}
	return to
}

// unfit is the error for a table that cannot be judged as it is.
func (s *session) unfit(format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, "cannot judge "+s.spec.Name+": "+format, args...)
}
