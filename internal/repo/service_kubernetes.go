package repo

import (
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// TargetKubernetes is the target of a service that runs on a cluster.
const TargetKubernetes = "kubernetes"

// Kubernetes is a cluster that a service runs on.
type Kubernetes struct {
	Context    string `yaml:"context" doc:"Context of your kubeconfig; the current one when absent."`
	Namespace  string `yaml:"namespace" doc:"Namespace; that of the context when absent."`
	Form       string `yaml:"form" enum:"gateway argo kserve kserve-knative" doc:"Deployments behind an HTTPRoute, an Argo Rollout, a KServe InferenceService in Standard mode, or in Knative mode; told from what the cluster has when absent."`
	Graph      bool   `yaml:"graph" doc:"With form: kserve, stages: is an InferenceGraph, whose stages are InferenceServices of their own; one pod has all stages when absent."`
	Repository string `yaml:"repository" doc:"Repository of images, such as registry.example/team/flights: pods get packages of the model from it, by digest; where they were pushed when absent."`
	Agent      string `yaml:"agent" doc:"What counts answers beside each server and guards rollouts: an image of mlx by digest, or a file of mlx for Linux; mlx as it runs here when absent."`
	Gateway    string `yaml:"gateway" doc:"NAMESPACE/NAME of the Gateway that requests come through."`
	Hostname   string `yaml:"hostname" doc:"Name of the service in requests; every name when absent."`
	Path       string `yaml:"path" doc:"Prefix of the paths that it answers; / when absent."`

	CPUs    float64  `yaml:"cpus" doc:"Cores that a server needs."`
	GPUs    int      `yaml:"gpus" doc:"GPUs of a server."`
	GPUType string   `yaml:"gpu_type" doc:"Value of nvidia.com/gpu.product that its node has."`
	Account string   `yaml:"account" doc:"Service account of its pods."`
	Secrets []string `yaml:"secrets" doc:"Secrets with the credentials of the repository."`
	Pod     Free     `yaml:"pod" doc:"Merged into the pods: tolerations, nodeSelector, volumes."`
	Scale   Scale    `yaml:"scale" doc:"What decides how many servers there are; replicas: does when absent."`
	GitOps  GitOps   `yaml:"gitops" doc:"Where Argo CD or Flux reads the manifests: mlx commits them there, and waits for the cluster to follow."`

	At fault.Position `yaml:"-"`
}

// Scale lets a cluster decide how many servers a release has.
type Scale struct {
	Min   int     `yaml:"min" doc:"Fewest servers; 1 when absent."`
	Max   int     `yaml:"max" doc:"Most servers." need:"true"`
	By    string  `yaml:"by" enum:"hpa keda" doc:"HorizontalPodAutoscaler or KEDA ScaledObject; hpa when absent."`
	CPU   Share   `yaml:"cpu" doc:"Use of the cores that one server is to have."`
	GPU   Share   `yaml:"gpu" doc:"Use of the GPU that one server is to have; needs a source of metrics for it."`
	Queue float64 `yaml:"queue" doc:"Requests that one server is to have at a time."`

	Prometheus string `yaml:"prometheus" doc:"Address of the Prometheus that KEDA asks."`

	At fault.Position `yaml:"-"`
}

// GitOps says where manifests are committed.
type GitOps struct {
	Path   string   `yaml:"path" doc:"File of the repository that is written." need:"true"`
	Repo   string   `yaml:"repo" doc:"Clone in which it lies; this one when absent."`
	Branch string   `yaml:"branch" doc:"Branch that is committed to; the current one when absent."`
	Wait   Duration `yaml:"wait" doc:"Longest time until the cluster has followed; 10m when absent."`

	At fault.Position `yaml:"-"`
}

// checkKubernetes refuses what no cluster takes, and what a service asks of the router of mlx, which does not run there: nothing that somebody has
// asked for is left out in silence.
func (s Service) checkKubernetes(name string) error {
	if s.Target != TargetKubernetes {
		return nil
	}
	bad := func(at fault.Position, format string, args ...any) *fault.Error {
		return failPosition(at, "service "+name+" "+format, args...)
	}
	k := s.Kubernetes
	if k.At.Line == 0 {
		k.At = s.At
	}
	if err := k.GitOps.check(name); err != nil {
		return err
	}
	if k.GitOps.Path != "" && s.Rollout.Lease.Duration > 0 {
		return bad(s.Rollout.At, "has a lease:, and nobody can take back what a cluster follows when mlx is gone").
			Hint("mlx deploy %s …   # on a machine that stays, and without lease:", name)
	}
	image := regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$`)
	repository, sum, _ := strings.Cut(k.Agent, "@")
	switch {
	case k.Repository != "" && !image.MatchString(k.Repository):
		return bad(k.At, "has the repository %q, which is no place of images", k.Repository).Hint("repository: registry.example/team/flights   # without a tag")
	case strings.Contains(k.Agent, "@") && (!image.MatchString(repository) || !strings.HasPrefix(sum, "sha256:")):
		return bad(k.At, "has the agent %q, which is no image with its digest", k.Agent).Hint("agent: registry.example/team/mlx@sha256:…")
	case k.Gateway != "" && (strings.Count(k.Gateway, "/") > 1 || strings.Trim(k.Gateway, "/") != k.Gateway):
		return bad(k.At, "has the gateway %q, which is no NAMESPACE/NAME", k.Gateway).Hint("kubectl get gateways -A")
	case k.Graph && (k.Form != "kserve" || len(s.Stages) == 0):
		return bad(k.At, "is to be an InferenceGraph, which has stages: and form: kserve")
	case k.Path != "" && !strings.HasPrefix(k.Path, "/"):
		return bad(k.At, "answers at the path %q, which does not begin with /", k.Path)
	case k.CPUs < 0 || k.CPUs > 1000 || k.GPUs < 0 || k.GPUs > 64:
		return bad(k.At, "needs cores or GPUs that no node has: up to 1000 and 64")
	case k.Scale.Max != 0 && (k.Scale.Min < 0 || k.Scale.Max < max(k.Scale.Min, 1) || k.Scale.Max > 1000):
		return bad(k.Scale.At, "scales from %d to %d servers", max(k.Scale.Min, 1), k.Scale.Max)
	}
	copies := k.Form != "argo" && k.Form != "kserve-knative" // the others make them, and what they are answered is compared
	host := map[string]bool{
		"listen": s.Listen != "", "tls": s.TLS.Cert != "", "proxies": len(s.Proxies) > 0,
		"sticky": s.Sticky != Sticky{At: s.Sticky.At}, "compare": !copies && s.Compare != Tolerance{At: s.Compare.At}, "metrics": s.Metrics != "",
		"traces": s.Traces != "",
		"slo":    s.SLO.Availability.Set, "log": s.Log.asked(),
	}
	if err := s.checkKnative(bad); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(host)) {
		if host[key] {
			return bad(s.At, "runs on Kubernetes and has %s:, which the router of mlx on a host does, and a Gateway does not", key).
				Hint("target: host   # in services: or take that key out")
		}
	}
	return nil
}

// FormKnative is the form in which the routes of the service, and what stands before its servers, are those of Knative.
const FormKnative = "kserve-knative"

// checkKnative refuses what would be left out in the form that has neither a route nor a meter of mlx.
func (s Service) checkKnative(bad func(at fault.Position, format string, args ...any) *fault.Error) error {
	k := s.Kubernetes
	if k.Form != FormKnative {
		return nil
	}
	bare := s.Limits
	bare.At = fault.Position{}
	ignored := map[string]bool{
		"limits": bare != Limits{}, "schema": s.Schema == "refuse" || s.Schema == "count", "rollout.min_samples": s.Rollout.MinSamples != 0, "warmup": s.Warmup.File != "",
		"kubernetes.gateway": k.Gateway != "", "kubernetes.hostname": k.Hostname != "", "kubernetes.path": k.Path != "",
	}
	for _, key := range slices.Sorted(maps.Keys(ignored)) {
		if ignored[key] {
			return bad(k.At, "has form: %s and %s:, which a route or a meter of mlx does, and Knative mode has neither", k.Form, key).
				Hint("kubernetes: {form: kserve}   # in services: or take that key out")
		}
	}
	return nil
}

// check refuses a file that is none of the clone: it could be any of this machine, and what git keeps for itself is a program for some.
func (g GitOps) check(service string) error {
	if g.Path == "" {
		return nil
	}
	bad := func(why, hint string) error {
		return failPosition(g.At, "service %s is written to %q, which %s", service, g.Path, why).Hint("%s", hint)
	}
	local := filepath.FromSlash(g.Path)
	first, _, _ := strings.Cut(path.Clean(g.Path), "/")
	switch {
	case path.IsAbs(g.Path), !filepath.IsLocal(local), strings.ContainsAny(g.Path, "\\\x00\n"):
		return bad("leaves its repository", "gitops: {path: deploy/flights.yaml}   # repo: names another clone")
	case strings.HasSuffix(g.Path, "/"), path.Clean(g.Path) == ".", strings.EqualFold(first, ".git"), strings.ContainsAny(g.Path, ":*?["):
		return bad("is no file that git keeps", "gitops: {path: deploy/flights.yaml}")
	}
	return nil
}

// kubernetesTrust is what is driven of a cluster and written to git, as a user allows it; empty: nothing.
func (s Service) kubernetesTrust() string {
	if s.Target != TargetKubernetes {
		return ""
	}
	k := s.Kubernetes
	text := trusted(" on kubernetes")
	text.add("context", k.Context)
	text.add("namespace", k.Namespace)
	text.add("repository", k.Repository)
	text.add("agent", k.Agent)
	text.add("gateway", k.Gateway)
	text.add("account", k.Account)
	text.add("secret", k.Secrets...)
	text.pod(k.Pod)
	text.add("gitops", k.GitOps.Path)
	text.add("gitops.repo", k.GitOps.Repo)
	text.add("gitops.branch", k.GitOps.Branch)
	return string(text)
}

func (l ServiceLog) asked() bool {
	return l.Share.Set || l.Features != "" || len(l.Mask) > 0 || l.Keep.Duration > 0 || l.Strict || l.Sink != ""
}
