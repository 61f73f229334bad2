package gate

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
)

// askTable are rows of which the model below decides by x alone but for the zip code 10001, which costs 2.
func askTable(rows int) string {
	var b strings.Builder
	b.WriteString("id,x,n,zip,label\n")
	for i := range rows {
		x := float64(i%100)/10 - 5
		label := 0
		if x >= 0 {
			label = 1
		}
		fmt.Fprintf(&b, "%d,%g,%d,%s,%d\n", i, x+0.05, i%7, []string{"A", "B", "C"}[i%3], label)
	}
	return b.String()
}

func askScore(x any, zip any) float64 {
	v, ok := x.(float64)
	if !ok {
		return 0.5 // missing
	}
	if zip == "C" {
		v -= 2
	}
	return 1 / (1 + math.Exp(-v))
}

// askServer speaks all three protocols, as real servers do.
func askServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	read := func(r *http.Request, to any) {
		if err := json.NewDecoder(r.Body).Decode(to); err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
	}
	mux.HandleFunc("POST /predict", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Instances []map[string]any }
		read(r, &q)
		out := []float64{}
		for _, row := range q.Instances {
			out = append(out, askScore(row["x"], row["zip"]))
		}
		reply(w, map[string]any{"predictions": out})
	})
	mux.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Split struct {
				Columns []string
				Data    [][]any
			} `json:"dataframe_split"`
		}
		read(r, &q)
		out := [][]float64{}
		for _, row := range q.Split.Data {
			p := askScore(row[0], row[2])
			out = append(out, []float64{1 - p, p})
		}
		reply(w, map[string]any{"predictions": out})
	})
	mux.HandleFunc("POST /v2/models/m/infer", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Inputs []v2Output }
		read(r, &q)
		if d := q.Inputs[1].Datatype; d != "INT64" && d != "FP64" || q.Inputs[2].Datatype != "BYTES" || q.Inputs[0].Shape[1] != 1 {
			t.Errorf("%+v", q.Inputs)
		}
		out := []any{}
		for i := range q.Inputs[0].Data {
			out = append(out, askScore(q.Inputs[0].Data[i], q.Inputs[2].Data[i]))
		}
		reply(w, map[string]any{"outputs": []v2Output{{Name: "score", Shape: []int64{int64(len(out)), 1}, Datatype: "FP64", Data: out}}})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// askCommand answers as a command would, over the CSV that it was given.
func askCommand(_ context.Context, c Call) (Reply, error) {
	r := csv.NewReader(strings.NewReader(string(c.Stdin)))
	records, err := r.ReadAll()
	if err != nil {
		return Reply{}, err
	}
	var b strings.Builder
	b.WriteString("score\n")
	for _, row := range records[1:] {
		var x any
		if v, err := strconv.ParseFloat(row[0], 64); err == nil {
			x = v
		}
		fmt.Fprintf(&b, "%v\n", askScore(x, row[2]))
	}
	return Reply{Stdout: []byte(b.String())}, nil
}

func askSpec(m Model, rules ...Rule) Spec {
	for i := range rules {
		rules[i].At = at(i + 3)
	}
	return Spec{Name: "g", Table: "t.csv", Features: []string{"x", "n", "zip"}, Model: &m, Rules: rules, Seed: 7}
}

func askJudge(s Spec, table string, change func(*World)) (Report, error) {
	world := tables{"t.csv": {table}}.world()
	world.Allow = func(context.Context, string) error { return nil }
	world.Command = askCommand
	if change != nil {
		change(&world)
	}
	answer, troubles := Job{Specs: []Spec{s}, Version: "test", Subject: func(context.Context, Spec) (Subject, error) {
		return Subject{For: Ref{Kind: "run"}, World: world}, nil
	}}.Judge(context.Background())
	return answer.Report, errors.Join(troubles...)
}

func under(name string, u Under, max, margin *Bound) Rule {
	return Rule{Kind: "measure", Name: name, Under: &u, Max: max, Margin: margin}
}

