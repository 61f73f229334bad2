package registry

import (
	"context"
	"slices"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// nameDigest stands for the name of a model among the inputs of its records: the ledger finds an input without looking at any other
// record, a word of a body only by looking at all.
func nameDigest(name string) object.Digest { return object.Sum([]byte("mlx model\n" + name)) }

// Named is the input of a record that makes the model of a name what it is. Without it the record is none of that model.
func Named(name string) lineage.Input { return lineage.Input{Role: "name", ID: nameDigest(name)} }

// about is what of a record says which model it is about.
type about struct {
	Model   string `json:"model"`
	Renamed string `json:"renamed"` // and what that is called from then on
}

// named yields the records that a model of this name has, and those that renamed another to it; neither in any order that counts.
func (r Registry) named(ctx context.Context, name string, yield func(rec lineage.Record, b about)) error {
	for rec, err := range r.Ledger.Select(ctx, lineage.Query{Nouns: nouns, Inputs: []object.Digest{nameDigest(name)}, All: true}) {
		if err != nil {
			return err
		}
		if !makesModel(rec) {
			continue
		}
		var b about
		if err := object.Decode(rec.Body, &b); err != nil {
			return err
		}
		if b.Model == name || b.Renamed == name {
			yield(rec, b)
		}
	}
	return nil
}

// makesModel reports whether a model is made of records of this kind.
func makesModel(rec lineage.Record) bool {
	return Registered.Is(rec) || Described.Is(rec) || Aliased.Is(rec) || Moved.Is(rec)
}

// isNamed reports whether a record can be found by the name of its model.
func isNamed(rec lineage.Record, name string) bool {
	return slices.ContainsFunc(rec.In, func(in lineage.Input) bool { return in.ID == nameDigest(name) })
}
