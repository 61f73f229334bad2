package lineage

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Entry is the content of a record of a known kind.
type Entry[T any] struct {
	Body T
	Prev []object.Digest
	In   []Input
	Op   string
}

// Kind ties a record kind to the Go type of its body. Each domain declares its own with Define.
type Kind[T any] struct{ name string }

// Define declares the kind called name, of the form noun.verb/vN.
func Define[T any](name string) Kind[T] { return Kind[T]{name: name} }

// Name is the kind as it stands in records.
func (k Kind[T]) Name() string { return k.name }

// Is reports whether r is of this kind.
func (k Kind[T]) Is(r Record) bool { return r.Kind == k.name }

// Draft makes a draft of this kind for AppendAll.
func (k Kind[T]) Draft(e Entry[T]) Draft {
	return Draft{Kind: k.name, Body: e.Body, Prev: e.Prev, In: e.In, Op: e.Op}
}

// Append adds one record. When it returns without error the record survives a crash of this process and of the machine.
func (k Kind[T]) Append(ctx context.Context, l *Ledger, e Entry[T]) (Record, error) {
	recs, err := l.AppendAll(ctx, k.Draft(e))
	if err != nil {
		return Record{}, err
	}
	return recs[0], nil
}

// Decode reads the body of r, which must be of this kind. Fields that T does not know are ignored.
func (k Kind[T]) Decode(r Record) (T, error) {
	var body T
	if !k.Is(r) {
		return body, fault.New(fault.Internal, "cannot read record %s as %s: it is %s", r.ID.Short(), k.name, r.Kind)
	}
	if err := object.Decode(r.Body, &body); err != nil {
		return body, fault.New(fault.Integrity, "cannot read record %s: %w", r.ID.Short(), err)
	}
	return body, nil
}
