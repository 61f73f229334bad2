package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/registry"
)

// judge says what is known of a rollout in its state: may it begin, is it warm and does it hold the load, are its answers good enough.
func (s *served) judge(ctx context.Context, r deploy.Rollout, seen deploy.Actual) (deploy.Judgement, error) {
	state := r.State
	if state == deploy.StatePaused {
		state = r.Held
	}
	switch state {
	case deploy.StatePlanned:
		j, err := s.judgePolicy(ctx, r)
		if err != nil {
			return j, err
		}
		return s.judgeBudget(ctx, r, j)
	case deploy.StateReady:
		return s.judgeStrength(ctx, r, seen)
	default:
		return s.judgeAnswers(ctx, r), nil
	}
}

// judgePolicy asks once more, right before anything is started, whether the version may be in service.
func (s *served) judgePolicy(ctx context.Context, r deploy.Rollout) (deploy.Judgement, error) {
	if s.cfg.Stage == "" {
		return deploy.Judgement{Verdict: gate.Pass}, nil
	}
	for _, part := range r.To.Parts() {
		j, err := s.judgeVersion(ctx, part)
		if err != nil || j.Verdict != gate.Pass {
			return j, err
		}
	}
	return deploy.Judgement{Verdict: gate.Pass}, nil
}

// judgeVersion asks whether one version may be in service.
func (s *served) judgeVersion(ctx context.Context, rel deploy.Release) (deploy.Judgement, error) {
	v, err := s.app.recordedVersion(ctx, rel)
	if err != nil {
		return deploy.Judgement{}, err
	}
	if err := s.wholeOnce(ctx, v); err != nil {
		return deploy.Judgement{}, err
	}
	d, err := s.policy(ctx, v)
	if err != nil {
		return deploy.Judgement{}, err
	}
	j := deploy.Judgement{Verdict: gate.Verdict(d.Verdict)}
	for _, n := range d.Needs {
		if n.Verdict != registry.Pass {
			j.Reason = n.What + ": " + strings.TrimSpace(n.Said+" "+n.More)
			break
		}
	}
	return j, nil
}

// judgeStrength warms the candidate's servers up, and puts them under load. They are asked past the router: no user waits for them.
func (s *served) judgeStrength(ctx context.Context, r deploy.Rollout, seen deploy.Actual) (deploy.Judgement, error) {
	requests, err := s.warmRequests()
	if err != nil || len(requests.bodies) == 0 {
		return deploy.Judgement{Verdict: gate.Pass}, err
	}
	l := s.cfg.Rollout.Load
	t := strength{Key: r.To.Key, Bodies: requests.bodies, Path: requests.path, Type: requests.kind, Times: cmp.Or(s.cfg.Warmup.Times, warmTimes),
		Rate: float64(l.Rate), P99: l.P99.Duration, Time: cmp.Or(l.Time.Duration, loadTime)}
	switch {
	case s.hosts != nil:
		return s.hosts.strong(ctx, t)
	case s.onKubernetes():
		return s.kube.strong(ctx, t)
	}
	return t.judge(ctx, seen)
}

// strength is what the servers of a release must hold before users ask them.
type strength struct {
	Key    string        `json:"key"`
	Bodies [][]byte      `json:"bodies"`
	Path   string        `json:"path"`
	Type   string        `json:"type"` // of their content
	Times  int           `json:"times"`
	Rate   float64       `json:"rate"` // 0: no load test
	P99    time.Duration `json:"p99_ns"`
	Time   time.Duration `json:"time_ns"`
}

