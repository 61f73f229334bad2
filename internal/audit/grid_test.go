package audit

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

func testEncoder(features string, mask ...string) *encoder {
	return &encoder{service: "flights", writer: "abcd", redactor: newRedactor(Policy{Features: features, Mask: mask}, make([]byte, keyBytes)),
		releases: make(map[releaseName][]byte), maxBody: 256 << 10}
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)

// rowsOf encodes a request and its answer and returns the rows, each as what JSON reads of it.
func rowsOf(t *testing.T, e *encoder, request, answer string) []map[string]any {
	t.Helper()
	p := Prediction{ID: "r-1", At: noon, Role: "stable", Status: 200, Request: Body{Bytes: []byte(request)}, Answer: Body{Bytes: []byte(answer)},
		Release: &Release{Key: "k1", Model: "flights", Version: 7}}
	text, n := e.rows(nil, 1, &p)
	var rows []map[string]any
	for line := range strings.Lines(string(text)) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if h, ok := headOf([]byte(line)); !ok || h.ID != row["id"] || h.Request != "r-1" || !h.At.Equal(noon) || h.Release != "k1" || h.Seq != 1 {
			t.Fatalf("the head of %s is %+v", line, h)
		}
		rows = append(rows, row)
	}
	if n != len(rows) {
		t.Fatalf("%d rows are said to be %d", len(rows), n)
	}
	return rows
}

