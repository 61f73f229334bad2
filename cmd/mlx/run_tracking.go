package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// tracked is the endpoint that the command of one run finds in its environment, and what is found out about its use.
type tracked struct {
	app     *app
	repo    *repo.Repo
	runner  run.Runner
	spec    *run.Spec
	capture bool // clients are kept from going elsewhere

	endpoint *endpoint // nil: there is none
	id       atomic.Pointer[object.Digest]
	asked    []elsewhere // where the command wanted to send what it tracks, as the hook heard it
}

// open listens, and puts into the environment of the command where. It does not where the settings say so, or where this machine
// has no loopback.
func (t *tracked) open(ctx context.Context) error {
	a := t.app
	cfg, err := a.config()
	if err != nil {
		return err
	}
	if cfg.Runs.MLflow == "none" && !t.capture {
		return nil
	}
	t.capture = t.capture || cfg.Runs.MLflow == "capture"
	environ := slices.Concat(a.environ, t.spec.Env)
	token := cmp.Or(ownMLflowSecret(environ), newToken())
	t.endpoint, err = a.openEndpoint(endpointOptions{
		address: "127.0.0.1:0", token: token, runner: t.runner, base: t.base, joined: t.joined, tell: a.streams.Note,
	})
	if err != nil {
		a.streams.Why("the command has no MLflow endpoint: %v", err)
		return nil
	}
	if was := run.Variable(environ, "MLFLOW_TRACKING_URI"); was != "" && !isEndpointOfMLX(environ) {
		a.streams.Note("what the command tracks is recorded here, and not sent to MLFLOW_TRACKING_URI=%s", run.CleanURL(was))
	}
	env := endpointEnv(t.endpoint, environ)
	if t.capture {
		more, err := captureEnv(t.repo, t.endpoint, environ)
		if err != nil {
			return errors.Join(err, t.endpoint.drain(ctx))
		}
		env = append(env, more...)
	}
	t.spec.Env = slices.Concat(t.spec.Env, env)
	return nil
}

// endpointEnv are the variables that make a client of MLflow speak to an endpoint, and to nothing else.
func endpointEnv(e *endpoint, environ []string) []string {
	env := []string{"MLFLOW_TRACKING_URI=" + e.url, "MLX_TRACKING_URI=" + e.url, "MLFLOW_REGISTRY_URI="}
	if ownMLflowSecret(environ) == "" {
		env = append(env, "MLFLOW_TRACKING_TOKEN="+e.token)
	}
	if run.Variable(environ, quietVariable) == "" {
		env = append(env, quietVariable+"=true") // it prints a link to pages that are not here
	}
	for name, off := range map[string]string{"MLFLOW_TRACKING_AWS_SIGV4": "false", "MLFLOW_TRACKING_AUTH": "", "MLFLOW_WORKSPACE": ""} {
		if run.Variable(environ, name) != "" { // of another server; they would change what is sent to this one
			env = append(env, name+"="+off)
		}
	}
	const host = "127.0.0.1"
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if was := run.Variable(environ, name); anyProxy(environ) && was != "*" && !slices.Contains(strings.Split(was, ","), host) {
			env = append(env, name+"="+strings.TrimPrefix(was+","+host, ","))
		}
	}
	return env
}

// quietVariable keeps a client of 3.x from printing where its pages would show a run.
const quietVariable = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"

// ownMLflowSecret is what the user's own client shows to its server: a password, or a token. The endpoint takes the same, so that a
// script that speaks to that server all the same can still do so. Empty: there is none.
func ownMLflowSecret(environ []string) string {
	user, password := run.Variable(environ, "MLFLOW_TRACKING_USERNAME"), run.Variable(environ, "MLFLOW_TRACKING_PASSWORD")
	if fileUser, filePassword := mlflowCredentials(environ); user == "" || password == "" {
		user, password = cmp.Or(user, fileUser), cmp.Or(password, filePassword)
	}
	if user != "" && password != "" {
		return password
	}
	return run.Variable(environ, "MLFLOW_TRACKING_TOKEN")
}

// maxCredentials bounds ~/.mlflow/credentials.
const maxCredentials = 64 << 10

