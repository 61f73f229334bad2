package drift

import (
	"strconv"

	"mlx/internal/dataset"
)

// kindOf is how the values of a column are compared.
func kindOf(f dataset.Field, s *Spec) Kind {
	switch {
	case f.Type.Ordered() && !named(s.Categories, f.Name), f.Type == dataset.Null:
		return Numbers
	}
	return Categories
}

// typeName is the type of a column as in a schema file: "decimal(2)".
func typeName(f dataset.Field) string {
	if f.Type == dataset.Decimal {
		return f.Type.String() + "(" + strconv.Itoa(f.Scale) + ")"
	}
	return f.Type.String()
}

// family is what has to be the same of two columns for them to be comparable.
type family uint8

const (
	familyNone   family = iota // nothing but missing values: comparable with everything
	familyWord                 // bool, text, bytes, nested, and numbers that are names
	familyNumber               // int, uint, float, decimal
	familyTime                 // date, time
	familyClock
)

func familyOf(f dataset.Field, s *Spec) family {
	switch {
	case f.Type == dataset.Null:
		return familyNone
	case kindOf(f, s) == Categories:
		return familyWord
	case f.Type == dataset.Date || f.Type == dataset.Time:
		return familyTime
	case f.Type == dataset.Clock:
		return familyClock
	}
	return familyNumber
}

// comparable says whether two columns can be compared.
func comparableFields(a, b dataset.Field, s *Spec) bool {
	x, y := familyOf(a, s), familyOf(b, s)
	return x == y || x == familyNone || y == familyNone
}

// sameStorage says whether a difference of types is none of the data: decimals have the scale that is needed, unsigned numbers are those
// that need it.
func sameStorage(a, b dataset.Field) bool {
	class := func(f dataset.Field) dataset.Type {
		switch f.Type {
		case dataset.Uint:
			return dataset.Int
		case dataset.Decimal:
			return dataset.Float
		default:
			return f.Type
		}
	}
	return a.Type == dataset.Null || b.Type == dataset.Null || class(a) == class(b)
}
