package answer

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"mlx/internal/deploy/router/internal/jsonpart"
)

const (
	jsonType = "application/json; charset=utf-8"
	arrType  = "application/x-npy"
)

func js(body string) Answer { return Answer{Status: 200, Type: jsonType, Body: []byte(body)} }

// array is numpy.save of float32.
func array(shape string, order string, values ...float32) Answer {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': %s, 'shape': %s, }\n", order, shape)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	b = append(b, header...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return Answer{Status: 200, Type: arrType, Body: b}
}

func zipped(a Answer) Answer {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(a.Body)
	_ = w.Close()
	a.Body, a.Encoding = out.Bytes(), "gzip"
	return a
}

func TestCompare(t *testing.T) {
	oip := func(name, shape, data, more string) Answer {
		return js(fmt.Sprintf(`{"model_name":"m","id":"%s","outputs":[{"name":"%s","datatype":"FP32","shape":%s,"data":%s}%s]}`, data, name, shape, data, more))
	}
	second := `,{"name":"p","shape":[1],"data":[0.5]}`
	for name, c := range map[string]struct {
		a, b    Answer
		pointer string
		want    Verdict
		largest float64
		numbers int
	}{
		"equal":                     {a: oip("y", "[2]", "[1,2]", ""), b: oip("y", "[2]", "[1,2]", ""), want: Same, numbers: 2},
		"within absolute":           {a: oip("y", "[1]", "[0]", ""), b: oip("y", "[1]", "[0.001]", ""), want: Same, largest: 0.001, numbers: 1},
		"within relative":           {a: oip("y", "[1]", "[1000]", ""), b: oip("y", "[1]", "[1009]", ""), want: Same, largest: 9, numbers: 1},
		"outside":                   {a: oip("y", "[1]", "[1]", ""), b: oip("y", "[1]", "[1.5]", ""), want: Different, largest: 0.5, numbers: 1},
		"other name":                {a: oip("y", "[1]", "[1]", ""), b: oip("z", "[1]", "[1]", ""), want: Different},
		"other shape":               {a: oip("y", "[1,2]", "[1,2]", ""), b: oip("y", "[2,1]", "[1,2]", ""), want: Different, numbers: 2},
		"one more output":           {a: oip("y", "[1]", "[1]", ""), b: oip("y", "[1]", "[1]", second), want: Different, numbers: 1},
		"nested data":               {a: oip("y", "[1,1]", "[[1]]", ""), b: oip("y", "[1,1]", "[[1]]", ""), want: Same, numbers: 1},
		"mlflow":                    {a: js(`{"predictions":[1,"a",true,null]}`), b: js(`{"predictions":[1,"a",true,null],"x":1}`), want: Same, numbers: 1},
		"mlflow word":               {a: js(`{"predictions":["a"]}`), b: js(`{"predictions":["b"]}`), want: Different},
		"mlflow length":             {a: js(`{"predictions":[1,2]}`), b: js(`{"predictions":[1]}`), want: Different, numbers: 1},
		"objects in any order":      {a: js(`{"a":1,"b":{"c":2}}`), b: js(`{"b":{"c":2},"a":1}`), want: Same, numbers: 2},
		"one name more":             {a: js(`{"a":1}`), b: js(`{"a":1,"b":2}`), want: Different, numbers: 1},
		"one name less":             {a: js(`{"a":1,"b":2}`), b: js(`{"a":1}`), want: Different, numbers: 1},
		"pointer":                   {a: js(`{"t":1,"score":[3]}`), b: js(`{"t":2,"score":[3]}`), pointer: "/score", want: Same, numbers: 1},
		"pointer to nothing":        {a: js(`{"t":1}`), b: js(`{"t":2}`), pointer: "/score", want: Unlike},
		"pointer to nothing in one": {a: js(`{"score":1}`), b: js(`{"t":2}`), pointer: "/score", want: Different},
		"no number in both":         {a: js(`[NaN]`), b: js(`[NaN]`), want: Same, numbers: 1},
		"no number in one":          {a: js(`[NaN]`), b: js(`[1]`), want: Different, largest: math.MaxFloat64},
		"infinity":                  {a: js(`[Infinity]`), b: js(`[Infinity]`), want: Same, numbers: 1},
		"infinity and a number":     {a: js(`[Infinity]`), b: js(`[1]`), want: Different, largest: math.MaxFloat64, numbers: 1},
		"number and word":           {a: js(`[1]`), b: js(`["1"]`), want: Different},
		"broken in one":             {a: js(`[1]`), b: js(`[1`), want: Different},
		"broken in both":            {a: js(`[1`), b: js(`[1`), want: Unlike},
		"status":                    {a: js(`[1]`), b: Answer{Status: 400, Type: jsonType, Body: []byte(`[1]`)}, want: Different},
		"types":                     {a: js(`[1]`), b: Answer{Status: 200, Type: "text/html", Body: []byte("x")}, want: Unlike},
		"streams":                   {a: Answer{Status: 200, Type: "text/event-stream"}, b: Answer{Status: 200, Type: "text/event-stream"}, want: Unlike},
		"images":                    {a: Answer{Status: 200, Type: "image/png", Body: []byte("a")}, b: Answer{Status: 200, Type: "image/png", Body: []byte("a")}, want: Same},
		"other images":              {a: Answer{Status: 200, Type: "image/png", Body: []byte("a")}, b: Answer{Status: 200, Type: "image/png", Body: []byte("b")}, want: Different},
		"gzip and plain":            {a: zipped(js(`[1,2]`)), b: js(`[1,2]`), want: Same, numbers: 2},
		"brotli":                    {a: Answer{Status: 200, Type: jsonType, Encoding: "br"}, b: js(`[1,2]`), want: Unlike},
		"arrays":                    {a: array("(2,)", "False", 1, 2), b: array("(2,)", "False", 1, 2.001), want: Same, largest: 0.001, numbers: 2},
		"other arrays":              {a: array("(2,)", "False", 1, 2), b: array("(2,)", "False", 1, 3), want: Different, largest: 1, numbers: 2},
		"arrays of another shape":   {a: array("(2,)", "False", 1, 2), b: array("(2, 1)", "False", 1, 2), want: Different},
		"arrays in another order":   {a: array("(1, 2)", "False", 1, 2), b: array("(1, 2)", "True", 1, 2), want: Unlike},
		"array and none":            {a: array("(1,)", "False", 1), b: array("(2,)", "False", 1), want: Different},
	} {
		t.Run(name, func(t *testing.T) {
			pointer, ok := jsonpart.ParsePointer(c.pointer)
			if !ok {
				t.Fatal("the pointer is refused")
			}
			r := Rule{Pointer: pointer, Absolute: 0.002, Relative: 0.01, Limit: 1 << 20}
			for _, pair := range [][2]Answer{{c.a, c.b}, {c.b, c.a}} {
				n := 0
				got := r.Compare(pair[0], pair[1], func(float64) { n++ })
				if got.Verdict != c.want || math.Abs(got.Largest-c.largest) > 1e-6*c.largest+1e-7 || n != c.numbers {
					t.Errorf("found %+v after %d numbers", got, n)
				}
				if (got.Verdict == Same) != (got.Where == "") {
					t.Errorf("%+v tells the wrong place", got)
				}
			}
		})
	}
}

