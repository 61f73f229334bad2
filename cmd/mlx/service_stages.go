package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
)

// cascadeCommand is how a release of several stages is served: by the program that has started it, whatever its name and path are.
const cascadeCommand = `exec "$MLX_PROGRAM" cascade "$MLX_RELEASE_DIR/` + cascadePlan + `"`

// Names in the folder of a release of stages.
const (
	cascadePlan    = "cascade.json"
	programEnv     = "MLX_PROGRAM"
	cascadeSpare   = 10 * time.Second // to start and to stop, beside what its stages need
	cascadeIndexes = "lists"
)

// serveOfStages is how the server of a release of stages is started, which starts those of the stages.
func serveOfStages(s repo.Service) deploy.Serve {
	serve := deploy.Serve{Command: cascadeCommand, Ready: cascade.ReadyPath, Protocol: s.Protocol, Idempotent: s.Idempotent}
	for _, g := range s.Stages {
		if g.Hashes != "" {
			continue
		}
		one := serveOfStage(s, g)
		serve.Start, serve.Stop = max(serve.Start, one.Start), max(serve.Stop, one.Stop)
		serve.Protocol = cmp.Or(s.Protocol, one.Protocol)
	}
	serve.Start = cmp.Or(s.StartTimeout.Duration, serve.Start+cascadeSpare)
	serve.Stop = cmp.Or(s.StopTimeout.Duration, serve.Stop+cascadeSpare)
	return serve
}

// serveOfStage is how the server of a stage is started.
func serveOfStage(s repo.Service, g repo.ServiceStage) deploy.Serve {
	serve := serveOf(repo.Service{Model: g.Model, Cmd: g.Cmd, Server: g.Server, Ready: g.Ready, Protocol: g.Protocol, Env: s.Env,
		StartTimeout: g.StartTimeout, StopTimeout: g.StopTimeout, Idempotent: s.Idempotent})
	for name, value := range g.Env.All() {
		serve.Env = append(serve.Env, name+"="+value.Value)
	}
	return serve
}

// readableStages refuses a condition that could never be held against an answer, before anything is started for it.
func readableStages(name string, s repo.Service) error {
	for _, g := range s.Stages {
		if g.Next == "" {
			continue
		}
		c, err := gate.ParseCondition(g.Next)
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot deploy to %s: stage %s: next: %w", name, g.Name, err).In(g.At)
		}
		if c.Never() {
			return fault.New(fault.Usage, "cannot deploy to %s: stage %s: next: no number makes %q hold, and the stages behind it would never be asked", name, g.Name, g.Next).
				In(g.At).Hint("next: score >= 0.2 and score <= 0.8")
		}
	}
	return nil
}

// releaseOfStages puts into a release what its stages are.
func (a *app) releaseOfStages(ctx context.Context, s repo.Service, c picked, r *deploy.Release) error {
	r.Combine = &deploy.Combine{By: cmp.Or(s.Combine, repo.CombineCascade), Quorum: s.Quorum}
	for _, g := range s.Stages {
		stage := deploy.ReleaseStage{Name: g.Name, Path: g.Path, Answer: g.Answer, Next: g.Next, Weight: g.Weight, Deadline: g.Deadline.Duration}
		stage.OnError = deploy.OnErrorFail
		if !s.Cascades() {
			stage.OnError = deploy.OnErrorSkip
		}
		stage.OnError = cmp.Or(g.OnError, stage.OnError)
		if reply := g.Reply.Plain(); reply != nil {
			text, err := object.Encode(reply)
			if err != nil {
				return fault.New(fault.Usage, "cannot deploy: the reply of stage %s is no JSON: %w", g.Name, err).In(g.At)
			}
			stage.Reply = json.RawMessage(text)
		}
		var err error
		if g.Hashes != "" {
			stage.List, err = a.releaseList(ctx, g)
		} else {
			err = a.stageModel(ctx, s, g, c.of(g.Model), &stage)
		}
		if err != nil {
			return err
		}
		r.Stages = append(r.Stages, stage)
	}
	parts := r.Parts()
	last := parts[len(parts)-1]
	r.Model, r.Version, r.Record, r.Digest, r.Image = last.Model, last.Version, last.Record, last.Digest, last.Image
	r.Run, r.Data, r.Commit = last.Run, last.Data, last.Commit
	return nil
}

// stageModel puts the version of a stage into it.
func (a *app) stageModel(ctx context.Context, s repo.Service, g repo.ServiceStage, p pick, stage *deploy.ReleaseStage) (err error) {
	v, serve := p.version, serveOfStage(s, g)
	stage.Model, stage.Version, stage.Record, stage.Digest, stage.Image, stage.Serve = v.Model, v.Version, v.Record, v.Digest, p.proven.image, &serve
	stage.Answer = cmp.Or(stage.Answer, s.Answer)
	if stage.Path == "" && (serve.Protocol == "v2" || serve.Protocol == "mlflow") { // each model has its own, and the request went to one
		stage.Path = askedPath(serve.Protocol, "", v.Model)
	}
	stage.Run, stage.Data, stage.Commit, err = a.madeBy(ctx, v)
	return err
}

