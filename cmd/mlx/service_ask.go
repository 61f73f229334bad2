package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/gate"
)

// askTime is how long what a check asks may take for which it names no time.
const askTime = time.Minute

// askRule measures what the router does not count.
func (s *served) askRule(ctx context.Context, rule deploy.Rule, r deploy.Rollout) (deploy.Measured, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(rule.Timeout, askTime))
	defer cancel()
	switch rule.Kind {
	case "command":
		return s.askCommand(ctx, rule, r)
	case kindLabel:
		return s.askLabels(ctx, rule, r)
	case "query":
		return s.askPrometheus(ctx, rule, r)
	}
	verdict, shown, err := gate.Holds(rule.Name, measuresOf(r))
	if err != nil {
		return deploy.Measured{}, err
	}
	return deploy.Measured{Value: math.NaN(), Baseline: math.NaN(), Verdict: verdict, Shown: shown}, nil
}

// measuresOf are the numbers that an expression may name: those of the candidate in this step, and with stable_ before them those of stable.
func measuresOf(r deploy.Rollout) map[string]float64 {
	sample := r.Sample()
	all := map[string]float64{}
	for prefix, c := range map[string]deploy.Counters{"": sample.Candidate, "stable_": sample.Stable} {
		all[prefix+"answers"] = float64(c.Ended())
		all[prefix+"errors"] = float64(c.Errors) / float64(c.Ended())
		all[prefix+"schema"] = float64(c.Schema) / float64(c.Answers)
		all[prefix+"fallbacks"] = float64(c.Retried) / float64(c.Ended())
		for name, q := range map[string]float64{"latency_p50": 0.5, "latency_p90": 0.9, "latency_p95": 0.95, "latency_p99": 0.99, "latency_p999": 0.999} {
			all[prefix+name] = c.Latency.Quantile(q) / 1e6
		}
	}
	all["disagreement"] = float64(sample.Pairs.Disagreed) / float64(sample.Pairs.Compared)
	all["share"] = r.Share().Float()
	return all
}

// rolloutWords are what commands and queries are told of a rollout.
func rolloutWords(r deploy.Rollout) map[string]string {
	words := map[string]string{
		"service": r.Service, "rollout": r.ID.Hex(), "candidate": r.To.Versions(), "candidate_release": r.To.Key,
		"share": r.Share().String(), "since": r.Began.UTC().Format(time.RFC3339), "stable": "", "stable_release": "",
	}
	if r.From != nil {
		words["stable"], words["stable_release"] = r.From.Versions(), r.From.Key
	}
	return words
}

// askCommand runs a command of mlx.yaml, by whose words the rollout was planned.
func (s *served) askCommand(ctx context.Context, rule deploy.Rule, r deploy.Rollout) (deploy.Measured, error) {
	none := deploy.Measured{Value: math.NaN(), Baseline: math.NaN()}
	end, err := s.runTold(ctx, rule.Name, r)
	if err != nil {
		return none, err
	}
	said, err := gate.Hear(rule.Name, gateReply(end))
	if err != nil {
		return none, err
	}
	m := deploy.Measured{Value: math.NaN(), Baseline: math.NaN(), Interval: said.Interval, Verdict: said.Verdict, Shown: said.Text}
	if said.Value != nil {
		m.Value = *said.Value
	}
	if said.Value != nil && said.Verdict == gate.Pass && (rule.Min != nil || rule.Max != nil) {
		m.Verdict = "" // the limits decide
	}
	return m, nil
}

// askPrometheus asks for a value. {candidate}, {stable}, {since} and the like in the query are put in; a query with {arm} is asked of both.
func (s *served) askPrometheus(ctx context.Context, rule deploy.Rule, r deploy.Rollout) (deploy.Measured, error) {
	m := deploy.Measured{Value: math.NaN(), Baseline: math.NaN()}
	words := rolloutWords(r)
	put := func(arm string) string {
		text := strings.ReplaceAll(rule.Name, "{arm}", words[arm])
		for name, value := range words {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
		return text
	}
	var err error
	if m.Value, err = queryPrometheus(ctx, s.cfg.Rollout.Prometheus, put("candidate")); err != nil {
		return m, err
	}
	if strings.Contains(rule.Name, "{arm}") && r.From != nil {
		m.Baseline, err = queryPrometheus(ctx, s.cfg.Rollout.Prometheus, put("stable"))
	}
	return m, err
}

// queryPrometheus asks for one number as of now; NaN: there is none.
func queryPrometheus(ctx context.Context, base, query string) (float64, error) {
	u := strings.TrimSuffix(base, "/") + "/api/v1/query?query=" + url.QueryEscape(query)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return math.NaN(), err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return math.NaN(), err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return math.NaN(), err
	}
	var a struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return math.NaN(), fmt.Errorf("what answers at %s is no Prometheus: status %s", base, resp.Status)
	}
	if a.Status != "success" {
		return math.NaN(), fmt.Errorf("the query fails: %s", a.Error)
	}
	return prometheusValue(a.Data.Type, a.Data.Result)
}

func prometheusValue(kind string, result json.RawMessage) (float64, error) {
	type sample [2]any // time, and the number as a text
	var one sample
	var err error
	switch kind {
	case "scalar":
		err = json.Unmarshal(result, &one)
	case "vector":
		var all []struct {
			Value sample `json:"value"`
		}
		if err = json.Unmarshal(result, &all); err == nil && len(all) == 0 {
			return math.NaN(), nil
		}
		if len(all) > 1 {
			return math.NaN(), fmt.Errorf("the query gives %d series, and a check judges one: sum(…) them", len(all))
		}
		if err == nil {
			one = all[0].Value
		}
	default:
		return math.NaN(), fmt.Errorf("the query gives a %s, and a check judges one number", kind)
	}
	word, ok := one[1].(string)
	if err != nil || !ok {
		return math.NaN(), fmt.Errorf("what Prometheus answers cannot be read: %w", err)
	}
	return strconv.ParseFloat(word, 64)
}
