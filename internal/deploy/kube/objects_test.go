package kube

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	digest "mlx/internal/object"
)

var update = flag.Bool("update", false, "write the golden files")

func testRelease(version int) deploy.Release {
	sum := digest.Sum([]byte{byte(version)})
	return deploy.Release{Key: sum.Hex(), Model: "flights", Version: version, Image: "sha256:" + sum.Hex(),
		Serve: deploy.Serve{Command: "python serve.py", Env: []string{"WORKERS=2"}, Ready: "/health", Start: time.Minute, Stop: 20 * time.Second, Protocol: "json"}}
}

func testSettings(form Form) Settings {
	s := Settings{Service: "flights", Form: form, Repository: "registry.example/team/flights", Gateway: "infra/public", Hostname: "flights.example",
		CPUs: 1.5, Memory: 1 << 30, GPUs: 1, GPUType: "NVIDIA-H100-80GB-HBM3", Secrets: []string{"registry"},
		Agent: "registry.example/team/flights@" + testRelease(99).Image}
	if s.kserve() {
		s.Format = "mlflow"
	}
	return s
}

// testStages is a release of two stages.
func testStages(version int) deploy.Release {
	r := testRelease(version)
	small := testRelease(version + 100)
	r.Combine = &deploy.Combine{By: deploy.CombineCascade}
	for i, g := range []string{"small", "large"} {
		serve := r.Serve
		serve.Command, serve.Ready = "serve "+g, []string{"/health", ""}[i]
		r.Stages = append(r.Stages, deploy.ReleaseStage{Name: g, Model: g, Version: version, Image: []string{small.Image, r.Image}[i], Serve: &serve,
			Answer: "/predictions/0", OnError: deploy.OnErrorFail, Deadline: time.Second})
	}
	r.Stages[0].Next = "confidence < 0.9"
	return r
}

// graphOf is a release of stages that an InferenceGraph answers by.
func graphOf(version int) deploy.Desired {
	d := servedOf(version)
	d.Arms[0].Release = testStages(version)
	for i := range d.Arms[0].Release.Stages {
		d.Arms[0].Release.Stages[i].Path = "/v2/models/" + d.Arms[0].Release.Stages[i].Model + "/infer"
	}
	return d
}

// stepOf is a canary that has a share.
func stepOf(share deploy.Share, generation uint64) deploy.Desired {
	return deploy.Desired{Service: "flights", Generation: generation, Lease: 30 * time.Second, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: testRelease(1), Share: deploy.All - share, Replicas: 2},
		{Role: deploy.Candidate, Release: testRelease(2), Share: share, Replicas: 2},
	}}
}

// servedOf is a release that is in service, as an export shows it.
func servedOf(version int) deploy.Desired {
	return deploy.Desired{Service: "flights", Arms: []deploy.Arm{{Role: deploy.Stable, Release: testRelease(version), Share: deploy.All, Replicas: 2}}}
}

