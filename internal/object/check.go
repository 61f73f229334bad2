package object

import (
	"encoding/json"

	"mlx/internal/fault"
)

// Limits of a value that is read from outside.
const (
	MaxBytes = 1 << 20
	MaxDepth = 32
)

// Check reports whether b is exactly one JSON value of at most MaxBytes and MaxDepth, in valid UTF-8, without duplicate
// keys and with nothing behind it.
func Check(b []byte) error { return checkWithin(b, MaxBytes) }

func checkWithin(b []byte, limit int) error {
	if len(b) > limit {
		return fault.New(fault.Integrity, "no valid JSON: %d bytes, at most %d are allowed", len(b), limit)
	}
	s := scanner{b: b}
	if err := s.value(0); err != nil {
		return err
	}
	if s.space(); s.i < len(b) {
		return s.fail("something stands behind the value")
	}
	return nil
}

// Decode checks b (see Check) and unmarshals it into v. Unknown fields are ignored: later versions may add some.
func Decode(b []byte, v any) error { return DecodeWithin(b, MaxBytes, v) }

// DecodeWithin is Decode of a text that is no record and may be longer: limit bytes.
func DecodeWithin(b []byte, limit int, v any) error {
	if err := checkWithin(b, limit); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.New(fault.Integrity, "cannot read JSON: %w", err)
	}
	return nil
}
