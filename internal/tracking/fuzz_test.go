package tracking

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// attacked is an endpoint that has one of everything, and what names them.
type attacked struct {
	server *Server
	words  []any          // values that mean something here, and values that mean nothing anywhere
	named  map[string]any // what fields must hold so that something is found
}

// newAttacked makes it. Requests do not go through a network: there are many.
func newAttacked(tb testing.TB) *attacked {
	tb.Helper()
	o, err := optionsIn(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	o.Trouble = func(err error) { tb.Errorf("trouble: %v", err) }
	a := &attacked{server: New(o)}
	tb.Cleanup(func() {
		if err := a.server.Close(context.Background()); err != nil {
			tb.Errorf("close: %v", err)
		}
		_, _ = o.Ledger.Close(), o.Store.Close()
	})
	find := func(body, pattern string) string { return regexp.MustCompile(pattern).FindString(body) }
	_, body := a.ask("POST", "/api/2.0/mlflow/experiments/create", `{"name":"e"}`)
	experiment := find(body, `[0-9]{18}`)
	_, body = a.ask("POST", "/api/2.0/mlflow/runs/create", `{"experiment_id":"`+experiment+`","run_name":"r"}`)
	run := find(body, `[0-9a-f]{32}`)
	_, body = a.ask("POST", "/api/2.0/mlflow/logged-models", `{"experiment_id":"`+experiment+`","name":"net","source_run_id":"`+run+`"}`)
	model := find(body, `m-[0-9a-f]{32}`)
	a.ask("POST", "/api/2.0/mlflow/registered-models/create", `{"name":"clf"}`)
	a.ask("POST", "/api/2.0/mlflow/model-versions/create", `{"name":"clf","source":"models:/`+model+`"}`)
	a.ask("POST", "/api/2.0/mlflow/runs/log-batch",
		`{"run_id":"`+run+`","metrics":[{"key":"loss","value":1,"timestamp":1}],"params":[{"key":"p","value":"1"}],"tags":[{"key":"t","value":"1"}]}`)
	if status, body := a.ask("GET", "/api/2.0/mlflow/model-versions/get?name=clf&version=1", ""); status != http.StatusOK {
		tb.Fatalf("there is not one of everything: %d %s", status, body)
	}
	a.named = map[string]any{"run_id": run, "experiment_id": experiment, "model_id": model, "name": "clf", "key": "k", "value": "1", "timestamp": 1}
	long := strings.Repeat("x", 10_000)
	a.words = append(a.words, experiment, run, model, "clf", "1", "net", "e", "r", "t", "loss", "tr-"+run, "models:/"+model, "models:/clf/1", "runs:/"+run+"/a", "models:/clf@champion",
		"mlflow-artifacts:/"+experiment+"/"+run+"/artifacts/a", "champion", "latest", "Production", "FINISHED", "LOGGED_MODEL_READY", "", "0", "../../x", "..", "a/../../b", "/etc/passwd", `C:\x`,
		"a\x00b", "\xff", "𐏿", long, strings.Repeat("(", 3000), strings.Repeat("a='b' AND ", 1000)+"a='b'", "metrics.loss > 0", "params.p = '1'", "tags.`t` LIKE '%'",
		"run_id IN ('a', 'b')", "name ILIKE '%"+strings.Repeat("%_", 200)+"'", "attributes.start_time > 99999999999999999999", "metrics.loss DESC", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiA5OTk5OTk5OTk5OTk5OTk5OTk5fQ==",
		"eyJvZmZzZXQiOiAxfQ==", "NaN", "-Infinity", nil, true, 0, -1, 1, 1.5, 1e18, -1e18, 1e300, json.Number("99999999999999999999"), json.Number("9223372036854775807"), []any{}, map[string]any{})
	return a
}

// ask answers a request, which must be no fault of the server.
func (a *attacked) ask(method, path, body string) (int, string) {
	u, err := url.Parse("http://localhost" + path)
	if err != nil {
		return 0, ""
	}
	w := httptest.NewRecorder()
	req := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
	req.URL, req.RequestURI = u, path
	a.server.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

// asked are all names of fields that some route reads.
func asked() []string {
	return strings.Fields(`experiment_id experiment_ids experiment_name name new_name run_id run_uuid run_name run_ids user_id start_time end_time status tags params metrics key value timestamp step
		model_id model_ids models inputs outputs datasets dataset digest source source_type schema profile filter filter_string order_by max_results page_token view_type run_view_type lifecycle_stage artifact_location
		model_type source_run_id version alias stage stages archive_existing_versions description run_link path metric_key metric_keys start_step end_step tag_key tag_value names trace trace_id trace_ids request_id request_ids
		trace_info trace_location type mlflow_experiment locations request_time execution_duration state assessment assessment_id assessment_name feedback expectation records dataset_id include_spans max_timestamp_millis max_traces
		timestamp_ms location artifact_directory_path run_info info spans order_by_clauses ascending field_name dataset_name dataset_digest latest_versions model_params model_metric_keys`)
}

// make writes a request of random fields. Values nest, as those of real requests do.
func (a *attacked) make(r *rand.Rand, depth int) any {
	switch n := r.IntN(10); {
	case depth > 0 && n < 2:
		all := make([]any, r.IntN(4))
		for i := range all {
			all[i] = a.make(r, depth-1)
		}
		return all
	case depth > 0 && n < 4:
		return a.object(r, depth-1)
	}
	return a.words[r.IntN(len(a.words))]
}

func (a *attacked) object(r *rand.Rand, depth int) map[string]any {
	names, all := asked(), map[string]any{}
	for range r.IntN(12) {
		name := names[r.IntN(len(names))]
		switch {
		case r.IntN(4) > 0 && strings.HasSuffix(name, "s") && depth > 0: // most likely a list
			list := make([]any, r.IntN(4))
			for i := range list {
				list[i] = a.object(r, depth-1)
				if r.IntN(2) == 0 {
					list[i] = a.words[r.IntN(len(a.words))]
				}
			}
			all[name] = list
		case r.IntN(5) > 0:
			all[name] = a.words[r.IntN(len(a.words))]
		default:
			all[name] = a.make(r, depth)
		}
	}
	for _, name := range []string{"run_id", "experiment_id", "model_id", "name", "key", "value", "timestamp"} { // without them little is reached
		if r.IntN(3) > 0 {
			all[name] = a.named[name]
		}
	}
	return all
}

// request is one for a route; braces of its path are filled in.
func (a *attacked) request(r *rand.Rand, to route) (path, body string) {
	path = to.path
	if !strings.HasPrefix(path, "/") {
		path = prefixes()[r.IntN(2)] + path
	}
	path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(path, func(string) string {
		return url.PathEscape(fmt.Sprint(a.words[r.IntN(len(a.words))]))
	})
	o := a.object(r, 3)
	if to.method == "GET" {
		q := url.Values{}
		for name, v := range o {
			q.Set(name, fmt.Sprint(v))
		}
		return path + "?" + q.Encode(), ""
	}
	text, err := json.Marshal(o)
	if err != nil {
		return path, "{"
	}
	return path, string(text)
}

// answered holds an answer to what every client can live with.
func answered(tb testing.TB, method, path, body string, status int, answer string) {
	tb.Helper()
	if status < 300 || status == http.StatusNotModified || status == http.StatusTemporaryRedirect || status == http.StatusMovedPermanently {
		return
	}
	var e struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(answer), &e); status >= 500 || err != nil || e.Code == "" || e.Message == "" || len(answer) > 64<<10 {
		tb.Errorf("%s %.300s\n%.2000s\nis answered with %d %.1000s", method, path, body, status, answer)
	}
}

// TestRoutesTakeAnything asks every route for nonsense, always the same.
func TestRoutesTakeAnything(t *testing.T) {
	a := newAttacked(t)
	bodies := []string{"", "{", "null", "[]", `"x"`, "1", "{}", `{"run_id":null}`, strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 20_000), "\xff\xfe", `{"run_id":"` + strings.Repeat("y", 1<<20) + `"}`,
		`{"filter":"` + strings.Repeat("(", 1<<20) + `"}`, `{"max_results":-1}`, `{"max_results":1e18,"experiment_ids":["0"]}`}
	for _, to := range table() {
		for _, body := range bodies {
			path, _ := a.request(rand.New(rand.NewPCG(1, 2)), to)
			status, answer := a.ask(to.method, path, body)
			answered(t, to.method, path, body, status, answer)
		}
		for seed := range uint64(30) {
			path, body := a.request(rand.New(rand.NewPCG(seed, 7)), to)
			status, answer := a.ask(to.method, path, body)
			answered(t, to.method, path, body, status, answer)
		}
	}
}

// FuzzRoutes asks any route for anything.
func FuzzRoutes(f *testing.F) {
	for i := range len(table()) {
		f.Add(uint16(i), uint64(i), []byte(`{"run_id":"x"}`))
	}
	a := newAttacked(f)
	all := table()
	f.Fuzz(func(t *testing.T, route uint16, seed uint64, raw []byte) {
		to := all[int(route)%len(all)]
		path, body := a.request(rand.New(rand.NewPCG(seed, 1)), to)
		if bytes.IndexByte(raw, '{') == 0 && seed%4 == 0 {
			body = string(raw)
		}
		status, answer := a.ask(to.method, path, body)
		answered(t, to.method, path, body, status, answer)
	})
}
