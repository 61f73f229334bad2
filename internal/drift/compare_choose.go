package drift

import (
	"maps"
	"path"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// named says whether a name is one of a list, or fits one of its patterns.
func named(list []string, name string) bool {
	return slices.ContainsFunc(list, func(pattern string) bool { return fits(pattern, name) })
}

func fits(pattern, name string) bool {
	if pattern == name {
		return true
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// choose returns the columns of the reference that are to be compared, of those that both sides have, in its order.
func (c *comparison) choose() ([]string, error) {
	ref, cur := c.sides[0].schema(), c.sides[1].schema()
	for _, list := range [][]string{c.spec.Columns, c.spec.Ignore, c.spec.Categories, c.spec.settings()} {
		for _, name := range list {
			if err := c.knows(name, ref, cur); err != nil {
				return nil, err
			}
		}
	}
	if c.spec.Cluster != "" {
		for _, s := range c.sides {
			if t := s.source.Table; t != nil && t.Schema().Index(c.spec.Cluster) < 0 {
				return nil, t.NoColumn(c.spec.Cluster)
			}
		}
	}
	return c.chosen(), c.fitting(ref)
}

// settings are the columns that somebody wrote a method, a threshold or a weight for: one that is misspelt would set nothing, unnoticed.
// Weights of a model are those of its own columns, which the tables need not have.
func (s Spec) settings() []string {
	var names []string
	for name := range s.Methods {
		if name != string(Numbers) && name != string(Categories) {
			names = append(names, name)
		}
	}
	names = slices.AppendSeq(names, maps.Keys(s.Thresholds))
	if s.WeightsOf == "" {
		names = slices.AppendSeq(names, maps.Keys(s.Weights))
	}
	slices.Sort(names)
	return names
}

// fitting checks that the columns of the reference can be compared by the methods that were written for them. Data in use that have
// another type one day are drift of the schema, and no mistake of who wrote the method.
func (c *comparison) fitting(ref dataset.Schema) error {
	for _, f := range ref {
		kind := Numbers
		switch familyOf(f, &c.spec) {
		case familyNone:
			continue
		case familyWord:
			kind = Categories
		case familyNumber, familyTime, familyClock:
		}
		if _, err := c.spec.MethodOf(f.Name, kind); err != nil && c.wanted(f.Name) {
			return err
		}
	}
	return nil
}

// chosen are the columns that are to be compared, as far as the tables are known to have them.
func (c *comparison) chosen() []string {
	var names []string
	cur := c.sides[1].schema() // of a table or a profile
	for _, f := range c.sides[0].schema() {
		if c.wanted(f.Name) && cur.Index(f.Name) >= 0 {
			names = append(names, f.Name)
		}
	}
	return names
}

// wanted says whether a column is to be compared. What cuts windows and clusters never is: it is another in every window.
func (c *comparison) wanted(name string) bool {
	if name == c.spec.Cluster || name == c.spec.Time || name == c.sides[0].source.Rows.Time || name == c.sides[1].source.Rows.Time {
		return false
	}
	return (len(c.spec.Columns) == 0 || named(c.spec.Columns, name)) && !named(c.spec.Ignore, name)
}

// knows checks that a name or a pattern means some column.
func (c *comparison) knows(name string, ref, cur dataset.Schema) error {
	all := append(ref.Names(), cur.Names()...)
	if slices.ContainsFunc(all, func(n string) bool { return fits(name, n) }) {
		return nil
	}
	table := c.sides[0].source.Name
	if strings.ContainsAny(name, "*?[") {
		if _, err := path.Match(name, ""); err != nil {
			return fault.New(fault.Usage, "cannot compare columns like %q: it is no pattern of names", name)
		}
		return fault.New(fault.NotFound, "cannot compare columns like %q: %s has none", name, table).
			Hint("its columns are %s", strings.Join(ref.Names(), ", "))
	}
	err := fault.New(fault.NotFound, "cannot compare column %q: %s has no such column", name, table)
	if near := fault.Nearest(name, all); near != "" {
		return err.Hint("did you mean %q?", near)
	}
	return err.Hint("its columns are %s", strings.Join(ref.Names(), ", "))
}
