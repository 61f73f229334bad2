package main

import (
	"testing"

	"mlx/internal/object"
)

// What is left out of a push must be known to be in it already.
func TestNamesOnly(t *testing.T) {
	known, other := object.Sum([]byte("known")), object.Sum([]byte("other"))
	seen := map[object.Digest]bool{known: true}
	for _, c := range []struct {
		raw  string
		want bool
	}{
		{`{"metrics":{"auc":1}}`, true},
		{`{"data":[{"path":"a","root":"` + known.String() + `"}]}`, true},
		{`{"data":[{"path":"a","root":"` + other.String() + `"}]}`, false},
		{`{"data":[{"path":"a","root":"` + known.String() + `"},{"path":"b","root":"` + other.String() + `"}]}`, false},
		{`{"code":{"patch":"` + known.String() + `"},"outputs":[{"path":"m","root":"` + known.String() + `"}]}`, true},
		{`{"code":{"patch":"` + other.String() + `"},"outputs":[{"path":"m","root":"` + known.String() + `"}]}`, false},
		{`{"name":"\"root\":\"` + other.String() + `\""}`, true}, // a text, whose quotes are escaped
		{`{"root":"no digest"}`, false},
		{`{"root":"`, false},
	} {
		if got := namesOnly([]byte(c.raw), seen); got != c.want {
			t.Errorf("namesOnly(%s) = %v", c.raw, got)
		}
	}
}
