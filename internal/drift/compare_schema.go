package drift

import "context"

// schema finds out what became of columns that only one side has, or whose types differ.
func (c *comparison) schema(context.Context) error {
	ref, cur := c.sides[0].source.Table.Schema(), c.sides[1].source.Table.Schema()
	for _, f := range ref {
		if !c.wanted(f.Name) {
			continue
		}
		_, g, both := c.typesOf(f.Name)
		switch {
		case !both:
			c.out.Schema = append(c.out.Schema, SchemaChange{Column: f.Name, A: typeName(f)})
		case !comparableFields(f, g, &c.spec) || !sameStorage(f, g):
			c.out.Schema = append(c.out.Schema, SchemaChange{Column: f.Name, Now: f.Name, A: typeName(f), B: typeName(g),
				Same: comparableFields(f, g, &c.spec)})
		}
	}
	for _, g := range cur {
		if c.wanted(g.Name) && ref.Index(g.Name) < 0 {
			c.out.Schema = append(c.out.Schema, SchemaChange{Now: g.Name, B: typeName(g)})
		}
	}
	return nil
}
