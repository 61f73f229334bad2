package gate

import (
	"context"
	"math"
	"slices"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// predictionsReader turns batches into the columns of predictions. Parts are made by several goroutines and taken in the order of the rows.
type predictionsReader struct {
	s       *session
	p       *predictions
	need    predictionsNeed
	columns []string // that are read, in this order
	zone    *time.Location
	exprs   predictionsExprs
	keys    map[string]*keyIndex // of clusters and queries
	indexes map[string]map[string]int32
	known   int       // rows, as far as the files say before they are read
	kind    scoreKind // of all batches so far
}

// predictionsPart is what is kept of one batch.
type predictionsPart struct {
	rows     int
	ids      []rowKey
	label    *codedColumn
	class    *codedColumn
	actual   []float64
	score    scorePart
	weights  []float64
	clusters []rowKey
	days     []int32
	queries  []rowKey
	cuts     []*codedColumn
	masks    [][]bool
	means    [][]float64
	bad      *badCell
}

// badCell is a value that nothing can be made of. Its row is counted in the batch.
type badCell struct {
	row    int
	column string
	why    string
}

// loadPredictions reads the columns that the checks need.
func (s *session) loadPredictions(ctx context.Context, of Subject, table string, need predictionsNeed) (*predictions, error) {
	t, err := of.World.Table(ctx, table)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err)
	}
	roles, err := s.findRoles(t, table)
	if err != nil {
		return nil, err
	}
	if need.baseline {
		roles.weight, roles.query, roles.cluster = "", "", ""
	}
	if s.spec.Labels != "" {
		roles.label = ""
	}
	return s.readPredictions(ctx, t, roles, table, need)
}

// loadLabels reads a table that holds nothing but ids and labels.
func (s *session) loadLabels(ctx context.Context, of Subject, table string, need predictionsNeed) (*predictions, error) {
	t, err := of.World.Table(ctx, table)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err)
	}
	var roles predictionsRoles
	if roles.id, err = s.findRole(t, table, "id"); err != nil {
		return nil, err
	}
	if roles.label, err = s.findRole(t, table, "label"); err != nil {
		return nil, err
	}
	for role, column := range map[string]string{"id": roles.id, "label": roles.label} {
		if column == "" {
			return nil, s.unfit("%s has no column for the role %s", table, role).Hint("its columns are %s", t.Schema().String())
		}
	}
	return s.readPredictions(ctx, t, roles, table, predictionsNeed{ids: true, classes: need.classes, numbers: need.numbers})
}

func (s *session) readPredictions(ctx context.Context, t Table, roles predictionsRoles, table string, need predictionsNeed) (*predictions, error) {
	r := &predictionsReader{s: s, need: need, zone: time.UTC}
	r.p = &predictions{name: table, ref: t.Ref, roles: roles}
	if s.spec.TimeZone != "" {
		zone, err := time.LoadLocation(s.spec.TimeZone)
		if err != nil {
			return nil, s.unfit("time_zone: there is no zone %q (%s)", s.spec.TimeZone, place(s.spec.At)).In(s.spec.At)
		}
		r.zone = zone
	}
	also, err := r.compile(ctx, t)
	if err != nil {
		return nil, err
	}
	r.columns = roles.columns(need, also)
	if name, lacks := missing(t.Schema(), r.columns); lacks {
		return nil, fault.New(fault.NotFound, "cannot judge %s: %w", s.spec.Name, t.NoColumn(name)).In(s.spec.At)
	}
	if len(r.columns) == 0 {
		return nil, s.unfit("%s has no column of labels or scores that is known by its name", table).
			Hint("columns: {label: NAME, score: NAME}   # its columns are %s", t.Schema().String())
	}
	known, _ := t.Rows()
	err = dataset.Fold(ctx, t.Table, dataset.Request{Columns: r.columns}, dataset.Folding[*predictionsPart]{
		Start: func() { r.start(int(known)) },
		Part:  r.part,
		Merge: r.take,
	})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err)
	}
	return r.p, r.finish()
}

