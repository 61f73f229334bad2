package repo

import (
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestMonitorsAreChecked(t *testing.T) {
	for _, c := range []struct{ name, keys, want, hint string }{
		{"no table", "reference: b", "line 2, column 6: a monitor needs current or predictions", ""},
		{"misspelt date", "current: 'x/{dat}.csv', reference: b, window: 1d", `line 2, column 16: {dat} in "x/{dat}.csv" stands for nothing`, `did you mean "{date}"?`},
		{"dated reference", "current: a, reference: 'b/{date}.csv'", `reference "b/{date}.csv" has no dates`, `reference: "-365d"`},
		{"date without window", "current: 'x/{date}.csv', reference: b", `"x/{date}.csv" needs a window of time`, ""},
		{"count of dates", "current: 'x/{date}.csv', reference: b, window: 100 rows", `"x/{date}.csv" needs a window of time`, ""},
		{"window without dates", "current: a, reference: b, window: 7d", "window 7d needs {date} in current, or time", "time: COLUMN"},
		{"months without time", "current: 'x/{year}-{month}.csv', reference: b, window: 7d", "window 7d needs {date} in current, or time", ""},
		{"hours without time", "current: 'x/{date}.csv', reference: b, window: 6h", "window 6h needs time", ""},
		{"hours that do not fit", "current: a, reference: b, window: 7h, time: t", "window is 7h: what is longer than a day is whole days", ""},
		{"a day and a half", "current: a, reference: b, window: 36h, time: t", "window is 36h", ""},
		{"short step", "current: a, reference: b, window: 7d, step: 6h, time: t", "step 6h is shorter than a day", ""},
		{"long step", "current: a, reference: b, window: 6h, step: 2d, time: t", "step 2d is a day or more", ""},
		{"lag of nothing", "current: a, reference: b, lag: 6h", "step and lag need a window of time", ""},
		{"zone", "current: a, reference: b, time_zone: Europe/Berln", `time_zone "Europe/Berln" is unknown`, `did you mean "Europe/Berlin"?`},
		{"no zone", "current: a, reference: b, time_zone: Local", `time_zone "Local" is unknown`, ""},
		{"method of columns", "current: a, reference: b, methods: {dep: k}", `"dep" of methods is none: "k"`, `did you mean "ks"?`},
		{"unit of a threshold", "current: a, reference: b, threshold: 7d", `"7d" is no number of 0 or more`, ""},
		{"negative weight", "current: a, reference: b, weights: {x: -1}", `"-1" is no number of 0 or more`, ""},
		{"weights of no column", "current: a, reference: b, weights: importances", `line 2, column 42: "importances" is neither importance nor`, ""},
		{"base", "current: a, reference: b, base: 1", `line 2, column 39: "1" is no base of logarithms`, ""},
		{"way to p", "current: a, reference: b, ks_p: asymtotic", `"asymtotic"`, `did you mean "asymptotic"?`},
		{"schedule", "current: a, reference: b, schedule: 15 3 * *", `schedule "15 3 * *": it has 4 fields and not five`, `schedule: "15 3 * * *"`},
		{"hour", "current: a, reference: b, schedule: 15 24 * * *", `schedule "15 24 * * *": "24" is no hour`, ""},
		{"model of nothing", "current: a, reference: model", "reference: model needs model", ""},
		{"importance of nothing", "current: a, reference: b, weights: importance", "weights: importance needs model", ""},
		{"season of nothing", "current: a, reference: '-365d'", `reference "-365d" is some time before the window`, ""},
		{"retire alone", "current: a, reference: b, retire: golden < 0.9 for 3 days", "retire needs golden", ""},
		{"golden alone", "current: a, reference: b, golden: {table: g}", "golden needs retire", ""},
		{"retire without model", "current: a, reference: b, golden: {table: g}, retire: golden < 0.9 for 3 days", "retire needs model", ""},
		{"golden of a URL", "current: a, reference: b, model: m, golden: {table: 'g/{date}.csv', model: {url: 'http://127.0.0.1:1'}}, retire: golden < 0.9 for 3 days",
			"url answers for one version only", "serve: COMMAND"},
		{"quality of nothing", "current: a, reference: b, quality: [{measure: accuracy, min: 0.9}]", "quality needs predictions", "predictions: {table:"},
		{"labels of nothing", "current: a, reference: b, labels: l.csv", "labels needs predictions", ""},
		{"stream of nothing", "current: a, reference: b, stream: {method: ddm}", "stream needs predictions", ""},
		{"estimate of nothing", "current: a, reference: b, unlabelled: true", "unlabelled needs predictions", ""},
		{"on_drift of nothing", "current: a, reference: b, on_drift: {cooldown: 7d}", "on_drift starts nothing", "on_drift: {repro: STAGE}"},
		{"service", "predictions: 'service:flihgts', reference: b", `monitor m names the unknown service "flihgts"`, ""},
		{"quality", "current: a, predictions: p, reference: b, quality: [{min: 1}]", "a check has exactly one subject", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig([]byte("monitors:\n  m: {" + c.keys + "}\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if hints := strings.Join(fault.Hints(err), "\n"); !strings.Contains(hints, c.hint) {
				t.Errorf("hint %q, want %q", hints, c.hint)
			}
			if at := fault.At(err); at == nil || at.Line != 2 {
				t.Errorf("it stands at %v", at)
			}
		})
	}
}

func TestMonitorsAreTaken(t *testing.T) {
	for _, keys := range []string{
		"current: 'data/incoming/{date}.csv', window: 7d, reference: flights@production, ignore: [year, month, day], time: time_hour, " +
			"time_zone: America/New_York, min_rows: 1000, max_drifted: 10%, schedule: '15 3 * * *', on_drift: {run: x, cooldown: 7d, max_cost: 20 EUR}",
		"current: a, reference: b, window: 10000 rows",
		"current: 's3://b/{year}/{month}/{day}/', reference: '-1y', window: 1d",
		"current: a, reference: '-365d', window: 6h, step: 1h, time: t, lag: 30m",
		"predictions: p.csv, reference: model, model: flights@production, weights: importance",
		"current: a, reference: b, base: e, ks_p: limit, yates: true, max_texts: 500",
		"current: a, reference: b, schedule: '*/15 9-17 1,15 jan-dec mon-fri'",
	} {
		if _, err := ParseConfig([]byte("monitors:\n  m: {" + keys + "}\n")); err != nil {
			t.Errorf("%s: %v", keys, err)
		}
	}
}
