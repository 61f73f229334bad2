package cascade

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	text := ` {"a": {"b": [1, {"c": "x"}, []]}, "s/t~": true, "twice": 1, "e": {}, "\u0061b": "q\"\\", "twice": [2]} `
	for pointer, want := range map[string]string{
		"": strings.TrimSpace(text), "/a/b/0": "1", "/a/b/1/c": `"x"`, "/s~1t~0": "true", "/twice": "[2]", "/twice/0": "2", "/ab": `"q\"\\"`, "/a/b/2": "[]", "/e": "{}",
	} {
		from, to, err := place([]byte(text), pointer)
		if err != nil || text[from:to] != want {
			t.Errorf("%s: %s, %v", pointer, text[from:to], err)
		}
	}
	for _, pointer := range []string{"/x", "/a/b/3", "/a/b/01", "/a/b/-", "/twice/0/0", "/e/x", "/a/b/2/0", "/s~1t~0/x"} {
		if _, _, err := place([]byte(text), pointer); !errors.Is(err, errNoPlace) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	for _, bad := range []string{"", "{", `{"a"`, `{"a":`, `{"a" 1}`, `{"a":1`, `{"x":1 "a":2}`, `{a:1}`, `{"a":"`, `{"a":"\"`, `{"a":}`, `{"a":]}`, `{"\x":1,"a":2}`} {
		if from, to, err := place([]byte(bad), "/a"); err == nil {
			t.Errorf("%s has %s", bad, bad[from:to])
		}
	}
}

// FuzzPlace holds what is found against what encoding/json reads of the whole.
func FuzzPlace(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2,{"c":"\"}"}]},"a":[true,null,"x"]}`), "/a/2")
	f.Add([]byte(`[[],[[3]],"]"]`), "/1/0/0")
	f.Add([]byte(`{"é":1,"\u00e9":-2e3}`), "/é")
	f.Fuzz(func(t *testing.T, text []byte, pointer string) {
		if pointer != "" && pointer[0] != '/' {
			return
		}
		got, err := valueAt(text, pointer)
		var all any
		if !json.Valid(text) || json.Unmarshal(text, &all) != nil {
			return // nothing is promised of what is no JSON, but that it ends
		}
		want, found := walk(all, pointer)
		if found != (err == nil) || found && !reflect.DeepEqual(got, want) {
			t.Errorf("%q at %q: %v, %v; encoding/json has %v, %v", text, pointer, got, err, want, found)
		}
	})
}

func walk(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[unescape(token)]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			n, err := strconv.Atoi(token)
			if err != nil || n < 0 || n >= len(at) || strconv.Itoa(n) != token {
				return nil, false
			}
			v = at[n]
		default:
			return nil, false
		}
	}
	return v, true
}
