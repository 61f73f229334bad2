package run

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"mlx/internal/object"
)

// ParamValue makes a parameter of a text that another tool wrote, as MLflow keeps all of them as text. It is a number or a
// boolean only where ParamText gives the same text back, so that "1.0", "1e3", "007" and "True" stay what they were.
func ParamValue(text string) any {
	value := paramValue(text)
	if _, ok := value.(string); !ok && ParamText(value) == text {
		return value
	}
	return text
}

// ParamText writes a parameter as text: whole numbers without a point, others with the fewest digits that name them, in the
// notation of Python.
func ParamText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return numberText(v)
	case json.Number:
		return v.String()
	case nil:
		return ""
	}
	if encoded, err := object.Encode(value); err == nil {
		return string(encoded)
	}
	return fmt.Sprint(value)
}

// numberText follows Python, which most of these texts come from: an exponent of two digits below 0.0001 and from 1e16 on.
func numberText(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
