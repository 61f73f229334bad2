package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/compare"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// compared says whether somebody asks both releases what a copy asks, and compares the answers: a Gateway throws those to copies away. Stable answers
// a copy a second time then, so that this is only done where asking twice does no harm.
func (s Settings) compared(d deploy.Desired) bool {
	stable, served := armOf(d, deploy.Stable)
	shadow, copied := armOf(d, deploy.Shadow)
	return s.routed() && s.Agent != "" && served && copied && d.Mirror > 0 && stable.Release.Key != shadow.Release.Key &&
		stable.Release.Serve.Idempotent && shadow.Release.Serve.Idempotent
}

// compareName is the part of a service that compares, and its container.
const compareName = "compare"

// compareEnd is how long copies under way may take when their step is over.
const compareEnd = 2 * time.Second

// compareService is where copies go that are compared.
func (s Settings) compareService() string { return NameOf(s.Service) + "-" + compareName }

// mirrored is the Service that gets the copies.
func (s Settings) mirrored(d deploy.Desired, shadow deploy.Release) string {
	if s.compared(d) {
		return s.compareService()
	}
	return s.backendOf(shadow)
}

// comparer is a pod that gets the copies of requests. It may read which pods there are: nothing else.
func (s Settings) comparer(d deploy.Desired) ([]object, error) {
	if !s.compared(d) {
		return nil, nil
	}
	name := s.compareService()
	meta := func() object { return s.meta(name, compareName, nil) }
	who := s.identity(name, compareName, list{
		object{"apiGroups": list{kube.EndpointSlices.Group}, "resources": list{kube.EndpointSlices.Plural}, "verbs": list{"get", "list", "watch"}}})
	selector := object{labelName: NameOf(s.Service), labelComponent: compareName}
	port := func(n int) object { return object{"port": n, "protocol": "TCP"} }
	policy := object{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(), "spec": object{
		"podSelector": object{"matchLabels": selector}, "policyTypes": list{"Ingress"},
		"ingress": list{object{"ports": list{port(portIn), port(portStats)}}}}}
	service := s.service(name, nil, selector)
	service["metadata"] = meta()
	pod, err := s.comparePod(d)
	deployment := object{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(), "spec": object{
		"replicas": 1, "revisionHistoryLimit": 1, "selector": object{"matchLabels": selector}, "strategy": object{"type": "Recreate"}, "template": pod}}
	return append(who, policy, service, deployment), err
}

// comparePod is the pod itself. It is another one when other releases are compared, or otherwise.
func (s Settings) comparePod(d deploy.Desired) (object, error) {
	stable, _ := armOf(d, deploy.Stable)
	shadow, _ := armOf(d, deploy.Shadow)
	side := func(r deploy.Release) compare.Side { return compare.Side{Release: r.Key, Service: s.backendOf(r)} }
	text, err := json.Marshal(compare.Settings{Service: s.Service, Stable: side(stable.Release), Shadow: side(shadow.Release), Port: portIn,
		Router: router.Settings{Limits: s.Limits, Compare: s.Compare, Drain: compareEnd}})
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write what is to be compared: %w", err)
	}
	probe := func(path string, every, failures int) object {
		return object{"httpGet": object{"path": path, "port": portStats}, "periodSeconds": every, "timeoutSeconds": probeEvery, "failureThreshold": failures}
	}
	spec := object{
		"serviceAccountName": s.compareService(), "securityContext": podSecurity(), "enableServiceLinks": false,
		"terminationGracePeriodSeconds": 2 * seconds(compareEnd), "volumes": list{object{"name": "state", "emptyDir": object{}}},
		"containers": list{object{"name": compareName, "image": s.Agent,
			"command": list{agentPath, "agent", "compare", "--listen", strconv.Itoa(portIn), "--stats", strconv.Itoa(portStats), "--state", "/state"},
			"env": list{object{"name": "MLX_COMPARE", "value": keepDollars(string(text))},
				object{"name": "POD_NAMESPACE", "valueFrom": object{"fieldRef": object{"fieldPath": "metadata.namespace"}}}},
			"ports":        list{object{"name": "http", "containerPort": portIn}, object{"name": "stats", "containerPort": portStats}},
			"volumeMounts": list{object{"name": "state", "mountPath": "/state"}}, "securityContext": lockedSecurity(),
			"resources":      object{"requests": object{"cpu": "10m", "memory": "64Mi"}, "limits": object{"memory": "512Mi"}},
			"readinessProbe": probe("/ready", 1, 2), "livenessProbe": probe("/healthz", probeEvery, 12)}},
	}
	if len(s.Secrets) > 0 {
		spec["imagePullSecrets"] = s.pullSecrets()
	}
	return object{"metadata": object{"labels": s.labels(compareName, nil), "annotations": object{noteRelease: shadow.Release.Key, noteAgent: s.Agent}}, "spec": spec}, nil
}

