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
		"two subjects":    {"{model: m, cmd: a, rollout: {prometheus: 'http://p', checks: [{query: up, measure: errors, min: 1}]}}", "exactly one subject", ""},
		"listen":          {"{model: m, cmd: a, listen: '8080'}", `a listen of "8080"`, ""},
		"proxy":           {"{model: m, cmd: a, proxies: [lb]}", `believes the proxy "lb"`, ""},
		"slo's window":    {"{model: m, cmd: a, slo: {availability: 99%, window: 100d}}", "at most 90 days", "window: 30d"},
		"labels of what":  {"{model: m, cmd: a, rollout: {checks: [{expr: 'errors < 1', monitor: x}]}}", "what a measure is computed of", "measure: roc_auc"},
		"check's monitor": {"{model: m, cmd: a, rollout: {checks: [{measure: mae, monitor: x, max: 1}]}}", `unknown monitor "x"`, ""},
		"few users":       {"{model: m, cmd: a, rollout: {kpi: {command: a, min_users: 1}}}", "compares too few users", ""},
		"slo":             {"{model: m, cmd: a, slo: {availability: 100%}}", "must answer every request", "99.9%"},
		"price":           {"{model: m, cmd: a, price: {request: -1 EUR}}", "is no amount of money such as 20 EUR", ""},
		"prices":          {"{model: m, cmd: a, price: {request: 1 EUR, hour: 1 USD}}", "prices in EUR and in USD, which cannot be added up", ""},
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
environments:
  e: {services.b.server: triton}
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
	want := "check a check\ncheck a kpi\ntable http://p http://p\nmodel a http://t\nmodel a kafka://k\nservice a serve\nservice b server: mlflow\nservice b server: triton"
	if strings.Join(got, "\n") != want {
		t.Errorf("it is trusted by\n%s", strings.Join(got, "\n"))
	}
}
