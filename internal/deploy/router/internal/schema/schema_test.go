package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// flights is what MLflow writes: each part is the text of a list.
const flights = `{"inputs":"[{\"type\":\"long\",\"name\":\"distance\",\"required\":true},{\"type\":\"double\",\"name\":\"delay\",\"required\":true},` +
	`{\"type\":\"string\",\"name\":\"carrier\",\"required\":false}]","outputs":"[{\"type\":\"double\",\"required\":true}]"}`

const tensor = `{"inputs":[{"type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,2]}}],"outputs":[{"type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1]}}]}`

const oip = `{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]},{"name":"mask","datatype":"BOOL","shape":[-1],"optional":true}],"outputs":[{"name":"y","datatype":"INT64","shape":[-1]}]}`

func numpy(descr, shape string, size int) string {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	return string(append(append(b, header...), make([]byte, size)...))
}

func TestRequest(t *testing.T) {
	const js = "application/json"
	for _, c := range []struct {
		signature, kind, body string
		field, why            string // of the problem; "" and "": it fits
		unchecked             bool
	}{
		{flights, js, `{"dataframe_split":{"columns":["distance","delay","carrier"],"data":[[1,2.5,"AA"],[2,null,null]]}}`, "", "", false},
		{flights, js, `{"dataframe_split":{"columns":["delay","more","distance"],"data":[[1,{},2]]}}`, "", "", false},
		{flights, js, `{"dataframe_split":{"columns":["distance"],"data":[[1]]}}`, "delay", "missing", false},
		{flights, js, `{"dataframe_split":{"columns":["distance","delay"],"data":[[1,2],[1.5,2]]}}`, "distance", "it is long, and 1.5 was sent", false},
		{flights, js, `{"dataframe_split":{"columns":["distance","delay"],"data":[[1]]}}`, "", "as many values", false},
		{flights, js, `{"dataframe_split":{"columns":["distance","delay"]}}`, "", "list of data", false},
		{flights, js, `{"dataframe_split":{"data":[[1,2,"a"]]}}`, "", "", false},
		{flights, js, `{"dataframe_records":[{"distance":1,"delay":2},{"distance":1,"delay":"x"}]}`, "delay", `"x" was sent`, false},
		{flights, js, `{"dataframe_records":[{"distance":null,"delay":2}]}`, "distance", "null", false},
		{flights, js, `{"instances":[{"distance":1,"delay":2}]}`, "", "", false},
		{flights, js, `{"instances":[[1,2,3]]}`, "carrier", "3 was sent", false},
		{flights, js, `{"inputs":{"distance":[1,2],"delay":[1,2],"carrier":"AA"}}`, "", "", false},
		{flights, js, `{"inputs":{"distance":[1,"2"],"delay":[1,2]}}`, "distance", `"2"`, false},
		{flights, js, `{"distance":1,"delay":2,"other":3}`, "", "", false},
		{flights, js, `{"distance":1}`, "delay", "missing", false},
		{flights, js, `[{"distance":1,"delay":2}]`, "", "", false},
		{flights, js, `[{"distance":9223372036854775808,"delay":2}]`, "distance", "long", false},
		{flights, js, `{"distance":1`, "", "no JSON", false},
		{flights, js, `7`, "", "neither", false},
		{flights, "text/csv", "distance,delay\n1,2\n", "", "", true},
		{flights, "", `{"distance":1}`, "delay", "missing", false},
		{tensor, js, `{"instances":[[1,2],[3,4]]}`, "", "", false},
		{tensor, js, `{"inputs":[[1,2,3]]}`, "", "[1 3] was sent", false},
		{tensor, js, `{"inputs":[[1,2],[3]]}`, "", "one length", false},
		{tensor, js, `{"inputs":[[1,"a"]]}`, "", `"a" was sent`, false},
		{tensor, js, `{"inputs":[{"name":"anything","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`, "", "", false},
		{tensor, "application/x-npy", numpy("<f4", "(3, 2)", 24), "", "", false},
		{tensor, "application/x-npy", numpy("<f4", "(3, 3)", 36), "", "[3 3] was sent", false},
		{tensor, "application/x-npy", numpy("|b1", "(1, 2)", 2), "", "type b1", false},
		{tensor, "application/x-npy", numpy("<f4", "(3, 3)", 1), "", "no array", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`, "", "", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"INT32","shape":[1,2],"data":[[1,2]]},{"name":"mask","datatype":"BOOL","shape":[1],"data":[true]}]}`, "", "", false},
		{oip, js, `{"inputs":[{"name":"z","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`, "x", "missing", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1,2],"data":["a","b"]}]}`, "x", "BYTES", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[1,2,3]}]}`, "x", "needs 4 values, 3", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"FP32","shape":[4],"data":[1,2,3,4]}]}`, "x", "[4] was sent", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,-2],"data":[]}]}`, "x", "shape is none", false},
		{oip, js, `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}`, "", "", false},
		{`{"inputs":[{"name":"a","type":"integer"}]}`, js, `{"a":2147483648}`, "a", "integer", false},
		{`{"inputs":[{"name":"a","datatype":"UINT8","shape":[1]}]}`, js, `{"a":[256]}`, "a", "UINT8", false},
		{`{"inputs":[{"name":"a","type":{"x":1}},{"name":"b","type":"array"}]}`, js, `{"a":{},"b":[1]}`, "", "", false},
		{`{"inputs":[{"name":"a","type":"boolean"}]}`, js, `{"a":1}`, "a", "boolean", false},
		{`{"outputs":[{"name":"a","type":"boolean"}]}`, js, `{"a":1}`, "", "", true},
	} {
		s, err := Parse([]byte(c.signature))
		if err != nil {
			t.Fatalf("%s: %v", c.signature, err)
		}
		p, checked := s.Request(c.kind, []byte(c.body))
		if checked == c.unchecked {
			t.Errorf("%.90q: checked is %v", c.body, checked)
		}
		if (p == nil) != (c.why == "") || p != nil && (p.Field != c.field || !strings.Contains(p.Error(), c.why)) {
			t.Errorf("%.90q: %v", c.body, p)
		}
	}
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct{ signature, body, why string }{
		{flights, `{"predictions":[1,2.5]}`, ""},
		{flights, `{"predictions":["late"]}`, "late"},
		{tensor, `{"predictions":[1,2.5]}`, ""},
		{tensor, `{"predictions":[[1,2.5]]}`, "[1 2]"},
		{oip, `{"outputs":[{"name":"y","datatype":"INT64","shape":[2],"data":[1,2]}]}`, ""},
		{oip, `{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1,2]}]}`, "FP32"},
		{oip, `{"outputs":[{"name":"p","datatype":"INT64","shape":[2],"data":[1,2]}]}`, "missing"},
		{oip, `{"error":"x"}`, "missing"},
		{`{"outputs":[{"name":"label","type":"string"},{"name":"p","type":"double"}]}`, `{"predictions":[{"label":"a","p":1}]}`, ""},
		{`{"outputs":[{"name":"label","type":"string"},{"name":"p","type":"double"}]}`, `{"predictions":[{"label":"a"}]}`, "missing"},
		{`{"outputs":[{"name":"label","type":"string"}]}`, `{"predictions":[{"label":"a"},{"label":1}]}`, "1 was sent"},
	} {
		s, err := Parse([]byte(c.signature))
		if err != nil {
			t.Fatal(err)
		}
		p, checked := s.Answer("application/json", []byte(c.body))
		if !checked || (p == nil) != (c.why == "") || p != nil && !strings.Contains(p.Error(), c.why) {
			t.Errorf("%s: %v", c.body, p)
		}
	}
}