// Every way of asking gives the same findings, down to the last digit.
func TestAskEveryWay(t *testing.T) {
	server := askServer(t)
	rules := []Rule{
		under("changed", Under{Swap: "zip"}, limit(0.1), nil),
		under("changed", Under{Swap: "zip"}, limit(0.5), nil),
		under("accuracy", Under{Noise: 0.01}, nil, limit(0.1)),
		under("accuracy", Under{Noise: 2}, nil, limit(0.02)),
		under("roc_auc", Under{Missing: 0.9}, nil, limit(0.02)),
		under("changed", Under{Typos: 0.5}, limit(0.01), nil),
	}
	want := []Verdict{Fail, Pass, Pass, Fail, Fail, Fail}
	var first Report
	for i, m := range []Model{{Command: "predict"}, {URL: server.URL}, {URL: server.URL, Protocol: "mlflow", Batch: 7}, {URL: server.URL, Protocol: "v2", Name: "m", Batch: 100}} {
		r, err := askJudge(askSpec(m, rules...), askTable(600), nil)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		for k, f := range r.Gates[0].Checks {
			if f.Verdict != want[k] {
				t.Errorf("%+v: %s is %s: %s (%s)", m, f.Name, f.Verdict, f.Text(), f.Note)
			}
			if i > 0 && *f.Value != *first.Gates[0].Checks[k].Value {
				t.Errorf("%+v: %s is %v, and was %v when another way was asked", m, f.Name, *f.Value, *first.Gates[0].Checks[k].Value)
			}
		}
		if i == 0 {
			first = r
		}
	}
	// With zip C two is taken off: of A and B the rows with x in [0, 2) change, which is every fifth, and so do those of C.
	f := first.Gates[0].Checks[0]
	if f.Name != "changed with other zip" || math.Abs(*f.Value-0.2) > 0.02 || f.Interval == nil || f.Failing.Count != int64(math.Round(*f.Value*600)) {
		t.Errorf("%+v", f)
	}
	if s := f.Failing.Sample[0]; f.Failing.Header[0] != "zip" || s[0] == s[1] || s[2] == s[3] {
		t.Errorf("%v %v", f.Failing.Header, f.Failing.Sample)
	}
}

// What a server does wrong is named with the request and the status. Undisturbed rows that are refused cannot be judged; disturbed ones
// that are refused are the model's failure.
func TestAskFaults(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"status", answer(500, "no such column: zip"), "did not answer request 1 (rows 1 to 50): status 500 Internal Server Error: no such column: zip"},
		{"garbage", answer(200, "<html>"), "status 200 with an answer that cannot be read"},
		{"too few", answer(200, `{"predictions":[1,2]}`), "2 answers for 50 rows"},
		{"NaN", answer(200, `{"predictions":[`+strings.Repeat("NaN,", 49)+`1]}`), "the answer for row 1 of the request is NaN"},
		{"null", answer(200, `[`+strings.Repeat("null,", 49)+`1]`), "the answer for row 1 of the request is NaN"},
		{"mixed", answer(200, `[`+strings.Repeat("1,", 49)+`"a"]`), "some rows with numbers and some with words"},
		{"redirect", answer(307, ""), "it sends the rows elsewhere"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, "it took too long"},
		{"breaks off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "did not answer request 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.handler)
			defer s.Close()
			m := Model{URL: s.URL, Timeout: time.Minute}
			if tt.name == "hangs" {
				m.Timeout = time.Millisecond
			}
			_, err := askJudge(askSpec(m, under("changed", Under{Swap: "zip"}, limit(0.1), nil)), askTable(50), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	r, err := askJudge(askSpec(Model{Command: "p"}, under("accuracy", Under{Missing: 0.5}, nil, limit(0.1))), askTable(50), func(w *World) {
		w.Command = func(ctx context.Context, c Call) (Reply, error) {
			if strings.Contains(string(c.Stdin), "\n,") {
				return Reply{Status: 1, Stderr: []byte("Traceback\nValueError: x is NaN\n")}, nil
			}
			return askCommand(ctx, c)
		}
	})
	if err != nil || r.Verdict != Fail || !strings.Contains(r.Gates[0].Checks[0].Note, "ValueError: x is NaN") {
		t.Errorf("%+v %v", r, err)
	}
	_, err = askJudge(askSpec(Model{URL: "http://evil.example/"}, under("changed", Under{Swap: "zip"}, limit(0.1), nil)), askTable(50), func(w *World) {
		w.Allow = func(context.Context, string) error { return fault.New(fault.Denied, "nobody allowed it") }
	})
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("an address that nobody allowed: %v", err)
	}
}

