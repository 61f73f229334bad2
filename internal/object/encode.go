package object

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"

	"mlx/internal/fault"
)

// Encode returns the canonical JSON (RFC 8785) of v: exactly one encoding of a value. Types and struct tags mean what
// they mean to encoding/json, but for the option "string". Encode refuses what has no exact form: NaN, infinities, -0,
// integers beyond 2^53-1, invalid UTF-8, and values nested deeper than MaxDepth.
func Encode(v any) ([]byte, error) {
	return appendValue(make([]byte, 0, 512), reflect.ValueOf(v), 0)
}

// appendValue appends v, which stands inside depth containers.
func appendValue(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if !v.IsValid() {
		return append(dst, "null"...), nil
	}
	if m, ok := plainMap(v); ok {
		return appendPlainMap(dst, m, depth+1)
	}
	if v.Type().NumMethod() > 0 || v.CanAddr() {
		if out, done, err := appendMarshaler(dst, v, depth); done {
			return out, err
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(dst, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return appendUint(dst, v.Uint())
	case reflect.Float32: // the shortest text that is the same float32, as encoding/json writes it
		return appendToken(dst, strconv.FormatFloat(v.Float(), 'g', -1, 32))
	case reflect.Float64:
		return appendFloat(dst, v.Float())
	case reflect.String:
		if v.Type() == reflect.TypeFor[json.Number]() {
			return appendCanonical(dst, []byte(v.String()), depth)
		}
		return appendString(dst, v.String())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return appendValue(dst, v.Elem(), depth)
	case reflect.Struct:
		return appendStruct(dst, v, depth+1)
	case reflect.Map:
		return appendMap(dst, v, depth+1)
	case reflect.Slice, reflect.Array:
		return appendList(dst, v, depth+1)
	}
	return nil, fault.New(fault.Internal, "cannot encode a %s", v.Type())
}

// appendMarshaler encodes a value that knows its own form, if v is one.
func appendMarshaler(dst []byte, v reflect.Value, depth int) (out []byte, done bool, err error) {
	if v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, false, nil
	}
	self := v
	if v.Kind() != reflect.Pointer && v.CanAddr() {
		self = v.Addr()
	}
	if !self.CanInterface() {
		return nil, false, nil
	}
	switch m := self.Interface().(type) {
	case json.Marshaler:
		raw, err := m.MarshalJSON()
		if err != nil {
			return nil, true, fault.New(fault.KindOf(err), "cannot encode a %s: %w", v.Type(), err)
		}
		out, err = appendCanonical(dst, raw, depth)
		return out, true, err
	case encoding.TextMarshaler:
		b, err := m.MarshalText()
		if err != nil {
			return nil, true, fault.New(fault.KindOf(err), "cannot encode a %s: %w", v.Type(), err)
		}
		out, err = appendString(dst, string(b))
		return out, true, err
	}
	return nil, false, nil
}

func appendInt(dst []byte, n int64) ([]byte, error) {
	if n > maxSafe || n < -maxSafe {
		return nil, fault.New(fault.Usage, "cannot encode the integer %d: beyond 2^53-1 it must be a string", n)
	}
	return strconv.AppendInt(dst, n, 10), nil
}

func appendUint(dst []byte, n uint64) ([]byte, error) {
	if n > maxSafe {
		return nil, fault.New(fault.Usage, "cannot encode the integer %d: beyond 2^53-1 it must be a string", n)
	}
	return strconv.AppendUint(dst, n, 10), nil
}

func appendList(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return append(dst, "null"...), nil
	}
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
	}
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, v.Index(i), depth); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendMap(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.IsNil() {
		return append(dst, "null"...), nil
	}
	if depth > MaxDepth {
		return nil, tooDeep()
	}
	start, members := len(dst), make([]member, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		name, err := mapKey(it.Key())
		if err != nil {
			return nil, err
		}
		m := member{key: name, start: len(dst)}
		if dst, err = appendMember(dst, name, it.Value(), depth); err != nil {
			return nil, err
		}
		m.end = len(dst)
		members = append(members, m)
	}
	return arrange(dst, start, members)
}

func mapKey(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if m, ok := k.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err
	}
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", fault.New(fault.Internal, "cannot encode a map with keys of type %s", k.Type())
}

func appendMember(dst []byte, name string, v reflect.Value, depth int) ([]byte, error) {
	dst, err := appendString(dst, name)
	if err != nil {
		return nil, err
	}
	return appendValue(append(dst, ':'), v, depth)
}

func tooDeep() error {
	return fault.New(fault.Usage, "cannot encode: nested deeper than %d", MaxDepth)
}
