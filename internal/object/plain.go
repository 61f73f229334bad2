package object

import (
	"reflect"
	"slices"
)

// plainMap returns a map of anything, the most common open part of a record. It is worth a path of its own: sorted keys
// first, no reflection for what usually stands in it.
func plainMap(v reflect.Value) (map[string]any, bool) {
	if v.Kind() != reflect.Map || v.Type() != reflect.TypeFor[map[string]any]() || !v.CanInterface() {
		return nil, false
	}
	m, ok := v.Interface().(map[string]any)
	return m, ok && m != nil
}

func appendPlainMap(dst []byte, m map[string]any, depth int) (_ []byte, err error) {
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareUTF16)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, k); err != nil {
			return nil, err
		}
		if dst, err = appendPlain(append(dst, ':'), m[k], depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendPlain(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendString(dst, v)
	case float64:
		return appendFloat(dst, v)
	case int:
		return appendInt(dst, int64(v))
	}
	return appendValue(dst, reflect.ValueOf(v), depth)
}
