package run

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// account is a run about which everything is known.
func account() Account {
	sum := func(s string) object.Digest { return object.Sum([]byte(s)) }
	start := time.Date(2026, 11, 23, 16, 41, 7, 500_000_000, time.UTC)
	end, status, id := start.Add(90*time.Second), 0, sum("run")
	patch, files := sum("patch"), sum("files")
	body := Body{
		State: Succeeded, Command: []string{"python", "train.py", "--name", "a b"}, Folder: ".", Name: "baseline", Experiment: "trees",
		StartedAt: start, Code: Code{Commit: strings.Repeat("4c", 20), Branch: "main", Dirty: true, Patch: &patch, Files: &files,
			Remote: "git@git.example:acme/flights.git"},
		Data:   []Data{{Path: "data/flights", Root: sum("data")}},
		Params: map[string]any{"depth": 6.0, "zone": "EWR", "fast": true, "odd:na me": 0.1}, Attempt: 1, Parent: sum("parent").Hex(), TimeoutS: 60,
		Machine: Machine{Host: "lap-12", OS: "linux", Arch: "amd64", CPUs: 8},
		Environment: &Environment{Variables: map[string]string{"OMP_NUM_THREADS": "4", "TOKEN": "(redacted)"}, Seeds: map[string]string{"SEED": "1"},
			Python:    &Python{Executable: "/usr/bin/python3", Version: "3.13.5", Manager: "venv", Packages: 2, Lock: sum("lock"), List: sum("list")},
			Locks:     []LockFile{{Path: "uv.lock", Digest: sum("uv")}},
			Container: &Container{Runtime: "docker", Image: "img.example/a@sha256:" + sum("image").Hex()},
			GPUs:      []GPU{{Name: "A100"}}},
		Stage:   &Stage{Name: "train", Key: sum("key"), Deps: []Dep{{Path: "data/flights", Digest: sum("data")}, {Path: "train.py", Digest: sum("py")}}},
		RerunOf: sum("before").Hex(), Run: &id, EndedAt: &end, DurationS: 90, ExitStatus: &status,
		Metrics: map[string]any{"auc": 0.74, "loss": "NaN", "best": "-Infinity"},
		Outputs: []Output{
			{Path: "model.pkl", Root: sum("kept"), Digest: sum("model"), Kind: "file", Files: 1, Bytes: 7},
			{Path: "plots", Root: sum("plots"), Digest: sum("plots"), Kind: "directory", Files: 2, Bytes: 9},
		},
		Log:    &Log{Root: sum("log root"), Digest: sum("log"), Bytes: 10, Cut: 3},
		Series: &Series{Root: sum("series root"), Digest: sum("series")},
	}
	return Account{
		View: viewOf(id, lineage.Record{ID: sum("record"), At: start, By: "ana lee"}, body), Body: body, Ledger: "7f3a90c2d15e4b68",
		Folders: map[string][]File{"plots": {{"plots/a.png", sum("a")}, {"plots/b.png", sum("b")}}},
	}
}

// TestSLSAKeepsTheProtocol reads the statement as strictly as the published definitions allow.
func TestSLSAKeepsTheProtocol(t *testing.T) {
	text, err := account().SLSA()
	if err != nil {
		t.Fatal(err)
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(text, &s); err != nil { // an unknown field is an error
		t.Fatalf("%v\n%s", err, text)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if s.GetType() != intoto.StatementTypeUri || s.GetPredicateType() != "https://slsa.dev/provenance/v1" {
		t.Errorf("%s of %s", s.GetType(), s.GetPredicateType())
	}
	predicate, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		t.Fatal(err)
	}
	var p slsa.Provenance
	if err := protojson.Unmarshal(predicate, &p); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	var subjects, needs []string
	for _, d := range s.GetSubject() {
		subjects = append(subjects, d.GetName()+" "+d.GetDigest()["sha256"][:4])
	}
	for _, d := range p.GetBuildDefinition().GetResolvedDependencies() {
		needs = append(needs, d.GetName())
	}
	sum := func(s string) string { return object.Sum([]byte(s)).Hex()[:4] }
	want := []string{"model.pkl " + sum("model"), "plots/a.png " + sum("a"), "plots/b.png " + sum("b")}
	if diff := cmp.Diff(want, subjects); diff != "" {
		t.Error(diff)
	}
	want = []string{"code", "uncommitted changes", "untracked files", "data/flights", "train.py", "packages of Python", "uv.lock", "container"}
	if diff := cmp.Diff(want, needs); diff != "" {
		t.Error(diff)
	}
	code := p.GetBuildDefinition().GetResolvedDependencies()[0]
	if code.GetUri() != "git+ssh://git@git.example/acme/flights.git" || code.GetDigest()["gitCommit"] != strings.Repeat("4c", 20) {
		t.Errorf("code %v", code)
	}
	m := p.GetRunDetails().GetMetadata()
	if m.GetInvocationId() != account().ID || m.GetFinishedOn().AsTime().Sub(m.GetStartedOn().AsTime()) != 90*time.Second {
		t.Errorf("metadata %v", m)
	}
	outcome := p.GetRunDetails().GetByproducts()[0].GetAnnotations().AsMap()
	if got := outcome["metrics"].(map[string]any)["loss"]; got != "NaN" || outcome["state"] != "succeeded" {
		t.Errorf("outcome %v", outcome)
	}
}

// TestSLSAOfAFailure: what was written has a statement, which says how it ended; what wrote nothing has none.
func TestSLSAOfAFailure(t *testing.T) {
	a := account()
	cause := "the command ended with 2"
	a.State, a.Cause = Failed, &cause
	if text, err := a.SLSA(); err != nil || !bytes.Contains(text, []byte(`"state": "failed"`)) || !bytes.Contains(text, []byte(cause)) {
		t.Errorf("%s %v", text, err)
	}
	a.Body.Outputs = nil
	if _, err := a.SLSA(); fault.KindOf(err) != fault.Usage {
		t.Errorf("a run without outputs: %v", err)
	}
	a.State = Running
	if _, err := a.SLSA(); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a run in progress: %v", err)
	}
}

