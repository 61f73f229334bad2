package main

import "mlx/internal/drift"

// driftPrivate says which columns are private on either side: as mlx.yaml says of a table, or a profile of itself.
func (a *app) driftPrivate(reference, current string, sides ...drift.Source) func(column string) bool {
	private := make(map[string]bool)
	for _, where := range []string{reference, current} {
		if m, ok := a.tableMeaning(where); ok {
			for name, c := range m.Columns {
				private[name] = private[name] || c.Private
			}
		}
	}
	for _, s := range sides {
		if s.Profile == nil {
			continue
		}
		for _, c := range s.Profile.Columns() {
			private[c.Name] = private[c.Name] || c.Private
		}
	}
	return func(column string) bool { return private[column] }
}