func TestSignatures(t *testing.T) {
	for _, text := range []string{"", "null", "{}", `{"inputs":null}`, `{"inputs":""}`, `{"inputs":[]}`, `{"inputs":"[]"}`} {
		if s, err := Parse([]byte(text)); err != nil || s.Inputs() || s.Outputs() {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	for _, text := range []string{"[]", "7", `{"inputs":7}`, `{"inputs":"x"}`, `{"inputs":[{"tensor-spec":{"shape":[-2]}}]}`, `{"inputs":[1]}`,
		`{"outputs":[` + strings.Repeat(`{},`, maxFields) + `{}]}`} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.60q is taken", text)
		}
	}
	if f := (field{kind: "uint8"}); !f.holds(255) || f.holds(256) || f.holds(-1) || (field{kind: "int8"}).holds(128) || !(field{kind: "long"}).holds(math.Pow(2, 62)) {
		t.Error("the limits of whole numbers are wrong")
	}
}

func FuzzSchema(f *testing.F) {
	for _, signature := range []string{flights, tensor, oip} {
		f.Add([]byte(signature), []byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`))
		f.Add([]byte(signature), []byte(`{"dataframe_split":{"columns":["delay"],"data":[[1,{},2]]},"predictions":[[1]]}`))
	}
	f.Fuzz(func(t *testing.T, signature, body []byte) {
		s, err := Parse(signature)
		if err != nil {
			return
		}
		for _, kind := range []string{"application/json", ""} {
			s.Request(kind, body)
			s.Answer(kind, body)
		}
	})
}