// TestShapes: what is asked and answered in the forms of model servers becomes columns.
func TestShapes(t *testing.T) {
	type shape struct{ name, request, answer, want string }
	for _, s := range []shape{
		{"v2, a tensor a column",
			`{"inputs":[{"name":"distance","shape":[2,1],"datatype":"FP64","data":[100.5,200]},{"name":"carrier","shape":[2],"datatype":"BYTES","data":["AA","DL"]}]}`,
			`{"model_name":"m","outputs":[{"name":"out","shape":[2,1],"datatype":"FP32","data":[[0.25],[0.75]]}]}`,
			`r-1#0 {"carrier":"AA","distance":100.5} 0.25 -|r-1#1 {"carrier":"DL","distance":200} 0.75 -`},
		{"v2, one matrix, label and probabilities",
			`{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}`,
			`{"outputs":[{"name":"label","shape":[1],"datatype":"INT64","data":[1]},{"name":"probabilities","shape":[1,2],"datatype":"FP32","data":[0.1,0.9]}]}`,
			`r-1 {"x_0":1,"x_1":2,"x_2":3} 0.9 1`},
		{"v2, whole numbers are classes", `{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}`,
			`{"outputs":[{"name":"y","shape":[1],"datatype":"INT64","data":[3]}]}`, `r-1 {"x":1} - 3`},
		{"mlflow split", `{"dataframe_split":{"columns":["a","b"],"data":[[1,"x"],[2,null]]}}`, `{"predictions":[0.5,1]}`,
			`r-1#0 {"a":1,"b":"x"} 0.5 -|r-1#1 {"a":2,"b":null} 1 -`},
		{"mlflow records", `{"dataframe_records":[{"a":1},{"b":2}]}`, `{"predictions":["late","early"]}`, `r-1#0 {"a":1} - late|r-1#1 {"b":2} - early`},
		{"mlflow inputs", `{"inputs":{"a":[1,2],"b":[3,4]}}`, `{"predictions":[{"score":0.5,"class":"x"},{"score":0.25,"class":"y"}]}`,
			`r-1#0 {"a":1,"b":3} 0.5 x|r-1#1 {"a":2,"b":4} 0.25 y`},
		{"instances", `{"instances":[[1,2],[3,4]]}`, `{"predictions":[[0.9,0.1],[0.2,0.8]]}`, `r-1#0 {"x_0":1,"x_1":2} 0.1 -|r-1#1 {"x_0":3,"x_1":4} 0.8 -`},
		{"raw", `{"trip":{"km":5.5,"from":"JFK"},"n":[1,2]}`, `{"probability":0.3,"label":"late"}`, `r-1 {"n":[1,2],"trip.from":"JFK","trip.km":5.5} 0.3 late`},
		{"raw with python's numbers", `{"a":NaN}`, `0.5`, `r-1 {"a":"NaN"} 0.5 -`},
		{"a name twice", `{"a":1,"a":2}`, `{"score":1}`, `r-1 {"a":2} 1 -`},
		{"no JSON", `a,b`, `0.5`, `r-1 - 0.5 -`},
		{"answers of another number", `{"instances":[1,2]}`, `[1,2,3]`, `r-1#0 {"x":1} - -|r-1#1 {"x":2} - -`},
	} {
		var got []string
		for _, row := range rowsOf(t, testEncoder(Full), s.request, s.answer) {
			got = append(got, strings.Join([]string{shown(row["id"]), shown(row["features"]), shown(row["score"]), shown(row["class"])}, " "))
		}
		if text := strings.Join(got, "|"); text != s.want {
			t.Errorf("%s:\ngot  %s\nwant %s", s.name, text, s.want)
		}
	}
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestPolicies: what a policy leaves out stands nowhere in the row.
func TestPolicies(t *testing.T) {
	request := `{"email":"ana@example.com","note":"write to bo.li@mail.example.org now","card":4111111111111111,"text":"4111 1111 1111 1111","km":12.5,` +
		`"tel":"+43 660 1234567","carrier":"AA","secret_plan":"x","contact_name":"Ana","list":["eve@example.com"],"ms":"1700000000000"}`
	answer := `{"score":0.5,"class":"ana@example.com","echo":"AA"}`
	for _, c := range []struct {
		policy string
		want   map[string]any
		never  []string
	}{
		{Masked, map[string]any{"email": "***", "note": "***", "card": "***", "text": "***", "km": 12.5, "tel": "***", "carrier": "AA", "secret_plan": "***",
			"contact_name": "***", "list": "***", "ms": "1700000000000"}, []string{"ana@", "4111", "660", "eve@", "plan\":\"x", "digest"}},
		{None, nil, []string{"features", "AA", "12.5", "ana@", "digest"}},
		{Hashed, nil, []string{"AA", "12.5", "ana@", "4111", "digest"}},
	} {
		e := testEncoder(c.policy, "*_plan", "contact_name")
		p := Prediction{ID: "r", At: noon, Status: 200, Word: "user-7", Bucket: 5, Schema: "request", Why: "AA ana@example.com", Request: Body{Bytes: []byte(request)}, Answer: Body{Bytes: []byte(answer)}}
		text, _ := e.rows(nil, 1, &p)
		for _, never := range append(c.never, "user-7") {
			if strings.Contains(strings.ReplaceAll(string(text), `"digest":""`, ""), never) {
				t.Errorf("%s writes %s: %s", c.policy, never, text)
			}
		}
		row := rowsOf(t, e, request, answer)[0]
		if c.want != nil {
			if diff := cmp.Diff(c.want, row["features"]); diff != "" {
				t.Errorf("%s: %s", c.policy, diff)
			}
		}
		if row["score"] != 0.5 {
			t.Errorf("%s: the score is %v", c.policy, row["score"])
		}
	}
	one, other := testEncoder(Hashed), testEncoder(Hashed)
	other.redactor = newRedactor(Policy{Features: Hashed}, []byte("another"))
	a := rowsOf(t, one, `{"a":1}`, `1`)[0]["features"]
	if b := rowsOf(t, one, `{"a":1}`, `1`)[0]["features"]; !cmp.Equal(a, b) {
		t.Errorf("a value has the hashes %v and %v", a, b)
	}
	if b := rowsOf(t, other, `{"a":1}`, `1`)[0]["features"]; cmp.Equal(a, b) {
		t.Errorf("two keys give the same hash %v", a)
	}
}

// TestLargeBodies are kept by their digest.
func TestLargeBodies(t *testing.T) {
	e := testEncoder(Masked)
	image := []byte("\x89PNG\r\n\x1a\n and so on")
	for name, body := range map[string]Body{
		"an image":       {Type: "image/png", Bytes: image},
		"not kept":       {Type: "application/json", Size: int64(len(image)), Digest: object.Sum(image)},
		"too long":       {Type: "application/json", Bytes: []byte(`{"a":"` + strings.Repeat("x", 300<<10) + `"}`)},
		"many instances": {Type: "application/json", Bytes: []byte("[" + strings.Repeat("1,", 5000) + "1]")},
	} {
		p := Prediction{ID: "r", At: noon, Status: 200, Request: body, Answer: Body{Bytes: []byte(`{"score":0.5}`)}}
		text, n := e.rows(nil, 1, &p)
		var row struct {
			Request struct {
				Bytes  int64
				Digest object.Digest
			}
			Features any
			Score    float64
		}
		if err := json.Unmarshal(text, &row); err != nil || n != 1 {
			t.Fatalf("%s: %d rows, %v: %s", name, n, err, text)
		}
		if row.Request.Bytes != body.size() || row.Request.Digest != body.digest() || row.Features != nil || row.Score != 0.5 {
			t.Errorf("%s: %s", name, text)
		}
	}
	// What is packed is unpacked, as far as a body may be long.
	for _, long := range []bool{false, true} {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		text := `{"a":1}`
		if long {
			text = `{"a":"` + strings.Repeat("x", 1<<20) + `"}`
		}
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		p := Prediction{ID: "r", At: noon, Status: 200, Request: Body{Coding: "gzip", Bytes: packed.Bytes()}}
		if text, _ := e.rows(nil, 1, &p); strings.Contains(string(text), `"features":{"a":1}`) == long {
			t.Errorf("packed: %s", text)
		}
	}
	// Long names stand in every row: the rows of a request stay bounded.
	wide := `{"dataframe_split":{"columns":["` + strings.Repeat("n", 100<<10) + `"],"data":[` + strings.Repeat("[1],", 900) + `[1]]}}`
	p := Prediction{ID: "r", At: noon, Status: 200, Request: Body{Bytes: []byte(wide)}}
	if text, n := e.rows(nil, 1, &p); n != 1 || len(text) > 4096 {
		t.Errorf("%d rows of %d bytes", n, len(text))
	}
}

// TestFailures: an answer that is an error has no score, and what else is said stands in the row.
func TestFailures(t *testing.T) {
	e := testEncoder(Masked)
	p := Prediction{ID: `quo"te` + "\n", At: noon, Status: 503, Retried: "k0", Stage: "small", Schema: "request", Why: "no column km", Latency: 1500 * time.Microsecond, Cost: 0.25, Currency: "EUR", Generation: 3,
		Request: Body{Bytes: []byte(`{"a":1}`)}, Answer: Body{Bytes: []byte(`{"score":1}`)}, Explanation: json.RawMessage(`{"a":0.5}`)}
	text, _ := e.rows(nil, 9, &p)
	var row map[string]any
	if err := json.Unmarshal(text, &row); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"seq": 9.0, "id": p.ID, "status": 503.0, "retried_from": "k0", "stage": "small", "schema": "request", "schema_why": "no column km", "latency_us": 1500.0, "cost": 0.25, "currency": "EUR", "generation": 3.0}
	for name, v := range want {
		if row[name] != v {
			t.Errorf("%s is %v, not %v", name, row[name], v)
		}
	}
	if row["score"] != nil || !cmp.Equal(row["explanation"], map[string]any{"a": 0.5}) {
		t.Errorf("%s", text)
	}
}

