package tracking

import (
	"regexp"
	"strings"
	"testing"

	"mlx/internal/run"
)

// masked replaces what differs from run to run.
func masked(text, id string) string {
	text = strings.ReplaceAll(text, id, "ID")
	return regexp.MustCompile(`[a-z]+-[a-z]+-\d{1,3}"`).ReplaceAllString(text, `NAME"`)
}

func TestRunFromStartToEnd(t *testing.T) {
	b := newBench(t)
	created := b.post("runs/create", `{"experiment_id": "0", "user_id": "root", "start_time": 1795447678834, "tags": [{"key": "mlflow.user", "value": "root"}, {"key": "mlflow.source.name", "value": "rec/a_script.py"}, {"key": "mlflow.source.type", "value": "LOCAL"}]}`)
	id := between(t, created, `"run_id":"`, `"`)
	want := `{"run":{"info":{"run_uuid":"ID","experiment_id":"0","run_name":"NAME","user_id":"root","status":"RUNNING","start_time":1795447678834,` +
		`"artifact_uri":"mlflow-artifacts:/0/ID/artifacts","lifecycle_stage":"active","run_id":"ID"},"data":{"tags":[{"key":"mlflow.runName","value":"NAME"},` +
		`{"key":"mlflow.source.name","value":"rec/a_script.py"},{"key":"mlflow.source.type","value":"LOCAL"},{"key":"mlflow.user","value":"root"}]},"inputs":{}}}`
	if got := masked(created, id); got != want {
		t.Errorf("create\n got %s\nwant %s", got, want)
	}
	both := `"run_uuid": "` + id + `", "run_id": "` + id + `"`
	for _, call := range [][2]string{
		{"log-metric", `{` + both + `, "key": "accuracy", "value": 0.9790209790209791, "timestamp": 1795447679137, "step": 0}`},
		{"log-metric", `{` + both + `, "key": "loss", "value": "NaN", "timestamp": "1795447679138", "step": "3"}`},
		{"log-parameter", `{` + both + `, "key": "lr", "value": "0.10"}`},
		{"log-batch", `{"run_id": "` + id + `", "params": [{"key": "n_estimators", "value": "20"}], "tags": [{"key": "t", "value": "v"}]}`},
	} {
		if got := b.post("runs/"+call[0], call[1]); got != "{}" {
			t.Errorf("%s: %s", call[0], got)
		}
	}
	ended := b.post("runs/update", `{`+both+`, "status": "FINISHED", "end_time": 1795447682067}`)
	want = `{"run_info":{"run_uuid":"ID","experiment_id":"0","run_name":"NAME","user_id":"root","status":"FINISHED","start_time":1795447678834,"end_time":1795447682067,` +
		`"artifact_uri":"mlflow-artifacts:/0/ID/artifacts","lifecycle_stage":"active","run_id":"ID"}}`
	if got := masked(ended, id); got != want {
		t.Errorf("update\n got %s\nwant %s", got, want)
	}
	data := `"data":{"metrics":[{"key":"accuracy","value":0.9790209790209791,"timestamp":1795447679137,"step":0},{"key":"loss","value":"NaN","timestamp":1795447679138,"step":3}],` +
		`"params":[{"key":"lr","value":"0.10"},{"key":"n_estimators","value":"20"}],"tags":[`
	for _, path := range []string{"runs/get?run_id=" + id, "runs/get?run_uuid=" + id + "&run_id=" + id} {
		if got := b.must("GET", path, ""); !strings.Contains(got, data) {
			t.Errorf("get: %s", got)
		}
	}
	body := b.body(id)
	if body.State != run.Succeeded || body.EndedAt.UnixMilli() != 1795447682067 || body.Params["lr"] != "0.10" || body.Params["n_estimators"] != 20.0 {
		t.Errorf("recorded %+v", body)
	}
	if body.Metrics["loss"] != "NaN" || body.Tracking.Latest["loss"] != (run.Point{Step: 3, MS: 1795447679138}) {
		t.Errorf("recorded metrics %v %v", body.Metrics, body.Tracking.Latest)
	}
}

