package main

import (
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

// keptModel is the snapshot that a record of the registry names.
type keptModel struct {
	root    object.Digest
	path    string
	kind    snapshot.Kind
	bytes   int64
	version string // it is registered as this; empty: a run logged it, or somebody looked at it
}

// keptModelOf reads what a record of the registry keeps; false for one that names no bytes.
func keptModelOf(rec lineage.Record) (keptModel, bool) {
	var k keptModel
	switch {
	case registry.Registered.Is(rec):
		b, err := registry.Registered.Decode(rec)
		if err != nil {
			return k, false
		}
		k = keptModel{b.Root, b.Path, snapshot.Kind(b.Kind), b.Bytes, b.Name()}
	case registry.Logged.Is(rec):
		b, err := registry.Logged.Decode(rec)
		if err != nil {
			return k, false
		}
		k = keptModel{b.Root, b.Name, snapshot.Directory, b.Bytes, ""}
	case registry.Scanned.Is(rec):
		b, err := registry.Scanned.Decode(rec)
		if err != nil {
			return k, false
		}
		k = keptModel{b.Root, b.Model, snapshot.Directory, 0, ""}
	}
	return k, !k.root.IsZero()
}