// TestExplanations: what a server gives beside its predictions is kept, where features are kept as they are.
func TestExplanations(t *testing.T) {
	for said, want := range map[string]any{
		`{"predictions":[0.7,0.2],"explanations":[{"km":0.1},{"km":0.2}]}`: []any{map[string]any{"km": 0.1}, map[string]any{"km": 0.2}},
		`{"explanation":{"km":0.1},"predictions":[0.7,0.2]}`:               map[string]any{"km": 0.1},
		`{"predictions":[0.7,0.2]}`:                                        nil,
	} {
		rows := rowsOf(t, testEncoder(Full), `{"instances":[{"km":1},{"km":2}]}`, said)
		if len(rows) != 2 || !cmp.Equal(rows[0]["explanation"], want) || rows[1]["explanation"] != nil {
			t.Errorf("%s: %v", said, rows)
		}
		for _, e := range []*encoder{testEncoder(Masked), testEncoder(Hashed), testEncoder(None), testEncoder(Full, "km")} {
			if rows := rowsOf(t, e, `{"instances":[{"km":1},{"km":2}]}`, said); rows[0]["explanation"] != nil {
				t.Errorf("%s under %v: %v", said, e.redactor.policy, rows)
			}
		}
	}
}

// FuzzRows: whatever comes, each row is one line of JSON with its head.
func FuzzRows(f *testing.F) {
	for _, s := range [][2]string{
		{`{"inputs":[{"name":"x","shape":[2,1],"datatype":"FP64","data":[1,2]}]}`, `{"outputs":[{"name":"y","shape":[2],"datatype":"INT64","data":[3,4]}]}`},
		{`{"dataframe_split":{"columns":["a"],"data":[[1]]}}`, `{"predictions":[[0.1,0.9]]}`}, {`[[1,2],[3,4]]`, `[1,2]`}, {"{\"a\":[1,\n2]}", `"x"`},
		{`{"a":{"b":{"a":1}}}`, `{"a":null}`}, {`{"inputs":[{"name":"x","shape":[],"data":[1]}]}`, `null`}, {"\"\xff\"", `[[]]`}, {`[{},{"a":"\u0000"}]`, `[{},{}]`},
		{`{"x":"a@b.c","y":"+43 660 1234567"}`, `{"class":"4111111111111111"}`},
	} {
		f.Add(s[0], s[1], "id")
	}
	f.Fuzz(func(t *testing.T, request, said, id string) {
		for _, policy := range Policies() {
			e := testEncoder(policy)
			p := Prediction{ID: id, At: noon, Status: 200, Request: Body{Bytes: []byte(request)}, Answer: Body{Bytes: []byte(said)}, Release: &Release{Key: "k"}}
			text, n := e.rows(nil, 5, &p)
			lines := 0
			for line := range strings.Lines(string(text)) {
				lines++
				if _, err := parse([]byte(line)); err != nil || !json.Valid([]byte(line)) {
					t.Fatalf("no JSON: %q", line)
				}
				if h, ok := headOf([]byte(line)); !ok || h.Seq != 5 || h.Release != "k" {
					t.Fatalf("no head: %q", line)
				}
				if flat, bad := appendFlat(nil, []byte(line), false); bad || !json.Valid(flat) {
					t.Fatalf("not flat: %q", line)
				}
			}
			if lines != n || n < 1 || len(text) > maxRequest+(64<<10) {
				t.Fatalf("%d lines, %d rows, %d bytes", lines, n, len(text))
			}
		}
	})
}

