package tracking

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

func TestExperiments(t *testing.T) {
	b := newBench(t)
	if got := b.must("GET", "experiments/get?experiment_id=0", ""); !strings.Contains(got, `"name":"Default","artifact_location":"mlflow-artifacts:/0","lifecycle_stage":"active"`) {
		t.Errorf("default: %s", got)
	}
	b.refused("GET", "experiments/get-by-name?experiment_name=Production_V1", "", ResourceDoesNotExist, "Could not find experiment with name 'Production_V1'")
	b.refused("GET", "experiments/get?experiment_id=9999999", "", ResourceDoesNotExist, "No Experiment with id=9999999 exists")
	b.refused("GET", "experiments/get?experiment_id=abc", "", InvalidParameterValue, "Experiment ID must be a valid integer.")
	created := b.post("experiments/create", `{"name": "Production_V1", "tags": [{"key": "a", "value": "b"}]}`)
	id := between(t, created, `"experiment_id":"`, `"`)
	if created != `{"experiment_id":"`+id+`"}` || len(id) != 18 || id != ExperimentID("Production_V1") {
		t.Errorf("created %s", created)
	}
	b.refused("POST", "experiments/create", `{"name": "Production_V1"}`, ResourceAlreadyExists, "Experiment(name=Production_V1) already exists.")
	b.refused("POST", "experiments/create", `{"name": ""}`, InvalidParameterValue, "Invalid experiment name: ''")
	b.refused("POST", "experiments/create", `{}`, InvalidParameterValue, "Missing value for required parameter 'name'")
	got := regexp.MustCompile(`:\d{13}`).ReplaceAllString(b.must("GET", "experiments/get-by-name?experiment_name=Production_V1", ""), ":TIME")
	want := `{"experiment":{"experiment_id":"` + id + `","name":"Production_V1","artifact_location":"mlflow-artifacts:/` + id +
		`","lifecycle_stage":"active","last_update_time":TIME,"creation_time":TIME,"tags":[{"key":"a","value":"b"}],"workspace":"default"}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	in := `"experiment_id": "` + id + `"`
	first := b.create(`{` + in + `, "run_name": "first"}`)
	b.post("experiments/set-experiment-tag", `{`+in+`, "key": "k", "value": "v"}`)
	b.post("experiments/delete-experiment-tag", `{`+in+`, "key": "a"}`)
	b.refused("POST", "experiments/delete-experiment-tag", `{`+in+`, "key": "a"}`, ResourceDoesNotExist, "No tag with name: a in experiment with id "+id)
	b.post("experiments/update", `{`+in+`, "new_name": "renamed"}`)
	b.refused("GET", "experiments/get-by-name?experiment_name=Production_V1", "", ResourceDoesNotExist, "Could not find")
	b.post("runs/update", `{"run_id": "`+first+`", "status": "FINISHED"}`)
	if got := names(b.post("runs/search", `{"experiment_ids": ["`+id+`"]}`)); got != "first" {
		t.Errorf("runs of a renamed experiment: %q", got)
	}
	again := between(t, b.post("experiments/create", `{"name": "Production_V1"}`), `"experiment_id":"`, `"`)
	b.create(`{"experiment_id": "` + again + `", "run_name": "second"}`)
	b.restart(func(*Options) {})
	for exp, want := range map[string]string{id: "first", again: "second"} {
		if got := names(b.post("runs/search", `{"experiment_ids": ["`+exp+`"]}`)); got != want {
			t.Errorf("runs of %s: %q, want %q", exp, got, want)
		}
	}
	b.post("experiments/delete", `{`+in+`}`)
	if got := b.must("GET", "runs/get?run_id="+first, ""); !strings.Contains(got, `"lifecycle_stage":"deleted"`) {
		t.Errorf("a run of a deleted experiment: %s", got)
	}
	b.refused("POST", "runs/create", `{`+in+`}`, InvalidParameterValue, "must be in the 'active' state. Current state is deleted.")
	b.refused("POST", "runs/set-tag", `{"run_id": "`+first+`", "key": "a", "value": "b"}`, InvalidParameterValue, "Current state is deleted")
	b.post("experiments/restore", `{`+in+`}`)
	b.post("runs/set-tag", `{"run_id": "`+first+`", "key": "a", "value": "b"}`)
}

func TestExperimentSearch(t *testing.T) {
	b := newBench(t)
	a := between(t, b.post("experiments/create", `{"name": "a", "tags": [{"key": "team", "value": "x"}]}`), `"experiment_id":"`, `"`)
	b.post("experiments/create", `{"name": "b"}`)
	b.post("experiments/delete", `{"experiment_id": "`+a+`"}`)
	found := func(text string) string {
		var all []string
		for _, m := range regexp.MustCompile(`"name":"(\w+)"`).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ body, want string }{
		{`{"max_results": 1000, "view_type": "ACTIVE_ONLY"}`, "b Default"},
		{`{"view_type": 3}`, "b a Default"},
		{`{"view_type": "DELETED_ONLY"}`, "a"},
		{`{"view_type": "ALL", "order_by": ["name ASC"]}`, "Default a b"},
		{`{"view_type": "ALL", "filter": "tags.team = 'x'"}`, "a"},
		{`{"view_type": "ALL", "filter": "name LIKE 'D%' AND creation_time >= 0"}`, "Default"},
		{`{"view_type": "ALL", "filter": "experiment_id IN ('0')"}`, "Default"},
	} {
		if got := found(b.post("experiments/search", c.body)); got != c.want {
			t.Errorf("%s: %q, want %q", c.body, got, c.want)
		}
	}
	b.refused("POST", "experiments/search", `{"filter": "metrics.a = 1"}`, InvalidParameterValue, "Invalid entity type 'metrics'")
}

// TestRunsOfCommands holds that runs without a client are seen, and truthfully.
func TestRunsOfCommands(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	status := map[run.State]string{run.Succeeded: "FINISHED", run.Failed: "FAILED", run.Killed: "KILLED", run.Cancelled: "KILLED", run.Lost: "FAILED"}
	for state := range status {
		body := run.Body{State: run.Running, Command: []string{"python", "train.py"}, Name: string(state), Experiment: "shop", StartedAt: b.o.Now().UTC(),
			Code: run.Code{Commit: "4c1e9aa"}, Params: map[string]any{"lr": 0.1, "n": 3.0, "on": true}}
		rec, err := run.Started.Append(ctx, b.o.Ledger, lineage.Entry[run.Body]{Body: body})
		if err != nil {
			t.Fatal(err)
		}
		ended := b.o.Now().UTC()
		body.Run, body.State, body.EndedAt, body.Metrics = &rec.ID, state, &ended, map[string]any{"auc": 0.7}
		if _, err := run.Ended.Append(ctx, b.o.Ledger, lineage.Entry[run.Body]{Body: body, Prev: []object.Digest{rec.ID}}); err != nil {
			t.Fatal(err)
		}
	}
	e := between(t, b.must("GET", "experiments/get-by-name?experiment_name=shop", ""), `"experiment_id":"`, `"`)
	for state, want := range status {
		got := b.post("runs/search", `{"experiment_ids": ["`+e+`"], "filter": "run_name = '`+string(state)+`' and metrics.auc > 0.6 and params.lr = '0.1' and params.n = '3'"}`)
		if !strings.Contains(got, `"status":"`+want+`"`) || !strings.Contains(got, `{"key":"mlflow.source.git.commit","value":"4c1e9aa"}`) || !strings.Contains(got, `"user_id":"ana"`) {
			t.Errorf("%s: %s", state, got)
		}
	}
	id := between(t, b.post("runs/search", `{"experiment_ids": ["`+e+`"], "filter": "run_name = 'failed'"}`), `"run_id":"`, `"`)
	b.post("runs/set-tag", `{"run_id": "`+id+`", "key": "reviewed", "value": "yes"}`)
	b.restart(func(*Options) {})
	if body := b.body(id); body.State != run.Failed || body.Tracking.Tags["reviewed"] != "yes" {
		t.Errorf("a tag on a run of a command: %s %+v", body.State, body.Tracking)
	}
}