// releaseList is the list of a stage as it is now: the version of it that was saved, or the file that belongs to the code.
func (a *app) releaseList(ctx context.Context, g repo.ServiceStage) (*deploy.ReleaseList, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	list := &deploy.ReleaseList{Path: g.Hashes, Of: g.Of, Encoding: cmp.Or(g.Encoding, "text")}
	pointer, tracked, err := a.pointerAt(r, g.Hashes)
	if err != nil {
		return nil, err
	}
	if tracked {
		list.Root = pointer.Root
		err := a.readSaved(ctx, located{Path: list.Path, Root: list.Root}, func(open func() (io.ReadCloser, error)) error {
			return cascade.Check(ctx, cascade.Text{Name: list.Path, Open: open})
		})
		if fault.KindOf(err) != fault.Usage { // bytes that are not here are fetched, or told of, where the release is laid out
			return list, nil
		}
		return nil, unusableList(g, err)
	}
	known, err := r.IsTracked(ctx, g.Hashes)
	if err != nil {
		return nil, err
	}
	if known.Files == 0 {
		return nil, fault.New(fault.NotFound, "cannot deploy: stage %s looks hashes up in %s, which is neither saved by mlx nor known to git", g.Name, g.Hashes).
			In(g.At).Hint("mlx snapshot %s", shellWord(g.Hashes))
	}
	open := func() (io.ReadCloser, error) { return os.Open(filepath.Join(r.Root, filepath.FromSlash(g.Hashes))) }
	if err := cascade.Check(ctx, cascade.Text{Name: g.Hashes, Open: open}); err != nil {
		return nil, unusableList(g, err)
	}
	return list, nil
}

// unusableList is the error for a list that nothing could be looked up in: it is told before anything is started for it.
func unusableList(g repo.ServiceStage, err error) error {
	return fault.New(fault.KindOf(err), "cannot deploy: stage %s: %w", g.Name, err).In(g.At)
}

// pick is a version that a release is to serve, with what was found out about it.
type pick struct {
	version *registry.Version
	proven  provenance
}

// picked are the versions that a release is to serve, one of each model.
type picked []pick

// of is that of a model.
func (c picked) of(model string) pick {
	i := slices.IndexFunc(c, func(p pick) bool { return p.version.Model == model })
	if i < 0 {
		return pick{}
	}
	return c[i]
}

// bytes is how large all models are together.
func (c picked) bytes() (n int64) {
	for _, p := range c {
		n += p.version.Bytes
	}
	return n
}

// versionsToServe are the versions that words name, each one of a model of the service. Of a service of stages, models that are not named stay as
// they are in service; before the first release that is the version in the stage of the service, else the newest one.
func (s *served) versionsToServe(ctx context.Context, words []string, known deploy.Service) (c picked, err error) {
	for _, word := range words {
		v, err := s.versionToServe(ctx, word)
		if err != nil {
			return nil, err
		}
		if other := c.of(v.Model).version; other != nil {
			return nil, fault.New(fault.Usage, "cannot deploy %s and %s to %s: it serves one version of a model", other.Name(), v.Name(), s.name)
		}
		c = append(c, pick{version: v})
	}
	if len(s.cfg.Stages) == 0 {
		if len(c) != 1 {
			return nil, fault.New(fault.Usage, "cannot deploy to %s: name one version of model %s", s.name, s.cfg.Model).
				Hint("mlx deploy %s %s@vN", shellWord(s.name), shellWord(s.cfg.Model)).Hint("mlx show model:%s   # lists its versions", shellWord(s.cfg.Model))
		}
		return c, nil
	}
	for _, model := range s.cfg.Models() {
		if c.of(model).version != nil {
			continue
		}
		v, err := s.unnamed(ctx, model, known)
		if err != nil {
			return nil, err
		}
		c = append(c, pick{version: v})
	}
	return c, nil
}

// unnamed is the version of a model that nobody has named.
func (s *served) unnamed(ctx context.Context, model string, known deploy.Service) (*registry.Version, error) {
	if known.Current != nil {
		for _, part := range known.Current.Parts() {
			if part.Model == model {
				return s.app.recordedVersion(ctx, part)
			}
		}
	}
	if s.cfg.Stage != "" {
		if v, err := s.versionToServe(ctx, model+"@"+s.cfg.Stage); fault.KindOf(err) != fault.NotFound {
			return v, err
		}
	}
	return s.versionToServe(ctx, model+"@latest")
}

// planStarts adds which servers a rollout starts.
func planStarts(spec deploy.Spec, add func(do, what, why string)) {
	count := cli.FormatNum(int64(spec.Replicas), "server")
	if len(spec.To.Stages) == 0 {
		add("start", spec.To.Name(), count+": "+spec.To.Serve.Command)
		return
	}
	for _, stage := range spec.To.Stages {
		if stage.List != nil {
			add("look up", stage.List.Path, "stage "+stage.Name)
			continue
		}
		add("start", stage.Model+"@v"+numberWord(stage.Version), count+" of stage "+stage.Name+": "+stage.Serve.Command)
	}
}

// stagesWord tells releases apart by their stages: which versions and lists, and a digest of all that is said of them.
func stagesWord(r deploy.Release) string {
	if len(r.Stages) == 0 {
		return ""
	}
	var words []string
	for _, stage := range r.Stages {
		word := stage.Name
		switch {
		case stage.List == nil:
			word += "=" + stage.Model + "@v" + numberWord(stage.Version) + ":" + stage.Digest.Short()
		case !stage.List.Root.IsZero():
			word += "=" + stage.List.Path + ":" + stage.List.Root.Short()
		}
		words = append(words, word)
	}
	if text, err := object.Encode(r.Stages); err == nil {
		words = append(words, object.Sum(text).Short())
	}
	return strings.Join(words, " ")
}
