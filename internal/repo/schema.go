package repo

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// Schema returns the JSON Schema of mlx.yaml, made from the very types that decode it. Editors use it for completion.
func Schema() []byte {
	root := members{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "mlx.yaml"},
		{"description", "Configuration of an mlx project. Committed beside the code; nothing secret belongs here."},
	}
	root = append(root, schemaOf(reflect.TypeFor[Config]())...)
	compact, err := json.Marshal(root)
	if err != nil {
		return nil // cannot happen: only text, lists and objects of them
	}
	var out bytes.Buffer
	if json.Indent(&out, compact, "", "  ") != nil {
		return nil
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// members is a JSON object that keeps the order of its members, so that the schema reads like the types.
type members []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func schemaOf(t reflect.Type) members {
	if s := unitSchema(t); s != nil {
		return s
	}
	if n, ok := reflect.New(t).Interface().(nodeTarget); ok {
		return n.schema()
	}
	if m, ok := reflect.New(t).Interface().(mapTarget); ok {
		return members{{"type", "object"}, {"additionalProperties", schemaOf(reflect.TypeOf(m.fresh()).Elem())}}
	}
	switch t.Kind() {
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		return members{{"type", "array"}, {"items", schemaOf(t.Elem())}}
	case reflect.Int:
		return members{{"type", "integer"}, {"minimum", 0}}
	case reflect.Float64:
		return members{{"type", "number"}}
	case reflect.Bool:
		return members{{"type", "boolean"}}
	default:
		return members{{"type", "string"}}
	}
}

func structSchema(t reflect.Type) members {
	var properties members
	var required, subjects []string
	for _, f := range fieldsOf(t) {
		s := schemaOf(f.typ)
		if len(f.enum) > 0 {
			s = members{{"enum", f.enum}}
		}
		properties = append(properties, member{f.key, append(members{{"description", f.doc}}, s...)})
		if f.need {
			required = append(required, f.key)
		}
		if f.group == "Subjects" {
			subjects = append(subjects, f.key)
		}
	}
	s := members{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
	if required != nil {
		s = append(s, member{"required", required})
	}
	if subjects != nil {
		var one []members
		for _, key := range subjects {
			one = append(one, members{{"required", []string{key}}})
		}
		s = append(s, member{"oneOf", one})
	}
	return s
}

// unitSchema returns the schema of a type that reads itself from one scalar, or nil.
func unitSchema(t reflect.Type) members {
	pattern := func(p string) members { return members{{"type", "string"}, {"pattern", "^(" + p + ")$"}} }
	const number = `[0-9]+(\.[0-9]+)?`
	duration, size, share := number+"(ms|s|m|h|d|y)", number+"(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)", number+"%"
	switch t {
	case reflect.TypeFor[Duration]():
		return pattern(duration)
	case reflect.TypeFor[Size]():
		return pattern(size)
	case reflect.TypeFor[Share]():
		return pattern(share)
	case reflect.TypeFor[Money]():
		return pattern(number + " [A-Z]{3}")
	case reflect.TypeFor[Rate]():
		return pattern(number + "/s")
	case reflect.TypeFor[Limit]():
		text := pattern(strings.Join([]string{duration, size, share}, "|"))
		return members{{"anyOf", []members{{{"type", "number"}}, text}}}
	case reflect.TypeFor[Scalar]():
		return members{{"type", []string{"string", "number", "boolean"}}}
	}
	return nil
}
