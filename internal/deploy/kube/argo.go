package kube

import (
	"mlx/internal/deploy"
)

const (
	argoPlugin    = "argoproj-labs/gatewayAPI"
	argoRevisions = 3 // that are kept
)

// chosen is whose pods the one template of a target describes, of those that have one: who takes over, while somebody does.
func chosen(d deploy.Desired) (deploy.Arm, bool) {
	if c, ok := armOf(d, deploy.Candidate); ok {
		return c, true
	}
	return armOf(d, deploy.Stable)
}

// rollout is a Rollout of Argo. Its steps are only ever the one that mlx is in: who changes them makes Argo begin again at the first, and so go
// to that share. Without steps all go to the release of the template. There is no rollbackWindow: with one, Argo gives a candidate everything at
// once that was in service a few revisions ago.
func (s Settings) rollout(d deploy.Desired) (object, error) {
	name := NameOf(s.Service)
	arm, ok := chosen(d)
	o := object{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": s.meta(name, "rollout", nil)}
	if !ok {
		arm.Replicas = 1
	}
	template, err := s.template(arm.Release)
	if err != nil {
		return nil, err
	}
	canary := object{
		"canaryService": name + "-canary", "stableService": name + "-stable", "abortScaleDownDelaySeconds": 600, "steps": s.argoSteps(d),
		"scaleDownDelaySeconds": 30,
		"trafficRouting":        object{"plugins": object{argoPlugin: object{"httpRoute": name, "namespace": s.Namespace}}},
	}
	spec := object{
		"selector": object{"matchLabels": object{labelName: name, labelComponent: "server"}}, "template": template,
		"revisionHistoryLimit":    argoRevisions,
		"progressDeadlineSeconds": s.argoDeadline(arm.Release), "progressDeadlineAbort": true,
		"strategy": object{"canary": canary},
	}
	if s.Scale == nil {
		spec["replicas"] = max(arm.Replicas, 1)
	}
	o["spec"] = spec
	return o, nil
}

func (s Settings) argoSteps(d deploy.Desired) list {
	c, begun := armOf(d, deploy.Candidate)
	if _, beside := armOf(d, deploy.Stable); !begun || !beside {
		return list{}
	}
	scale := object{"replicas": max(c.Replicas, 1)}
	if s.Scale != nil {
		scale = object{"matchTrafficWeight": true}
	}
	return list{object{"setCanaryScale": scale}, object{"setWeight": int(c.Share / 100)}, object{"pause": object{}}}
}

// argoServices are what Argo points at the pods of both sides, and the route whose weights its plugin sets.
func (s Settings) argoServices(d deploy.Desired) []object {
	name := NameOf(s.Service)
	selector := object{labelName: name, labelComponent: "server"}
	all := []object{s.service(name+"-canary", nil, selector), s.service(name+"-stable", nil, selector)}
	served := false
	for _, arm := range d.Arms {
		served = served || arm.Share > 0
	}
	if !served { // nobody is asked before somebody may answer
		return all
	}
	stable, canary := backend(name+"-stable"), backend(name+"-canary")
	stable["weight"], canary["weight"] = 100, 0
	return append(all, s.routeOf(object{"matches": list{object{"path": object{"type": "PathPrefix", "value": s.prefix()}}}, "backendRefs": list{stable, canary}}))
}

// argoBeside is what stands beside a Rollout.
func (s Settings) argoBeside(d deploy.Desired) []object {
	if len(d.Arms) == 0 {
		return nil
	}
	name := NameOf(s.Service)
	all := []object{s.budget(name, nil, object{labelName: name, labelComponent: "server"})}
	if scaler := s.scaler(name, nil, object{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": name}); scaler != nil {
		all = append(all, scaler)
	}
	return all
}

// argoDeadline is when Argo gives a candidate up by itself, in seconds: after mlx does, and not before a node with a GPU may be there.
func (s Settings) argoDeadline(r deploy.Release) int {
	most := seconds(orTime(r.Serve.Start, usualStart)) + 60
	if s.GPUs > 0 {
		most += seconds(deploy.NodeWait)
	}
	return most
}
