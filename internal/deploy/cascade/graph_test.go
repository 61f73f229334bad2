package cascade

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mlx/internal/deploy"
)

func graphOf(stages ...Stage) Graphed {
	g := Graphed{Name: "guard", Release: deploy.Release{Combine: &deploy.Combine{By: deploy.CombineCascade}},
		URL: func(stage int) string { return fmt.Sprintf("http://guard-s%d-predictor/score", stage) }}
	for _, s := range stages {
		if s.Path == "" {
			s.Path = "/score"
		}
		g.Release.Stages = append(g.Release.Stages, s.ReleaseStage)
	}
	return g
}

func next(text string) func(*deploy.ReleaseStage) {
	return func(s *deploy.ReleaseStage) { s.Next, s.Deadline = text, 2*time.Second }
}

func TestGraphsOfKServe(t *testing.T) {
	object, err := Graph(graphOf(of("small", next("score >= 0.2 and score <= 0.8")), of("middle", next(`$env["/outputs/0/label"] == "un\"sure"`)), of("large", next(""))))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	// What these queries find was tried with github.com/tidwall/gjson v1.18.0, which KServe reads them with.
	want := `{"apiVersion":"serving.kserve.io/v1alpha1","kind":"InferenceGraph","metadata":{"name":"guard"},` +
		`"spec":{"nodes":{"root":{"routerType":"Sequence","steps":[` +
		`{"dependency":"Hard","name":"small","serviceUrl":"http://guard-s0-predictor/score"},` +
		`{"condition":"[@this].#(score\u003e=0.2)#|#(score\u003c=0.8)","data":"$request","dependency":"Hard","name":"middle","serviceUrl":"http://guard-s1-predictor/score"},` +
		`{"condition":"[@this].#(outputs.0.label==\"un\\\"sure\")","data":"$request","dependency":"Hard","name":"large","serviceUrl":"http://guard-s2-predictor/score"}` +
		`]}},"routerTimeouts":{"serviceClient":2}}}`
	if string(text) != want {
		t.Errorf("it is\n%s\nnot\n%s", text, want)
	}
}

func TestGraphsThatWouldAnswerOtherwise(t *testing.T) {
	with := func(change func(*deploy.ReleaseStage)) Graphed {
		return graphOf(of("small", func(s *deploy.ReleaseStage) {
			next("score < 1")(s)
			change(s)
		}), of("large", next("")))
	}
	mean := with(func(*deploy.ReleaseStage) {})
	mean.Release.Combine.By = deploy.CombineMean
	nowhere := with(func(*deploy.ReleaseStage) {})
	nowhere.Release.Stages[1].Path = ""
	for want, g := range map[string]Graphed{
		"at the path of the": nowhere,
		"side by side":       mean,
		"looks hashes up":    with(func(s *deploy.ReleaseStage) { s.List = &deploy.ReleaseList{} }),
		"on_error: skip":     with(func(s *deploy.ReleaseStage) { s.OnError = deploy.OnErrorSkip }),
		"a deadline of 50ms": with(func(s *deploy.ReleaseStage) { s.Deadline = 50 * time.Millisecond }),
		"one for all":        with(func(s *deploy.ReleaseStage) { s.Deadline = 3 * time.Second }),
		"joined by and":      with(func(s *deploy.ReleaseStage) { s.Next = "score < 1 or score > 2" }),
		"says where it is":   with(func(s *deploy.ReleaseStage) { s.Next = "answer < 1" }),
		"of letters, digits": with(func(s *deploy.ReleaseStage) { s.Next = `$env["a.b"] < 1` }),
		"cannot judge":       with(func(s *deploy.ReleaseStage) { s.Next = "score <" }),
	} {
		if _, err := Graph(g); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