func TestWhatComesAfterTheEnd(t *testing.T) {
	b := newBench(t)
	id := b.create(`{"run_name": "r1"}`)
	b.post("runs/log-metric", `{"run_id": "`+id+`", "key": "loss", "value": 1, "timestamp": 1, "step": 1}`)
	b.post("runs/log-metric", `{"run_id": "`+id+`", "key": "loss", "value": 0.5, "timestamp": 2, "step": 2}`)
	b.post("runs/update", `{"run_id": "`+id+`", "status": "FINISHED"}`)
	b.post("runs/log-batch", `{"run_id": "`+id+`", "metrics": [{"key": "loss", "value": 0.5, "timestamp": 2, "step": 2}, {"key": "loss", "value": 0.25, "timestamp": 3, "step": 3}], "tags": [{"key": "late", "value": "yes"}]}`)
	want := `{"metrics":[{"key":"loss","value":1.0,"timestamp":1,"step":1},{"key":"loss","value":0.5,"timestamp":2,"step":2},{"key":"loss","value":0.25,"timestamp":3,"step":3}]}`
	history := "metrics/get-history?metric_key=loss&run_id=" + id
	if got := b.must("GET", history, ""); got != want {
		t.Errorf("while it is written: %s", got)
	}
	b.restart(func(*Options) {})
	if got := b.must("GET", history, ""); got != want {
		t.Errorf("once it is recorded: %s", got)
	}
	body := b.body(id)
	if body.Tracking.Tags["late"] != "yes" || len(body.Added) != 1 || body.State != run.Succeeded || body.Series.Points != 3 {
		t.Errorf("recorded %+v %+v", body, body.Tracking)
	}
	if n := len(b.records(id)); n != 3 {
		t.Errorf("%d records, want start, end and one addition", n)
	}
	b.post("runs/delete", `{"run_id": "`+id+`"}`)
	b.refused("POST", "runs/set-tag", `{"run_id": "`+id+`", "key": "a", "value": "b"}`, InvalidParameterValue, "must be in the 'active' state. Current state is deleted.")
	if got := b.must("GET", "runs/get?run_id="+id, ""); !strings.Contains(got, `"lifecycle_stage":"deleted"`) {
		t.Error(got)
	}
	b.post("runs/restore", `{"run_id": "`+id+`"}`)
	b.post("runs/update", `{"run_id": "`+id+`", "status": "RUNNING"}`)
	if got := b.must("GET", "runs/get?run_id="+id, ""); !strings.Contains(got, `"status":"RUNNING"`) {
		t.Error(got)
	}
	b.post("runs/update", `{"run_id": "`+id+`", "status": "FAILED"}`)
	if body := b.body(id); body.State != run.Failed {
		t.Errorf("resumed and failed: %s", body.State)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	id := b.create(`{}`)
	in := func(rest string) string { return `{"run_id": "` + id + `", ` + rest + `}` }
	b.post("runs/log-parameter", in(`"key": "lr", "value": "0.1"`))
	b.post("runs/log-parameter", in(`"key": "lr", "value": "0.1"`))
	nobody := strings.Repeat("0", 32)
	thousand := `{"key":"m","value":1,"timestamp":1}` + strings.Repeat(`,{"key":"m","value":1,"timestamp":1}`, 1000)
	for _, c := range []struct {
		path, body string
		code       Code
		words      string
	}{
		{"runs/log-parameter", in(`"key": "lr", "value": "9"`), InvalidParameterValue, "Changing param values is not allowed. Param with key='lr' was already logged with value='0.1' for run ID='" + id + "'. Attempted logging new value '9'."},
		{"runs/log-batch", in(`"params": [{"key": "lr", "value": "9"}, {"key": "new", "value": "1"}]`), InvalidParameterValue, "Params were already logged='[{'key': 'lr', 'old_value': '0.1', 'new_value': '9'}]' for run ID='" + id + "'."},
		{"runs/log-batch", in(`"params": [{"key": "q", "value": "1"}, {"key": "q", "value": "1"}]`), InvalidParameterValue, "Duplicate parameter keys have been submitted: ['q']. Please ensure the request contains only one param value per param key."},
		{"runs/log-batch", in(`"metrics": [` + thousand + `]`), InvalidParameterValue, "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple requests and try again."},
		{"runs/log-metric", in(`"key": "a:b*?\"", "value": 1, "timestamp": 1`), InvalidParameterValue, "for parameter 'name' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."},
		{"runs/log-metric", in(`"key": "../x", "value": 1, "timestamp": 1`), InvalidParameterValue, "would resolve to"},
		{"runs/log-metric", in(`"value": 1, "timestamp": 1`), InvalidParameterValue, "Missing value for required parameter 'key'. See the API docs for more information about request parameters."},
		{"runs/log-metric", in(`"key": "a", "value": true, "timestamp": 1`), InvalidParameterValue, ""},
		{"runs/log-metric", in(`"key": "a", "value": 1, "timestamp": -1`), InvalidParameterValue, "Timestamp must be a nonnegative long"},
		{"runs/log-metric", in(`"key": "` + strings.Repeat("k", 10_000) + `", "value": 1, "timestamp": 1`), InvalidParameterValue, "'Metric name' exceeds the maximum length of 250 characters"},
		{"runs/log-metric", `{"run_id": "` + nobody + `", "key": "a", "value": 1, "timestamp": 1}`, ResourceDoesNotExist, "Run with id=" + nobody + " not found"},
		{"runs/log-metric", `{"run_id": "../../etc", "key": "a", "value": 1, "timestamp": 1}`, ResourceDoesNotExist, "not found"},
		{"runs/log-metric", `{"run_id": ` + strings.Repeat("[", 100_000), InvalidParameterValue, ""},
		{"runs/log-metric", `{"run_id": 12, "key": "a", "value": 1, "timestamp": 1}`, InvalidParameterValue, ""},
		{"runs/delete-tag", in(`"key": "zzz"`), ResourceDoesNotExist, "No tag with name: zzz in run with id " + id},
		{"runs/create", `{"experiment_id": "9999999"}`, ResourceDoesNotExist, "No Experiment with id=9999999 exists"},
		{"runs/create", `{"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}`, InvalidParameterValue, "Both 'run_name' argument and 'mlflow.runName' tag are specified"},
		{"runs/update", in(`"status": "DONE"`), InvalidParameterValue, "status"},
		{"runs/search", `{"experiment_ids": ["0"], "filter": "params.a IN ('1','2')"}`, InvalidParameterValue, "Expected a quoted string value for parameter (e.g. 'my-value'). Got value"},
		{"runs/search", `{"experiment_ids": ["0"], "filter": "metrics.acc IS NULL"}`, InvalidParameterValue, "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'acc'"},
		{"runs/search", `{"experiment_ids": ["0"], "filter": "attributes.foo = 'a'"}`, InvalidParameterValue, "Invalid attribute key 'foo' specified. Valid keys are"},
		{"runs/search", `{"experiment_ids": ["0"], "filter": "params.a = '1' or params.b = '2'"}`, InvalidParameterValue, "Invalid clause(s) in filter string"},
		{"runs/search", `{"experiment_ids": ["0"], "max_results": 50001}`, InvalidParameterValue, "max_results"},
		{"runs/search", `{"experiment_ids": ["0"], "page_token": "%%%"}`, InvalidParameterValue, "Invalid page token"},
		{"runs/search", `{"experiment_ids": ["0"], "order_by": ["foo"]}`, InvalidParameterValue, "Invalid attribute key 'foo'"},
		{"runs/nothing", `{}`, EndpointNotFound, ""},
	} {
		b.refused("POST", c.path, c.body, c.code, c.words)
	}
	if got := b.must("GET", "runs/get?run_id="+id, ""); !strings.Contains(got, `"params":[{"key":"lr","value":"0.1"}]`) || strings.Contains(got, "metrics") {
		t.Errorf("refused batches left something: %s", got)
	}
	b.post("runs/update", in(`"status": "FINISHED"`))
	if refused := b.body(id).Tracking.Refused; len(refused) != 2 || refused[0] != (run.ChangedParam{Key: "lr", Old: "0.1", New: "9"}) {
		t.Errorf("refused values: %+v", refused)
	}
}

func TestManyOpenRuns(t *testing.T) {
	b := newBench(t)
	first := b.create(`{"run_name": "first"}`)
	b.post("runs/log-parameter", `{"run_id": "`+first+`", "key": "p", "value": "1"}`)
	b.server.live.most = 5
	for range 5 {
		b.create(`{}`)
	}
	if b.server.written(first) != nil {
		t.Fatal("nothing gave way")
	}
	b.post("runs/log-metric", `{"run_id": "`+first+`", "key": "m", "value": 1, "timestamp": 1}`)
	if got := b.must("GET", "runs/get?run_id="+first, ""); !strings.Contains(got, `"params":[{"key":"p","value":"1"}]`) || !strings.Contains(got, `"key":"m"`) {
		t.Error(got)
	}
}
