package jsonpart

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// known is the example document of RFC 6901.
const known = `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`

func TestPointerRFC6901(t *testing.T) {
	for pointer, want := range map[string]string{
		"": known, "/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4", `/i\j`: "5",
		`/k"l`: "6", "/ ": "7", "/m~0n": "8", "/none": "", "/foo/2": "", "/foo/01": "", "/foo/-": "", "/foo/-1": "", "/foo/bar": "", "/foo/0/x": "",
	} {
		p, ok := ParsePointer(pointer)
		if !ok {
			t.Errorf("%q is refused", pointer)
			continue
		}
		value, ok := Document([]byte(known))
		if got := string(p.Find(value)); got != want || !ok {
			t.Errorf("%q: %s, want %s", pointer, got, want)
		}
	}
	for _, bad := range []string{"foo", "/~", "/~2", "/a~", "#/foo", strings.Repeat("/a", maxDepth+1)} {
		if _, ok := ParsePointer(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestFloatsOfPython(t *testing.T) {
	value, ok := Document([]byte(` [NaN, Infinity, -Infinity, 1e400, -0.5] `))
	if !ok {
		t.Fatal("refused")
	}
	var got []float64
	for e := range Elements(value) {
		f, ok := Float(e)
		if !ok {
			t.Errorf("%s is no number", e)
		}
		got = append(got, f)
	}
	if len(got) != 5 || !math.IsNaN(got[0]) || !math.IsInf(got[1], 1) || !math.IsInf(got[2], -1) || !math.IsInf(got[3], 1) || got[4] != -0.5 {
		t.Errorf("read %v", got)
	}
	if _, ok := Document([]byte(strings.Repeat("[", 1<<20))); ok {
		t.Error("a million brackets are a document")
	}
}

// FuzzDocument holds that what encoding/json takes is taken, that nothing else is but what Python adds, and that walking the parts gives
// what encoding/json decodes.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{known, `[1,2.5e-3,"aé😀",null,true,{"a":{}},[]]`, `{"a":1,"a":2}`, `"\ud800"`, "[NaN]", "01", `{"a"}`, "[1,]", "\"\xff\"", "-"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, ok := Document(text)
		valid := json.Valid(text)
		if valid && !ok && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxDepth {
			t.Fatalf("%q is refused", text)
		}
		if ok && !valid && !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
			t.Fatalf("%q is taken", text)
		}
		if !ok || !valid {
			return
		}
		var want any
		if json.Unmarshal(text, &want) != nil {
			return // a number out of range
		}
		if got := walk(t, value); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}

func walk(t *testing.T, value []byte) any {
	switch KindOf(value) {
	case Object:
		m := map[string]any{}
		for name, v := range Members(value) {
			m[name] = walk(t, v)
		}
		return m
	case Array:
		list := []any{}
		i := 0
		for v := range Elements(value) {
			list = append(list, walk(t, v))
			if at := (Pointer{strconv.Itoa(i)}).Find(value); !bytes.Equal(at, v) {
				t.Fatalf("element %d of %s is %s", i, value, at)
			}
			i++
		}
		return list
	case String:
		s, ok := Text(value)
		if !ok {
			t.Fatalf("%s is no text", value)
		}
		return s
	case Number:
		f, ok := Float(value)
		if !ok {
			t.Fatalf("%s is no number", value)
		}
		return f
	case Bool:
		return value[0] == 't'
	default:
		return nil
	}
}
