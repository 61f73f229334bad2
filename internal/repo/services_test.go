package repo

import (
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestServicesThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want, hint string }{
		"no server":       {"{model: m}", "service s has no server", "cmd: python serve.py"},
		"two servers":     {"{model: m, cmd: a, server: mlflow}", "service s has two servers", ""},
		"unknown server":  {"{model: m, server: mlflo}", `"mlflo"`, "mlflow"},
		"replicas":        {"{model: m, cmd: a, replicas: 5000}", "asks for 5000 servers", ""},
		"two words":       {"{model: m, cmd: a, sticky: {header: A, cookie: b}}", "keeps users by several things", ""},
		"pointer":         {"{model: m, cmd: a, sticky: {field: user.id}}", `keeps users by "user.id", which is no JSON pointer`, ""},
		"answer":          {"{model: m, cmd: a, answer: score}", `answers at "score"`, ""},
		"steps fall":      {"{model: m, cmd: a, rollout: {steps: [5%, 1%, 100%]}}", "steps that do not rise", "steps: [1%, 5%, 20%, 100%]"},
		"steps end early": {"{model: m, cmd: a, rollout: {steps: [5%, 50%]}}", "steps that do not end at 100%", ""},
		"no user":         {"{model: m, cmd: a, rollout: {strategy: ab}}", "a user must stay with one version", "sticky: {header: X-User}"},
		"hold":            {"{model: m, cmd: a, rollout: {on_loss: hold}}", "only an A/B test may", ""},
		"kpi":             {"{model: m, cmd: a, rollout: {kpi: {command: a, label: b}}}", "has two KPIs", ""},
		"kpi's monitor":   {"{model: m, cmd: a, rollout: {kpi: {label: b, monitor: x}}}", `unknown monitor "x"`, ""},
		"no monitor":      {"{model: m, cmd: a, rollout: {kpi: {label: b}}}", "names no monitor", ""},
		"column":          {"{model: m, cmd: a, rollout: {checks: [{column: a, nulls: 1%}]}}", "a check of a rollout is about answers", ""},
		"query":           {"{model: m, cmd: a, rollout: {checks: [{query: up, min: 1}]}}", "the Prometheus that it asks", "prometheus:"},
		"two subjects of": {"{model: m, cmd: a, rollout: {prometheus: 'http://p', checks: [{query: up, measure: errors, min: 1}]}}", "exactly one subject", ""},
		"listen":          {"{model: m, cmd: a, listen: '8080'}", `a listen of "8080"`, ""},
		"proxy":           {"{model: m, cmd: a, proxies: [lb]}", `believes the proxy "lb"`, ""},
		"slo's window":    {"{model: m, cmd: a, slo: {availability: 99%, window: 100d}}", "at most 90 days", "window: 30d"},
		"labels of what":  {"{model: m, cmd: a, rollout: {checks: [{expr: 'errors < 1', monitor: x}]}}", "what a measure is computed of", "measure: roc_auc"},
		"check's monitor": {"{model: m, cmd: a, rollout: {checks: [{measure: mae, monitor: x, max: 1}]}}", `unknown monitor "x"`, ""},
		"few users":       {"{model: m, cmd: a, rollout: {kpi: {command: a, min_users: 1}}}", "compares too few users", ""},
		"slo":             {"{model: m, cmd: a, slo: {availability: 100%}}", "must answer every request", "99.9%"},
		"price":           {"{model: m, cmd: a, price: {request: -1 EUR}}", "is no amount of money such as 20 EUR", ""},
		"prices":          {"{model: m, cmd: a, price: {request: 1 EUR, hour: 1 USD}}", "prices in EUR and in USD, which cannot be added up", ""},
		"no model":        {"{cmd: a}", "service s has no model", "model: s"},
		"nothing to mean": {"{model: m, cmd: a, combine: mean}", "combines stages, and has none", "stages:"},
		"model beside":    {"{model: m, stages: [{name: a, model: m, cmd: a}]}", "model, cmd, server and ready are theirs", ""},
		"twice":           {"{stages: [{name: a, model: m, cmd: a, next: x > 1}, {name: a, model: m, cmd: a}]}", `has a stage "a": names`, ""},
		"no stage":        {"{stages: [{name: a}]}", "has neither a model nor hashes", "hashes: FILE"},
		"two subjects":    {"{stages: [{name: a, model: m, cmd: a, hashes: f}]}", "has a model and hashes", ""},
		"unserved":        {"{stages: [{name: a, model: m}]}", "needs one server", "cmd: python"},
		"of nothing":      {"{stages: [{name: a, model: m, cmd: a, of: /x}]}", "has no hashes", ""},
		"silent list":     {"{stages: [{name: a, hashes: f}, {name: b, model: m, cmd: a}]}", "says nothing of what is answered", "reply:"},
		"list last":       {"{stages: [{name: a, hashes: f, reply: {x: 1}}]}", "is the last one, and answers only", ""},
		"list says yes":   {"{stages: [{name: a, hashes: f, reply: {x: 1}, on_error: reply}, {name: b, model: m, cmd: a}]}", "as if everything were on the list", "skip"},
		"list of a mean":  {"{combine: mean, stages: [{name: a, hashes: f, reply: {x: 1}}, {name: b, model: m, cmd: a}]}", "only a cascade has such a list", "combine: cascade"},
		"never asked":     {"{stages: [{name: a, model: m, cmd: a}, {name: b, model: m, cmd: a}]}", "b behind it is never asked", "next:"},
		"last asks":       {"{stages: [{name: a, model: m, cmd: a, next: x > 1}]}", "and is the last one", ""},
		"unused reply":    {"{stages: [{name: a, model: m, cmd: a, reply: {x: 1}}]}", "on_error: reply and reply go together", ""},
		"weight":          {"{combine: mean, stages: [{name: a, model: m, cmd: a, weight: 2}, {name: b, model: m, cmd: a}]}", "has a weight", "combine: weighted"},
		"next of a vote":  {"{combine: vote, stages: [{name: a, model: m, cmd: a, next: x > 1}, {name: b, model: m, cmd: a}]}", "all are asked at once", "combine: cascade"},
		"one vote":        {"{combine: vote, stages: [{name: a, model: m, cmd: a}]}", "combines one stage", ""},
		"no quorum":       {"{combine: vote, quorum: 0, stages: [{name: a, model: m, cmd: a}, {name: b, model: m, cmd: a}]}", "quorum needs more than nothing", ""},
		"no time":         {"{stages: [{name: a, model: m, cmd: a, deadline: 0s}]}", "deadline needs more than nothing", ""},
		"quorum":          {"{combine: vote, quorum: 3, stages: [{name: a, model: m, cmd: a}, {name: b, model: m, cmd: a}]}", "asks for 3 answers", ""},
		"pointers":        {"{stages: [{name: a, model: m, cmd: a, answer: score}]}", "no JSON pointer", ""},
		"strict":          {"{model: m, cmd: a, log: {strict: true, share: 50%}}", "strict is for all predictions", "log: {strict: true"},
	} {
		_, err := ParseConfig([]byte("services:\n  s: " + c.yaml + "\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(strings.Join(fault.Hints(err), "\n"), c.hint) {
			t.Errorf("%s: %v, hints %q", name, err, fault.Hints(err))
		}
	}
	if _, err := ParseConfig([]byte("services:\n  a/b: {model: m, cmd: a}\n")); err == nil || !strings.Contains(err.Error(), "has a name that is no folder") {
		t.Errorf("a name with a slash: %v", err)
	}
	if _, err := ParseConfig([]byte("gates:\n  g: {for: a, checks: [{query: up, min: 1}]}\n")); err == nil {
		t.Error("a gate may not query Prometheus")
	}
	if _, err := ParseConfig([]byte("gates:\n  g: {for: a, checks: [{measure: roc_auc, monitor: m, min: 1}]}\n")); err == nil {
		t.Error("a gate has labels of its own")
	}
}

