// Package kube is the target Kubernetes: what a deploy.Desired means as objects of a cluster, in the form that the cluster has (Deployments
// behind an HTTPRoute, an Argo Rollout, a KServe InferenceService), and a deploy.Driver that has the cluster do it and tells what it does.
//
// Of each form one object decides who gets which share of the requests: its anchor. The generation that is obeyed stands in its annotations, so
// that a rollback is one patch, and whoever writes knows from whom.
package kube

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	digest "mlx/internal/object"
)

// Form is the kind of objects that a service is made of.
type Form string

// The forms.
const (
	Gateway  Form = "gateway"         // Deployments and Services behind an HTTPRoute of the Gateway API
	Argo     Form = "argo"            // an Argo Rollout, with the plugin for the Gateway API
	Standard Form = "kserve-standard" // KServe InferenceServices in Standard mode, behind an HTTPRoute of mlx
	Knative  Form = "kserve-knative"  // one whose weights are those of Knative
)

// Forms are all of them.
func Forms() []Form { return []Form{Gateway, Argo, Standard, Knative} }

// Settings are what mlx.yaml says of a service on a cluster.
type Settings struct {
	Service    string
	Namespace  string // empty: that of whoever applies the objects
	Form       Form
	Repository string // of images: registry.example/team/flights
	Gateway    string // NAMESPACE/NAME
	Hostname   string
	Path       string // prefix; empty is /

	CPUs    float64
	Memory  int64 // bytes
	GPUs    int
	GPUType string
	Account string
	Secrets []string
	Pod     map[string]any // merged into the pods
	Scale   *Scale         // nil: the replicas of an arm are what it has
	Graph   bool           // stages are InferenceServices of their own, which an InferenceGraph asks
	Format  string         // of the model, as runtimes of KServe call it; empty: none of them serves it
	// Agent is the image of mlx itself, by digest: it counts answers beside each server, and guards rollouts.
	Agent string
	// What the meter beside each server takes, and how long requests have to end.
	Limits router.Limits
	// Compare is what of the answers to copies is compared.
	Compare router.Compare
	Drain   time.Duration
	// File is the name of the file of a model of one file, which lies in the folder of its package; empty: the model is that folder. nil: nobody knows.
	File func(deploy.Release) (string, error)
	// Signature is what requests of a release are held against; nil: they are not looked at.
	Signature func(deploy.Release) json.RawMessage

	unguarded bool           // somebody undoes what a guard would do
	fewest    map[string]int // servers that the scaler of a release leaves it, by key, where that is more than scale: says
}

// Scale lets the cluster decide how many servers a release has.
type Scale struct {
	Min, Max   int
	Keda       bool    // a ScaledObject in place of a HorizontalPodAutoscaler
	CPU        float64 // share of the cores that one server is to use; 0: not looked at
	GPU        float64 // of its GPU
	Queue      float64 // requests that one server is to work on
	Prometheus string  // that KEDA asks
}

// least is the fewest servers.
func (c *Scale) least() int { return max(c.Min, 1) }

type (
	object = map[string]any
	list   = []any
)

// Labels and annotations of objects that mlx makes.
const (
	labelName      = "app.kubernetes.io/name"
	labelManager   = "app.kubernetes.io/managed-by"
	labelComponent = "app.kubernetes.io/component"
	labelVersion   = "app.kubernetes.io/version"
	labelStage     = "dev.mlx/stage"       // of the pods of a stage of a graph: its InferenceService
	labelRelease   = "dev.mlx/release-key" // the first 40 characters: a label has at most 63

	noteService    = "dev.mlx/service"
	noteRelease    = "dev.mlx/release"    // the whole key
	noteModel      = "dev.mlx/model"      // flights@v7
	noteGeneration = "dev.mlx/generation" // that is obeyed
	noteDesired    = "dev.mlx/desired"    // what was asked for in it
	noteReverted   = "dev.mlx/reverted"   // in which generation the guard took the traffic back, and why; empty: it did not
	noteRevert     = "dev.mlx/revert"     // of the Lease: what the guard is to do
	noteAgent      = "dev.mlx/agent"      // image of mlx that counts and guards: another mlx that rolls back changes no pods
	noteForm       = "dev.mlx/form"       // of the anchor
	noteApplied    = "dev.mlx/applied"    // the sum of an object beside the anchor, as mlx has asked for it
	noteUntil      = "dev.mlx/until"      // when a release that has no traffic need not be kept any longer

	labelLength = 40
	keyLength   = 8
)

