package main

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/kube"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// onKubernetes says whether the service runs on a cluster.
func (s *served) onKubernetes() bool { return s.cfg.Target == repo.TargetKubernetes }

// mayDrive refuses to ask a cluster that somebody else's mlx.yaml names, as long as its user has not allowed it: programs for credentials run, and
// what is asked for is done there, or pushed.
func (s *served) mayDrive(ctx context.Context) error {
	if !s.onKubernetes() {
		return nil
	}
	return s.mayServe(ctx)
}

// kubeTarget is the cluster of a service as a target, which is found when it is first asked.
type kubeTarget struct {
	served *served
	open   func(ctx context.Context) (*deploykube.Driver, error)

	mu    sync.Mutex
	fresh *image.Built // the image of mlx in its pods, which no repository has yet; nil: one has
}

// newKubeTarget asks nothing yet.
func newKubeTarget(s *served) *kubeTarget {
	var mu sync.Mutex
	var found *deploykube.Driver
	return &kubeTarget{served: s, open: func(ctx context.Context) (*deploykube.Driver, error) {
		mu.Lock()
		defer mu.Unlock()
		if found != nil {
			return found, nil
		}
		err := s.mayServe(ctx) // it names the cluster, and what is started and written there
		if err == nil {
			found, err = s.kubeDriver(ctx)
		}
		return found, err
	}}
}

// Apply asks the cluster for a state.
func (k *kubeTarget) Apply(ctx context.Context, d deploy.Desired) error {
	v, err := k.open(ctx)
	if err != nil {
		return err
	}
	if k.served.follows() {
		if err := k.served.keepAgent(ctx, v); err != nil {
			return err
		}
		return k.served.commit(ctx, v, d)
	}
	return v.Apply(ctx, d)
}

// Observe tells what the cluster does.
func (k *kubeTarget) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	v, err := k.open(ctx)
	if err != nil {
		return deploy.Actual{}, err
	}
	return v.Observe(ctx, service)
}

// tidy ends what nobody needs any more at a cluster. Whoever may only look leaves it to somebody else, and whoever carries out a rollout here ends
// what that has left by himself.
func (s *served) tidy(ctx context.Context) {
	s.endAtCluster(ctx, func(v *deploykube.Driver, ctx context.Context) error {
		known, err := s.book.Service(ctx, s.name)
		if err != nil {
			return err
		}
		if n := len(known.Rollouts); n > 0 && s.controlled(known.Rollouts[n-1].ID) {
			return nil
		}
		return v.Tidy(ctx)
	})
}

// finish ends what a rollout that is over has left at a cluster, as soon as no request can be on its way there any more. All is told by then.
// Whoever has begun another rollout meanwhile may want it.
func (s *served) finish(ctx context.Context) {
	var progress *cli.Progress
	var waited int64
	s.endAtCluster(ctx, func(v *deploykube.Driver, ctx context.Context) error {
		return v.Finish(ctx, func(left int64) bool {
			if progress == nil && left > 0 {
				progress = s.app.streams.Progress("ending servers that get no requests any more", "seconds", left)
			} else {
				progress.Add(1)
				waited++
				progress.SetTotal(waited + left) // a gateway that still sends some makes it longer
			}
			known, err := s.book.Service(ctx, s.name)
			_, busy := known.Progress()
			return err == nil && !busy
		})
	})
	progress.Done()
}

func (s *served) endAtCluster(ctx context.Context, how func(*deploykube.Driver, context.Context) error) {
	if !s.onKubernetes() {
		return
	}
	v, err := s.kube.open(ctx)
	if err == nil {
		err = how(v, ctx)
	}
	if err != nil {
		s.app.streams.Why("what is not needed any more is not ended now: %v", err)
	}
}

// cluster is a namespace of a cluster. All services in it share its connections.
func (a *app) cluster(k repo.Kubernetes) (*deploykube.Cluster, *kube.Client, error) {
	client, err := kube.Open(kube.Config{Files: kubeconfigs(), Context: k.Context, Namespace: k.Namespace, Agent: "mlx/" + buildVersion().Version})
	if err != nil {
		return nil, nil, err
	}
	name := client.Server() + " " + client.Namespace() + " " + client.Context()
	for _, c := range a.opened {
		if known, ok := c.(namedCluster); ok && known.name == name {
			return known.Cluster, client, nil
		}
	}
	made := namedCluster{deploykube.NewCluster(client), name}
	a.opened = append(a.opened, made)
	return made.Cluster, client, nil
}

type namedCluster struct {
	*deploykube.Cluster

	name string
}

// Close ends its connections.
func (c namedCluster) Close() error {
	c.Cluster.Close()
	return nil
}