func TestServicesAreTrustedByWhatTheyRunAndContact(t *testing.T) {
	c, err := ParseConfig([]byte(`services:
  a: {model: m, cmd: serve, traces: 'http://t', log: {sink: 'kafka://k'}, rollout: {prometheus: 'http://p', checks: [{command: check}, {query: up, min: 1}], kpi: {command: kpi}}}
  b: {model: m, server: mlflow}
  c: {stages: [{name: known, hashes: f, reply: {x: 1}}, {name: small, model: m, cmd: s, next: x > 1}, {name: large, model: n, server: vllm}]}
  d: {model: m, cmd: serve, target: haproxy, haproxy: {socket: /run/h.sock, log: '127.0.0.1:5514'}}
  f: {model: m, cmd: serve, hosts: [{host: one, dir: /srv}]}
environments:
  e: {services.b.server: triton, services.d.haproxy.socket: /run/other.sock}
`))
	if err != nil {
		t.Fatal(err)
	}
	items, err := c.TrustItems(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range items {
		got = append(got, i.Kind+" "+i.Name+" "+i.Value)
	}
	want := "check a check\ncheck a kpi\ntable http://p http://p\nmodel a http://t\nmodel a kafka://k\nservice a serve\nservice b server: mlflow\nservice c small: s; large: server: vllm\n" +
		"service d serve through HAProxy at /run/h.sock, backend of its name\nservice f serve on one:/srv\nservice b server: triton\n" +
		"service d serve through HAProxy at /run/other.sock, backend of its name"
	if strings.Join(got, "\n") != want {
		t.Errorf("it is trusted by\n%s", strings.Join(got, "\n"))
	}
}

// TestFilesThatAClusterFollows: a file outside of the clone, or of git itself, is none.
func TestFilesThatAClusterFollows(t *testing.T) {
	for path, ok := range map[string]bool{"deploy/flights.yaml": true, "flights.yaml": true, ".github/x.yaml": true, "./deploy/a.yaml": true, "../flights.yaml": false,
		"a/../../flights.yaml": false, "/etc/flights.yaml": false, `..\flights.yaml`: false, ".git/hooks/pre-commit": false, "./.GIT/config": false, "deploy/": false, ".": false,
		":(top)x": false, "a*": false} {
		text := "services:\n  s: {model: m, cmd: a, target: kubernetes, kubernetes: {gitops: {path: '" + path + "'}}}\n"
		if _, err := ParseConfig([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// TestCompareOnACluster: what copies are answered is compared where copies are made.
func TestCompareOnACluster(t *testing.T) {
	for form, refused := range map[string]bool{"gateway": false, "kserve": false, "argo": true, "kserve-knative": true} {
		text := "services:\n  s: {model: m, cmd: a, target: kubernetes, compare: {relative: 0.1}, kubernetes: {form: " + form + "}}\n"
		_, err := ParseConfig([]byte(text))
		if got := err != nil; got != refused || got && !strings.Contains(err.Error(), "has compare:") {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// TestKnativeHasNoRoute: what neither a route nor a meter of mlx does for a service in Knative mode is refused, and not left out.
func TestKnativeHasNoRoute(t *testing.T) {
	for keys, want := range map[string]string{
		"schema: none": "", "replicas: 2": "", "schema: refuse": "schema:", "limits: {queue: 4}": "limits:", "rollout: {min_samples: 5}": "rollout.min_samples:",
		"gateway: infra/public": "kubernetes.gateway:", "hostname: a.example": "kubernetes.hostname:", "path: /a": "kubernetes.path:", "secrets: [key]": "",
	} {
		service, kubernetes := keys, ""
		if word, _, _ := strings.Cut(keys, ":"); strings.Contains("gateway hostname path secrets", word) {
			service, kubernetes = "replicas: 1", ", "+keys
		}
		for _, form := range []string{"kserve-knative", "kserve"} {
			text := "services:\n  s: {model: m, server: mlflow, target: kubernetes, " + service + ", kubernetes: {form: " + form + kubernetes + "}}\n"
			_, err := ParseConfig([]byte(text))
			if refused := form == "kserve-knative" && want != ""; (err != nil) != refused || refused && (!strings.Contains(err.Error(), want) || len(fault.Hints(err)) == 0) {
				t.Errorf("%s, %s: %v", form, keys, err)
			}
		}
	}
}

// TestNoLeaseWhereAClusterFollows: what nobody does is not promised.
func TestNoLeaseWhereAClusterFollows(t *testing.T) {
	_, err := ParseConfig([]byte("services:\n  s: {model: m, cmd: a, target: kubernetes, rollout: {lease: 5s}, kubernetes: {gitops: {path: deploy/s.yaml}}}\n"))
	if err == nil || !strings.Contains(err.Error(), "nobody can take back what a cluster follows") {
		t.Error(err)
	}
}

// TestTrustOfAService: all that decides on which cluster what runs, and what is written where, is allowed together.
func TestTrustOfAService(t *testing.T) {
	c, err := ParseConfig([]byte(`services:
  s: {model: m, cmd: serve, target: kubernetes, kubernetes: {context: prod, namespace: ml, repository: r.example/a/b, agent: tools/mlx, account: big, secrets: [key],
    pod: {hostNetwork: true}, gitops: {path: deploy/s.yaml, repo: ../live, branch: main}}}
  bare: {model: m, server: mlflow, target: kubernetes}
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"s": `serve on kubernetes context=prod namespace=ml repository=r.example/a/b agent=tools/mlx account=big secret=key pod={"hostNetwork":true} ` +
			"gitops=deploy/s.yaml gitops.repo=../live gitops.branch=main",
		"bare": "server: mlflow on kubernetes",
	} {
		if s, _ := c.Service(name); s.TrustValue() != want {
			t.Errorf("%s: %s", name, s.TrustValue())
		}
	}
}
