package repo

import "path/filepath"

// Remotes is the folder in which this project remembers what it has seen of its remotes.
func (r *Repo) Remotes() string { return filepath.Join(r.Home, "remotes") }

// HomeOf is where the state of a project of another ledger id would lie, in the place of this one.
func (r *Repo) HomeOf(ledger string) string { return filepath.Join(r.Shared, "projects", ledger) }