func TestBomb(t *testing.T) {
	bomb := zipped(Answer{Status: 200, Type: jsonType, Body: make([]byte, 10<<20)})
	if _, ok := Plain(bomb.Encoding, bomb.Body, 1<<20); ok {
		t.Error("ten megabytes are unpacked where one may be")
	}
	if got := (Rule{Limit: 1 << 20}).Compare(bomb, bomb, nil); got.Verdict != Unlike {
		t.Errorf("found %+v", got)
	}
}

func TestFirst(t *testing.T) {
	for _, c := range []struct {
		a       Answer
		pointer string
		number  float64
		word    string
		ok      bool
	}{
		{a: js(`{"id":7,"outputs":[{"name":"y","shape":[2],"data":[[1.5],[2]]}]}`), number: 1.5, ok: true},
		{a: js(`{"predictions":[{"label":"cat","p":0.9}]}`), word: "cat", ok: true},
		{a: js(`{"a":{"b":[-3]}}`), pointer: "/a/b", number: -3, ok: true},
		{a: js(`[true]`), word: "true", ok: true},
		{a: js(`[[],{},null,2]`), number: 2, ok: true},
		{a: js(`[]`)},
		{a: js(`[1`)},
		{a: array("(2,)", "False", 4, 5), number: 4, ok: true},
		{a: array("(0,)", "False")},
		{a: zipped(js(`[9]`)), number: 9, ok: true},
		{a: Answer{Type: "text/plain", Body: []byte("1")}},
	} {
		pointer, _ := jsonpart.ParsePointer(c.pointer)
		number, word, isNumber, ok := c.a.First(pointer, 1<<20)
		if number != c.number || word != c.word || ok != c.ok || ok && isNumber != (c.word == "") {
			t.Errorf("%s: %v %q %v %v", c.a.Body, number, word, isNumber, ok)
		}
	}
}

// FuzzCompare holds that an answer is like itself whatever its bytes are, and that the order of two does not change the verdict.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"outputs":[{"name":"y","data":[1,NaN]}]}`), []byte(`{"predictions":[1e999,"a"]}`), true)
	f.Add(array("(2,)", "False", 1, 2).Body, array("(1,)", "True", 1).Body, false)
	f.Fuzz(func(t *testing.T, a, b []byte, typed bool) {
		kind := ""
		if typed {
			kind = jsonType
		}
		x, y := Answer{Status: 200, Type: kind, Body: a}, Answer{Status: 200, Type: kind, Body: b}
		r := Rule{Absolute: 0.1, Limit: 1 << 20}
		if got := r.Compare(x, x, nil); got.Verdict == Different && !deep(a) {
			t.Fatalf("%q differs from itself: %+v", a, got)
		}
		if one, two := r.Compare(x, y, nil), r.Compare(y, x, nil); one.Verdict != two.Verdict && !double(a, b) {
			t.Fatalf("%q, %q: %+v, turned round %+v", a, b, one, two)
		}
		x.First(nil, 1<<20)
	})
}

// deep: more than is walked.
func deep(b []byte) bool { return bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) > maxDepth }

// double: names may stand twice, and then one of the two values counts.
func double(a, b []byte) bool {
	return bytes.Count(a, []byte(`:`)) > 1 || bytes.Count(b, []byte(`:`)) > 1
}
