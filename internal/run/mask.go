package run

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
)

// MinSecret is how long a secret must be, in bytes, to be looked for in what a command writes: shorter ones stand in any text.
const MinSecret = 4

// maskText stands for a secret.
const maskText = "***"

// Mask takes the values of secrets out of text.
type Mask struct{ values []string }

// NewMask returns a mask for values. Those that are too short to be looked for are left out, as is what an earlier one holds.
func NewMask(values []string) Mask {
	var m Mask
	for _, v := range values {
		v = strings.TrimRight(v, "\r\n")
		if len(v) >= MinSecret && !slices.Contains(m.values, v) {
			m.values = append(m.values, v)
		}
		for line := range strings.Lines(v) { // a key of many lines may be printed line by line
			line = strings.TrimRight(line, "\r\n")
			if len(line) >= 16 && !slices.Contains(m.values, line) {
				m.values = append(m.values, line)
			}
		}
	}
	slices.SortStableFunc(m.values, func(a, b string) int { return len(b) - len(a) }) // the whole before its part
	return m
}

// Mask takes the secrets of the run out of text.
func (r Runner) Mask() Mask { return NewMask(r.Secrets) }

// Empty says whether there is nothing to look for.
func (m Mask) Empty() bool { return len(m.values) == 0 }

// Text returns s without secrets.
func (m Mask) Text(s string) string {
	for _, v := range m.values {
		s = strings.ReplaceAll(s, v, maskText)
	}
	return s
}

// Stream returns what masks one stream of bytes as it arrives.
func (m Mask) Stream() *MaskStream { return &MaskStream{mask: m} }

// MaskStream masks a stream. It keeps back what may be the beginning of a secret, until it is known.
type MaskStream struct {
	mask Mask
	held []byte
}

// Pass returns what of the stream can go on after b has arrived. The result is valid until the next call.
func (s *MaskStream) Pass(b []byte) []byte {
	if s == nil || s.mask.Empty() {
		return b
	}
	return s.take(b, false)
}

// Rest returns what is still kept back when the stream has ended.
func (s *MaskStream) Rest() []byte {
	if s == nil || len(s.held) == 0 {
		return nil
	}
	return s.take(nil, true)
}

func (s *MaskStream) take(b []byte, last bool) []byte {
	all := append(s.held, b...)
	out := make([]byte, 0, len(all))
	i := 0
	for i < len(all) {
		next, whole := s.mask.find(all[i:], last)
		out = append(out, all[i:i+next]...)
		i += next
		if whole == 0 {
			break
		}
		out = append(out, maskText...)
		i += whole
	}
	s.held = bytes.Clone(all[i:])
	return out
}

// find returns how many bytes are no secret, and the length of the secret after them. 0: what follows them may become one, or nothing
// follows. last says that no more bytes come.
func (m Mask) find(b []byte, last bool) (next, whole int) {
	at, length := len(b), 0
	for _, v := range m.values { // the longest come first
		if i := bytes.Index(b[:min(len(b), at+len(v))], []byte(v)); i >= 0 && (i < at || length == 0) {
			at, length = i, len(v)
		}
	}
	for _, v := range m.values { // one that may become whole, from no later place, waits
		for n := min(len(v)-1, len(b)); n > 0 && !last; n-- {
			if i := len(b) - n; i <= at && string(b[i:]) == v[:n] {
				at, length = i, 0
			}
		}
	}
	return at, length
}

// body takes secrets out of what a record says in the words of the command.
func (m Mask) body(b *Body) {
	if m.Empty() {
		return
	}
	b.Cause = m.Text(b.Cause)
	b.Params, _ = m.value(reflect.ValueOf(b.Params)).Interface().(map[string]any)
	b.Metrics, _ = m.value(reflect.ValueOf(b.Metrics)).Interface().(map[string]any)
	b.Tracking, _ = m.value(reflect.ValueOf(b.Tracking)).Interface().(*Tracking)
	b.Models, _ = m.value(reflect.ValueOf(b.Models)).Interface().([]LoggedModel)
	b.Environment, _ = m.value(reflect.ValueOf(b.Environment)).Interface().(*Environment)
	b.Job, _ = m.value(reflect.ValueOf(b.Job)).Interface().(*Job)
}

// value returns a copy of v in which no string holds a secret.
func (m Mask) value(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		out := reflect.New(v.Type()).Elem()
		out.SetString(m.Text(v.String()))
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(m.value(v.Elem()))
		return out
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		return m.value(v.Elem())
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for entry := v.MapRange(); entry.Next(); {
			out.SetMapIndex(m.value(entry.Key()), m.value(entry.Value()))
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(m.value(v.Index(i)))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(m.value(v.Field(i)))
			}
		}
		return out
	default:
		return v // numbers, digests
	}
}