// judge asks the servers of this machine. Without any of them there is no verdict: they are looked at again.
func (t strength) judge(ctx context.Context, seen deploy.Actual) (deploy.Judgement, error) {
	i := slices.IndexFunc(seen.Arms, func(a deploy.Seen) bool { return a.Key == t.Key })
	if i < 0 || len(seen.Arms[i].Servers) == 0 || len(t.Bodies) == 0 {
		return deploy.Judgement{}, nil
	}
	var urls []string
	for _, address := range seen.Arms[i].Servers {
		urls = append(urls, "http://"+address+t.Path)
	}
	if why := warm(ctx, urls, t); why != "" {
		return deploy.Judgement{Verdict: gate.Fail, Reason: "warm-up: " + why}, ctx.Err()
	}
	if t.Rate == 0 {
		return deploy.Judgement{Verdict: gate.Pass, Reason: "warm"}, nil
	}
	got, err := gate.LoadTest{URLs: urls, Type: t.Type, Bodies: t.Bodies, Rate: t.Rate, P99: t.P99, Time: t.Time}.Run(ctx)
	if err != nil {
		return deploy.Judgement{}, err
	}
	return deploy.Judgement{Verdict: got.Verdict, Reason: "load test " + got.Shown}, nil
}

// warmTimes is how many requests each server gets before it is warm.
const warmTimes = 20

// Bounds of the requests of a file.
const (
	maxWarmFile   = 256 << 20
	maxWarmBodies = 10_000
)

// warmed are requests for servers that no user asks yet.
type warmed struct {
	bodies [][]byte
	path   string
	kind   string // content type
}

// warmRequests reads the requests that the service names: lines of JSON, or one file of any kind.
func (s *served) warmRequests() (warmed, error) {
	w := s.cfg.Warmup
	all := warmed{path: cmp.Or(w.Path, askedPath(s.cfg.Protocol, serveOf(s.cfg).Protocol, s.cfg.Models()[len(s.cfg.Models())-1])), kind: cmp.Or(w.Type, "application/json")}
	if w.File == "" {
		return all, nil
	}
	r, err := s.app.repo()
	if err != nil {
		return all, err
	}
	f, err := os.Open(r.Abs(w.File))
	if err != nil {
		return all, fault.New(fault.KindOf(err), "cannot warm up %s: %w", s.name, err).In(w.At)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxWarmFile+1))
	switch {
	case err != nil:
		return all, fault.New(fault.KindOf(err), "cannot warm up %s: %w", s.name, err).In(w.At)
	case len(text) > maxWarmFile:
		return all, fault.New(fault.Usage, "cannot warm up %s: %s is longer than 256 MiB", s.name, w.File).In(w.At)
	case all.path == "":
		return all, fault.New(fault.Usage, "cannot warm up %s: nothing says at which path requests are answered", s.name).In(w.At).
			Hint("warmup: {file: %s, path: /predict}", w.File)
	}
	if ext := filepath.Ext(w.File); ext != ".jsonl" && ext != ".ndjson" {
		all.bodies = [][]byte{text}
		return all, nil
	}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && len(all.bodies) < maxWarmBodies {
			all.bodies = append(all.bodies, line)
		}
	}
	if len(all.bodies) == 0 {
		return all, fault.New(fault.Usage, "cannot warm up %s: %s has no requests", s.name, w.File).In(w.At)
	}
	return all, nil
}

// askedPath is where a protocol asks; "" where only the server knows.
func askedPath(protocol, spoken, model string) string {
	switch cmp.Or(protocol, spoken) {
	case "v2":
		return "/v2/models/" + url.PathEscape(model) + "/infer"
	case "mlflow":
		return "/invocations"
	case "json":
		return "/predict"
	}
	return ""
}

// warm sends each server requests, one after the other. It says what went wrong.
func warm(ctx context.Context, urls []string, t strength) string {
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for _, u := range urls {
		for i := range t.Times {
			if why := askOnce(ctx, client, u, t.Type, t.Bodies[i%len(t.Bodies)]); why != "" {
				return why
			}
		}
	}
	return ""
}

func askOnce(ctx context.Context, client *http.Client, u, kind string, body []byte) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	const shown = 200
	text, err := io.ReadAll(io.LimitReader(resp.Body, shown))
	_, copyErr := io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, copyErr); err != nil {
		return err.Error()
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return "status " + resp.Status + ": " + strings.TrimSpace(string(text))
	}
	return ""
}
