package schema

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mlx/internal/deploy/router/internal/answer"
	"mlx/internal/deploy/router/internal/jsonpart"
	"mlx/internal/deploy/router/internal/npy"
)

// Request says what of a request the model would not take; nil: nothing, or the body is of a kind that is not checked (checked is false).
func (s Schema) Request(contentType string, body []byte) (p *Problem, checked bool) {
	return check(s.inputs, contentType, body, request)
}

// Answer does it for an answer.
func (s Schema) Answer(contentType string, body []byte) (p *Problem, checked bool) {
	return check(s.outputs, contentType, body, reply)
}

func check(fields []field, contentType string, body []byte, document func([]field, []byte) *Problem) (*Problem, bool) {
	if len(fields) == 0 {
		return nil, false
	}
	switch answer.FormOf(contentType, body) {
	case answer.JSON:
		value, ok := jsonpart.Document(body)
		if !ok {
			return &Problem{Why: "the body is no JSON document"}, true
		}
		return document(fields, value), true
	case answer.Array:
		return array(fields, body)
	default:
		return nil, false
	}
}

// array checks an array of NumPy; it can be held only against a model of one tensor.
func array(fields []field, body []byte) (*Problem, bool) {
	a, err := npy.Parse(body)
	if err != nil {
		return &Problem{Why: "the body is no array of NumPy that is known here: " + err.Error()}, true
	}
	if len(fields) != 1 || !fields[0].tensor {
		return nil, false
	}
	f := fields[0]
	if kinds := map[class]string{boolean: "b", whole: "iu", number: "fiu"}[f.class]; kinds != "" && !strings.Contains(kinds, string(a.Kind)) {
		return problem(f, "it is %s, and elements of type %c%d were sent", f.kind, a.Kind, a.Size), true
	}
	return f.fits(a.Shape), true
}

// request knows the bodies of the Open Inference Protocol, of MLflow, and one that has the fields by their names.
func request(fields []field, value []byte) *Problem {
	if kind := jsonpart.KindOf(value); kind == jsonpart.Object {
		if v := jsonpart.Member(value, "dataframe_split"); v != nil {
			return split(fields, v)
		}
		if v := jsonpart.Member(value, "dataframe_records"); v != nil {
			return rows(fields, v)
		}
		for _, name := range []string{"inputs", "instances"} {
			if v := jsonpart.Member(value, name); v != nil && !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
				return inputs(fields, v)
			}
		}
		return record(fields, value)
	}
	return inputs(fields, value)
}

// reply knows the answers of the Open Inference Protocol and of MLflow.
func reply(fields []field, value []byte) *Problem {
	part := answer.Predictions(value, nil)
	if isTensors(part) {
		return tensors(fields, part)
	}
	if len(fields) == 1 && jsonpart.KindOf(part) == jsonpart.Array {
		if f := fields[0]; f.tensor {
			return f.nested(part)
		}
		for v := range jsonpart.Elements(part) {
			if jsonpart.KindOf(v) == jsonpart.Object && fields[0].class != object {
				return rows(fields, part)
			}
			if p := fields[0].value(v); p != nil {
				return p
			}
		}
		return nil
	}
	return inputs(fields, part)
}

// inputs is what stands under that name: tensors, rows, columns by name, or one tensor without a name.
func inputs(fields []field, value []byte) *Problem {
	switch {
	case isTensors(value):
		return tensors(fields, value)
	case jsonpart.KindOf(value) == jsonpart.Object:
		return columns(fields, value)
	case fields[0].tensor && len(fields) == 1:
		return fields[0].nested(value)
	case jsonpart.KindOf(value) == jsonpart.Array:
		return rows(fields, value)
	}
	return &Problem{Why: "the body is neither an object nor a list"}
}

// isTensors: a list of objects with a name and a type, as only the Open Inference Protocol has them.
func isTensors(value []byte) bool {
	for e := range jsonpart.Elements(value) {
		return jsonpart.Member(e, "name") != nil && jsonpart.Member(e, "datatype") != nil
	}
	return false
}

func tensors(fields []field, value []byte) *Problem {
	sent := map[string][]byte{}
	for e := range jsonpart.Elements(value) {
		name, _ := jsonpart.Text(jsonpart.Member(e, "name"))
		sent[name] = e
	}
	for i, f := range fields {
		tensor, ok := sent[f.name]
		if !ok && f.name == "" && len(fields) == 1 && len(sent) == 1 { // the signature names none
			for _, tensor = range sent {
				ok = true
			}
		}
		if !ok {
			if f.optional {
				continue
			}
			return problem(f, "it is missing (field %d of the model)", i+1)
		}
		if p := f.tensorFits(tensor); p != nil {
			return p
		}
	}
	return nil
}

