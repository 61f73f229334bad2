package main

import (
	"context"
	"iter"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// selection is what a log shows: what was asked for, and what is needed to answer.
type selection struct {
	app     *app
	ledger  *lineage.Ledger
	options logOptions
	query   lineage.Query
	about   *filter
	tell    *teller
	late    bool // tags are looked up for the rows alone, as they come
}

// prepare looks up no more than the question needs: tags where they are asked about or shown, the runs that have not
// ended where states matter.
func (s *selection) prepare(ctx context.Context) (err error) {
	o := s.options
	asked := strings.Contains(o.where, "tags") || strings.TrimPrefix(o.sort, "-") == "tags"
	shown := s.app.streams.JSON || slices.Contains(o.columns, "tags")
	s.late = shown && !asked && o.limit > 0 && s.about.whole()
	if asked || shown && !s.late {
		s.tell, err = s.app.teller(ctx)
	} else {
		s.tell, err = s.app.tellerOf(ctx, onlyHidden)
	}
	if err != nil {
		return err
	}
	if s.about != nil && s.about.moments != nil {
		s.tell.moments, s.query.All = s.about.moments, true
	}
	if asked {
		for id, said := range s.tell.tags {
			s.query.Extra = append(s.query.Extra, lineage.Extra{ID: id, Field: "tags", Words: event{tags: said}.words()})
		}
	}
	if o.asksOfUnfinished() {
		states, err := s.tell.history.Unfinished(ctx)
		if err != nil {
			return err
		}
		for id, state := range states {
			s.query.Extra = append(s.query.Extra, lineage.Extra{ID: id, Field: "state", Words: []string{string(state)}})
		}
	}
	if s.about != nil && s.about.where != "" {
		s.query.Where = both(s.query.Where, s.about.where)
	}
	s.query.Sort, err = s.sortKey(ctx, o.sort)
	return err
}

// asksOfUnfinished reports whether it matters what the runs are that have not ended: their records say running whatever
// became of them.
func (o logOptions) asksOfUnfinished() bool {
	if strings.TrimPrefix(o.sort, "-") == "state" || slices.Contains(o.columns, "state") {
		return true
	}
	return strings.Contains(o.where, "state") && slices.ContainsFunc(
		[]string{"running", "lost", "contains", "With", "matches"}, func(word string) bool { return strings.Contains(o.where, word) })
}

func both(a, b string) string {
	if a == "" {
		return b
	}
	return "(" + a + ") and (" + b + ")"
}

// few is the query for no more rows than are shown. What is hidden among them comes on top; it rarely is more than one row
// a thing.
func (s *selection) few() lineage.Query {
	q := s.query
	if s.options.limit > 0 && s.about.whole() {
		q.Limit = s.options.limit
		if !s.options.hidden {
			q.Limit += 2 * s.tell.hidden()
		}
	}
	return q
}

// records selects what choose picks from, and counts it. The ledger finds a few of many much faster than all; should too
// many of these be hidden, all are asked for after all.
func (s *selection) records(ctx context.Context) (int, iter.Seq2[lineage.Record, error], error) {
	if s.about != nil && s.about.all != nil && s.query.Where == "" && s.query.Sort == "" {
		return 0, s.about.selected(s.query), nil
	}
	q := s.few()
	page, err := s.ledger.Page(ctx, q)
	if err != nil || q.Limit == 0 {
		return page.Total, page.Records, err
	}
	return page.Total, func(yield func(lineage.Record, error) bool) {
		n := 0
		for rec, err := range page.Records {
			if n++; !yield(rec, err) || err != nil {
				return
			}
		}
		if n < q.Limit {
			return
		}
		q.Limit = 0
		for rec, err := range s.ledger.Select(ctx, q) {
			if n--; n < 0 && (!yield(rec, err) || err != nil) {
				return
			}
		}
	}, nil
}

// tagsAtOnce is for how many rows tags are looked up together.
const tagsAtOnce = 64

// tagged looks up what is said of records before it yields them, unless that is known.
func (s *selection) tagged(ctx context.Context, records iter.Seq2[lineage.Record, error]) iter.Seq2[lineage.Record, error] {
	if !s.late {
		return records
	}
	return func(yield func(lineage.Record, error) bool) {
		var some []lineage.Record
		flush := func() bool {
			err := s.tell.learn(ctx, s.ledger, some)
			for _, rec := range some {
				if !yield(rec, err) || err != nil {
					return false
				}
			}
			some = some[:0]
			return true
		}
		for rec, err := range records {
			if err != nil {
				if flush() {
					yield(rec, err)
				}
				return
			}
			if some = append(some, rec); len(some) == min(tagsAtOnce, s.options.limit) && !flush() {
				return
			}
		}
		flush()
	}
}

// choose tells the records that are wanted, at most the limit.
func (s *selection) choose(records iter.Seq2[lineage.Record, error]) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		n := 0
		for rec, err := range records {
			if err != nil {
				yield(event{}, err)
				return
			}
			if !s.about.whole() && !s.about.takes(rec) {
				continue
			}
			e, err := s.tell.event(rec)
			if err == nil && e.hidden() && !s.options.hidden {
				continue
			}
			n++
			if !yield(e, err) || err != nil || n == s.options.limit {
				return
			}
		}
	}
}