func (s *served) kubeDriver(ctx context.Context) (*deploykube.Driver, error) {
	cluster, client, err := s.app.cluster(s.cfg.Kubernetes)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot serve %s on Kubernetes: %w", s.name, err).In(s.cfg.Kubernetes.At)
	}
	settings, err := s.kubeSettings(ctx)
	if err != nil {
		return nil, err
	}
	settings.Namespace = client.Namespace()
	if settings.Form == "" {
		if settings.Form, err = s.kubeForm(ctx, cluster); err != nil {
			return nil, err
		}
	}
	if settings.Agent == "" {
		if settings.Agent, err = cluster.Agent(ctx, settings); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "logs"), 0o700); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot serve %s: %w", s.name, err)
	}
	r, err := s.app.repo()
	if err != nil {
		return nil, err
	}
	lock := func(ctx context.Context) (func(), error) { return r.Lock(ctx, []string{"counts " + s.name}, nil) }
	host, _ := os.Hostname() // where it cannot be told, the clone is enough
	var v *deploykube.Driver
	v = deploykube.New(deploykube.Options{
		Cluster: cluster, Settings: settings, Now: s.app.now, Counts: filepath.Join(s.dir, "counts.json"), Lock: lock, Follows: s.follows(),
		Holder: s.app.user() + "@" + host + "/" + object.Sum([]byte(s.dir)).Short(), Tell: func(text string) { s.app.streams.Note("%s", text) },
		Prepare: func(ctx context.Context) error { return s.keepAgent(ctx, v) },
		Unfile:  func(ctx context.Context, d deploy.Desired) error { return s.unfile(ctx, v, d) },
	})
	return v, nil
}

// kubeForm is the form that the cluster has the kinds for. Where there are several it is the one in which all is counted, and copies are made.
func (s *served) kubeForm(ctx context.Context, cluster *deploykube.Cluster) (deploykube.Form, error) {
	has, err := cluster.Forms(ctx)
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot serve %s on Kubernetes: %w", s.name, err)
	}
	for _, form := range []deploykube.Form{deploykube.Gateway, deploykube.Argo, deploykube.Standard} {
		if slices.Contains(has, form) {
			return form, nil
		}
	}
	return "", fault.New(fault.NotFound, "cannot serve %s on Kubernetes: the cluster has neither HTTPRoutes of the Gateway API, nor Argo Rollouts, nor KServe", s.name).
		In(s.cfg.Kubernetes.At).Hint("kubectl api-resources --api-group gateway.networking.k8s.io   # what has who runs the cluster installed?")
}

// kubeFormats are how runtimes of KServe call what the servers that mlx knows serve.
func kubeFormats() map[string]string {
	return map[string]string{"onnxruntime": "onnx", "mlflow": "mlflow", "kserve": "sklearn", "mlserver": "sklearn", "triton": "triton", "vllm": "huggingface",
		"tgi": "huggingface", "tfserving": "tensorflow", "torchserve": "pytorch"}
}

// kubeSettings are what mlx.yaml says of the service on a cluster. The form is empty where it says none.
func (s *served) kubeSettings(ctx context.Context) (deploykube.Settings, error) {
	k := s.cfg.Kubernetes
	forms := map[string]deploykube.Form{"gateway": deploykube.Gateway, "argo": deploykube.Argo, "kserve": deploykube.Standard, repo.FormKnative: deploykube.Knative}
	settings := deploykube.Settings{
		Service: s.name, Namespace: k.Namespace, Form: forms[k.Form], Graph: k.Graph, Repository: k.Repository, Gateway: k.Gateway, Hostname: k.Hostname, Path: k.Path,
		CPUs: k.CPUs, Memory: int64(s.cfg.Memory), GPUs: k.GPUs, GPUType: k.GPUType, Account: k.Account, Secrets: k.Secrets,
		Format: kubeFormats()[s.cfg.Server],
	}
	if strings.Contains(k.Agent, "@") {
		settings.Agent = k.Agent
	}
	if pod := k.Pod.Plain(); pod != nil {
		o, ok := pod.(map[string]any)
		if !ok {
			return settings, fault.New(fault.Usage, "cannot serve %s on Kubernetes: pod: is no object with keys", s.name).In(k.At).Hint("pod: {nodeSelector: {disk: fast}}")
		}
		settings.Pod = o
	}
	if k.Scale.Max > 0 {
		settings.Scale = &deploykube.Scale{Min: k.Scale.Min, Max: k.Scale.Max, Keda: k.Scale.By == "keda", CPU: k.Scale.CPU.Value, GPU: k.Scale.GPU.Value,
			Queue: k.Scale.Queue, Prometheus: k.Scale.Prometheus}
	}
	routed, err := routerSettings(s.cfg)
	if err != nil {
		return settings, err
	}
	settings.Limits, settings.Drain, settings.Compare = routed.Limits, routed.Drain, routed.Compare
	settings.File = func(r deploy.Release) (string, error) { return s.modelFile(ctx, r) }
	if s.cfg.Schema != "none" {
		settings.Signature = func(r deploy.Release) json.RawMessage { return s.signature(ctx, r) }
	}
	if settings.Repository == "" {
		settings.Repository, err = s.pushedTo(ctx)
	}
	return settings, err
}

