package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mlx/internal/dataset"
)

// planSchema holds the columns of a table to those of another table or of a schema file, else to what mlx.yaml says of it, else to a
// list of names that must be there.
func planSchema(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	want, err := f.wanted(ctx, r)
	if err != nil {
		return nil, err
	}
	return []dataJudge{fixedJudge{func() Finding {
		found := r.finding()
		problems := want.compare(f.schema)
		found.Verdict, found.Needs = Pass, "columns of "+want.from
		found.Shown = dataCount(int64(len(f.schema)), "column")
		if len(problems) > 0 {
			found.Verdict, found.Shown = Fail, strings.Join(problems, "; ")
		}
		return found
	}}}, nil
}

// schemaWanted is what the columns of a table should be.
type schemaWanted struct {
	from    string
	names   []string
	types   map[string]string // as a gate writes them; no entry: any
	exact   bool              // no other columns
	ordered bool
}

func (f *dataFrame) wanted(ctx context.Context, r Rule) (schemaWanted, error) {
	w := schemaWanted{from: r.Schema, types: make(map[string]string)}
	switch {
	case strings.HasSuffix(r.Schema, ".yaml") || strings.HasSuffix(r.Schema, ".yml"):
		if f.world.Meaning == nil {
			return w, f.session.wrong(r, "schema file %s cannot be read here", r.Schema)
		}
		m, ok := f.world.Meaning(r.Schema)
		if !ok {
			return w, f.session.wrong(r, "there is no schema file %s", r.Schema)
		}
		w.meaning(m)
	case r.Schema != "":
		other, err := f.settled(ctx, r.Schema)
		if err != nil {
			return w, err
		}
		w.exact, w.ordered = true, true
		for _, field := range other.Schema() {
			w.names = append(w.names, field.Name)
			if field.Type != dataset.Null {
				w.types[field.Name] = dataTypeName(field)
			}
		}
	case r.Columns != nil:
		w.from, w.names = "columns:", r.Columns
		return w, nil
	default:
		w.from = "mlx.yaml"
		w.meaning(f.meaning)
		if len(w.names) == 0 {
			return w, f.session.wrong(r, "nothing says which columns %s must have", f.name()).
				Hint("schema: data/reference.parquet   # or a schema file, columns: [a, b], or tables: in mlx.yaml")
		}
	}
	if r.Columns != nil {
		w.names = slices.DeleteFunc(w.names, func(n string) bool { return !slices.Contains(r.Columns, n) })
		w.exact = false
	}
	return w, nil
}

func (w *schemaWanted) meaning(m Meaning) {
	w.exact = m.Exact
	w.names = slices.Sorted(maps.Keys(m.Columns))
	for name, c := range m.Columns {
		switch c.Type {
		case "":
		case "decimal":
			w.types[name] = fmt.Sprintf("decimal(%d)", c.Scale)
		default:
			w.types[name] = c.Type
		}
	}
}

// compare names every column that is missing, written otherwise, of another type, additional or at another place.
func (w schemaWanted) compare(have dataset.Schema) []string {
	var problems []string
	var same []string // columns of both, in our order
	renamed := make(map[string]bool)
	for _, name := range w.names {
		at := have.Index(name)
		if at < 0 {
			other := slices.IndexFunc(have, func(f dataset.Field) bool {
				return strings.EqualFold(strings.TrimSpace(f.Name), strings.TrimSpace(name)) && !slices.Contains(w.names, f.Name)
			})
			if other < 0 {
				problems = append(problems, "no "+name)
				continue
			}
			renamed[have[other].Name] = true
			problems = append(problems, fmt.Sprintf("%q instead of %q", dataCut(have[other].Name), name))
			continue
		}
		same = append(same, name)
		if want, ok := w.types[name]; ok && have[at].Type != dataset.Null && !dataIs(have[at], want) {
			problems = append(problems, fmt.Sprintf("%s is %s instead of %s", name, dataTypeName(have[at]), want))
		}
	}
	if w.exact {
		for _, f := range have {
			if !renamed[f.Name] && !slices.Contains(w.names, f.Name) {
				problems = append(problems, "additional "+dataCut(f.Name))
			}
		}
	}
	if w.ordered {
		ours := slices.DeleteFunc(have.Names(), func(n string) bool { return !slices.Contains(same, n) })
		if i := slices.IndexFunc(ours, func(n string) bool { return n != same[slices.Index(ours, n)] }); i >= 0 {
			problems = append(problems, fmt.Sprintf("order differs: %s where %s was", ours[i], same[i]))
		}
	}
	const most = 20
	if len(problems) > most {
		problems = append(problems[:most], fmt.Sprintf("and %d more", len(problems)-most))
	}
	return problems
}
