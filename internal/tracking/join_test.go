package tracking

import (
	"context"
	"strings"
	"testing"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// joined is an endpoint that is part of a run in progress. Peers are told by the test.
type joined struct {
	*bench
	outer string
	peer  Peer
}

func newJoined(t *testing.T, body run.Body) *joined {
	t.Helper()
	j := &joined{bench: &bench{T: t, dir: t.TempDir()}}
	j.open(func(*Options) {})
	body.State, body.Process, body.StartedAt = run.Running, j.o.Base.Process, j.o.Now()
	rec, err := run.Started.Append(context.Background(), j.o.Ledger, lineage.Entry[run.Body]{Body: body})
	if err != nil {
		t.Fatal(err)
	}
	j.outer = clientID(rec.ID)
	j.folder(rec.ID)
	j.open(func(o *Options) {
		o.Joined = func() object.Digest { return rec.ID }
		o.Peer = func(_, _ string) Peer { return j.peer }
	})
	return j
}

func TestFirstRunIsThatOfTheCommand(t *testing.T) {
	j := newJoined(t, run.Body{Command: []string{"python", "train.py"}, Params: map[string]any{"depth": 6.0}})
	j.peer = Peer{PID: 100, Parent: 50, Rank: -1}
	e := between(t, j.post("experiments/create", `{"name": "exp"}`), `"experiment_id":"`, `"`)
	source := `"tags": [{"key": "mlflow.source.name", "value": "train.py"}]`
	first := j.create(`{"experiment_id": "` + e + `", "run_name": "r1", ` + source + `}`)
	if first != j.outer {
		t.Fatalf("the first run is %s, want %s", first, j.outer)
	}
	j.post("runs/log-parameter", `{"run_id": "`+first+`", "key": "depth", "value": "6"}`)
	nested := j.create(`{"experiment_id": "` + e + `", "tags": [{"key": "mlflow.parentRunId", "value": "` + first + `"}]}`)
	again := j.create(`{"experiment_id": "` + e + `", ` + source + `}`)
	if nested == first || again == first || nested == again {
		t.Error("a nested run, or a second one of the same process, is that of the command")
	}
	for _, p := range []Peer{{PID: 101, Parent: 50, Rank: 1}, {PID: 102, Parent: 7, Rank: -1, Worker: true}, {PID: 103, Parent: 100, Rank: -1}} {
		j.peer = p
		if got := j.create(`{"experiment_id": "` + e + `", "run_name": "r1", ` + source + `}`); got != first {
			t.Errorf("%+v does not join", p)
		}
	}
	j.refused("POST", "runs/log-parameter", `{"run_id": "`+first+`", "key": "depth", "value": "7"}`, InvalidParameterValue, "Changing param values is not allowed")
	j.post("runs/update", `{"run_id": "`+first+`", "status": "FINISHED"}`)
	if got := j.must("GET", "runs/get?run_id="+first, ""); !strings.Contains(got, `"status":"FINISHED"`) || !strings.Contains(got, `"run_name":"r1"`) {
		t.Errorf("what the client said does not count meanwhile: %s", got)
	}
	j.peer = Peer{PID: 104, Parent: 50, Rank: 2}
	if got := j.create(`{"experiment_id": "` + e + `"}`); got != first {
		t.Error("a late rank does not join")
	}
	j.peer = Peer{PID: 105, Parent: 100, Rank: -1}
	if got := j.create(`{"experiment_id": "` + e + `", ` + source + `}`); got == first {
		t.Error("a fork that comes after the end joins")
	}
	for _, id := range []string{nested, again} {
		if body := j.body(id); body.Parent != j.digest(first).Hex() || !body.Inside || body.Experiment != "exp" {
			t.Errorf("child %+v", body)
		}
	}
	if err := j.server.CloseAs(context.Background(), run.Killed); err != nil {
		t.Fatal(err)
	}
	if body := j.body(again); body.State != run.Killed {
		t.Errorf("a run that its client left open: %s", body.State)
	}
	if body := j.body(first); body.EndedAt != nil {
		t.Error("the endpoint recorded the end of the command")
	}
	j.refused("POST", "runs/set-tag", `{"run_id": "`+first+`", "key": "a", "value": "b"}`, BadRequest, "closing")
}

func TestWithoutKnowledgeOfProcessesOnlyTheSameRunJoins(t *testing.T) {
	j := newJoined(t, run.Body{Command: []string{"python", "train.py"}, Name: "given"})
	j.o.Peer, j.server.o.Peer = nil, nil
	first := j.create(`{"tags": [{"key": "mlflow.source.name", "value": "train.py"}]}`)
	if first != j.outer {
		t.Fatal("the first run is another")
	}
	if got := j.must("GET", "runs/get?run_id="+first, ""); !strings.Contains(got, `"run_name":"given"`) {
		t.Errorf("the name of the command: %s", got)
	}
	if again := j.create(`{"tags": [{"key": "mlflow.source.name", "value": "train.py"}]}`); again == first {
		t.Error("an unnamed run joins")
	}
}
