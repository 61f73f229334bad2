package tracking

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mlx/internal/object"
	"mlx/internal/run"
)

// beginModel begins a model of a run and sends one file of it.
func (b *bench) beginModel(runID string) string {
	b.Helper()
	answer := b.post("logged-models", `{"experiment_id":"0","name":"net","source_run_id":"`+runID+`"}`)
	id := regexp.MustCompile(`m-[0-9a-f]{32}`).FindString(answer)
	b.must("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/models/"+id+"/artifacts/weights.bin", "abc")
	return id
}

// A command that is killed while it sends a model leaves what came: in the run, as an upload that failed, and nowhere else.
func TestModelOfKilledCommand(t *testing.T) {
	b := &bench{T: t, dir: t.TempDir()}
	var outer object.Digest
	b.open(func(o *Options) { o.Joined = func() object.Digest { return outer } })
	var told []string
	b.server.o.Trouble = func(err error) { told = append(told, err.Error()) }
	spec := run.TrackSpec{Base: b.o.Base, StartedAt: time.Now()}
	outside, err := b.o.Runner.Track(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	outer = outside.ID
	if err := outside.Close(false); err != nil { // its journal is one that a client may write now
		t.Fatal(err)
	}
	mine, own := b.create(`{"experiment_id":"0"}`), b.create(`{"experiment_id":"0","run_name":"trial"}`)
	models := []string{b.beginModel(mine), b.beginModel(own)}
	if err := b.server.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.server.CloseAs(t.Context(), run.Killed); err != nil {
		t.Fatal(err)
	}
	for _, id := range models {
		m, _, err := b.o.Registry.LoggedModel(t.Context(), id)
		if err != nil || m.Status != modelFailed || m.Files != 1 || m.Bytes != 3 || m.Root.IsZero() {
			t.Errorf("model %s: %+v, %v", id, m, err)
		}
	}
	if left := b.server.pendingIDs(); len(left) > 0 {
		t.Errorf("still waiting for %v", left)
	}
	if len(told) != 2 || !strings.Contains(told[0], "was not finished: 1 files that came are kept") {
		t.Errorf("told %q", told)
	}
	again, err := b.o.Runner.TrackJoined(t.Context(), outer)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(false)
	if got := again.Body().Models; len(got) != 1 || got[0].ID != models[0] || got[0].Files != 1 {
		t.Errorf("the run has the models %+v", got)
	}
}

// What killed processes left goes once it is old, and a model that nobody will finish is recorded; what is new or of a client's own
// naming stays.
func TestClean(t *testing.T) {
	b := newBench(t)
	var told []string
	b.server.o.Trouble = func(err error) { told = append(told, err.Error()) }
	over, on := b.create(`{"experiment_id":"0"}`), b.create(`{"experiment_id":"0"}`)
	old, waiting := b.beginModel(over), b.beginModel(on)
	b.post("runs/update", `{"run_id":"`+over+`","status":"FAILED"}`)
	dir := b.o.Dir
	write := func(name string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	gone := []string{write("copy-a/artifacts/x"), write("again-b/artifacts/x"), write("models/" + waiting + "/.upload-c"), write(".upload-d")}
	stay := []string{write("models/" + waiting + "/artifacts/.upload-mine"), write("models/" + waiting + "/artifacts/copy-mine/x"), write("token")}
	b.server.o.Now = func() time.Time { return time.Now().Add(time.Minute) }
	clean := func() {
		t.Helper()
		if err := b.server.Clean(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	clean()
	for _, path := range append(gone, stay...) {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("is gone while it is new: %v", err)
		}
	}
	b.server.o.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	clean()
	for _, path := range gone {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("stays: %s", path)
		}
	}
	for _, path := range stay {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("is gone: %v", err)
		}
	}
	if m, err := b.server.model(t.Context(), old); err != nil || m.Status != modelFailed || m.Files != 1 {
		t.Errorf("the model of the run that is over: %+v, %v", m, err)
	}
	if m, err := b.server.model(t.Context(), waiting); err != nil || m.Status != modelPending {
		t.Errorf("the model of the run that goes on: %+v, %v", m, err)
	}
	if len(told) != 1 {
		t.Errorf("told %q", told)
	}
	b.server.o.Now = func() time.Time { return time.Now().Add(15 * 24 * time.Hour) }
	clean()
	if m, err := b.server.model(t.Context(), waiting); err != nil || m.Status != modelFailed {
		t.Errorf("the model that nobody came back to: %+v, %v", m, err)
	}
	b.server.o.Trouble, b.server.o.Now = func(error) {}, time.Now
}

// A client that logs a whole working copy sends .git too: the rest is kept, the run ends, and what is not kept is said.
func TestArtifactsThatNoVersionHolds(t *testing.T) {
	b := newBench(t)
	var told []string
	b.server.o.Trouble = func(err error) { told = append(told, err.Error()) }
	id := b.create(`{"experiment_id":"0"}`)
	for _, name := range []string{".git/config", ".git/HEAD", "sub/.mlx/x", ".mlxignore", "plots/roc.png", ".mlx-partial-x"} {
		b.must("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/"+id+"/artifacts/"+name, "*")
	}
	b.post("runs/update", `{"run_id":"`+id+`","status":"FINISHED"}`)
	if h := b.server.written(id); h != nil {
		t.Error("the run is not recorded")
	}
	for name, want := range map[string]int{".mlxignore": 200, "plots/roc.png": 200, ".mlx-partial-x": 200, ".git/config": 404, "sub/.mlx/x": 404} {
		if status, _ := b.call("GET", "/api/2.0/mlflow-artifacts/artifacts/0/"+id+"/artifacts/"+name, ""); status != want {
			t.Errorf("%s is answered with %d, want %d", name, status, want)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "artifacts .git, sub/.mlx are not kept") {
		t.Errorf("told %q", told)
	}
	deep := strings.Repeat("a/", maxDepth) + "x"
	if status, _ := b.call("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/"+id+"/artifacts/"+deep, "x"); status != 400 {
		t.Errorf("a path of %d folders is answered with %d", maxDepth, status)
	}
}
