package tracking

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const sklearnMLmodel = `artifact_path: mlflow-artifacts:/1/models/m-0b/artifacts
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
  sklearn:
    code: null
    serialization_format: cloudpickle
mlflow_version: 3.17.2
model_id: m-0b00ce6615b04f7fab4e87d88f328835
model_uuid: m-0b00ce6615b04f7fab4e87d88f328835
run_id: 2c1d0a42ca774ecdb699a43bf28da090
signature:
  inputs: '[{"type": "double", "name": "it''s long", "required": true}, {"type":
    "double", "name": "b", "required": true}]'
  outputs: '[{"type": "long", "required": true}]'
  params: null
`

func TestMLmodel(t *testing.T) {
	m := parseMLmodel([]byte(sklearnMLmodel))
	if m.Format != "sklearn" || m.UUID != "m-0b00ce6615b04f7fab4e87d88f328835" || m.Run != "2c1d0a42ca774ecdb699a43bf28da090" {
		t.Errorf("%+v", m)
	}
	if want := `{"inputs":[{"type":"double","name":"it's long","required":true},{"type":"double","name":"b","required":true}],"outputs":[{"type":"long","required":true}]}`; string(m.Signature) != want {
		t.Errorf("%s", m.Signature)
	}
	for text, want := range map[string]string{
		"flavors:\n  python_function: {}\n":                     "python_function",
		"flavors:\r\n    python_function:\r\n    xgboost: \r\n": "xgboost",
		"":           "",
		"flavors: 7": "",
		"signature:\n  inputs: \"[{\\\"a\\\": \\\n    1}]\"\nflavors:\n- x\n": "",
	} {
		if m := parseMLmodel([]byte(text)); m.Format != want {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

func FuzzMLmodel(f *testing.F) {
	f.Add([]byte(sklearnMLmodel))
	f.Add([]byte("signature:\n  inputs: '[\n\n  ]'\n"))
	f.Add([]byte("signature:\n  a: \"\\\n  b\\\"\"\nflavors:\n 'x':\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m := parseMLmodel(b); len(m.Signature) > 0 && !json.Valid(m.Signature) {
			t.Fatalf("%s", m.Signature)
		}
	})
}

// logModel logs a model as a client of MLflow 3 does, up to the status.
func (sh *shop) logModel(name string) (id, uri string) {
	sh.t.Helper()
	m := sh.want("POST", "logged-models", map[string]any{"experiment_id": "1", "name": name, "source_run_id": sh.run,
		"params": []map[string]string{{"key": "depth", "value": "8"}}, "tags": []map[string]string{{"key": "a", "value": "b"}}}, 200, "*")
	info := m["model"].(map[string]any)["info"].(map[string]any)
	id, uri = info["model_id"].(string), strings.TrimPrefix(info["artifact_uri"].(string), scheme)
	if info["status"] != modelPending || info["source_run_id"] != sh.run || uri != "/1/models/"+id+"/artifacts" {
		sh.t.Fatalf("%v", m)
	}
	sh.want("PUT", files+uri+"/MLmodel", sklearnMLmodel, 200, "")
	sh.want("PUT", files+uri+"/model.pkl", "bytes of "+name, 200, "")
	return id, uri
}

func (sh *shop) ready(id string) {
	sh.t.Helper()
	m := sh.want("PATCH", "logged-models/"+id, map[string]string{"model_id": id, "status": modelReady}, 200, "*")
	if got := m["model"].(map[string]any)["info"].(map[string]any)["status"]; got != modelReady {
		sh.t.Fatalf("%v", got)
	}
}

func TestALoggedModel(t *testing.T) {
	sh := openShop(t)
	id, uri := sh.logModel("model")
	check := func(when string) {
		t.Helper()
		want := `{"files":[{"path":"MLmodel","is_dir":false,"file_size":` + strconv.Itoa(len(sklearnMLmodel)) + `},{"path":"model.pkl","is_dir":false,"file_size":14}]}`
		if got := sh.list(strings.TrimPrefix(uri, "/")); got != want {
			t.Errorf("%s: %s", when, got)
		}
		sh.want("GET", files+uri+"/model.pkl", nil, 200, "bytes of model")
	}
	check("on its way")
	sh.ready(id)
	check("ready")
	if _, err := os.Stat(sh.s.modelDir(id)); err == nil {
		t.Error("its folder is still there")
	}
	m, _, err := sh.o.Registry.LoggedModel(t.Context(), id)
	if err != nil || m.Format != "sklearn" || m.Files != 2 || m.Run == nil || *m.Run != sh.id {
		t.Errorf("%+v %v", m, err)
	}
	body, _, err := sh.s.bodyOf(t.Context(), sh.run)
	if err != nil || len(body.Models) != 1 || body.Models[0].ID != id || body.Models[0].Root != m.Root {
		t.Errorf("the run knows %+v %v", body.Models, err)
	}
	sh.want("PATCH", "logged-models/"+id+"/tags", map[string]any{"tags": []map[string]string{{"key": "x", "value": "y"}}}, 200, "*")
	sh.want("DELETE", "logged-models/"+id+"/tags/a", nil, 200, "{}")
	sh.want("DELETE", "logged-models/"+id+"/tags/a", nil, 404, "*")
	sh.want("POST", "logged-models/"+id+"/params", map[string]any{"params": []map[string]string{{"key": "z", "value": "1"}}}, 200, "{}")
	got := sh.want("GET", "logged-models/"+id, nil, 200, "*")["model"].(map[string]any)
	if text, _ := json.Marshal(got["data"]); string(text) != `{"params":[{"key":"depth","value":"8"},{"key":"z","value":"1"}]}` {
		t.Errorf("%s", text)
	}
	if text, _ := json.Marshal(got["info"].(map[string]any)["tags"]); string(text) != `[{"key":"x","value":"y"}]` {
		t.Errorf("%s", text)
	}
	sh.want("PUT", files+uri+"/more.txt", "more", 200, "")
	sh.want("GET", files+uri+"/more.txt", nil, 200, "more")
	sh.want("GET", files+uri+"/model.pkl", nil, 200, "bytes of model")
	sh.want("DELETE", "logged-models/"+id, nil, 200, "{}")
	sh.want("GET", "logged-models/"+id, nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Logged model with ID '`+id+`' not found."}`)
	sh.want("PATCH", "logged-models/"+id, map[string]string{"status": "LOGGED_MODEL_PENDING"}, 400, "*")
}

// TestKilledWhileAModelComes ends the process at each step between the last byte and the answer.
func TestKilledWhileAModelComes(t *testing.T) {
	sh := openShop(t)
	id, uri := sh.logModel("model")
	if err := sh.s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh.start() // before: it is still on its way
	sh.want("GET", files+uri+"/model.pkl", nil, 200, "bytes of model")
	m, err := sh.s.model(t.Context(), id)
	if err != nil || m.Status != modelPending {
		t.Fatalf("%+v %v", m, err)
	}
	m.Status = modelReady
	if err := sh.s.logModel(t.Context(), &m, filepath.Join(sh.s.modelDir(id), filesName)); err != nil {
		t.Fatal(err)
	}
	if err := sh.s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh.start() // after the record, and before its run knows
	got := sh.want("GET", "logged-models/"+id, nil, 200, "*")["model"].(map[string]any)["info"].(map[string]any)
	if got["status"] != modelReady {
		t.Errorf("%v", got)
	}
	if _, err := os.Stat(sh.s.modelDir(id)); err == nil {
		t.Error("its folder is still there")
	}
	body, _, err := sh.s.bodyOf(t.Context(), sh.run)
	if err != nil || len(body.Models) != 1 || body.Models[0].Root != m.Root {
		t.Errorf("the run knows %+v %v", body.Models, err)
	}
	sh.want("GET", files+uri+"/model.pkl", nil, 200, "bytes of model")
}

func TestSearchOfLoggedModels(t *testing.T) {
	sh := openShop(t)
	for _, name := range []string{"a", "b", "c"} {
		id, _ := sh.logModel(name)
		if name != "b" {
			sh.ready(id)
		}
	}
	names := func(body map[string]any) string {
		t.Helper()
		var all []string
		m := sh.want("POST", "logged-models/search", body, 200, "*")
		list, _ := m["models"].([]any)
		for _, x := range list {
			all = append(all, x.(map[string]any)["info"].(map[string]any)["name"].(string))
		}
		if next, ok := m["next_page_token"].(string); ok {
			body["page_token"] = next
			all = append(all, "next")
		}
		return strings.Join(all, " ")
	}
	up := []map[string]any{{"field_name": "name", "ascending": true}}
	one := []string{"1"}
	for _, c := range []struct {
		filter, want string
		experiments  []string
	}{
		{"", "a b c", one},
		{"", "", []string{"2"}},
		{"name = 'b'", "b", one},
		{"name = 'a' and source_run_id = '" + sh.run + "'", "a", one},
		{"status = 'READY'", "a c", one},
		{"params.depth = '8' AND tags.a LIKE 'B'", "", one},
		{"params.`depth` = '8' AND tags.a ILIKE 'B'", "a b c", one},
		{"name IN ('a', 'c')", "a c", one},
		{"name NOT IN ('a')", "b c", one},
		{"creation_timestamp > 0", "a b c", one},
		{"metrics.acc > 0.5", "", one},
	} {
		if got := names(map[string]any{"experiment_ids": c.experiments, "filter": c.filter, "order_by": up}); got != c.want {
			t.Errorf("%s: %q, expected %q", c.filter, got, c.want)
		}
	}
	paged := map[string]any{"experiment_ids": one, "order_by": up, "max_results": 2}
	if got := names(paged) + " " + names(paged); got != "a b next c" {
		t.Errorf("pages: %q", got)
	}
	for _, bad := range []string{"name", "name =", "name = 'a' or name = 'b'", "name = 'a' name = 'b'", "foo = 'x'", "x.y.z = 'a'", "name = a'", "metrics.acc > 'x' and", "creation_timestamp IS NULL", "name = ('a')"} {
		if w := sh.do("POST", "logged-models/search", map[string]any{"experiment_ids": one, "filter": bad}); w.Code != 400 || !strings.Contains(w.Body.String(), "INVALID_PARAMETER_VALUE") {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}