// printEvents prints records, each read and told, and returns how many there are.
func (s *selection) printEvents(ctx context.Context, columns []column, w *watched) (int, error) {
	total, records, err := s.records(ctx)
	if err != nil {
		return 0, err
	}
	events := w.watch(s.choose(s.tagged(ctx, records)))
	if len(columns) == 0 || s.drawsTrend() {
		var all []event
		if all, err = allOf(events); err != nil {
			return 0, err
		}
		if len(columns) == 0 {
			columns = runColumns(all)
		} else if err := s.drawTrend(all); err != nil {
			return 0, err
		}
		events = eventsOf(all)
	}
	return total, s.print(columns, func(yield func(cli.Item, error) bool) {
		for e, err := range events {
			item := cli.Item{Value: e.value}
			if s.options.raw {
				item.Value = verbatim(e.rec.Raw)
			}
			if err == nil && !s.app.streams.JSON {
				for _, c := range columns {
					item.Cells = append(item.Cells, c.cell(&e))
				}
			}
			if !yield(item, err) {
				return
			}
		}
	})
}

// allOf holds events, for what has to know all of them before the first is printed.
func allOf(events iter.Seq2[event, error]) (all []event, err error) {
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func eventsOf(all []event) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// simple reports whether the index alone can answer: a table of runs whose columns are single values of records.
func (s *selection) simple(columns []column) bool {
	if s.app.streams.JSON || !s.about.whole() || len(columns) == 0 || !slices.Equal(s.options.kinds, []string{"run"}) {
		return false
	}
	return !slices.ContainsFunc(columns, func(c column) bool { return c.value == nil })
}

// printValues prints values of runs without reading a record, and returns how many runs there are.
func (s *selection) printValues(ctx context.Context, columns []column, w *watched) (int, error) {
	q, sorted := s.few(), strings.TrimPrefix(s.options.sort, "-")
	paths := []string{"run", "run"}
	if q.Sort != "" {
		paths[1] = strings.TrimPrefix(q.Sort, "-")
	}
	for _, c := range columns {
		paths = append(paths, c.paths...)
	}
	table, err := s.ledger.Values(ctx, q, paths...)
	if err != nil {
		return 0, err
	}
	err = s.print(columns, func(yield func(cli.Item, error) bool) {
		n := 0
		for row, err := range table.Rows {
			if err != nil {
				yield(cli.Item{}, err)
				return
			}
			if of, ok := row.Values[0].(string); ok {
				if row.ID, err = object.ParseDigest(of); err != nil {
					yield(cli.Item{}, err)
					return
				}
			}
			if !s.options.hidden && s.tell.hides(row.ID) {
				continue
			}
			w.saw(sorted, row.Values[1] != nil)
			item, values := cli.Item{}, row.Values[2:]
			for _, c := range columns {
				cell, found := c.value(row, values[:len(c.paths)])
				w.saw(c.head, found)
				item.Cells, values = append(item.Cells, cell), values[len(c.paths):]
			}
			w.rows, n = w.rows+1, n+1
			if !yield(item, nil) || n == s.options.limit {
				return
			}
		}
	})
	return table.Total, err
}

// print writes items as the options say.
func (s *selection) print(columns []column, items iter.Seq2[cli.Item, error]) error {
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = strings.ToUpper(c.head)
	}
	if s.options.format == "" || s.app.streams.JSON {
		return s.app.streams.List(header, items)
	}
	return printTable(s.app, s.options.format, header, items)
}

// verbatim is JSON that is written as it is.
type verbatim []byte

// MarshalJSON returns the bytes themselves.
func (v verbatim) MarshalJSON() ([]byte, error) { return v, nil }
