package object

import "encoding/json"

// Encode returns the canonical JSON (RFC 8785) of v. Struct tags mean what they mean to encoding/json.
// It refuses what has no exact form: NaN, infinities, -0, integers beyond 2^53-1 and invalid UTF-8.
func Encode(v any) ([]byte, error) { return json.Marshal(v) }
