// Package lineage hides how facts are kept: an append-only ledger of immutable, typed records in plain files, and the
// derived index that answers questions about them. Callers see records and queries; segments, packs, columns and trees
// are private and may change without a caller noticing.
package lineage

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"mlx/internal/object"
)

// Input names something a record was made from: the digest of a snapshot, a file or another record, and its role there.
type Input struct {
	Role string        `json:"role"`
	ID   object.Digest `json:"id"`
}

// Record is one fact. ID is the SHA-256 of Raw, the line exactly as stored; Body and Raw must not be changed.
type Record struct {
	ID   object.Digest
	Kind string // noun.verb/vN
	LC   uint64 // Lamport clock: orders records where the wall clock cannot
	At   time.Time
	By   string
	Prev []object.Digest // records that this one supersedes or follows, at most 8
	In   []Input
	Op   string // idempotency key: a fold counts equal By and Op once
	Crit bool   // a reader that does not know Kind must not judge as if the record were absent
	Body json.RawMessage
	Raw  []byte
}

// Noun is the part of the record's kind before the first dot.
func (r Record) Noun() string { return nounOf(r.Kind) }

func nounOf(kind string) string {
	noun, _, _ := strings.Cut(kind, ".")
	return noun
}

// Options say where a ledger lives and who writes to it. Only Dir is needed to read.
type Options struct {
	Dir      string
	Now      func() time.Time // needed to append
	By       string           // recorded as the author of every record appended
	Host     string           // keeps segment names apart, only a hash of it is used
	PID      int
	Rand     io.Reader // nil: crypto/rand
	ReadOnly bool      // write nothing, not even a derived index
}

// Draft is a record that has not been appended yet. Body may be any value that object.Encode accepts.
type Draft struct {
	Kind string
	Body any
	Prev []object.Digest
	In   []Input
	Op   string
	Crit bool
}

// Query selects records. The zero value selects all current ones, newest first.
type Query struct {
	Nouns []string  // nil: every noun
	Where string    // filter expression, see package where
	Sort  string    // a path, "-" before it for descending; missing values come last
	Limit int       // 0: no limit
	Since time.Time // zero: no limit
	All   bool      // also records that a later one of the same noun names in Prev
	Extra []Extra   // what Where and Sort see in place of what records say

	Inputs []object.Digest // nil: no limit; else only records that name one of these in In
}

// Extra is something that is known of a record, and of those that name it in Prev, beside what they say themselves.
type Extra struct {
	ID    object.Digest
	Field string   // a name without dots: as in a record, it stands at the top of a body
	Words []string // none: the field is missing
}

// Match is a digest that a prefix named, and the record that explains it best: the record itself, else the earliest one
// that holds the digest. Role says where it stands there: "id", "body", "in" or "prev"; Field is the path in a body.
type Match struct {
	ID     object.Digest
	Noun   string
	Role   string
	Field  string
	Record Record
}
