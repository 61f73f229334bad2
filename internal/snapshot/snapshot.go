// Package snapshot keeps versions of data: content-addressed trees of files, cut into chunks, packed, compressed and
// stored as deltas against the version before.
//
// It hides how bytes lie on disk (docs/format/store.md): callers name a version by its root digest, save a folder into
// one, restore a folder from one, compare two, and read one as an fs.FS. A snapshot of a single file is a tree that
// holds that one file. All of it is safe for any number of processes at once, without locks.
package snapshot

import (
	"time"

	"mlx/internal/object"
)

// Options say where a store lies and who is asking.
type Options struct {
	Dir   string           // folder of the store; created on the first save
	Index string           // folder of this worktree's workspace indexes; derived, deletable
	Clone Clone            // the clone that uses the store; published before anything is acknowledged
	Now   func() time.Time // the clock
	Jobs  int              // parallel workers; 0 means one per processor
}

// Clone tells gc where to find out what a clone of the repository still needs.
type Clone struct {
	ID  string // random, 32 hex digits
	Dir string // folder that holds the clone's ledger and index
	Git string // common git folder of the clone; empty outside git
}

// Progress receives how much work is known and done so far. Both functions may be called from many goroutines.
type Progress interface {
	SetTotal(n int64)
	Add(n int64)
}

// Ignore says whether a path below the saved folder is left out. rel has slashes.
type Ignore func(rel string, isDir bool) bool

// Kind of a tracked path.
type Kind string

// The two kinds of tracked path.
const (
	Directory Kind = "directory"
	File      Kind = "file"
)

// Summary counts a version: its kind, files (symlinks among them) and bytes.
type Summary struct {
	Kind  Kind
	Files int64
	Bytes int64
}

// SaveOptions name what to save.
type SaveOptions struct {
	Path     string        // absolute path of the file or folder on disk
	Previous object.Digest // version to store deltas against; zero for none
	Ignore   Ignore        // nil keeps everything
	Fresh    bool          // read every byte, whatever the index remembers
	Once     bool          // Path will not be saved again: remember nothing of it
	Progress Progress      // in bytes; nil for none
}

// Saved is what a save did. The version is durable, and protected from gc until Release is called: append the record,
// rename the pointer, then release.
type Saved struct {
	Root    object.Digest
	Summary Summary
	Stored  int64 // bytes that the store grew by
	Changed bool  // Root differs from Previous
	Release func() error
}

// Action is what happened to a path between two versions.
type Action string

// The actions of a Change.
const (
	Added   Action = "added"
	Changed Action = "changed"
	Removed Action = "removed"
)

// Change is one path that differs between two versions. Directories appear only when they are empty or change kind.
type Change struct {
	Path       string // relative to the root, raw bytes, slashes
	Action     Action
	BytesDelta int64
}

// StatusOptions name what to compare on disk, and with what.
type StatusOptions struct {
	Path     string
	Base     object.Digest // version that the pointer names
	Kind     Kind          // of that version
	Ignore   Ignore
	Fresh    bool
	Progress Progress // in files
}

// CheckoutOptions name what to restore where.
type CheckoutOptions struct {
	Path          string        // absolute path of the file or folder on disk
	Base          object.Digest // version that the folder was last known to be; zero when unknown
	To            object.Digest // version to restore
	Kind          Kind          // of the version
	Ignore        Ignore        // ignored paths are neither removed nor counted as unsaved
	Force         bool          // overwrite changes that are in no snapshot
	ExternalLinks bool          // allow symlinks that leave the tree
	Link          bool          // use the link cache: reflink, else read-only hardlink
	Progress      Progress      // in bytes

	Only func(path string, isDir bool) bool // when not nil, paths for which it is false are left as they are
}

// CheckedOut counts what a checkout did.
type CheckedOut struct {
	Summary  Summary
	Written  int64 // files written
	Removed  int64 // files removed
	Warnings []string
}

// Root is a version that must stay, and why.
type Root struct {
	Digest object.Digest
	Why    string // class shown by gc: "pointer in git history", "tagged", ...
}

// GCPlan is what gc would do; ApplyGC does it.
type GCPlan struct {
	Classes  []GCClass `json:"classes"`
	Packs    []GCPack  `json:"packs"`
	Missing  []Root    `json:"-"`               // live roots whose bytes are not in this store
	Freed    int64     `json:"freed_bytes"`     // by deletions that are due now
	Later    int64     `json:"condemned_bytes"` // by packs condemned now or before, due after the grace
	Kept     int64     `json:"kept_bytes"`
	After    time.Time `json:"-"` // when the condemned packs may be deleted
	live     map[object.Digest]int
	Leftover []string `json:"-"` // temporary files of dead writers
}

// GCClass counts objects that stay or go for one reason.
type GCClass struct {
	Why     string `json:"why"`
	Stays   bool   `json:"stays"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// GCPack is the fate of one pack: keep, condemn, rewrite (live chunks move, then condemn), delete, or spare (condemned
// before, needed again).
type GCPack struct {
	ID    object.Digest `json:"id"`
	Do    string        `json:"do"`
	Why   string        `json:"why"`
	Bytes int64         `json:"bytes"`
	Live  int64         `json:"live_bytes"`
}

// Damage is one object that cannot be read back, and the versions and paths that it hurts.
type Damage struct {
	Object string `json:"object"` // file in the store, and the digest where one is known
	Cause  string `json:"cause"`
	Hurts  []Hurt `json:"hurts"`
}

// Hurt is a path of a version that needs a damaged object.
type Hurt struct {
	Root object.Digest `json:"root"`
	Path string        `json:"path"`
}

// Report of a verification.
type Report struct {
	Packs   int64
	Objects int64
	Bytes   int64 // raw bytes checked
	Damage  []Damage
}
