package repo

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// unknownKey makes the error for a key that is none of fields, with the nearest one as a hint.
func unknownKey(at ast.Node, key string, fields []field) error {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	heading, listed := "Keys", keys
	if f := find(fields, nearest(key, keys)); f != nil && f.group != "" {
		heading, listed = f.group, nil
		for _, other := range fields {
			if other.group == f.group {
				listed = append(listed, other.key)
			}
		}
	}
	return failAt(at, "unknown key %q", key).
		Hint("%s", suggestion(key, keys, heading+" are "+strings.Join(listed, ", ")))
}

// suggestion is a hint: the nearest known word if there is one, and the rest of the list.
func suggestion(word string, known []string, list string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, list)
	}
	return strings.ToLower(list[:1]) + list[1:]
}

// nearest returns the known word that word was meant to be, or "". A word cut short or spelt out ("minimum" for "min")
// is nearer than any slip of the hand.
func nearest(word string, known []string) string {
	best := ""
	for _, k := range known {
		if len(k) >= 3 && len(word) >= 3 && (strings.HasPrefix(word, k) || strings.HasPrefix(k, word)) && len(k) > len(best) {
			best = k
		}
	}
	if best != "" {
		return best
	}
	return fault.Nearest(word, known)
}
