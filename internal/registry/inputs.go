package registry

import (
	"context"
	"iter"
	"slices"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// nameDigest stands for the name of a model among the inputs of its records: the ledger finds an input without looking at any other
// record, a word of a body only by looking at all.
func nameDigest(name string) object.Digest { return object.Sum([]byte("mlx model\n" + name)) }

// Named is the input of a record that makes the model of a name what it is. Without it the record is none of that model.
func Named(name string) lineage.Input { return lineage.Input{Role: "name", ID: nameDigest(name)} }

// named yields the records that a model of this name has, and those that renamed another to it, in any order.
func (r Registry) named(ctx context.Context, name string) iter.Seq2[told, error] {
	return func(yield func(told, error) bool) {
		for rec, err := range r.Ledger.Select(ctx, lineage.Query{Nouns: nouns, Inputs: []object.Digest{nameDigest(name)}, All: true}) {
			var t told
			var ok bool
			if err == nil {
				t, ok, err = tell(rec)
			}
			if err != nil {
				yield(told{}, err)
				return
			}
			if model, renamed := t.about(); ok && (model == name || renamed == name) && !yield(t, nil) {
				return
			}
		}
	}
}

// isNamed reports whether a record can be found by the name of its model.
func isNamed(rec lineage.Record, name string) bool {
	return slices.ContainsFunc(rec.In, func(in lineage.Input) bool { return in.ID == nameDigest(name) })
}
