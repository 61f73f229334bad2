package object

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"mlx/internal/fault"
)

// field is a struct field as JSON sees it.
type field struct {
	name      string
	index     []int
	omitEmpty bool
	omitZero  bool
	tagged    bool
}

func appendStruct(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	fields, err := fieldsOf(v.Type())
	if err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	first := true
	for _, f := range fields {
		value, err := v.FieldByIndexErr(f.index)
		if err != nil || f.omitEmpty && isEmpty(value) || f.omitZero && isZero(value) {
			continue // an error is an embedded nil pointer: its fields are absent
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if dst, err = appendMember(dst, f.name, value, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// known holds the fields of the struct types met so far. It is the one package variable that changes: what it holds
// follows from the types alone, and finding it again would take longer than encoding a record.
var known sync.Map // reflect.Type -> []field

// fieldsOf returns the fields of a struct type in canonical order.
func fieldsOf(t reflect.Type) ([]field, error) {
	if list, ok := known.Load(t); ok {
		return list.([]field), nil //nolint:forcetypeassert // nothing else is stored
	}
	list, err := listFields(t)
	if err == nil {
		known.Store(t, list)
	}
	return list, err
}

// listFields finds the fields. Of fields with one name the shallowest wins, then the tagged; a tie drops them all, as in
// encoding/json.
func listFields(t reflect.Type) ([]field, error) {
	var all []field
	if err := collect(t, nil, &all); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b field) int {
		if c := compareUTF16(a.name, b.name); c != 0 {
			return c
		}
		return rank(a) - rank(b)
	})
	kept := all[:0]
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].name == all[i].name {
			end++
		}
		if end == i+1 || rank(all[i]) != rank(all[i+1]) {
			kept = append(kept, all[i])
		}
		i = end
	}
	return kept, nil
}

func rank(f field) int {
	if f.tagged {
		return 2 * len(f.index)
	}
	return 2*len(f.index) + 1
}

func collect(t reflect.Type, path []int, all *[]field) error {
	if len(path) > MaxDepth {
		return fault.New(fault.Internal, "cannot encode %s: it embeds itself", t)
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		inner := sf.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if !sf.IsExported() && (!sf.Anonymous || inner.Kind() != reflect.Struct) {
			continue
		}
		tag := sf.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		index := append(slices.Clip(path), i)
		if sf.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			if err := collect(inner, index, all); err != nil {
				return err
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		f := field{name: name, index: index, tagged: name != ""}
		if name == "" {
			f.name = sf.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				f.omitEmpty = true
			case "omitzero":
				f.omitZero = true
			case "string":
				return fault.New(fault.Internal, "cannot encode %s.%s: the tag option string is not supported", t, sf.Name)
			}
		}
		*all = append(*all, f)
	}
	return nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && !(v.Kind() == reflect.Pointer && v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}
