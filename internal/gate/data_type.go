package gate

import (
	"context"
	"fmt"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// typeJudge holds the type of a column.
type typeJudge struct {
	frame  *dataFrame
	column dataColumn
}

// planType checks that the wanted type is one.
func planType(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	base, _, _ := strings.Cut(c.rule.Type, "(")
	if _, ok := dataset.ParseType(base); !ok && base != "number" {
		err := f.session.wrong(c.rule, "type: there is no type %q", c.rule.Type)
		if near := fault.Nearest(c.rule.Type, dataset.TypeNames()); near != "" {
			return nil, err.Hint("did you mean %q?", near)
		}
		return nil, err.Hint("types are number, %s", strings.Join(dataset.TypeNames(), ", "))
	}
	return typeJudge{f, c}, nil
}

func (typeJudge) part(*dataBatch) (any, error)  { return nil, nil }
func (typeJudge) merge(dataset.Span, any) error { return nil }

// finish compares the type as it is after the whole table was read. A text file with whole numbers only is also one of floats.
func (j typeJudge) finish(context.Context) ([]Finding, error) {
	field := j.frame.schema[j.frame.schema.Index(j.column.Name)]
	f := j.column.rule.finding()
	f.Name, f.Limit = j.column.title, Limit{}
	f.Shown, f.Needs = dataTypeName(field), j.column.rule.Type
	switch {
	case field.Type == dataset.Null:
		f.Verdict, f.Shown = Inconclusive, "nothing but missing values"
	case dataIs(field, j.column.rule.Type):
		f.Verdict = Pass
	default:
		f.Verdict = Fail
		f.Failing = j.frame.why(field)
		if f.Failing != nil {
			f.Shown += fmt.Sprintf(" because of %s in %s line %d", dataQuote(f.Failing.Sample[0][0]), field.Why.File, field.Why.Line)
		}
	}
	return []Finding{f}, nil
}

// why is the row that made a column what it is, if a single one did.
func (f *dataFrame) why(field dataset.Field) *Failing {
	if field.Why == nil {
		return nil
	}
	value := dataCut(field.Why.Value)
	if f.private(field.Name) {
		value = dataPrivate
	}
	return &Failing{Count: 1, Header: []string{field.Name}, Sample: [][]string{{value}}}
}

// dataTypeName names a type as a gate does.
func dataTypeName(f dataset.Field) string {
	if f.Type == dataset.Decimal {
		return fmt.Sprintf("decimal(%d)", f.Scale)
	}
	return f.Type.String()
}

// dataIs says whether a column is of a wanted type: exactly, or one whose every value is a value of it.
func dataIs(f dataset.Field, want string) bool {
	base, _, _ := strings.Cut(want, "(")
	switch {
	case want == dataTypeName(f), want == f.Type.String():
		return true
	case base == "int":
		return f.Type == dataset.Uint
	case base == "number" || base == "float":
		return f.Type == dataset.Int || f.Type == dataset.Uint || f.Type == dataset.Decimal || f.Type == dataset.Float
	case base == "decimal":
		return f.Type == dataset.Int || f.Type == dataset.Uint
	}
	return false
}
