package kube

import (
	"slices"
	"strings"

	"mlx/internal/deploy"
)

// workload is what runs one release behind a route: a Deployment with its Service, or what KServe makes such of.
func (s Settings) workload(arm deploy.Arm) ([]object, error) {
	switch {
	case s.graphed(arm.Release):
		return s.graphWorkload(arm)
	case s.Form == Standard:
		return s.inferenceService(arm)
	}
	template, err := s.template(arm.Release)
	if err != nil {
		return nil, err
	}
	return s.deployed(arm, template), nil
}

// deployed runs the pods of a template.
func (s Settings) deployed(arm deploy.Arm, template object) []object {
	r := arm.Release
	name := nameOf(s.Service, r.Key)
	selector := object{labelName: NameOf(s.Service), labelRelease: labelOf(r.Key)}
	spec := object{
		"selector": object{"matchLabels": selector}, "template": template, "revisionHistoryLimit": 1,
		"progressDeadlineSeconds": seconds(orTime(r.Serve.Start, usualStart)) + 60,
		"strategy":                object{"type": "RollingUpdate", "rollingUpdate": object{"maxUnavailable": 0, "maxSurge": 1}},
	}
	if s.Scale == nil { // else the autoscaler owns it
		spec["replicas"] = max(arm.Replicas, 1)
	}
	deployment := object{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": s.meta(name, "server", &r), "spec": spec}
	s.scaledNotes(deployment["metadata"].(object)["annotations"].(object))
	keptUntil(arm, deployment["metadata"].(object)["annotations"].(object))
	all := []object{deployment, s.service(name, &r, selector), s.budget(name, &r, selector)}
	if scaler := s.scaler(name, &r, object{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}); scaler != nil {
		all = append(all, scaler)
	}
	return all
}

func (s Settings) service(name string, r *deploy.Release, selector object) object {
	return object{"apiVersion": "v1", "kind": "Service", "metadata": s.meta(name, "server", r),
		"spec": object{"selector": selector, "ports": list{object{"name": "http", "port": 80, "targetPort": portIn, "protocol": "TCP"}}}}
}

const servicePort = 80

// route gives each release its share.
func (s Settings) route(d deploy.Desired) object {
	rule := object{"matches": list{object{"path": object{"type": "PathPrefix", "value": s.prefix()}}}}
	if refs := s.backends(d); len(refs) > 0 {
		rule["backendRefs"] = refs
	}
	if shadow, ok := armOf(d, deploy.Shadow); ok && d.Mirror > 0 {
		mirror := object{"backendRef": backend(s.mirrored(d, shadow.Release))}
		if d.Mirror%100 == 0 {
			mirror["percent"] = int(d.Mirror / 100)
		} else {
			mirror["fraction"] = object{"numerator": int(d.Mirror), "denominator": int(deploy.All)}
		}
		rule["filters"] = list{object{"type": "RequestMirror", "requestMirror": mirror}}
	}
	return s.routeOf(rule)
}

func (s Settings) prefix() string {
	if s.Path == "" {
		return "/"
	}
	return s.Path
}

func (s Settings) routeOf(rule object) object {
	namespace, name, named := strings.Cut(s.Gateway, "/")
	parent := object{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": namespace}
	if named {
		parent["namespace"], parent["name"] = namespace, name
	}
	spec := object{"parentRefs": list{parent}, "rules": list{rule}}
	if s.Hostname != "" {
		spec["hostnames"] = list{s.Hostname}
	}
	return object{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": s.meta(NameOf(s.Service), "route", nil), "spec": spec}
}

func backend(name string) object {
	return object{"group": "", "kind": "Service", "name": name, "port": servicePort}
}

// backends are the releases of a route with their weights, those with 0 as well: whoever looks at the route sees who is there. A shadow gets
// copies only.
func (s Settings) backends(d deploy.Desired) list {
	var arms []deploy.Arm
	for _, arm := range d.Arms {
		if arm.Role != deploy.Shadow {
			arms = append(arms, arm)
		}
	}
	slices.SortStableFunc(arms, func(a, b deploy.Arm) int { return strings.Compare(a.Release.Key, b.Release.Key) })
	var all list
	for _, arm := range arms {
		ref := backend(s.backendOf(arm.Release))
		ref["weight"] = int(arm.Share)
		all = append(all, ref)
	}
	return all
}

// keptUntil notes when a release that has no traffic need not be kept any longer.
func keptUntil(arm deploy.Arm, notes object) {
	if !arm.Until.IsZero() {
		notes[noteUntil] = arm.Until.UTC().Format("2006-01-02T15:04:05Z")
	}
}