// mlflowCredentials reads user and password from ~/.mlflow/credentials, as a client does.
func mlflowCredentials(environ []string) (user, password string) {
	home := run.Variable(environ, "HOME")
	if home == "" {
		return "", ""
	}
	file := filepath.Join(home, ".mlflow", "credentials")
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCredentials {
		return "", ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", ""
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			inside = line == "[mlflow]"
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !inside {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "mlflow_tracking_username":
			user = strings.TrimSpace(value)
		case "mlflow_tracking_password":
			password = strings.TrimSpace(value)
		}
	}
	return user, password
}

// joined is the run that whoever asks is part of. It is known before the command exists.
func (t *tracked) joined() object.Digest {
	if id := t.id.Load(); id != nil {
		return *id
	}
	return object.Digest{}
}

// base is what runs that the command begins beside its own have in common with it.
func (t *tracked) base() (run.Body, error) {
	rec, err := t.runner.Ledger.Get(context.Background(), t.joined())
	if err != nil {
		return run.Body{}, err
	}
	b, err := run.Started.Decode(rec)
	return run.Body{Command: b.Command, Folder: b.Folder, Code: b.Code, Data: b.Data, Machine: b.Machine, Process: b.Process, Worktree: b.Worktree,
		Environment: b.Environment}, err
}

// over ends the endpoint with the command: all that was told of its run is in the folder of the run when this returns.
func (t *tracked) over(ctx context.Context) {
	if t.endpoint == nil {
		return
	}
	if t.capture {
		t.asked = readCaptured(filepath.Join(runsOf(t.repo), t.joined().Hex(), capturedName))
	}
	err := t.endpoint.drain(ctx)
	if s := t.endpoint.made.Load(); s != nil {
		err = errors.Join(err, s.Seal(ctx))
	}
	t.trouble(err)
}

// close brings what the command left open to an end like its own, and says where it sent what it tracked.
func (t *tracked) close(ctx context.Context, result *run.Result) {
	if t.endpoint == nil {
		return
	}
	ctx, state := context.WithoutCancel(ctx), run.Lost
	if result != nil {
		state = result.View.State
	}
	t.trouble(t.endpoint.close(ctx, state))
	if result != nil {
		t.trouble(t.report(ctx, result.View.RunID))
	}
}

func (t *tracked) trouble(err error) {
	if err != nil {
		t.app.streams.Note("not all that the command tracked could be recorded: %v", err)
	}
}

// report says where the command sent what it tracks, if that is not here, and tags the run with it.
func (t *tracked) report(ctx context.Context, id object.Digest) error {
	a, name := t.app, elsewhereTag
	switch {
	case t.capture:
		name = capturedTag
	case t.endpoint.calls.Load() == 0:
		t.asked = findElsewhere(t.spec.Command, rootOf(*t.spec), t.spec.Dir)
	}
	if len(t.asked) == 0 {
		return nil
	}
	first := t.asked[0]
	at, to := first.Call, cmp.Or(run.CleanURL(first.URI), "another place")
	if rel, err := filepath.Rel(rootOf(*t.spec), first.File); err == nil && first.File != "" {
		at = t.app.shown(filepath.ToSlash(rel)) + ":" + strconv.Itoa(first.Line)
	}
	if t.capture {
		a.streams.Note("%s asked for %s; what it tracks is recorded here", at, to)
	} else {
		a.streams.Note("%s sends what it tracks to %s, so nothing of that is in this run", at, to)
		if t.spec.Stage != nil {
			a.streams.Hint("mlx show mlx.yaml", "runs: {mlflow: capture} records it here")
		} else {
			a.streams.Hint("mlx run --capture-uri "+commandLine(t.spec.Command), "records it here")
		}
	}
	tag := tagBody{Name: name, Value: to, Note: at, Target: tagTarget{Kind: refRun, ID: id}}
	_, err := setTag(ctx, t.runner.Ledger, tag)
	return err
}

// The tags of a run whose command named another place for what it tracks: it went there, or it was kept here.
const (
	elsewhereTag = "mlflow-elsewhere"
	capturedTag  = "mlflow-captured"
)

// isEndpointOfMLX says whether MLFLOW_TRACKING_URI is what an outer run has set.
func isEndpointOfMLX(environ []string) bool {
	return run.Variable(environ, "MLX_TRACKING_URI") == run.Variable(environ, "MLFLOW_TRACKING_URI")
}

// anyProxy says whether programs send HTTP to a proxy.
func anyProxy(environ []string) bool {
	return slices.ContainsFunc([]string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}, func(name string) bool { return run.Variable(environ, name) != "" })
}
