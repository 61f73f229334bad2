package kube

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// Object is one object of a cluster, as it travels.
type Object = map[string]any

// Objects are what a cluster must have for a Desired. They are the same, and in the same order, for the same words. The anchor comes last.
func Objects(s Settings, d deploy.Desired) ([]Object, error) {
	var all []object
	for _, arm := range d.Arms {
		if err := s.Check(arm.Release); err != nil {
			return nil, err
		}
	}
	anchor, err := s.anchor(d)
	if err != nil {
		return nil, err
	}
	switch s.Form {
	case Gateway, Standard:
		for _, arm := range releases(d) {
			of, err := s.workload(arm)
			if err != nil {
				return nil, err
			}
			all = append(all, of...)
		}
	case Argo:
		all = append(all, s.argoServices(d)...)
		all = append(all, s.argoBeside(d)...)
	case Knative:
	}
	if len(d.Arms) > 0 && s.Form != Knative {
		all = append(all, s.policy(d))
	}
	all = append(all, s.guard(d)...)
	comparer, err := s.comparer(d)
	if err != nil {
		return nil, err
	}
	all = append(all, comparer...)
	slices.SortFunc(all, func(a, b object) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(named(a), named(b))) })
	all = append(all, anchor)
	for i := range all {
		if all[i], err = s.placed(all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// placed is an object as it travels, in its namespace.
func (s Settings) placed(o object) (object, error) {
	if s.Namespace != "" {
		o["metadata"].(object)["namespace"] = s.Namespace
	}
	return plain(o)
}

// anchor is the object that says who gets which share.
func (s Settings) anchor(d deploy.Desired) (object, error) {
	var o object
	var err error
	switch s.Form {
	case Gateway, Standard:
		o = s.route(d)
	case Argo:
		o, err = s.rollout(d)
	case Knative:
		o, err = s.inference(d)
	default:
		return nil, fault.New(fault.Usage, "cannot serve %s on Kubernetes: there is no form %q", s.Service, string(s.Form)).Hint("form: gateway, argo or kserve")
	}
	if err != nil {
		return nil, err
	}
	meta := o["metadata"].(object)
	notes, _ := meta["annotations"].(object)
	if notes == nil {
		notes = object{}
		meta["annotations"] = notes
	}
	if notes[noteService], notes[noteForm] = s.Service, string(s.Form); s.Form == Argo {
		s.scaledNotes(notes)
	}
	if s.Agent != "" {
		notes[noteAgent] = s.Agent
	}
	if stable, ok := armOf(d, deploy.Stable); ok {
		notes[noteRelease], notes[noteModel] = stable.Release.Key, stable.Release.Name()
	}
	if d.Generation > 0 {
		text, err := json.Marshal(d)
		if err != nil {
			return nil, fault.New(fault.Internal, "cannot write down what is asked of %s: %w", s.Service, err)
		}
		notes[noteGeneration], notes[noteDesired], notes[noteReverted] = strconv.FormatUint(d.Generation, 10), string(text), ""
	}
	return o, nil
}

// resourceOf is where an object belongs.
func resourceOf(o object) kube.Resource {
	kind, _ := o["kind"].(string)
	all := map[string]kube.Resource{
		"Deployment": kube.Deployments, "Service": kube.Services, "PodDisruptionBudget": kube.Budgets, "NetworkPolicy": kube.NetworkPolicies,
		"HorizontalPodAutoscaler": kube.Autoscalers, "ScaledObject": kube.ScaledObjects, "ServiceAccount": kube.ServiceAccounts, "Role": kube.Roles,
		"RoleBinding": kube.RoleBindings, "HTTPRoute": kube.HTTPRoutes, "Rollout": kube.Rollouts, "InferenceService": kube.InferenceSets, "InferenceGraph": kube.InferenceGraphs, "Lease": kube.Leases,
	}
	return all[kind]
}

// rank orders objects: what others name comes first.
func rank(o object) int {
	kind, _ := o["kind"].(string)
	return slices.Index([]string{"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Service", "PodDisruptionBudget", "Deployment",
		"InferenceService", "InferenceGraph", "HorizontalPodAutoscaler", "ScaledObject", "HTTPRoute", "Rollout"}, kind)
}

func named(o object) string {
	meta, _ := o["metadata"].(object)
	name, _ := meta["name"].(string)
	return name
}

// releases are the arms of a Desired, one of each release: stable may be its own shadow.
func releases(d deploy.Desired) []deploy.Arm {
	var all []deploy.Arm
	for _, arm := range d.Arms {
		at := slices.IndexFunc(all, func(o deploy.Arm) bool { return o.Release.Key == arm.Release.Key })
		if at < 0 {
			all = append(all, arm)
			continue
		}
		all[at].Replicas, all[at].Share = max(all[at].Replicas, arm.Replicas), all[at].Share+arm.Share
	}
	return all
}

func armOf(d deploy.Desired, role deploy.Role) (deploy.Arm, bool) {
	at := slices.IndexFunc(d.Arms, func(a deploy.Arm) bool { return a.Role == role })
	if at < 0 {
		return deploy.Arm{}, false
	}
	return d.Arms[at], true
}

// meta is that of an object of the service.
func (s Settings) meta(name, component string, r *deploy.Release) object {
	m := object{"name": name, "labels": s.labels(component, r)}
	if r != nil {
		m["annotations"] = object{noteService: s.Service, noteRelease: r.Key, noteModel: r.Name()}
	}
	return m
}

// budget keeps whoever empties a node from taking more than one server of a release at a time.
func (s Settings) budget(name string, r *deploy.Release, selector object) object {
	return object{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": s.meta(name, "server", r),
		"spec": object{"maxUnavailable": 1, "selector": object{"matchLabels": selector}}}
}

// policy lets requests and questions for counts into the pods, and nothing else.
func (s Settings) policy(d deploy.Desired) object {
	ports := list{object{"port": portIn, "protocol": "TCP"}}
	if s.Agent != "" {
		ports = append(ports, object{"port": portStats, "protocol": "TCP"})
	}
	if slices.ContainsFunc(d.Arms, func(a deploy.Arm) bool { return len(a.Release.Stages) > 0 }) {
		ports = append(ports, object{"port": portStages, "protocol": "TCP"})
	}
	return object{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": s.meta(NameOf(s.Service), "server", nil),
		"spec": object{
			"podSelector": object{"matchLabels": object{labelName: NameOf(s.Service), labelComponent: "server"}},
			"policyTypes": list{"Ingress"}, "ingress": list{object{"ports": ports}},
		}}
}

// scaler is what decides how many servers a release has; nil: mlx does.
func (s Settings) scaler(name string, r *deploy.Release, target object) object {
	c := s.Scale
	if c == nil {
		return nil
	}
	if c.Keda {
		of, _ := target["name"].(string)
		return object{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": s.meta(name, "server", r),
			"spec": object{"scaleTargetRef": target, "minReplicaCount": s.leastOf(r), "maxReplicaCount": c.Max, "triggers": c.triggers(s.podsOf(of), s.serverName())}}
	}
	var metrics list
	pods := func(metric string, value float64) {
		metrics = append(metrics, object{"type": "Pods", "pods": object{"metric": object{"name": metric},
			"target": object{"type": "AverageValue", "averageValue": quantity(value)}}})
	}
	if c.CPU > 0 {
		metrics = append(metrics, object{"type": "ContainerResource", "containerResource": object{"name": "cpu", "container": s.serverName(),
			"target": object{"type": "Utilization", "averageUtilization": int(c.CPU*100 + 0.5)}}})
	}
	if c.GPU > 0 {
		pods(gpuMetric, c.GPU*100)
	}
	if c.Queue > 0 {
		pods(queueMetric, c.Queue)
	}
	return object{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": s.meta(name, "server", r),
		"spec": object{"scaleTargetRef": target, "minReplicas": s.leastOf(r), "maxReplicas": c.Max, "metrics": metrics}}
}

// What is known of the use of a server: by NVIDIA's exporter, and by the meter of mlx.
const (
	gpuMetric   = "DCGM_FI_DEV_GPU_UTIL"
	queueMetric = "mlx_router_in_flight"
)

// podsOf selects the pods of a workload in Prometheus, and those of no other one: it knows all namespaces, and services whose names begin alike.
func (s Settings) podsOf(name string) string {
	pods := `pod=~"` + name + `-[a-z0-9]+-?[a-z0-9]{5}"` // a long name runs into what makes it unique
	if s.Namespace != "" {
		pods = `namespace="` + s.Namespace + `",` + pods
	}
	return "{" + pods + "}"
}

func (c *Scale) triggers(pods, server string) list {
	var all list
	ask := func(query string, value float64) {
		all = append(all, object{"type": "prometheus", "metadata": object{"serverAddress": c.Prometheus, "query": query,
			"threshold": strconv.FormatFloat(value, 'f', -1, 64)}})
	}
	if c.CPU > 0 {
		all = append(all, object{"type": "cpu", "metricType": "Utilization", "metadata": object{"value": strconv.Itoa(int(c.CPU*100 + 0.5)), "containerName": server}})
	}
	if c.GPU > 0 {
		ask("sum("+gpuMetric+pods+")", c.GPU*100)
	}
	if c.Queue > 0 {
		ask("sum("+queueMetric+pods+")", c.Queue)
	}
	return all
}

// quantity writes a number as Kubernetes does.
func quantity(v float64) string {
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatInt(int64(v*1000+0.5), 10) + "m"
}

// plain is an object as it travels: one kind of numbers, maps and lists, whoever made it.
func plain(o object) (object, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot write an object of Kubernetes: %w", err)
	}
	var out object
	return out, json.Unmarshal(text, &out)
}