// TestGolden holds the objects of each form against what they were: whoever changes them sees what restarts pods.
func TestGolden(t *testing.T) {
	shadow := deploy.Desired{Service: "flights", Generation: 4, Mirror: 2550, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: testRelease(1), Share: deploy.All, Replicas: 2}, {Role: deploy.Shadow, Release: testRelease(2), Replicas: 2}}}
	twice := shadow // both may be asked a second time
	twice.Mirror, twice.Arms = deploy.All, slices.Clone(shadow.Arms)
	for i := range twice.Arms {
		twice.Arms[i].Release.Serve.Idempotent = true
	}
	compared := testSettings(Gateway)
	compared.Compare = router.Compare{Pointer: "/score", Absolute: 0.5, Relative: 1e-4}
	scaled := func(s Settings, keda bool) Settings {
		s.Scale = &Scale{Min: 1, Max: 8, Keda: keda, CPU: 0.7, GPU: 0.8, Queue: 4.5, Prometheus: "http://prometheus.monitoring:9090"}
		return s
	}
	staged := servedOf(1)
	staged.Arms[0].Release = testStages(1)
	graph := testSettings(Standard)
	graph.Graph = true
	poured := testSettings(Gateway)
	poured.Pod = map[string]any{"priorityClassName": "models", "containers": []any{map[string]any{"securityContext": map[string]any{"runAsUser": 1000}}}}
	poured.Agent = ""
	for name, test := range map[string]struct {
		settings Settings
		desired  deploy.Desired
	}{
		"gateway-served":  {testSettings(Gateway), servedOf(1)},
		"gateway-step":    {testSettings(Gateway), stepOf(500, 7)},
		"gateway-shadow":  {testSettings(Gateway), shadow},
		"gateway-compare": {compared, twice},
		"gateway-hpa":     {scaled(testSettings(Gateway), false), servedOf(1)},
		"gateway-keda":    {scaled(testSettings(Gateway), true), servedOf(1)},
		"gateway-pod":     {poured, servedOf(1)},
		"gateway-stages":  {testSettings(Gateway), staged},
		"standard-stages": {testSettings(Standard), staged},
		"standard-graph":  {graph, graphOf(1)},
		"argo-step":       {testSettings(Argo), stepOf(500, 7)},
		"argo-served":     {testSettings(Argo), servedOf(2)},
		"standard-step":   {testSettings(Standard), stepOf(500, 7)},
		"standard-served": {scaled(testSettings(Standard), false), servedOf(1)},
		"knative-step":    {testSettings(Knative), stepOf(500, 7)},
		"knative-served":  {testSettings(Knative), servedOf(2)},
	} {
		t.Run(name, func(t *testing.T) {
			if test.settings.Form == Argo {
				test.settings.Namespace = "team" // its plugin has to be told
			}
			all, err := Objects(test.settings, test.desired)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Objects(test.settings, test.desired)
			if err != nil || YAML(all) != YAML(again) {
				t.Errorf("they are others the second time: %v", err)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(file, []byte(YAML(all)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), YAML(all)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestIgnoredFields: what a mode of KServe ignores is never set in it. In Standard mode no field of KServe says a share.
func TestIgnoredFields(t *testing.T) {
	for form, has := range map[Form]string{Standard: " weight: ", Knative: " canaryTrafficPercent:"} {
		for _, share := range []deploy.Share{0, 500, deploy.All} {
			all, err := Objects(testSettings(form), stepOf(share, 3))
			if err != nil {
				t.Fatal(err)
			}
			text := YAML(all)
			if !strings.Contains(text, has) || strings.Contains(text, " trafficPercent:") || form == Standard && strings.Contains(text, "canaryTrafficPercent") {
				t.Errorf("%s at %s:\n%s", form, share, text)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	with := func(form Form, change func(*Settings)) Settings {
		s := testSettings(form)
		change(&s)
		return s
	}
	unpacked := servedOf(1)
	unpacked.Arms[0].Release.Image = ""
	listed := servedOf(1)
	listed.Arms[0].Release = testStages(1)
	listed.Arms[0].Release.Stages[0] = deploy.ReleaseStage{Name: "known", List: &deploy.ReleaseList{Path: "known.txt"}}
	halfPacked := servedOf(1)
	halfPacked.Arms[0].Release = testStages(1)
	halfPacked.Arms[0].Release.Stages[0].Image = ""
	skips := graphOf(1)
	skips.Arms[0].Release.Stages[0].OnError = deploy.OnErrorSkip
	graph := func(s *Settings) { s.Graph = true }
	blind := servedOf(1)
	blind.Arms[0].Release.Serve.Ready = ""
	alone := func(s *Settings) { s.Agent = "" }
	for name, test := range map[string]struct {
		settings Settings
		desired  deploy.Desired
		says     string
		hints    string
	}{
		"no package":       {testSettings(Gateway), unpacked, "flights@v1 has no package", "mlx model package flights@v1 --push registry.example/team/flights"},
		"half a package":   {testSettings(Gateway), halfPacked, "small@v1 has no package", "mlx model package small@v1 --push registry.example/team/flights"},
		"a list":           {testSettings(Gateway), listed, "stage known looks hashes up", "target: host"},
		"stages, Knative":  {testSettings(Knative), listed, "one model is served", "form: kserve"},
		"nobody answers":   {with(Gateway, alone), listed, "nothing would answer by its stages", "agent: IMAGE"},
		"graph, gateway":   {with(Gateway, graph), graphOf(1), "graph: is what KServe makes, and its form is gateway", "form: kserve, graph: true"},
		"graph that skips": {with(Standard, graph), skips, "stage small has on_error: skip", "kubernetes: {form: gateway}"},
		"graph of a list":  {with(Standard, graph), listed, "stage known looks hashes up", "kubernetes: {form: gateway}"},
		"graph and scale":  {with(Standard, func(s *Settings) { s.Graph, s.Scale = true, &Scale{Max: 3, Queue: 1} }), graphOf(1), "do not go together", "form: gateway"},
		"no ready path":    {with(Gateway, alone), blind, "at which path a server tells that it is ready", "ready: /health"},
		"no repository":    {with(Gateway, func(s *Settings) { s.Repository = "" }), servedOf(1), "from which repository", "repository:"},
		"no gateway":       {with(Argo, func(s *Settings) { s.Gateway = "" }), servedOf(1), "through which Gateway", "gateway: NAMESPACE/NAME"},
		"no runtime":       {with(Knative, func(s *Settings) { s.Format = "" }), servedOf(1), "a runtime of the cluster serves it", "form: gateway"},
		"Knative's scale":  {with(Knative, func(s *Settings) { s.Pod = map[string]any{"maxReplicas": 3} }), stepOf(500, 1), "pod: has maxReplicas", "edit mlx.yaml"},
		"pod of no form":   {with(Gateway, func(s *Settings) { s.Pod = map[string]any{"containers": []any{"x"}} }), servedOf(1), "cannot merge pod:", ""},
		"Knative's cores":  {with(Knative, func(s *Settings) { s.Scale = &Scale{Max: 3, CPU: 1} }), servedOf(1), "scales by nothing else", "queue: 4"},
		"scale by nothing": {with(Gateway, func(s *Settings) { s.Scale = &Scale{Max: 3} }), servedOf(1), "by what it scales", "cpu: 70%"},
		"scale backwards":  {with(Gateway, func(s *Settings) { s.Scale = &Scale{Min: 4, Max: 3, CPU: 1} }), servedOf(1), "max: 3 is below min: 4", ""},
		"no form":          {with("helm", func(*Settings) {}), servedOf(1), `there is no form "helm"`, "form: gateway"},
	} {
		_, err := Objects(test.settings, test.desired)
		hints := strings.Join(fault.Hints(err), "\n")
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(hints, test.hints) || fault.KindOf(err) == fault.Internal {
			t.Errorf("%s: %v\n%s", name, err, hints)
		}
	}
}

func TestPlansRefused(t *testing.T) {
	spec := deploy.Spec{Service: "flights", To: testRelease(2), Steps: []deploy.Share{50, deploy.All}}
	disagreement := []deploy.Rule{{Kind: deploy.KindMeasure, Name: deploy.MeasureDisagreement}}
	for name, test := range map[string]struct {
		form Form
		spec func(*deploy.Spec)
		says string
	}{
		"A/B":             {Gateway, func(s *deploy.Spec) { s.Strategy = deploy.AB }, "keeps each user with one version"},
		"copies of Argo":  {Argo, func(s *deploy.Spec) { s.Mirror, s.Steps = deploy.All, nil }, "makes no copies"},
		"half a percent":  {Knative, func(*deploy.Spec) {}, "whole percents only"},
		"compared copies": {Gateway, func(s *deploy.Spec) { s.Checks = disagreement }, "so that each release has to answer them a second time"},
		"compared with what was not said of": {Standard, func(s *deploy.Spec) {
			s.Checks, s.To.Serve.Idempotent, s.From = disagreement, true, &deploy.Release{Model: "flights", Version: 1}
		}, "so that flights@v1 has to answer them a second time"},
		"compared copies that do no harm": {Gateway, func(s *deploy.Spec) {
			s.Checks, s.To.Serve.Idempotent, s.From = disagreement, true, &deploy.Release{Serve: deploy.Serve{Idempotent: true}}
		}, ""},
		"counts of Knative": {Knative, func(s *deploy.Spec) { s.From, s.Steps = new(testRelease(1)), nil; *s = s.Filled() }, "nobody counts its answers in Knative mode"},
		"numbers of Knative": {Knative, func(s *deploy.Spec) {
			s.From, s.Checks, s.MinSamples = new(testRelease(1)), []deploy.Rule{{Kind: "query", Name: "up"}}, 5
		}, "is to have 5 of them"},
		"counts of Knative all at once": {Knative, func(s *deploy.Spec) {
			s.Uncounted, s.From, s.Strategy, s.Steps = true, new(testRelease(1)), deploy.BlueGreen, nil
			*s = s.Filled()
		}, "so errors would never be known"},
		"Knative, measured elsewhere": {Knative, func(s *deploy.Spec) {
			s.Uncounted, s.From, s.Steps, s.Checks = true, new(testRelease(1)), nil, []deploy.Rule{{Kind: "query", Name: "up"}}
			*s = s.Filled()
		}, ""},
		"back in Knative": {Knative, func(s *deploy.Spec) {
			s.From, s.Strategy, s.Steps = new(testRelease(1)), deploy.Back, nil
			*s = s.Filled()
		}, ""},
		"half a percent there": {Gateway, func(*deploy.Spec) {}, ""},
	} {
		asked := spec
		test.spec(&asked)
		err := testSettings(test.form).CheckPlan(asked)
		if got := err != nil; got != (test.says != "") || got && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestModelInPods: servers find the model as they do on a host, the one that mlx brings for ONNX too; a command that needs what is only there is refused.
func TestModelInPods(t *testing.T) {
	s := testSettings(Gateway)
	s.File = func(r deploy.Release) (string, error) {
		if r.Version == 1 {
			return "model.onnx", nil
		}
		return "", nil
	}
	onnx, known := local.PresetOf("onnxruntime", "flights")
	if !known {
		t.Fatal("there is no preset onnxruntime")
	}
	r := testRelease(1)
	r.Serve.Command = onnx.Command
	if err := s.Check(r); err != nil {
		t.Fatal(err)
	}
	one, err := s.template(r)
	two, err2 := s.template(testRelease(2))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	first, second := YAML([]Object{one}), YAML([]Object{two})
	for _, want := range []string{`value: "/models/model.onnx"`, `exec python3 -c \"$MLX_SERVER\"`, "name: MLX_SERVER", "InferenceSession"} {
		if !strings.Contains(first, want) {
			t.Errorf("there is no %s in\n%s", want, first)
		}
	}
	if strings.Contains(second, "MLX_SERVER") || !strings.Contains(second, "name: MLX_MODEL\n") {
		t.Errorf("of a folder:\n%s", second)
	}
	r.Serve.Command = `exec ./run "$MLX_RELEASE_DIR/settings"`
	if err := s.Check(r); err == nil || !strings.Contains(err.Error(), "which a server has on a host only") || len(fault.Hints(err)) == 0 {
		t.Errorf("a file of a host: %v", err)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, service := range []string{"flights", "Flights", "flights@staging", "flights_staging", "7days", "-", strings.Repeat("a", 100), strings.Repeat("a", 99) + "b", "a.b", "é"} {
		name := NameOf(service)
		whole := nameOf(service, testRelease(1).Key) + "-predictor"
		if len(whole) > 63 || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || name[0] < 'a' || strings.HasSuffix(name, "-") {
			t.Errorf("%q is called %q", service, name)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both called %q", service, other, name)
		}
		seen[name] = service
	}
}

func TestCommands(t *testing.T) {
	for command, want := range map[string][]any{
		"python serve.py --fast":       {"python", "serve.py", "--fast"},
		"exec servedmodel":             {"servedmodel"},
		`exec python3 -m x -p "$PORT"`: {"/bin/sh", "-c", `exec python3 -m x -p "$PORT"`},
		"A=1 serve":                    {"/bin/sh", "-c", "A=1 serve"},
		"serve $(cat port)":            {"/bin/sh", "-c", "serve $$(cat port)"},
	} {
		if diff := cmp.Diff(want, argv(command)); diff != "" {
			t.Errorf("%s: %s", command, diff)
		}
	}
}

// TestCountedByKeda: KEDA asks for the pods of one release in one namespace, and for those of no other service.
func TestCountedByKeda(t *testing.T) {
	for form, mine := range map[Form]string{Gateway: "flights-4bf5122f-6d4cf56db6-abcde", Argo: "flights-6d4cf56db6-abcde", Standard: "flights-4bf5122f-predictor-6d4cf56db6-abcde"} {
		s := testSettings(form)
		s.Namespace, s.Scale = "team", &Scale{Max: 8, Keda: true, Queue: 4, Prometheus: "http://prometheus.monitoring:9090"}
		all, err := Objects(s, servedOf(1))
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(YAML(all), `query: "sum(mlx_router_in_flight{namespace=\"team\",pod=~\"`)
		query, _, ok := strings.Cut(query, `\"})"`)
		if !ok {
			t.Fatalf("%s: no such query in\n%s", form, YAML(all))
		}
		pods := regexp.MustCompile("^(?:" + query + ")$") // as Prometheus reads it
		if !pods.MatchString(mine) {
			t.Errorf("%s: %s is not %s", form, mine, query)
		}
		for _, other := range []string{"flights-eu-6d4cf56db6-abcde", "flights-guard-6d4cf56db6-abcde", "flights-eu-4bf5122f-6d4cf56db6-abcde", "flights-dbc1b4c9-6d4cf56db6-abcde",
			"flights-eu-4bf5122f-predictor-6d4cf56db6-abcde"} {
			if pods.MatchString(other) {
				t.Errorf("%s: %s is %s as well", form, other, query)
			}
		}
	}
	long := strings.Repeat("a", 44)
	if pods := (Settings{}).podsOf(long + "-4bf5122f"); !regexp.MustCompile(pods[len(`{pod=~"`) : len(pods)-2]).MatchString(long + "-4bf5122f-6d4c" + "abcde") {
		t.Errorf("a long name: %s", pods) // Kubernetes cuts it off before what makes it unique
	}
}