func TestOpenLineageEvents(t *testing.T) {
	for _, c := range []struct {
		state State
		want  []string
	}{
		{Running, []string{"START"}}, {Succeeded, []string{"START", "COMPLETE"}}, {Failed, []string{"START", "FAIL"}},
		{Killed, []string{"START", "ABORT"}}, {Cancelled, []string{"START", "ABORT"}}, {Lost, []string{"START", "ABORT"}},
	} {
		a := account()
		if a.State = c.state; c.state == Running || c.state == Lost {
			a.EndedAt, a.Body.Outputs = nil, nil
		}
		text, err := a.OpenLineage()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range bytes.Lines(text) {
			var e struct {
				EventType string
				EventTime time.Time
				Run       struct {
					RunID  string
					Facets map[string]any
				}
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.EventType)
			if _, complains := e.Run.Facets["errorMessage"]; complains != (e.EventType == "FAIL" || e.EventType == "ABORT") {
				t.Errorf("%s: complains %v", e.EventType, complains)
			}
			if e.EventTime.IsZero() || e.Run.RunID != uuidOf(a.RunID) || e.Run.RunID[14] != '8' || !strings.ContainsRune("89ab", rune(e.Run.RunID[19])) {
				t.Errorf("%v", e)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.state, diff)
		}
	}
}

func TestPROVDescribesEachEntityOnce(t *testing.T) {
	a := account()
	a.Body.Outputs = append(a.Body.Outputs, Output{Path: "copy.pkl", Root: object.Sum([]byte("kept")), Digest: object.Sum([]byte("model")), Kind: "file"})
	text, err := a.PROV()
	if err != nil {
		t.Fatal(err)
	}
	var d provDocument
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	model := d.Entity["mlx:content/"+object.Sum([]byte("model")).Hex()]
	if diff := cmp.Diff([]any{"model.pkl", "copy.pkl"}, model["prov:location"]); diff != "" {
		t.Error(diff)
	}
	if len(d.WasGeneratedBy) != 3 || len(d.WasDerivedFrom) != 6 || len(d.WasInformedBy) != 1 || len(d.WasInfluencedBy) != 1 || len(d.Used) != 7 {
		t.Errorf("%s", text)
	}
	run := d.Activity["mlx:run/"+a.ID]
	if diff := cmp.Diff(map[string]any{"$": "-INF", "type": "xsd:double"}, run["mlx:metrics.best"]); diff != "" || run["mlx:params.odd%3Ana+me"] == nil {
		t.Errorf("%s %v", diff, run)
	}
}

func TestCSVHasAColumnForEverything(t *testing.T) {
	a, b := account(), account()
	b.Params, b.Metrics = map[string]any{"zone": "a,\"b\"\n=1"}, map[string]Number{"auc": Number(math.Inf(1))}
	text, err := CSV([]Account{a, b})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	cell := func(row int, name string) string {
		for i, c := range rows[0] {
			if c == name {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s in %v", name, rows[0])
		return ""
	}
	for _, c := range []struct {
		row        int
		name, want string
	}{{1, "params.depth", "6"}, {2, "params.depth", ""}, {2, "params.zone", "a,\"b\"\n=1"}, {1, "metrics.loss", "NaN"}, {2, "metrics.auc", "Infinity"},
		{1, "state", "succeeded"}, {1, "outputs.model.pkl", object.Sum([]byte("model")).Hex()}, {1, "started_at", "2026-11-23T16:41:07.5Z"}} {
		if got := cell(c.row, c.name); got != c.want {
			t.Errorf("row %d, %s: %q, want %q", c.row, c.name, got, c.want)
		}
	}
	if got := rows[0][13:]; !strings.HasPrefix(got[0], "params.") || !strings.HasPrefix(got[len(got)-1], "outputs.") {
		t.Errorf("order of columns %v", got)
	}
}

// TestExportsOfARunAreExact: the same account gives the same bytes, and no document holds a secret of a URL.
func TestExportsOfARunAreExact(t *testing.T) {
	write := func() [][]byte {
		a := account()
		a.Body.Code.Remote = "https://ana:hunter2@git.example/acme/flights.git?token=hunter2"
		var all [][]byte
		for _, form := range []func() ([]byte, error){a.SLSA, a.OpenLineage, a.PROV, func() ([]byte, error) { return CSV([]Account{a}) }} {
			text, err := form()
			if err != nil || len(text) == 0 {
				t.Fatalf("%q %v", text, err)
			}
			if bytes.Contains(text, []byte("hunter2")) {
				t.Errorf("a secret in %s", text)
			}
			all = append(all, text)
		}
		return all
	}
	first := write()
	for range 20 {
		if diff := cmp.Diff(first, write()); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestGitURL(t *testing.T) {
	for in, want := range map[string]string{
		"git@git.example:acme/flights.git":   "ssh://git@git.example/acme/flights.git",
		"git.example:acme/flights.git":       "ssh://git.example/acme/flights.git",
		"https://u:p@git.example/a.git#x":    "https://git.example/a.git",
		"ssh://git:p@git.example:2222/a.git": "ssh://git@git.example:2222/a.git",
		"/srv/git/flights":                   "", "../flights": "", "": "", "file:///srv/git": "", "https://%zz/": "",
	} {
		if got, ok := GitURL(in); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, ok, want)
		}
	}
}
