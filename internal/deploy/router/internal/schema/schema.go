// Package schema hides what a model says that it takes and gives: the signature that MLflow writes, of columns or of tensors, or the list
// of tensors of the Open Inference Protocol; and whether the body of a request or of an answer fits it.
package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Bounds of a signature.
const (
	maxFields = 10_000
	maxDims   = 32
)

// Schema is what is known. The zero value knows nothing, and everything fits it.
type Schema struct {
	inputs, outputs []field
}

// field is a column, or a tensor.
type field struct {
	name     string
	class    class
	kind     string // as the signature names it
	optional bool
	tensor   bool
	shape    []int64 // of a tensor; -1: any
}

// class is what values of a type look like in JSON.
type class byte

const (
	anything class = iota
	boolean
	whole
	number
	word
	list
	object
)

// Problem says what does not fit.
type Problem struct {
	Field string // its name; empty: the whole
	Why   string
}

func (p *Problem) Error() string {
	if p.Field == "" {
		return p.Why
	}
	return fmt.Sprintf("field %q: %s", p.Field, p.Why)
}

func problem(f field, format string, args ...any) *Problem {
	return &Problem{f.name, fmt.Sprintf(format, args...)}
}

// Parse reads {"inputs": …, "outputs": …}, where each is a list or, as MLflow writes it, the text of one. Of nothing, null or an empty
// signature it returns a Schema that knows nothing.
func Parse(signature []byte) (Schema, error) {
	var s Schema
	if len(signature) == 0 {
		return s, nil
	}
	var parts struct {
		Inputs  json.RawMessage `json:"inputs"`
		Outputs json.RawMessage `json:"outputs"`
	}
	if err := json.Unmarshal(signature, &parts); err != nil {
		return s, fmt.Errorf("a signature is an object with inputs and outputs: %w", err)
	}
	var err error
	if s.inputs, err = parseFields(parts.Inputs); err != nil {
		return Schema{}, fmt.Errorf("inputs: %w", err)
	}
	if s.outputs, err = parseFields(parts.Outputs); err != nil {
		return Schema{}, fmt.Errorf("outputs: %w", err)
	}
	return s, nil
}

// Inputs says whether it is known what the model takes, Outputs what it gives.
func (s Schema) Inputs() bool  { return len(s.inputs) > 0 }
func (s Schema) Outputs() bool { return len(s.outputs) > 0 }

// stated is a field as MLflow or the Open Inference Protocol writes it.
type stated struct {
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"type"`
	Required *bool           `json:"required"`
	Optional bool            `json:"optional"`
	Datatype string          `json:"datatype"`
	Shape    []int64         `json:"shape"`
	Tensor   *struct {
		Type  string  `json:"dtype"`
		Shape []int64 `json:"shape"`
	} `json:"tensor-spec"`
}

func parseFields(raw json.RawMessage) ([]field, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		raw = json.RawMessage(text)
	}
	if len(raw) == 0 || string(raw) == `""` {
		return nil, nil
	}
	var list []stated
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("they are no list of fields: %w", err)
	}
	if len(list) > maxFields {
		return nil, fmt.Errorf("%d are too many", len(list))
	}
	fields := make([]field, len(list))
	for i, s := range list {
		f := field{name: s.Name, optional: s.Optional || s.Required != nil && !*s.Required}
		_ = json.Unmarshal(s.Type, &f.kind) // an object names a type that is not checked
		switch {
		case s.Tensor != nil:
			f.kind, f.shape, f.tensor = s.Tensor.Type, s.Tensor.Shape, true
		case s.Datatype != "":
			f.kind, f.shape, f.tensor = s.Datatype, s.Shape, true
		}
		if len(f.shape) > maxDims || slices.ContainsFunc(f.shape, func(d int64) bool { return d < -1 }) {
			return nil, fmt.Errorf("%v is no shape", f.shape)
		}
		f.class = classOf(f.kind)
		fields[i] = f
	}
	return fields, nil
}

// classOf knows the types of MLflow, NumPy and the Open Inference Protocol. Of another nothing is checked.
func classOf(kind string) class {
	switch k := strings.ToLower(kind); {
	case k == "boolean" || k == "bool":
		return boolean
	case k == "integer" || k == "long" || strings.HasPrefix(k, "int") || strings.HasPrefix(k, "uint"):
		return whole
	case k == "double" || strings.HasPrefix(k, "float") || strings.HasPrefix(k, "fp") || k == "bf16":
		return number
	case k == "string" || k == "binary" || k == "bytes" || k == "str":
		return word
	case k == "array":
		return list
	case k == "map":
		return object
	}
	return anything
}