// FuzzParse: what parses is JSON to others as well, and the other way round within the depth.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `[1,-0.5e+7,"\u00e9\n",true,null,{"a":[]}]`, `01`, `[1,]`, `"\x"`, `{"a" : 1 , "b":2 }`, `-`, "\"\t\"", `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := parse(b)
		if err == nil && !json.Valid(b) {
			t.Fatalf("%q is no JSON", b)
		}
		if err != nil && json.Valid(b) && strings.ToValidUTF8(string(b), "") == string(b) && strings.Count(string(b), "[")+strings.Count(string(b), "{") < maxDepth {
			t.Fatalf("%q is JSON", b)
		}
	})
}

// TestTimes: each time that is written is read again, and nothing else.
func TestTimes(t *testing.T) {
	for _, at := range []time.Time{noon, {}, time.Date(2000, 2, 29, 23, 59, 59, 999999000, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 1000, time.UTC)} {
		if got, ok := readTime(at.AppendFormat(nil, timeLayout)); !ok || !got.Equal(at) {
			t.Errorf("%v is read as %v", at, got)
		}
	}
	for _, text := range []string{"2026-13-20T12:00:00.000000Z", "2026-11-20T24:00:00.000000Z", "2026-11-20 12:00:00.000000Z", "2026-1a-20T12:00:00.000000Z", "2026-11-20T12:00:00.00000ZZ"} {
		if got, ok := readTime([]byte(text)); ok {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}

func TestWholeNumbersAreWhole(t *testing.T) {
	line := `{"features":{"a":250.0,"b":100,"c":1.50,"d":0.0,"e":-7.00,"f":1.0e3,"g":"1.0","h":10}}`
	want := `{"a":250,"b":100,"c":1.50,"d":0,"e":-7,"f":1.0e3,"g":"1.0","h":10}` + "\n"
	if got, bad := appendFlat(nil, []byte(line), true); bad || string(got) != want {
		t.Errorf("%s, and not %s", got, want)
	}
}
