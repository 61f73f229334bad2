// Package dataset hides how a table is stored: CSV in any dialect, JSON lines, Parquet, compressed or not, one file or many. Above it
// a table is a schema and batches of typed columns, in bounded memory.
//
// Missing values, NaN and infinity are three things and are kept apart everywhere.
package dataset

import (
	"fmt"
	"strconv"
	"strings"
)

// Type is the type of the values of a column.
type Type uint8

// The types. The comment says in which field of Column the values stand.
const (
	Null    Type = iota // nothing but missing values
	Bool                // Ints: 0 or 1
	Int                 // Ints
	Uint                // Ints, to be read as uint64: only what has values above the largest int64
	Float               // Floats
	Decimal             // Ints: unscaled, times 10^-Scale; when they do not fit, Texts: plain digits such as "-12.30"
	Date                // Ints: days since 1970-01-01
	Time                // Ints: nanoseconds since 1970-01-01T00:00:00, UTC unless Naive
	Clock               // Ints: nanoseconds since midnight
	Text                // Texts
	Bytes               // Texts
	Nested              // Texts: lists, maps and records as canonical JSON
)

var typeNames = [...]string{"null", "bool", "int", "uint", "float", "decimal", "date", "time", "clock", "text", "bytes", "nested"}

// String is the name of a type, as in a schema file.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// ParseType reads the name of a type.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames {
		if n == name {
			return Type(i), true
		}
	}
	return Null, false
}

// TypeNames returns the names of all types.
func TypeNames() []string { return typeNames[:] }

// Ordered says whether the values of a type lie on a line, so that a minimum means something.
func (t Type) Ordered() bool { return t >= Int && t <= Clock }

// Field describes a column.
type Field struct {
	Name  string
	Type  Type
	Scale int    // of a Decimal: digits after the point
	Naive bool   // of a Time: it names no zone
	Wide  bool   // of a Decimal: it does not fit 18 digits and stands in Texts
	From  string // type as the file calls it, for people: "INT96", "DECIMAL(38,10)"
	Why   *Place // of a text file: the value that made the type what it is, if a single one did
}

// Place is a value in a file.
type Place struct {
	File   string
	Line   int64 // from 1; of a file without lines the row, from 1
	Column string
	Value  string
}

// Schema is the columns of a table, in their order.
type Schema []Field

// Index returns the position of a column, or -1.
func (s Schema) Index(name string) int {
	for i := range s {
		if s[i].Name == name {
			return i
		}
	}
	return -1
}

// Names returns the names of the columns.
func (s Schema) Names() []string {
	names := make([]string, len(s))
	for i := range s {
		names[i] = s[i].Name
	}
	return names
}

// String writes the schema on one line: "id int, price decimal(2), at time".
func (s Schema) String() string {
	var b strings.Builder
	for i, f := range s {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name + " " + f.typed())
	}
	return b.String()
}

// typed writes a type with its scale: "decimal(2)".
func (f Field) typed() string {
	if f.Type == Decimal {
		return f.Type.String() + "(" + strconv.Itoa(f.Scale) + ")"
	}
	return f.Type.String()
}