// compares says whether it is a pod that compares.
func (p pod) compares() bool { return p.Metadata.Labels[labelComponent] == compareName }

// compareTrouble says why the answers to copies are not compared, which are to be; empty: they are.
func (v *Driver) compareTrouble(ctx context.Context, now *held) string {
	if !v.Settings.compared(now.desired) {
		return ""
	}
	shadow, _ := armOf(now.desired, deploy.Shadow)
	name := v.Settings.compareService()
	pods, err := v.podsWhere(ctx, pod.compares)
	if err != nil {
		return err.Error()
	}
	trouble := ""
	for _, p := range pods {
		other := v.otherThan(p, map[string]string{compareName: p.Metadata.Annotations[noteAgent]}, "what compares")
		switch {
		case p.Metadata.Deleted != "" || p.Metadata.Annotations[noteRelease] != shadow.Release.Key:
		case other != "":
			return "what compares: " + other
		case p.ready():
			return ""
		default:
			trouble = cmp.Or(v.troubleOf(ctx, p), "pod "+p.Metadata.Name+", which compares the answers to copies, is not ready")
		}
	}
	if trouble != "" {
		return trouble
	}
	workloads, err := v.workloads(ctx, now)
	if err != nil {
		return err.Error()
	}
	why := workloads[name].trouble()
	return "deployment/" + name + ", which compares the answers to copies, has no pod" + strings.TrimSuffix(": "+why, ": ")
}

// pairsOf are the pairs that were counted for the release that is or was the shadow.
func (v *Driver) pairsOf(d deploy.Desired) deploy.Pairs {
	for _, role := range []deploy.Role{deploy.Shadow, deploy.Candidate} {
		if arm, ok := armOf(d, role); ok {
			return v.counts.pairs(arm.Release.Key)
		}
	}
	return deploy.Pairs{}
}

// checkCompared refuses a check of what copies are answered, where nobody may ask stable a second time.
func checkCompared(spec deploy.Spec, bad func(string, ...any) *fault.Error) error {
	asks := slices.ContainsFunc(spec.Checks, func(r deploy.Rule) bool { return r.Kind == deploy.KindMeasure && r.Name == deploy.MeasureDisagreement })
	if !asks {
		return nil
	}
	const why = "a Gateway throws the answers to copies away, so that %s has to answer them a second time to be compared, and nothing says that this does no harm"
	switch {
	case !spec.To.Serve.Idempotent:
		return bad(why, "each release").Hint("idempotent: true   # in services.%s", spec.Service).
			Hint("rollout: {mirror: 100%%, checks: [{measure: errors, …}]}   # a copy is judged by its own answers")
	case spec.From != nil && !spec.From.Serve.Idempotent:
		return bad(why, spec.From.Name()).Hint("mlx deploy %s %s   # with idempotent: true it is another release", spec.Service, spec.From.Name())
	}
	return nil
}