// modelFile is the name of the file of a model of one file; empty: it is a folder.
func (s *served) modelFile(ctx context.Context, r deploy.Release) (string, error) {
	v, err := s.app.recordedVersion(ctx, r)
	if err != nil || v.Kind != string(snapshot.File) {
		return "", err
	}
	return path.Base(v.Path), nil
}

// pushedTo is the repository that versions of the model were last pushed to; empty: none was.
func (s *served) pushedTo(ctx context.Context) (string, error) {
	if s.cfg.Model == "" {
		return "", nil // it has stages, and each model a place of its own
	}
	reg, err := s.app.registry()
	if err != nil {
		return "", err
	}
	m, err := reg.Model(ctx, s.cfg.Model)
	if err != nil {
		return "", err
	}
	for _, v := range slices.Backward(m.Live()) {
		known, err := s.app.packagesOf(ctx, v)
		if err != nil {
			return "", err
		}
		for _, p := range known {
			if p.body.Place != nil && p.body.Place.Kind == image.InRegistry {
				return repositoryOf(p.body.Place.Name), nil
			}
		}
	}
	return "", nil
}

// repositoryOf is the name of an image without its tag and digest.
func repositoryOf(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		return name[:at]
	}
	return name
}

// mayRunOnKubernetes refuses a rollout that the cluster cannot carry out as it was asked for. The API server tries its objects before anything is
// begun.
func (s *served) mayRunOnKubernetes(ctx context.Context, known deploy.Service, spec deploy.Spec) error {
	if err := s.apartThere(ctx); err != nil {
		return err
	}
	settings, err := s.kubeSettings(ctx)
	if err != nil {
		return err
	}
	settings.Form = cmp.Or(settings.Form, deploykube.Gateway)
	v, away := s.kube.open(ctx)
	if away == nil {
		need, err := s.platforms(ctx, spec.To)
		if err != nil {
			return err
		}
		if err := s.withAgent(ctx, need); err != nil {
			return err
		}
		settings = v.Settings
		settings.Agent = v.Agent()
	}
	if err := settings.Check(spec.To); err != nil {
		return err
	}
	if err := settings.CheckPlan(spec); err != nil || away != nil {
		return err // that the cluster is away is told elsewhere
	}
	if err := v.CheckGateway(ctx, spec); err != nil {
		return err
	}
	return s.planObjects(ctx, s.firstAsked(known, spec), func(string, string, string) {})
}

// kubeURL is where the service is asked, as far as mlx.yaml says it.
func (s *served) kubeURL() string {
	if s.cfg.Kubernetes.Hostname == "" {
		return ""
	}
	return "http://" + s.cfg.Kubernetes.Hostname + s.cfg.Kubernetes.Path
}

// kubeReplicas is how many servers a release must have before it counts as ready, where the cluster decides how many there are.
func (s *served) kubeReplicas(replicas int) int {
	if s.onKubernetes() && s.cfg.Kubernetes.Scale.Max > 0 {
		return max(s.cfg.Kubernetes.Scale.Min, 1)
	}
	return replicas
}

// notHere refuses to run on this machine what runs on a cluster.
func (s *served) notHere() error {
	if !s.onKubernetes() {
		return nil
	}
	model := s.cfg.Model
	if len(s.cfg.Stages) > 0 {
		model = s.cfg.Stages[len(s.cfg.Stages)-1].Model
	}
	return fault.New(fault.Usage, "cannot run %s here: its target is kubernetes, and the cluster runs its servers", s.name).In(s.cfg.At).
		Hint("mlx service status %s", shellWord(s.name)).Hint("mlx deploy %s %s@vN", shellWord(s.name), shellWord(model))
}

// planObjects adds what becomes of the objects of the cluster when it is asked for a state: the API server tries them.
func (s *served) planObjects(ctx context.Context, d deploy.Desired, add func(do, what, why string)) error {
	if s.follows() {
		add("commit", s.cfg.Kubernetes.GitOps.Path, "which the cluster follows, before the start and at every step, where it changes")
		return nil
	}
	v, err := s.kube.open(ctx)
	if err != nil {
		return err
	}
	changes, err := v.Changes(ctx, d)
	for _, c := range changes {
		add(c.Do, c.What, c.Why)
	}
	return err
}

// firstAsked is what a rollout asks a target for first.
func (s *served) firstAsked(known deploy.Service, spec deploy.Spec) deploy.Desired {
	d := deploy.Desired{Service: s.name, Generation: known.Generation + 1,
		Arms: []deploy.Arm{{Role: deploy.Candidate, Release: spec.To, Replicas: spec.Replicas}}}
	if spec.From != nil {
		d.Arms = slices.Insert(d.Arms, 0, deploy.Arm{Role: deploy.Stable, Release: *spec.From, Share: deploy.All, Replicas: spec.Replicas})
	}
	return d
}
