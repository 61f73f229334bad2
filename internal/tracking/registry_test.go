package tracking

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// blank replaces what differs from run to run.
var blankTime = regexp.MustCompile(`(_timestamp":)[0-9]+`)

func (sh *shop) same(method, target string, body any, status int, want string) {
	sh.t.Helper()
	w := sh.do(method, target, body)
	got := blankTime.ReplaceAllString(w.Body.String(), "${1}T")
	if w.Code != status || got != want {
		sh.t.Errorf("%s %s: %d\n%s\nexpected %d\n%s", method, target, w.Code, got, status, want)
	}
}

type fields = map[string]any

func registerTwo(t *testing.T) (*shop, string) {
	sh := openShop(t)
	id, _ := sh.logModel("model")
	sh.ready(id)
	sh.same("POST", "registered-models/create", fields{"name": "flights"}, 200, `{"registered_model":{"name":"flights","creation_timestamp":T,"last_updated_timestamp":T}}`)
	for _, n := range []string{"1", "2"} {
		sh.same("POST", "model-versions/create", fields{"name": "flights", "source": "models:/" + id, "model_id": id}, 200,
			`{"model_version":{"name":"flights","version":"`+n+`","creation_timestamp":T,"last_updated_timestamp":T,"current_stage":"None","description":"","source":"models:/`+id+
				`","run_id":"`+sh.run+`","status":"READY","run_link":""}}`)
	}
	return sh, id
}