// tensorFits checks one tensor of the Open Inference Protocol. Data that stand outside of the JSON are not looked at.
func (f field) tensorFits(tensor []byte) *Problem {
	kind, _ := jsonpart.Text(jsonpart.Member(tensor, "datatype"))
	if sent := classOf(kind); f.class != anything && sent != f.class && !(f.class == number && sent == whole) {
		return problem(f, "it is %s, and datatype %.20q was sent", f.kind, kind)
	}
	var shape []int64
	n := 1.0
	for d := range jsonpart.Elements(jsonpart.Member(tensor, "shape")) {
		size, ok := jsonpart.Float(d)
		if !ok || size < 0 || size != math.Trunc(size) || size > 1<<53 || len(shape) == maxDims {
			return problem(f, "its shape is none")
		}
		shape, n = append(shape, int64(size)), n*size
	}
	if f.tensor {
		if p := f.fits(shape); p != nil {
			return p
		}
	}
	data := jsonpart.Member(tensor, "data")
	if data == nil {
		return nil
	}
	count := 0
	if p := f.leaves(data, 0, &count); p != nil {
		return p
	}
	if float64(count) != n {
		return problem(f, "its shape %v needs %v values, %d were sent", shape, n, count)
	}
	return nil
}

// fits holds a shape against that of the signature. A signature of columns has none, one of no dimensions says nothing.
func (f field) fits(shape []int64) *Problem {
	if len(f.shape) == 0 {
		return nil
	}
	ok := len(shape) == len(f.shape)
	for i := 0; ok && i < len(shape); i++ {
		ok = f.shape[i] == -1 || f.shape[i] == shape[i]
	}
	if !ok {
		return problem(f, "its shape is %v, where -1 is any, and %v was sent", f.shape, shape)
	}
	return nil
}

// nested checks a tensor that is sent as arrays in arrays.
func (f field) nested(value []byte) *Problem {
	var shape []int64
	for v := value; jsonpart.KindOf(v) == jsonpart.Array && len(shape) <= maxDims; {
		n, first := int64(0), []byte(nil)
		for e := range jsonpart.Elements(v) {
			if n++; n == 1 {
				first = e
			}
		}
		shape, v = append(shape, n), first
	}
	if p := f.fits(shape); p != nil {
		return p
	}
	count, n := 0, int64(1)
	if p := f.leaves(value, 0, &count); p != nil {
		return p
	}
	for _, d := range shape {
		n *= d
	}
	if int64(count) != n {
		return problem(f, "its arrays are not all of one length")
	}
	return nil
}

// leaves checks every value of arrays in arrays.
func (f field) leaves(value []byte, depth int, count *int) *Problem {
	if depth > maxDims {
		return problem(f, "its arrays lie too deep in each other")
	}
	if jsonpart.KindOf(value) != jsonpart.Array {
		*count++
		return f.value(value)
	}
	for e := range jsonpart.Elements(value) {
		if p := f.leaves(e, depth+1, count); p != nil {
			return p
		}
	}
	return nil
}

// value checks one. Null is a missing value, which whole numbers and truth values of a data frame cannot be.
func (f field) value(v []byte) *Problem {
	kind := jsonpart.KindOf(v)
	x, isNumber := jsonpart.Float(v)
	ok := true
	switch f.class {
	case boolean:
		ok = kind == jsonpart.Bool
	case whole:
		ok = isNumber && x == math.Trunc(x) && f.holds(x)
	case number:
		ok = isNumber || kind == jsonpart.Null
	case word:
		ok = kind == jsonpart.String || kind == jsonpart.Null
	case list:
		ok = kind == jsonpart.Array || kind == jsonpart.Null
	case object:
		ok = kind == jsonpart.Object || kind == jsonpart.Null
	case anything:
	}
	if ok {
		return nil
	}
	return problem(f, "it is %s, and %s was sent", f.kind, short(v))
}

// holds says whether a whole number is within what its type can be.
func (f field) holds(x float64) bool {
	bits := 64.0
	kind := strings.ToLower(f.kind)
	if kind == "integer" {
		bits = 32
	} else if _, err := fmt.Sscanf(strings.TrimLeft(kind, "uint"), "%g", &bits); err != nil || bits > 64 || bits < 1 {
		bits = 64
	}
	if strings.HasPrefix(kind, "uint") {
		return x >= 0 && x < math.Pow(2, bits)
	}
	return x >= -math.Pow(2, bits-1) && x < math.Pow(2, bits-1)
}

func short(v []byte) string {
	if len(v) > 40 {
		return string(v[:37]) + "..."
	}
	return string(v)
}
