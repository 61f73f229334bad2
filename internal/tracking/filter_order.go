package tracking

import (
	"cmp"
	"math"
	"strings"
)

// ordering is one clause of order_by.
type ordering struct {
	kind, key  string
	number     bool
	descending bool
}

// parseOrder reads "metrics.`val loss` DESC".
func parseOrder(text string, g *grammar) (ordering, error) {
	bad := invalid("Invalid order_by clause '%s'. Could not be parsed.", clip(text))
	text = strings.TrimSpace(text)
	size := nameSize(text)
	if size == 0 || len(text) > maxFilter {
		return ordering{}, bad
	}
	var o ordering
	rest := strings.TrimSpace(text[size:])
	switch {
	case rest == "", strings.EqualFold(rest, "ASC"):
	case strings.EqualFold(rest, "DESC"):
		o.descending = true
	case strings.ContainsAny(rest, " \t"):
		return o, bad
	default:
		return o, invalid("Invalid ordering key in order_by clause '%s'.", clip(text))
	}
	var c comparison
	kind, err := g.name(text[:size], &c)
	if err != nil {
		return o, err
	}
	o.kind, o.key, o.number = c.kind, c.key, kind == numberValue
	return o, nil
}

// parseOrders reads all clauses of a request.
func parseOrders(texts []string, g *grammar) ([]ordering, error) {
	if len(texts) > maxClauses {
		return nil, invalid("Invalid order_by: more than %d clauses", maxClauses)
	}
	var all []ordering
	seen := map[[2]string]bool{}
	for _, text := range texts {
		o, err := parseOrder(text, g)
		if err != nil {
			return nil, err
		}
		if seen[[2]string{o.kind, o.key}] {
			return nil, invalid("`order_by` contains duplicate fields: %s", pyList(texts))
		}
		seen[[2]string{o.kind, o.key}] = true
		all = append(all, o)
	}
	return all, nil
}

// sortKey is what one row has for one ordering. What is missing comes last both ways, and NaN before that.
type sortKey struct {
	rank   int // 0 has a value, 1 NaN, 2 missing
	number float64
	text   string
}

func numberKey(n float64, known bool) sortKey {
	switch {
	case !known:
		return sortKey{rank: 2}
	case math.IsNaN(n):
		return sortKey{rank: 1}
	}
	return sortKey{number: n}
}

func textKey(text string, known bool) sortKey {
	if !known {
		return sortKey{rank: 2}
	}
	return sortKey{text: text}
}

func (o *ordering) compare(a, b *sortKey) int {
	if a.rank != b.rank {
		return cmp.Compare(a.rank, b.rank)
	}
	d := 0
	if o.number {
		d = cmp.Compare(a.number, b.number)
	} else {
		d = strings.Compare(a.text, b.text)
	}
	if o.descending {
		return -d
	}
	return d
}
