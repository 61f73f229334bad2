package repo

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParseComplete(t *testing.T) {
	c, err := ParseConfig(readTestdata(t, "complete.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	quality, _ := c.Gates.Get("quality")
	want := []Check{
		{Metric: "auc", Min: Limit{Value: 0.72, Set: true, Text: "0.72"}, At: fault.Position{File: "mlx.yaml", Line: 45, Column: 9}},
		{Metric: "log_loss", Max: Limit{Value: 0.45, Set: true, Text: "0.45"}, At: fault.Position{File: "mlx.yaml", Line: 46, Column: 9}},
	}
	if diff := cmp.Diff(want, quality.Checks); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"data", "quality", "release"}, c.Gates.Names()); diff != "" {
		t.Error("gates are not in the order of the file: " + diff)
	}
	remote, _ := c.Remotes.Get("team")
	if remote.Keep.Duration != 7*365*24*time.Hour {
		t.Errorf("keep is %v", remote.Keep)
	}
	backend, _ := c.Backends.Get("gpu")
	if backend.Resources.Memory != 32<<30 || backend.Price.GPUHour != (Money{2.10, "EUR"}) {
		t.Errorf("backend is %+v", backend)
	}
	service, _ := c.Services.Get("flights")
	if service.Rollout.Load.Rate != 1000 || service.Rollout.Load.P99.Duration != 100*time.Millisecond || len(service.Rollout.Steps) != 4 {
		t.Errorf("rollout is %+v", service.Rollout)
	}
	staging, _ := c.Environments.Get("staging")
	if v, _ := staging.Get("services.flights.replicas"); v.Value != int64(1) {
		t.Errorf("replicas in staging are %v", v)
	}
	needs, _ := c.Policy.Get("production")
	if len(needs) != 4 || needs[3].By != "risk-team" || needs[3].MaxAge.Duration != 90*day {
		t.Errorf("policy is %+v", needs)
	}
}

func TestParseMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, message, hint string }{
		{"unknown limit", strings.Replace(string(readTestdata(t, "complete.yaml")), "{measure: rows, min:", "{measure: rows, minimum:", 1),
			`cannot read mlx.yaml: line 39, column 25: unknown key "minimum"`, `did you mean "min"? Limits are min, max, margin, nulls, in, not_in, type, regex, not_regex, min_length, max_length, unique, order, references, schema, mostly`},
		{"policy of no stage", "policy:\n  prodction:\n    - {scan: clean}\n", `cannot read mlx.yaml: line 3, column 7: policy names the unknown stage "prodction"`,
			`did you mean "production"? Stages are experimenting, staging, production, archived`},
		{"policy of no stage, empty", "policy:\n  live: []\n", `cannot read mlx.yaml: policy names the unknown stage "live"`,
			`stages are experimenting, staging, production, archived`},
		{"unknown section", "ledger: 7f3a90c2d15e4b68\nremote:\n  a: 1\n", `cannot read mlx.yaml: line 2, column 1: unknown key "remote"`,
			`did you mean "remotes"? Keys are ledger, trusted_keys, default_remote, remotes, runs, backends, vars, stages, samples, tables, gates, monitors, services, environments, policy`},
		{"case counts", "gates:\n  a: {Checks: []}\n", `cannot read mlx.yaml: line 2, column 7: unknown key "Checks"`,
			`did you mean "checks"? Keys are for, include, table, predictions, labels, columns, positive, threshold, logits, cluster, time, time_zone, against, without_baseline, train, features, model, level, correction, seed, checks, waivers`},
		{"twice", "gates: {}\nruns: {}\ngates: {}\n", `cannot read mlx.yaml: line 3, column 1: mapping key "gates" already defined at [1:1]`, ""},
		{"syntax", "gates: [1, 2\nruns: 3\n", `cannot read mlx.yaml: line 2, column 1: ',' or ']' must be specified`, ""},
		{"unit missing", "monitors:\n  m: {current: a, reference: b, window: 7}\n", `cannot read mlx.yaml: line 2, column 41: "7" needs a unit, such as 90s, 5m, 2h or 7d`, ""},
		{"share", "monitors:\n  m: {current: a, reference: b, max_drifted: 0.1}\n", `cannot read mlx.yaml: line 2, column 46: "0.1" needs a unit, such as 1%`, ""},
		{"word", "backends:\n  b: {type: slrum}\n", `cannot read mlx.yaml: line 2, column 13: type cannot be "slrum"`,
			`did you mean "slurm"? The words are local, ssh, slurm, ray, kubernetes, sky`},
		{"needed", "stages:\n  train:\n    deps: [a]\n", `cannot read mlx.yaml: line 3, column 9: missing key "cmd"`, ""},
		{"two subjects", "gates:\n  q:\n    checks:\n      - {metric: a, column: b, min: 1}\n",
			`cannot read mlx.yaml: line 4, column 9: a check has exactly one subject: metric, measure, column, expr or command`, ""},
		{"list wanted", "trusted_keys: a\n", `cannot read mlx.yaml: line 1, column 15: needs a list, not "a"`, ""},
		{"backend", "stages:\n  s: {cmd: x, on: gpo}\nbackends:\n  gpu: {type: ssh, host: box}\n",
			`cannot read mlx.yaml: line 2, column 6: stage s names the unknown backend "gpo"`, `did you mean "gpu"? mlx.yaml has gpu`},
		{"environment", "environments:\n  a: {services.x.replicas: 2}\n", `cannot read mlx.yaml: line 2, column 7: environment a changes "services.x.replicas", which is no value of this file`, ""},
		{"alias in itself", "gates: &a\n  x: *a\n", "cannot read mlx.yaml: ", ""},
		{"tag", "runs: !!map {push: never}\n", `cannot read mlx.yaml: line 1, column 7: tag "!!map" is not allowed here`, ""},
		{"number as list", "- a\n", `cannot read mlx.yaml: line 1, column 1: needs keys and values, not a list`, ""},
		{"deep", "gates: " + strings.Repeat("[", 100), "cannot read mlx.yaml: line 1: nested deeper than 64", ""},
		{"dashes", strings.Repeat("- ", 100) + "a", "cannot read mlx.yaml: line 1: nested deeper than 64", ""},
		{"bytes", "gates: \xff", "cannot read mlx.yaml: it is not UTF-8", ""},
		{"whole", "gates:\n  g: {checks: [{metric: a, min_rows: 1.5}]}\n", `cannot read mlx.yaml: line 2, column 38: needs a whole number, not "1.5"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if fault.KindOf(err) != fault.Usage || !strings.HasPrefix(err.Error(), c.message) {
				t.Errorf("error is  %v\nit must be %v", err, c.message)
			}
			if hints := strings.Join(fault.Hints(err), "\n"); c.hint != "" && hints != c.hint {
				t.Errorf("hint is  %v\nit must be %v", hints, c.hint)
			}
		})
	}
}

func TestParseLenient(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "gates:\n", "\ufeffledger: 7f3a90c2d15e4b68\r\ngates:\r\n  a:\r\n", "ledger: 1234567890123456\n", "ledger: 12345678901234e5\n"} {
		if _, err := ParseConfig([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	c, err := ParseConfig([]byte("gates:\n  a: &g {checks: [{metric: m, max: 100ms}]}\n  b: *g\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := c.Gates.Get("b")
	if b.Checks[0].Max != (Limit{0.1, "s", true, "100ms"}) {
		t.Errorf("limit is %+v", b.Checks[0].Max)
	}
}

var update = flag.Bool("update-schema", false, "rewrite docs/mlx.schema.json")

func TestSchema(t *testing.T) {
	const file = "../../docs/mlx.schema.json"
	if *update {
		if err := os.WriteFile(file, Schema(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, Schema()) {
		t.Errorf("%s is not what the types say: run go test ./internal/repo -update-schema", file)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(readSeed("testdata/complete.yaml"))
	f.Add([]byte("gates: &a {x: *a}\n"))
	f.Add([]byte("a: |\n  b\n? c\n: d\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		if c, err := ParseConfig(text); err == nil && c == nil {
			t.Error("neither a value nor an error")
		}
	})
}

func readSeed(name string) []byte {
	text, _ := os.ReadFile(name)
	return text
}