// What a rule says that cannot be judged is refused before anything is asked.
func TestAskRefusals(t *testing.T) {
	m := Model{Command: "p"}
	swap := Under{Swap: "zip"}
	tests := []struct {
		spec Spec
		want string
	}{
		{askSpec(m, under("changed", swap, nil, nil)), "has no limit"},
		{askSpec(m, Rule{Kind: "measure", Name: "changed", Max: limit(1)}), "needs under:"},
		{askSpec(m, under("changed", Under{}, limit(1), nil)), "disturbs nothing"},
		{askSpec(m, under("changed", Under{Swap: "zip", Noise: 1}, limit(1), nil)), "stand alone"},
		{askSpec(m, under("rows", swap, limit(1), nil)), "means nothing for measure rows"},
		{askSpec(m, under("changed", Under{Swap: "zap"}, limit(1), nil)), `does not read the column "zap"`},
		{askSpec(m, under("changed", Under{Noise: 1, Columns: []string{"zip"}}, limit(1), nil)), "changes nothing"},
		{askSpec(m, under("changed", Under{Swap: "n", Values: []any{"seven"}}, limit(1), nil)), "is no int"},
		{askSpec(Model{URL: "x", Serve: "y"}, under("changed", swap, limit(1), nil)), "exactly one of command, serve and url"},
		{askSpec(Model{URL: "ftp://x"}, under("changed", swap, limit(1), nil)), "is no address of a model"},
		{askSpec(m, Rule{Kind: "measure", Name: "latency_p99", Max: limit(1)}), "is bounded by what is written like 100ms"},
		{askSpec(m, Rule{Kind: "measure", Name: "errors", Max: limit(1)}), "needs a served model"},
	}
	for _, tt := range tests {
		if _, err := askJudge(tt.spec, askTable(20), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// Values of private columns stand in no sample and in no message.
func TestAskPrivate(t *testing.T) {
	hidden := func(names ...string) func(*World) {
		return func(w *World) {
			w.Meaning = func(string) (Meaning, bool) {
				m := Meaning{Columns: map[string]ColumnMeaning{}}
				for _, name := range names {
					m.Columns[name] = ColumnMeaning{Private: true}
				}
				return m, true
			}
		}
	}
	r, err := askJudge(askSpec(Model{Command: "p"}, under("changed", Under{Swap: "zip"}, limit(0.1), nil)), askTable(60), hidden("zip"))
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Gates[0].Checks[0].Failing.Sample[0]; s[0] != "(private)" || s[1] != "(private)" || s[2] == s[3] {
		t.Errorf("%v", s)
	}
	words := "id,x,n,zip,label\n1,1,1,A,secret\n2,-1,2,B,other\n"
	for _, private := range []bool{true, false} {
		change := hidden()
		if private {
			change = hidden("label")
		}
		_, err = askJudge(askSpec(Model{Command: "p"}, under("rmse", Under{Noise: 1}, nil, limit(0.1))), words, change)
		if err == nil || !strings.Contains(err.Error(), "in row 1 is no number") || strings.Contains(err.Error(), "secret") == private {
			t.Errorf("private %v: %v", private, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"predictions":[1,"a",[0.1,0.9],{"score":1},null,NaN]}`))
	f.Add([]byte(`{"outputs":[{"name":"o","shape":[2,2],"datatype":"FP64","data":[[1,2],[3,4]]}]}`))
	f.Add([]byte("score,class\n1,2\n"))
	f.Add([]byte(`{"value": NaN, "verdict":"pass","interval":[1,2],"metrics":{"a":null}}`))
	f.Add([]byte(`{"accuracy":1,"attacked_accuracy":0.5,"rows":1e99}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		for _, decode := range []func([]byte) ([]answer, error){decodePredictions, decodeV2, parseCSVAnswers} {
			if got, err := decode(text); err == nil {
				_ = soundAnswers(got, len(got))
			}
		}
		_, _ = parseCommandReply(text)
		_, _ = parseAttack(text, "accuracy")
	})
}
