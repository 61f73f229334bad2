package run

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// jsonNumber is the grammar of a number; what looks almost like one (007, 1_000, 0x1f) is a string.
var jsonNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`) })

// Param reads one parameter, KEY=VALUE. A value that is a JSON number or true or false has that type; all else is a
// string, and so is a number that a record could not hold exactly.
func Param(s string) (key string, value any, err error) {
	key, text, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return "", nil, fault.New(fault.Usage, "cannot read parameter %q: it must be KEY=VALUE", s)
	}
	return key, paramValue(text), nil
}

func paramValue(text string) any {
	switch {
	case text == "true":
		return true
	case text == "false":
		return false
	case !jsonNumber().MatchString(text):
		return text
	}
	return exactNumber(json.Number(text))
}

// exactNumber returns n as a number when a record can hold it, and as it was written when not.
func exactNumber(n json.Number) any {
	f, err := n.Float64()
	if err != nil || math.Abs(f) > 1<<53-1 && f == math.Trunc(f) {
		return n.String()
	}
	if f == 0 {
		return 0.0 // also for -0, which has no canonical form
	}
	return f
}

// Flatten makes parameters of a document, as a YAML or JSON file holds one: nested keys are joined with dots, lists are
// written as JSON, null is left out.
func Flatten(document map[string]any) (map[string]any, error) {
	flat := make(map[string]any)
	if err := flatten(flat, "", document); err != nil {
		return nil, err
	}
	return flat, nil
}

func flatten(into map[string]any, path string, value any) error {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if path != "" {
				key = path + "." + key
			}
			if err := flatten(into, key, inner); err != nil {
				return err
			}
		}
	case nil:
	case string, bool:
		into[path] = v
	case json.Number:
		into[path] = exactNumber(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			into[path] = Number(v).stored()
			return nil
		}
		into[path] = exactNumber(json.Number(fmt.Sprint(v)))
	case int, int64, uint64:
		into[path] = exactNumber(json.Number(fmt.Sprint(v)))
	case []any:
		text, err := object.Encode(v)
		if err != nil {
			return fault.New(fault.Usage, "cannot read parameter %q: %w", path, err)
		}
		into[path] = string(text)
	default:
		into[path] = fmt.Sprint(v)
	}
	return nil
}
