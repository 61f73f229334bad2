package tracking

import "slices"

// field is what one thing has under a name: what filters compare and orders go by.
type field struct {
	text    string
	number  float64
	numeric bool
	known   bool
}

func textField(s string) field { return field{text: s, known: true} }

func numberField(n float64) field { return field{number: n, numeric: true, known: true} }

// entry is what a map has under a key.
func entry(m map[string]string, key string) field {
	text, known := m[key]
	return field{text: text, known: known}
}

func (f field) meets(c *comparison) bool {
	if f.numeric {
		return c.holdsNumber(f.number, f.known)
	}
	return c.holdsText(f.text, f.known)
}

func (f field) sortKey() sortKey {
	if f.numeric {
		return numberKey(f.number, f.known)
	}
	return textKey(f.text, f.known)
}

// found keeps what meets every comparison.
func found[T any](all []T, filter []comparison, of func(T, string, string) field) []T {
	var out []T
	for _, one := range all {
		if !slices.ContainsFunc(filter, func(c comparison) bool { return !of(one, c.kind, c.key).meets(&c) }) {
			out = append(out, one)
		}
	}
	return out
}

// arrange sorts by some keys, and where they are the same leaves the order as it is.
func arrange[T any](all []T, by []ordering, of func(T, string, string) field) {
	slices.SortStableFunc(all, func(a, b T) int {
		for _, o := range by {
			ka, kb := of(a, o.kind, o.key).sortKey(), of(b, o.kind, o.key).sortKey()
			if n := o.compare(&ka, &kb); n != 0 {
				return n
			}
		}
		return 0
	})
}

// searched is what most searches send.
type searched struct {
	Filter  string `json:"filter"`
	Max     *whole `json:"max_results"`
	OrderBy many   `json:"order_by"`
	Token   string `json:"page_token"`

	Locations   []traceLocation `json:"locations"`
	Experiments many            `json:"experiment_ids"`
	Datasets    []measuredOn    `json:"datasets"`
}

// question is a search, understood.
type question struct {
	searched
	filter []comparison
	order  []ordering
	limit  int
}

// ask reads a search. usual is how many are answered at once where the client does not say, most what it may say.
func ask(c *call, g *grammar, usual, most int) (q question, err error) {
	if err = c.into(&q.searched); err != nil {
		return q, err
	}
	return q, q.read(g, usual, most)
}

func (q *question) read(g *grammar, usual, most int) (err error) {
	if q.filter, err = parseFilter(q.Filter, g); err != nil {
		return err
	}
	if q.order, err = parseOrders(q.OrderBy, g); err != nil {
		return err
	}
	q.limit, err = pageSize(q.Max, usual, most)
	return err
}

// pageSize checks how many are wanted at once.
func pageSize(n *whole, usual, most int) (int, error) {
	switch {
	case n == nil || *n == 0:
		return usual, nil
	case *n < 0:
		return 0, invalid("Invalid value %d for parameter 'max_results' supplied: It must be a positive integer", *n)
	case *n > whole(most):
		return 0, invalid("Invalid value for max_results. It must be at most %d, but got value %d", most, *n)
	}
	return int(*n), nil
}