// Ports of a pod.
const (
	portIn     = 8080 // requests: the meter, or the server where there is none
	portServer = 8081 // of the server, on 127.0.0.1
	portStats  = 8082 // what the meter has counted
)

// NameOf is how the objects of a service are called: its name, made such as Kubernetes takes for all kinds.
func NameOf(service string) string {
	const most = 63 - 1 - keyLength - len("-s63-predictor")
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}, service)
	name = strings.Trim(name, "-")
	if name == "" || name[0] < 'a' {
		name = strings.TrimSuffix("s-"+name, "-")
	}
	if name == service && len(name) <= most {
		return name
	}
	sum := digest.Sum([]byte(service)) // names that differ in other signs stay different
	return strings.TrimRight(name[:min(len(name), most-7)], "-") + "-" + hex.EncodeToString(sum[:3])
}

// nameOf is that of the objects of one release.
func nameOf(service, key string) string {
	return NameOf(service) + "-" + key[:min(len(key), keyLength)]
}

func labelOf(key string) string { return key[:min(len(key), labelLength)] }

// Image is the package of a release, by its digest.
func (s Settings) image(r deploy.Release) string { return s.Repository + "@" + r.Image }

// Check refuses what cannot run on a cluster in this form, whatever the cluster is.
func (s Settings) Check(r deploy.Release) error {
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Usage, "cannot serve "+s.Service+" on Kubernetes: "+format, args...)
	}
	switch {
	case s.Repository == "":
		return bad("nothing says from which repository pods get their images").Hint("kubernetes: {repository: registry.example/team/%s}   # in services.%s", NameOf(s.Service), s.Service)
	case s.Form != Knative && s.Gateway == "":
		return bad("nothing says through which Gateway requests come").Hint("kubectl get gateways -A").
			Hint("kubernetes: {gateway: NAMESPACE/NAME}   # in services.%s", s.Service)
	case s.Form == Knative && s.Format == "":
		return bad("in Knative mode a runtime of the cluster serves it, which runs no command of its own").Hint("server: mlflow   # or onnxruntime, triton, …: a runtime of KServe serves it").
			Hint("kubernetes: {form: gateway}   # in services.%s", s.Service)
	case s.Form != Knative && s.Agent == "" && s.ready(r) == "":
		return bad("nothing says at which path a server tells that it is ready, and there it is not found by trying").
			Hint("ready: /health   # in services.%s", s.Service)
	}
	for _, p := range r.Parts() {
		if p.Image == "" {
			return fault.New(fault.NotFound, "cannot serve %s on Kubernetes: %s has no package, and pods are made from one", s.Service, p.Name()).
				Hint("mlx model package %s --push %s --base IMAGE --code HEAD:.", p.Name(), s.Repository)
		}
		if !strings.HasPrefix(p.Image, "sha256:") {
			return bad("%q is no digest of an image", p.Image)
		}
		if strings.Contains(hostless(p.Serve.Command), "MLX_RELEASE_DIR") {
			return bad("the command of %s reads MLX_RELEASE_DIR, which a server has on a host only", p.Name()).
				Hint("cmd: python3 /app/serve.py   # in services.%s: a package has its code in /app", s.Service)
		}
	}
	if err := s.checkStages(r, bad); err != nil {
		return err
	}
	return s.checkScale(bad)
}

