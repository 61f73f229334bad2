package repo

import (
	"slices"
	"strings"
	"testing"

	"mlx/internal/fault"
)

const environmentsText = `services:
  a: &a
    model: m
    cmd: serve
    replicas: 4
    rollout: {bake: 1h, steps: [5%, 100%]}
  b: *a
monitors:
  m: {current: t.csv, reference: r.csv}
environments:
  staging:
    services.a.replicas: 1
    services.a.rollout.bake: 2m
    services.a.cmd: serve --small
    monitors.m.current: u.csv
  production: {}
`

func TestAnEnvironmentChangesWhatItDeclares(t *testing.T) {
	c, err := ParseConfig([]byte(environmentsText))
	if err != nil {
		t.Fatal(err)
	}
	staging, err := c.In("staging")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := staging.Services.Get("a")
	if a.Replicas != 1 || a.Rollout.Bake.Text() != "2m" || a.Cmd != "serve --small" || a.Model != "m" || len(a.Rollout.Steps) != 2 {
		t.Errorf("staging has %+v", a)
	}
	if b, _ := staging.Services.Get("b"); b.Replicas != 4 || b.Cmd != "serve" {
		t.Errorf("b is written as an alias of a, and nothing is declared for it: %+v", b)
	}
	if m, _ := staging.Monitors.Get("m"); m.Current != "u.csv" {
		t.Errorf("the monitor reads %s", m.Current)
	}
	if plain, _ := c.Services.Get("a"); plain.Replicas != 4 || plain.Cmd != "serve" {
		t.Errorf("without an environment the values stand as they are: %+v", plain)
	}
	if production, err := c.In("production"); err != nil || production != c {
		t.Errorf("production changes nothing: %v, %v", production, err)
	}
	if !c.Declares("staging", "services.a.replicas") || c.Declares("staging", "services.a.model") || c.Declares("dev", "services.a.replicas") {
		t.Error("it does not know what is declared")
	}
	var names []string
	for name := range c.Everywhere() {
		names = append(names, name)
	}
	if want := []string{"a", "b", "a@staging", "b@staging", "a@production", "b@production"}; !slices.Equal(names, want) {
		t.Errorf("the services are %v", names)
	}
	for name, replicas := range map[string]int{"a": 4, "a@staging": 1, "a@production": 4, "a@dev": 0, "c@staging": 0, "a@": 0} {
		if s, ok := c.Service(name); s.Replicas != replicas || ok != (replicas > 0) {
			t.Errorf("%s: %t, %d replicas", name, ok, s.Replicas)
		}
	}
	items, err := c.TrustItems(nil)
	if err != nil || !slices.ContainsFunc(items, func(i TrustItem) bool { return i.Kind == TrustService && i.Name == "a" && i.Value == "serve --small" }) {
		t.Errorf("what an environment runs must be allowed: %v, %v", items, err)
	}
}

func TestAnEnvironmentThatDoesNotFit(t *testing.T) {
	base := "services:\n  a: {model: m, cmd: serve, replicas: 2, rollout: {strategy: canary}}\nenvironments:\n"
	for name, c := range map[string]struct{ text, want, hint string }{
		"no number":       {"  e: {services.a.replicas: many}\n", `line 4, column 28: environment e: needs a whole number, not "many"`, ""},
		"as a whole":      {"  e: {services.a.rollout.strategy: ab}\n", `line 4, column 3: environment e: service a runs an A/B test`, "sticky"},
		"word":            {"  e: {services.a.rollout.strategy: canari}\n", `line 4, column 36: environment e: strategy cannot be "canari"`, "did you mean"},
		"two of them":     {"  d: {services.a.replicas: 1}\n  e: {services.a.replicas: 2000}\n", `line 5, column 3: environment e: service a asks for 2000 servers`, ""},
		"a name":          {"  e/f: {}\n", `line 4, column 3: environment "e/f" has a name that is no folder`, ""},
		"nothing there":   {"  e: {services.a.listen: ':80'}\n", `line 4, column 7: environment e changes "services.a.listen", which is no value of this file`, ""},
		"no single value": {"  e: {services.a.rollout: x}\n", `line 4, column 7: environment e changes "services.a.rollout", which is no value`, ""},
		"itself":          {"  e: {environments.e.x: x}\n", `line 4, column 7: environment e changes "environments.e.x"`, ""},
	} {
		_, err := ParseConfig([]byte(base + c.text))
		if err == nil || !strings.Contains(err.Error(), "cannot read mlx.yaml: "+c.want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if hints := strings.Join(fault.Hints(err), "\n"); !strings.Contains(hints, c.hint) {
			t.Errorf("%s: hints %q", name, hints)
		}
		if at := fault.At(err); at == nil || at.Line < 4 {
			t.Errorf("%s: at %v", name, at)
		}
	}
	c, err := ParseConfig([]byte(base + "  staging: {services.a.replicas: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.In("stagin"); fault.KindOf(err) != fault.NotFound || strings.Join(fault.Hints(err), "") != "did you mean staging?" {
		t.Errorf("%v, %v", err, fault.Hints(err))
	}
}

func TestTheValuesOfAService(t *testing.T) {
	c, err := ParseConfig([]byte(`services:
  a:
    model: m
    cmd: serve
    replicas: 2
    idempotent: true
    memory: 2GiB
    env: {B: two, A: 1}
    sticky: {header: X-User}
    slo: {availability: 99.9%, window: 30d}
    proxies: [10.0.0.0/8, 127.0.0.1]
    rollout:
      steps: [5%, 100%]
      bake: 90s
      load: {rate: 100/s}
      checks: [{measure: errors, margin: 1%}, {expr: a < 1}]
`))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Services.Get("a")
	var got []string
	for _, v := range s.Values() {
		got = append(got, v.Path+"="+v.Text)
	}
	want := `model=m
cmd=serve
env.B=two
env.A=1
replicas=2
memory=2147483648B
idempotent=true
proxies=10.0.0.0/8, 127.0.0.1
sticky.header=X-User
slo.availability=99.9%
slo.window=30d
rollout.steps=5%, 100%
rollout.bake=90s
rollout.load.rate=100/s
rollout.checks=measure: errors, margin: 1%, expr: a < 1`
	if strings.Join(got, "\n") != want {
		t.Errorf("the values are\n%s", strings.Join(got, "\n"))
	}
}