func TestRegistry(t *testing.T) {
	sh, id := registerTwo(t)
	sh.same("POST", "registered-models/create", fields{"name": "flights"}, 400, `{"error_code":"RESOURCE_ALREADY_EXISTS","message":"Registered Model (name=flights) already exists."}`)
	sh.same("POST", "registered-models/create", fields{"name": ""}, 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Registered model name cannot be empty."}`)
	sh.same("GET", "registered-models/get?name=nope", nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Registered Model with name=nope not found"}`)
	sh.same("GET", "model-versions/get?name=nope&version=1", nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Model Version (name=nope, version=1) not found"}`)
	sh.same("GET", "model-versions/get?name=flights&version=9", nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Model Version (name=flights, version=9) not found"}`)
	sh.same("GET", "model-versions/get?name=flights&version=x", nil, 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Parameter 'version' must be an integer, got 'x'"}`)
	sh.same("POST", "registered-models/alias", fields{"name": "flights", "alias": "champion", "version": "1"}, 200, `{}`)
	sh.same("POST", "registered-models/alias", fields{"name": "flights", "alias": "v1", "version": "1"}, 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Version alias name 'v1' is reserved."}`)
	sh.same("POST", "registered-models/alias", fields{"name": "flights", "alias": "x", "version": "7"}, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Model Version (name=flights, version=7) not found"}`)
	sh.same("GET", "registered-models/alias?name=flights&alias=nope", nil, 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Registered model alias nope not found."}`)
	sh.same("PATCH", "model-versions/update", fields{"name": "flights", "version": "1", "description": "desc"}, 200, version("1", "None", "desc", id, sh.run, `,"run_link":"","aliases":["champion"]`))
	sh.same("POST", "model-versions/set-tag", fields{"name": "flights", "version": "1", "key": "k", "value": "v"}, 200, `{}`)
	sh.same("GET", "registered-models/alias?name=flights&alias=champion", nil, 200,
		version("1", "None", "desc", id, sh.run, `,"tags":[{"key":"k","value":"v"}],"run_link":"","aliases":["champion"]`))
	sh.same("DELETE", "model-versions/delete-tag", fields{"name": "flights", "version": "1", "key": "k"}, 200, `{}`)
	sh.same("DELETE", "registered-models/alias", fields{"name": "flights", "alias": "champion"}, 200, `{}`)
	sh.same("GET", "registered-models/alias?name=flights&alias=champion", nil, 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Registered model alias champion not found."}`)
	sh.same("DELETE", "model-versions/delete", fields{"name": "flights", "version": "2"}, 200, `{}`)
	sh.same("GET", "model-versions/get?name=flights&version=2", nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Model Version (name=flights, version=2) not found"}`)
	sh.same("POST", "registered-models/set-tag", fields{"name": "flights", "key": "a", "value": "b"}, 200, `{}`)
	sh.same("PATCH", "registered-models/update", fields{"name": "flights", "description": "d2"}, 200,
		`{"registered_model":{"name":"flights","creation_timestamp":T,"last_updated_timestamp":T,"description":"d2","latest_versions":[`+inner("1", "None", "desc", id, sh.run, `,"run_link":""`)+`],"tags":[{"key":"a","value":"b"}]}}`)
	sh.same("POST", "registered-models/rename", fields{"name": "flights", "new_name": "flights_r"}, 200, strings.ReplaceAll(
		`{"registered_model":{"name":"flights","creation_timestamp":T,"last_updated_timestamp":T,"description":"d2","latest_versions":[`+inner("1", "None", "desc", id, sh.run, `,"run_link":""`)+`],"tags":[{"key":"a","value":"b"}]}}`, "flights", "flights_r"))
	sh.same("DELETE", "registered-models/delete", fields{"name": "flights_r"}, 200, `{}`)
	sh.same("GET", "registered-models/get?name=flights_r", nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Registered Model with name=flights_r not found"}`)
}

func inner(n, stage, description, id, run, more string) string {
	return `{"name":"flights","version":"` + n + `","creation_timestamp":T,"last_updated_timestamp":T,"current_stage":"` + stage + `","description":"` + description +
		`","source":"models:/` + id + `","run_id":"` + run + `","status":"READY"` + more + `}`
}

func version(n, stage, description, id, run, more string) string {
	return `{"model_version":` + inner(n, stage, description, id, run, more) + `}`
}

func TestStages(t *testing.T) {
	sh, id := registerTwo(t)
	plain := `,"run_link":""`
	sh.same("POST", "model-versions/transition-stage", fields{"name": "flights", "version": "1", "stage": "production"}, 200, version("1", "Production", "", id, sh.run, plain))
	sh.same("POST", "model-versions/transition-stage", fields{"name": "flights", "version": "2", "stage": "Production"}, 200, version("2", "Production", "", id, sh.run, plain))
	sh.same("GET", "model-versions/get?name=flights&version=1", nil, 200, version("1", "Production", "", id, sh.run, plain)) // both stay
	sh.same("POST", "registered-models/get-latest-versions", fields{"name": "flights", "stages": []string{"Production"}}, 200, `{"model_versions":[`+inner("2", "Production", "", id, sh.run, plain)+`]}`)
	sh.same("POST", "model-versions/transition-stage", fields{"name": "flights", "version": "2", "stage": "Production", "archive_existing_versions": true}, 200, version("2", "Production", "", id, sh.run, plain))
	sh.same("GET", "registered-models/get-latest-versions?name=flights", nil, 200, `{"model_versions":[`+inner("2", "Production", "", id, sh.run, plain)+`,`+inner("1", "Archived", "", id, sh.run, plain)+`]}`)
	sh.same("POST", "model-versions/transition-stage", fields{"name": "flights", "version": "2", "stage": "Prod"}, 400,
		`{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid Model Version stage: Prod. Value must be one of None, Staging, Production, Archived."}`)
	sh.s.o.Allow = func(_ context.Context, v *registry.Version, to registry.Stage) ([]registry.Evidence, error) {
		return nil, fault.New(fault.Denied, "cannot move %s to %s: a sign-off security is missing", v.Name(), to).Hint("mlx model sign %s --kind security", v.Name())
	}
	sh.same("POST", "model-versions/transition-stage", fields{"name": "flights", "version": "1", "stage": "Staging"}, 403,
		`{"error_code":"PERMISSION_DENIED","message":"cannot move flights@v1 to staging: a sign-off security is missing\nmlx model sign flights@v1 --kind security"}`)
}

func TestSources(t *testing.T) {
	sh, id := registerTwo(t)
	sh.want("PUT", sh.at("model/MLmodel"), sklearnMLmodel, 200, "")
	sh.want("PUT", sh.at("model/model.pkl"), "pickled", 200, "")
	sh.want("PUT", sh.at("one.onnx"), "onnx", 200, "")
	other := "0123456789abcdef0123456789abcdef"
	artifacts := "mlflow-artifacts:/0/" + sh.run + "/artifacts"
	for _, c := range []struct {
		source string
		more   fields
		status int
		kind   string
		bytes  string // path and what is at it
	}{
		{"runs:/" + sh.run + "/model", fields{"run_id": sh.run}, 200, "directory", "model.pkl=pickled"},
		{artifacts + "/model", fields{"run_id": sh.run}, 200, "directory", "model.pkl=pickled"},
		{artifacts + "/one.onnx", fields{"run_id": sh.run}, 200, "file", "one.onnx=onnx"},
		{"http://127.0.0.1:5000/api/2.0/mlflow-artifacts/artifacts/0/" + sh.run + "/artifacts/model", nil, 200, "directory", "model.pkl=pickled"},
		{"models:/" + id, nil, 200, "directory", "model.pkl=bytes of model"},
		{"models:/flights/1", nil, 200, "directory", "model.pkl=bytes of model"},
		{"runs:/" + sh.run + "/model", fields{"run_id": other}, 404, "", ""},
		{"models:/" + id, fields{"model_id": "m-" + other}, 400, "", ""},
		{artifacts + "/../" + other + "/artifacts/model", nil, 400, "", ""},
		{artifacts + "/%252e%252e/x", nil, 400, "", ""},
		{"/etc/passwd", nil, 400, "", ""},
		{"file:///etc/passwd", nil, 400, "", ""},
		{"", nil, 400, "", ""},
		{"s3://bucket/model", nil, 200, "elsewhere", ""},
		{"dbfs:/databricks/model", nil, 200, "elsewhere", ""},
		{"runs:/" + sh.run + "/nothing", fields{"run_id": sh.run}, 200, "elsewhere", ""},
	} {
		body := fields{"name": "flights", "source": c.source}
		for k, v := range c.more {
			body[k] = v
		}
		w := sh.do("POST", "model-versions/create", body)
		if w.Code != c.status {
			t.Errorf("%s: %d %s", c.source, w.Code, w.Body)
			continue
		}
		if c.status != 200 {
			continue
		}
		m, err := sh.o.Registry.Model(t.Context(), "flights")
		if err != nil {
			t.Fatal(err)
		}
		v := m.Latest()
		if v.Kind != c.kind || v.Source != c.source {
			t.Errorf("%s: %+v", c.source, v.Registration)
		}
		if c.kind == "directory" && (v.Format != "sklearn" || len(v.Signature) == 0) {
			t.Errorf("%s: %s %s", c.source, v.Format, v.Signature)
		}
		var out struct {
			URI string `json:"artifact_uri"`
		}
		r := sh.do("GET", "model-versions/get-download-uri?name=flights&version="+strconv.Itoa(v.Version), nil)
		if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		if c.bytes == "" {
			if out.URI != c.source {
				t.Errorf("%s: %s", c.source, out.URI)
			}
			continue
		}
		p, want, _ := strings.Cut(c.bytes, "=")
		sh.want("GET", files+strings.TrimPrefix(out.URI, scheme)+"/"+p, nil, 200, want)
		sh.want("PUT", files+strings.TrimPrefix(out.URI, scheme)+"/"+p, "x", 403, "*")
	}
}

func TestALoadIsADerivation(t *testing.T) {
	sh, _ := registerTwo(t)
	sh.s.o.Joined = func() object.Digest { return sh.id }
	sh.want("GET", "model-versions/get-download-uri?name=flights&version=1", nil, 200, "*")
	if body, _, err := sh.s.bodyOf(t.Context(), sh.run); err != nil || len(body.Used) != 0 {
		t.Errorf("what it made itself is no input: %v %v", body.Used, err)
	}
	v, err := sh.o.Registry.Register(t.Context(), registry.Registration{Model: "base", Root: object.Sum([]byte("r")), Digest: object.Sum([]byte("r")), Kind: "directory"})
	if err != nil {
		t.Fatal(err)
	}
	sh.want("GET", "model-versions/get-download-uri?name=base&version=1", nil, 200, "*")
	if body, _, err := sh.s.bodyOf(t.Context(), sh.run); err != nil || len(body.Used) != 1 || body.Used[0].Record != v.Record {
		t.Errorf("%v %v", body.Used, err)
	}
	id, _ := sh.logModel("child")
	sh.ready(id)
	sh.want("POST", "model-versions/create", fields{"name": "flights", "source": "models:/" + id, "model_id": id}, 200, "*")
	_, child, err := sh.o.Registry.Resolve(t.Context(), "flights@v3")
	if err != nil || len(child.From) != 1 || child.From[0].Record != v.Record {
		t.Errorf("%+v %v", child, err)
	}
}

func TestSearchOfTheRegistry(t *testing.T) {
	sh, _ := registerTwo(t)
	sh.want("POST", "registered-models/create", fields{"name": "cars", "tags": []fields{{"key": "team", "value": "road"}}}, 200, "*")
	prompt := []fields{{"key": promptTag, "value": "true"}, {"key": promptText, "value": "Hi {{name}}"}}
	sh.want("POST", "registered-models/create", fields{"name": "greet", "tags": prompt}, 200, "*")
	sh.want("POST", "model-versions/create", fields{"name": "greet", "source": "dummy-source", "tags": prompt}, 200, "*")
	names := func(path, list string, q url.Values) string {
		t.Helper()
		var out []string
		m := sh.want("GET", path+"?"+q.Encode(), nil, 200, "*")
		all, _ := m[list].([]any)
		for _, x := range all {
			m := x.(map[string]any)
			text := m["name"].(string)
			if v, ok := m["version"].(string); ok {
				text += "@" + v
			}
			out = append(out, text)
		}
		if _, more := m["next_page_token"]; more {
			out = append(out, "more")
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct{ filter, models, versions string }{
		{"", "cars flights", "flights@2 flights@1"},
		{"name = 'flights'", "flights", "flights@2 flights@1"},
		{"name LIKE 'fl%'", "flights", "flights@2 flights@1"},
		{"name ILIKE 'C%'", "cars", ""},
		{"tags.team = 'road'", "cars", ""},
		{"tags.`mlflow.prompt.is_prompt` = 'true'", "greet", "greet@1"},
		{"tag.`mlflow.prompt.is_prompt` != 'true' AND name = 'cars'", "cars", ""},
		{"name = 'greet' AND tag.`mlflow.prompt.is_prompt` = 'true'", "greet", "greet@1"},
	} {
		q := url.Values{"filter": {c.filter}}
		if got := names("registered-models/search", "registered_models", q); got != c.models {
			t.Errorf("models %s: %s", c.filter, got)
		}
		if got := names("model-versions/search", "model_versions", q); got != c.versions {
			t.Errorf("versions %s: %s", c.filter, got)
		}
	}
	if got := names("model-versions/search", "model_versions", url.Values{"filter": {"run_id = '" + sh.run + "'"}, "order_by": {"version_number ASC"}, "max_results": {"1"}}); got != "flights@1 more" {
		t.Errorf("%s", got)
	}
	if got := names("registered-models/search", "registered_models", url.Values{"order_by": {"name DESC"}}); got != "flights cars" {
		t.Errorf("%s", got)
	}
	for _, bad := range []url.Values{{"filter": {"foo = 'a'"}}, {"max_results": {"0x"}}, {"max_results": {"1001"}}, {"order_by": {"size"}}, {"page_token": {"!"}}} {
		if w := sh.do("GET", "registered-models/search?"+bad.Encode(), nil); w.Code != 400 {
			t.Errorf("%v: %d %s", bad, w.Code, w.Body)
		}
	}
	sh.same("GET", "model-versions/get?name=greet&version=1", nil, 200, `{"model_version":{"name":"greet","version":"1","creation_timestamp":T,"last_updated_timestamp":T,"current_stage":"None",`+
		`"description":"","source":"dummy-source","run_id":"","status":"READY","tags":[{"key":"mlflow.prompt.is_prompt","value":"true"},{"key":"mlflow.prompt.text","value":"Hi {{name}}"}],"run_link":""}}`)
}
