package column

import (
	"slices"
	"strings"

	"mlx/internal/lineage/internal/where"
)

// Extra is what is known of rows beside their records, by the name of a field and the row: strings. A field of one name
// with no string is one that is missing.
type Extra map[string]map[int][]string

// correct decides again, for a test of a field that extra knows, the rows that it knows.
func (x Extra) correct(out Bits, t *where.Test) {
	if len(t.Path) != 1 {
		return
	}
	for row, words := range x[t.Path[0]] {
		out.Clear(row)
		if slices.ContainsFunc(t.Values, func(v where.Value) bool { return passes(words, t, v) }) {
			out.Set(row)
		}
	}
}

// passes reports whether one of the strings passes t for one of its values.
func passes(words []string, t *where.Test, v where.Value) bool {
	switch v.Type {
	case where.Null:
		return (len(words) > 0) == (t.Op == where.Unequal)
	case where.String:
		pass := predicate(t, v.Str)
		return slices.ContainsFunc(words, func(w string) bool { return pass([]byte(w)) })
	case where.Number, where.Bool:
	}
	return false
}

// keys gives the sort keys of the rows that extra knows, and leaves the others to own.
func (x Extra) keys(path where.Path, own func(row int) Key) func(row int) Key {
	if len(path) != 1 || x[path[0]] == nil {
		return own
	}
	known := x[path[0]]
	return func(row int) Key {
		words, ok := known[row]
		switch {
		case !ok:
			return own(row)
		case len(words) == 0:
			return Key{Class: missing}
		}
		return Key{Class: 1, Str: words[0]}
	}
}

// Of is what extra says of one row, as row 0.
func (x Extra) Of(row int) Extra {
	one := make(Extra)
	for field, rows := range x {
		if words, ok := rows[row]; ok {
			one[field] = map[int][]string{0: words}
		}
	}
	return one
}

// variants are the paths that a path as typed may mean: itself first, and those where a dot belongs to a name, as in the
// metric val.auc.
func (ix *Index) variants(path where.Path) []string {
	joined := strings.Join(path, string(rune(separator)))
	all := []string{joined}
	if len(path) < 3 {
		return all
	}
	for _, e := range ix.entries {
		p := ix.path(e)
		if len(p) < len(joined) || len(p) > len(joined) && p[len(joined)] != separator {
			continue
		}
		if p = p[:len(joined)]; sameButDots(string(p), joined) && !slices.Contains(all, string(p)) {
			all = append(all, string(p))
		}
	}
	return all
}

// sameButDots reports whether two paths differ in nothing but what separates their names.
func sameButDots(p, typed string) bool {
	for i := range len(p) {
		if p[i] != typed[i] && (p[i] != '.' || typed[i] != separator) {
			return false
		}
	}
	return true
}