// start forgets what was read, when a type turns out to be wider than thought.
func (r *predictionsReader) start(rows int) {
	p := r.p
	*p = predictions{name: p.name, ref: p.ref, roles: p.roles, cuts: map[string]*codedColumn{}, masks: map[string][]bool{}, means: map[string][]float64{}}
	r.keys, r.indexes, r.kind = map[string]*keyIndex{}, map[string]map[string]int32{}, scoreUnknown
	const most = 1 << 24 // a file may say anything
	r.known = min(rows, most)
	if rows = r.known; rows == 0 {
		return
	}
	if p.roles.score != "" {
		p.score = make([]float64, 0, rows)
	}
	if r.need.ids && p.roles.id != "" {
		p.ids = make([]rowKey, 0, rows)
	}
}

// part makes what is kept of a batch.
func (r *predictionsReader) part(b *dataset.Batch) (*predictionsPart, error) {
	p, roles := &predictionsPart{rows: b.Rows}, r.p.roles
	column := func(name string) *dataset.Column {
		if i := slices.Index(r.columns, name); name != "" && i >= 0 {
			return &b.Columns[i]
		}
		return nil
	}
	if c := column(roles.id); c != nil {
		p.ids = p.rowKeys(c, b.Rows)
	}
	if c := column(roles.query); c != nil {
		p.queries = p.rowKeys(c, b.Rows)
	}
	if c := column(roles.label); c != nil && r.need.classes {
		p.label = codeColumn(c, b.Rows)
	}
	if c := column(roles.label); c != nil && r.need.numbers {
		p.actual = p.numbers(c, b.Rows)
	}
	if c := column(roles.class); c != nil {
		p.class = codeColumn(c, b.Rows)
	}
	if c := column(roles.weight); c != nil {
		p.weights = p.numbers(c, b.Rows)
	}
	if c := column(roles.cluster); c != nil && roles.days {
		p.days = p.dayNumbers(c, b.Rows, r.zone)
	} else if c != nil {
		p.clusters = p.rowKeys(c, b.Rows)
	}
	if c := column(roles.score); c != nil {
		p.score = p.scores(c, b.Rows)
	}
	if roles.scores != nil {
		p.score = p.scoresOf(b, r.columns, roles.scores)
	}
	for _, name := range r.need.cuts {
		p.cuts = append(p.cuts, codeColumn(column(name), b.Rows))
	}
	return p, r.express(p, b)
}

// numbers reads a column as numbers; what is missing is NaN, and what is no number is bad.
func (p *predictionsPart) numbers(c *dataset.Column, rows int) []float64 {
	values := make([]float64, rows)
	for i := range values {
		values[i] = c.Number(i)
		if c.InTexts() && !c.Missing.Has(i) && math.IsNaN(values[i]) {
			p.spoil(i, c.Name, shortValue(c.Bytes(i))+" is no number")
		}
	}
	return values
}

// dayNumbers are the days of times, counted from 1970. A naive time already is in the zone of its day.
func (p *predictionsPart) dayNumbers(c *dataset.Column, rows int, zone *time.Location) []int32 {
	days := make([]int32, rows)
	for i := range days {
		switch {
		case c.Missing.Has(i):
			p.spoil(i, c.Name, "the time is missing, so that its day is not known")
		case c.Type == dataset.Date:
			days[i] = int32(c.Ints[i])
		case c.Type == dataset.Time:
			at := time.Unix(0, c.Ints[i]).UTC()
			if !c.Naive {
				at = at.In(zone)
			}
			days[i] = int32(leakDay(at))
		default:
			p.spoil(i, c.Name, "a "+c.Type.String()+" is no time")
		}
	}
	return days
}

func (p *predictionsPart) spoil(row int, column, why string) {
	if p.bad == nil || row < p.bad.row {
		p.bad = &badCell{row: row, column: column, why: why}
	}
}

// shortValue quotes a value of a table, cut to what a message can hold.
func shortValue(b []byte) string {
	const most = 40
	text := string(b)
	if len(text) > most {
		text = text[:most] + "..."
	}
	return quoteText(text)
}
