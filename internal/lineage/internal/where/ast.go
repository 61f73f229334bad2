// Package where hides the language of filter expressions: `metrics.auc > 0.9 and params.depth == 6`.
// It turns text into a small tree; evaluating that is the business of whoever holds the data.
//
//	or      = and { "or" and }
//	and     = not { "and" not }
//	not     = "not" not | "(" or ")" | test
//	test    = path [ op value | "in" "[" value { "," value } "]" ] | value op path
//	op      = "==" "!=" "<" "<=" ">" ">=" "contains" "startsWith" "endsWith" "matches"
//	path    = name { "." name | "[" string "]" }
//	value   = number | string | "true" | "false" | "null"
//
// A test of something missing is false, also with "!="; only `path == null` is then true. A list passes a test if one of its
// elements does. Strings compare byte by byte; values of different types never compare.
package where

import "regexp"

// Expr is *And, *Or, *Not or *Test.
type Expr interface{ expr() }

// And is true where both are.
type And struct{ X, Y Expr }

// Or is true where one is.
type Or struct{ X, Y Expr }

// Not is true where X is not.
type Not struct{ X Expr }

// Test compares what stands at Path with values: with exactly one, except for In.
type Test struct {
	Path   Path
	Op     Op
	Values []Value
	Match  *regexp.Regexp // of Matches
}

func (*And) expr()  {}
func (*Or) expr()   {}
func (*Not) expr()  {}
func (*Test) expr() {}

// Path is a place in a record's body, or one of id, kind, at, by and lc.
type Path []string

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Equal Op = iota + 1
	Unequal
	Less
	AtMost
	More
	AtLeast
	Contains
	StartsWith
	EndsWith
	Matches
	In
)

// Type says which field of a Value counts.
type Type uint8

// The types of values.
const (
	Null Type = iota
	Number
	String
	Bool
)

// Value is a literal.
type Value struct {
	Type Type
	Num  float64
	Str  string
	Bool bool
}
