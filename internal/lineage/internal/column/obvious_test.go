package column

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"mlx/internal/lineage/internal/where"
)

// values is the slow, obvious way to find what stands at a path.
func (r rec) values(path where.Path) []any {
	if len(path) == 1 {
		switch path[0] {
		case "kind":
			return []any{r.h.Kind}
		case "id":
			return []any{r.id.Hex()}
		case "lc":
			return []any{float64(r.h.LC)}
		}
	}
	var v any = map[string]any(nil)
	b, _ := json.Marshal(r.body)
	_ = json.Unmarshal(b, &v)
	at := []any{v}
	for _, name := range path {
		var next []any
		for _, v := range at {
			if m, ok := v.(map[string]any); ok {
				next = append(next, m[name])
			}
		}
		at = next
	}
	return flatten(at)
}

func flatten(in []any) (out []any) {
	for _, v := range in {
		switch v := v.(type) {
		case []any:
			out = append(out, flatten(v)...)
		case map[string]any:
			out = append(out, flatten(slices.Collect(maps.Values(v)))...)
		case nil:
		default:
			out = append(out, v)
		}
	}
	return out
}

func (r rec) passes(e where.Expr) bool {
	switch e := e.(type) {
	case *where.And:
		return r.passes(e.X) && r.passes(e.Y)
	case *where.Or:
		return r.passes(e.X) || r.passes(e.Y)
	case *where.Not:
		return !r.passes(e.X)
	case *where.Test:
		have := r.values(e.Path)
		return slices.ContainsFunc(e.Values, func(want where.Value) bool {
			if want.Type == where.Null {
				return (len(have) == 0) != (e.Op == where.Unequal)
			}
			return slices.ContainsFunc(have, func(v any) bool { return compare(e.Op, v, want) })
		})
	}
	return true
}

func compare(op where.Op, v any, want where.Value) bool {
	c, s := 2, ""
	switch v := v.(type) {
	case float64:
		if want.Type != where.Number {
			return false
		}
		c = -1
		if v == want.Num {
			c = 0
		} else if v > want.Num {
			c = 1
		}
	case string:
		if want.Type != where.String {
			return false
		}
		c, s = strings.Compare(v, want.Str), v
	case bool:
		if want.Type != where.Bool {
			return false
		}
		if v == want.Bool {
			c = 0
		}
	}
	switch op {
	case where.Equal, where.In:
		return c == 0
	case where.Unequal:
		return c != 0
	case where.Less:
		return c == -1
	case where.AtMost:
		return c <= 0
	case where.More:
		return c == 1
	case where.AtLeast:
		return c == 0 || c == 1
	case where.Contains:
		return s == "" && c == 0 || s != "" && strings.Contains(s, want.Str)
	case where.StartsWith:
		return strings.HasPrefix(s, want.Str)
	case where.EndsWith:
		return strings.HasSuffix(s, want.Str)
	case where.Matches:
		return regexp.MustCompile(want.Str).MatchString(s)
	}
	return false
}
