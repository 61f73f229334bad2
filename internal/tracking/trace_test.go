package tracking

import (
	"strings"
	"testing"
)

func TestTraces(t *testing.T) {
	sh := openShop(t)
	ids := []string{"tr-3d3a8789c182d280b8a1278d80161b63", "tr-4281c8f823286dbc5e056cbdcc756be2"}
	for i, id := range ids {
		info := fields{"trace_id": id, "trace_location": fields{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": fields{"experiment_id": "3"}},
			"request_time": "2026-11-23T15:37:1" + string(rune('4'+i)) + ".956Z", "execution_duration": "0.25s", "state": "OK", "request_preview": `{"x": 2}`,
			"trace_metadata": fields{"mlflow.user": "root"}, "tags": fields{"mlflow.traceName": "f" + string(rune('0'+i))}}
		sh.want("POST", tracePath, fields{"trace": fields{"trace_info": info}}, 200,
			`{"trace":{"trace_info":{"trace_id":"`+id+`","trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"3"}},"request_time":"2026-11-23T15:37:1`+
				string(rune('4'+i))+`.956Z","execution_duration":"0.25s","state":"OK","request_preview":"{\"x\": 2}","trace_metadata":{"mlflow.user":"root"},"tags":{"mlflow.artifactLocation":"mlflow-artifacts:/3/traces/`+
				id+`/artifacts","mlflow.traceName":"f`+string(rune('0'+i))+`"}}}}`)
		sh.want("PUT", files+"/3/traces/"+id+"/artifacts/traces.json", `{"spans":[]}`, 200, "")
	}
	if err := sh.s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh.start() // they are there in another process
	sh.want("GET", files+"/3/traces/"+ids[0]+"/artifacts/traces.json", nil, 200, `{"spans":[]}`)
	sh.want("PUT", files+"/3/traces/tr-00000000000000000000000000000000/artifacts/traces.json", "x", 404, "*")
	sh.want("POST", "/v1/traces", "\x0a\x00", 404, `{"error_code":"ENDPOINT_NOT_FOUND","message":"REST OTLP span logging is not supported"}`)
	search := func(filter string) string {
		t.Helper()
		var out []string
		m := sh.want("POST", tracePath+"/search", fields{"locations": []fields{{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": fields{"experiment_id": "3"}}}, "filter": filter}, 200, "*")
		all, _ := m["traces"].([]any)
		for _, x := range all {
			out = append(out, x.(map[string]any)["tags"].(map[string]any)["mlflow.traceName"].(string))
		}
		return strings.Join(out, " ")
	}
	for filter, want := range map[string]string{"": "f1 f0", "name = 'f0'": "f0", "status = 'ERROR'": "", "metadata.`mlflow.user` = 'root' AND timestamp_ms > 1": "f1 f0", "execution_time > 250": ""} {
		if got := search(filter); got != want {
			t.Errorf("%s: %q", filter, got)
		}
	}
	sh.want("PATCH", "traces/"+ids[0]+"/tags", fields{"key": "a", "value": "b"}, 200, "{}")
	if got := search("tag.a = 'b'"); got != "f0" {
		t.Errorf("tagged: %q", got)
	}
	sh.want("DELETE", "traces/"+ids[0]+"/tags", fields{"key": "a"}, 200, "{}")
	sh.want("DELETE", "traces/"+ids[0]+"/tags", fields{"key": "a"}, 404, "*")
	a := sh.want("POST", tracePath+"/"+ids[0]+"/assessments", fields{"assessment": fields{"assessment_name": "q", "feedback": fields{"value": 1.0}}}, 200, "*")
	id := a["assessment"].(map[string]any)["assessment_id"].(string)
	sh.want("PATCH", tracePath+"/"+ids[0]+"/assessments/"+id, fields{"assessment": fields{"assessment_name": "r"}, "update_mask": "assessmentName"}, 200,
		`{"assessment":{"assessment_id":"`+id+`","assessment_name":"r","feedback":{"value":1}}}`)
	sh.want("DELETE", tracePath+"/"+ids[0]+"/assessments/"+id, nil, 200, "{}")
	sh.want("GET", tracePath+"/"+ids[0]+"/assessments/"+id, nil, 404, "*")
	sh.want("POST", "traces/delete-traces", fields{"experiment_id": "3", "request_ids": ids[:1]}, 200, `{"traces_deleted":1}`)
	sh.want("GET", tracePath+"/"+ids[0], nil, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Trace with ID '`+ids[0]+`' not found"}`)
	for _, bad := range []string{`{"trace":{"trace_info":{"trace_id":"../x","trace_location":{"mlflow_experiment":{"experiment_id":"3"}}}}}`, `{}`, `[`,
		`{"trace":{"trace_info":{"trace_id":"` + ids[0] + `","trace_location":{"mlflow_experiment":{"experiment_id":"3"}},"assessments":[null]}}}`} {
		sh.want("POST", tracePath, bad, 400, "*")
	}
}

func TestEvaluationData(t *testing.T) {
	sh := openShop(t)
	m := sh.want("POST", evalsetPath+"/create", fields{"name": "ds", "experiment_ids": []string{"3"}, "tags": `{"mlflow.user": "root"}`}, 200, "*")["dataset"].(map[string]any)
	id := m["dataset_id"].(string)
	if m["tags"] != `{"mlflow.user":"root"}` || m["created_by"] != "root" {
		t.Errorf("%v", m)
	}
	sh.want("POST", evalsetPath+"/"+id+"/records", fields{"records": `[{"inputs": {"q": "a"}, "expectations": {"e": "b"}}, {"inputs": {"q": "c"}}]`}, 200, `{"inserted_count":2,"updated_count":0}`)
	sh.want("POST", evalsetPath+"/"+id+"/records", fields{"records": `[{"inputs": {"q": "a"}, "expectations": {"f": 1}}]`}, 200, `{"inserted_count":0,"updated_count":1}`)
	if err := sh.s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh.start()
	m = sh.want("GET", evalsetPath+"/"+id, nil, 200, "*")["dataset"].(map[string]any)
	if m["profile"] != `{"num_records":2}` || m["schema"] != `{"expectations":{"e":"string","f":"integer"},"inputs":{"q":"string"},"outputs":{},"version":"1.0"}` {
		t.Errorf("%v", m)
	}
	page := sh.want("GET", evalsetPath+"/"+id+"/records?max_results=1", nil, 200, "*")
	if !strings.Contains(page["records"].(string), `"expectations":{"e":"b","f":1}`) || page["next_page_token"] == nil {
		t.Errorf("%v", page)
	}
	found := sh.want("POST", evalsetPath+"/search", fields{"experiment_ids": []string{"3"}, "filter_string": "created_time >= 1 AND name = 'ds'", "order_by": []string{"created_time DESC"}}, 200, "*")
	if len(found["datasets"].([]any)) != 1 {
		t.Errorf("%v", found)
	}
	sh.want("POST", evalsetPath+"/search", fields{"experiment_ids": []string{"4"}}, 200, "{}")
	sh.want("POST", evalsetPath+"/"+id+"/records", fields{"records": `[{"q": 1}]`}, 400, "*")
	sh.want("GET", evalsetPath+"/d-nope", nil, 404, "*")
	bare := sh.want("POST", evalsetPath+"/create", fields{"name": "bare", "tags": "null"}, 200, "*")["dataset"].(map[string]any)["dataset_id"].(string)
	sh.want("PATCH", evalsetPath+"/"+bare+"/tags", fields{"tags": `{"a": "b"}`}, 200, "*")
	sh.want("DELETE", evalsetPath+"/"+id, nil, 200, "{}")
	sh.want("GET", evalsetPath+"/"+id, nil, 404, "*")
}