func (s Settings) checkScale(bad func(string, ...any) *fault.Error) error {
	c := s.Scale
	switch {
	case c == nil:
		return nil
	case c.Max < c.least():
		return bad("scale: max: %d is below min: %d", c.Max, c.least())
	case c.CPU == 0 && c.GPU == 0 && c.Queue == 0:
		return bad("nothing says by what it scales").Hint("scale: {max: %d, cpu: 70%%}   # or gpu, queue", c.Max)
	case s.Form == Knative && (c.CPU > 0 || c.GPU > 0 || c.Keda):
		return bad("Knative counts the requests that a server works on, and scales by nothing else").Hint("scale: {max: %d, queue: 4}", c.Max).
			Hint("kubernetes: {form: kserve}   # in services.%s", s.Service)
	case c.CPU > 0 && s.CPUs == 0:
		return bad("it scales by a share of cores, and nothing says how many a server has").Hint("kubernetes: {cpus: 2, …}   # in services.%s", s.Service)
	case c.Keda && (c.GPU > 0 || c.Queue > 0) && c.Prometheus == "":
		return bad("KEDA asks a Prometheus for gpu and queue").Hint("scale: {prometheus: 'http://prometheus.monitoring:9090', …}")
	}
	return nil
}

func (s Settings) kserve() bool { return s.Form == Standard || s.Form == Knative }

// routed says whether the anchor is an HTTPRoute over the Services of the releases.
func (s Settings) routed() bool { return s.Form == Gateway || s.Form == Standard }

// CheckPlan refuses a rollout that a cluster cannot carry out as it is asked for: what HTTPRoutes and the like do not do is never left out in
// silence.
func (s Settings) CheckPlan(spec deploy.Spec) error {
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Usage, "cannot deploy "+spec.To.Name()+" to "+s.Service+" on Kubernetes: "+format, args...)
	}
	switch {
	case spec.From != nil && s.Agent == "" && spec.Strategy != deploy.Back:
		return bad("nothing would count its answers, and nobody would take it back when mlx is gone").
			Hint("kubernetes: {agent: IMAGE@sha256:…}   # in services.%s: an image of mlx", s.Service)
	case spec.Strategy == deploy.AB:
		return bad("an A/B test keeps each user with one version, and the shares of a route are drawn for each request").
			Hint("target: host   # the router of mlx keeps users, records who had what, and compares them")
	case spec.Mirror > 0 && !s.routed():
		return bad("the form %s makes no copies of requests", s.Form).Hint("kubernetes: {form: gateway}   # in services.%s", s.Service)
	}
	if err := s.checkCounted(spec, bad); err != nil {
		return err
	}
	if err := checkCompared(spec, bad); err != nil {
		return err
	}
	for _, step := range spec.Steps {
		if !s.routed() && step%100 != 0 {
			return bad("the form %s knows whole percents only, and a step is %s", s.Form, step).Hint("steps: [1%%, 5%%, 20%%, 100%%]")
		}
	}
	return nil
}

// checkCounted refuses what needs counts in the form that has none: such a step could only ever pause.
func (s Settings) checkCounted(spec deploy.Spec, bad func(string, ...any) *fault.Error) error {
	if s.Form != Knative || spec.From == nil || spec.Strategy == deploy.Back {
		return nil
	}
	elsewhere := func(e *fault.Error) error {
		return e.Hint("rollout: {checks: [{query: …, max: …}]}   # in services.%s: what Prometheus or a command measures", s.Service).
			Hint("kubernetes: {form: kserve}   # in services.%s: a meter in each pod counts", s.Service)
	}
	if spec.MinSamples > 0 {
		return elsewhere(bad("nobody counts its answers in Knative mode, and a step is to have %d of them", spec.MinSamples))
	}
	for _, rule := range spec.Checks {
		if rule.Kind == deploy.KindMeasure || rule.Kind == "expr" {
			return elsewhere(bad("nobody counts its answers in Knative mode, and so %s would never be known", rule.Called()))
		}
	}
	return nil
}

// ready is the path at which a server of a release says that it can work; empty: nobody knows.
func (s Settings) ready(r deploy.Release) string {
	byProtocol := map[string]string{"v2": "/v2/health/ready", "mlflow": "/ping"}
	return cmp.Or(r.Serve.Ready, byProtocol[r.Serve.Protocol])
}

// Times of servers for which a release says nothing.
const (
	usualStart = 180 * time.Second
	usualStop  = 30 * time.Second
	usualDrain = 30 * time.Second
	drainTime  = 5 * time.Second // from the last request that a route sends to TERM
)
