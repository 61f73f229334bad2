package run

import "mlx/internal/object"

// Kept is a version that a run keeps of what surrounded its command.
type Kept struct {
	Root   object.Digest
	Folder bool   // a folder, not one file
	What   string // "code of a run"
}

// Surroundings lists the versions that a run keeps beside its data, its patch and what came out: untracked files and the
// list of packages.
func (b Body) Surroundings() []Kept {
	var all []Kept
	if b.Code.Files != nil {
		all = append(all, Kept{*b.Code.Files, true, "code of a run"})
	}
	if b.Environment != nil && b.Environment.Python != nil && !b.Environment.Python.List.IsZero() {
		all = append(all, Kept{b.Environment.Python.List, false, "packages of a run"})
	}
	return all
}
