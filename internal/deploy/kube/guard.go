package kube

import (
	"encoding/json"
	"slices"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// guarded says whether a Desired is part of a rollout that somebody must take back when whoever controls it is gone. Its guard starts before
// there is traffic to be taken back.
func guarded(d deploy.Desired) bool {
	c, begun := armOf(d, deploy.Candidate)
	_, beside := armOf(d, deploy.Stable)
	return begun && beside && (d.Lease > 0 || c.Share == 0)
}

// guard is a pod that watches the Lease of a service. It may read that, and change the anchor of the service: nothing else.
func (s Settings) guard(d deploy.Desired) []object {
	if s.Agent == "" || s.unguarded || !guarded(d) {
		return nil
	}
	name := NameOf(s.Service) + "-guard"
	anchor, names := s.anchorResource(), list{NameOf(s.Service)}
	resources := list{anchor.Plural}
	if s.Form == Argo {
		resources = append(resources, anchor.Plural+"/status")
	}
	who := s.identity(name, guardName, list{
		object{"apiGroups": list{"coordination.k8s.io"}, "resources": list{"leases"}, "resourceNames": names, "verbs": list{"get", "list", "watch", "patch"}},
		object{"apiGroups": list{anchor.Group}, "resources": resources, "resourceNames": names, "verbs": list{"get", "patch"}},
	})
	selector := object{labelName: NameOf(s.Service), labelComponent: guardName}
	spec := object{
		"serviceAccountName": name, "securityContext": podSecurity(), "terminationGracePeriodSeconds": 1, "enableServiceLinks": false,
		"containers": list{object{"name": guardName, "image": s.Agent, "command": list{agentPath, "agent", "guard", NameOf(s.Service)},
			"env":             list{object{"name": "POD_NAMESPACE", "valueFrom": object{"fieldRef": object{"fieldPath": "metadata.namespace"}}}},
			"securityContext": lockedSecurity(), "resources": object{"requests": object{"cpu": "10m", "memory": "32Mi"}, "limits": object{"memory": "128Mi"}}}},
	}
	if len(s.Secrets) > 0 {
		spec["imagePullSecrets"] = s.pullSecrets()
	}
	deployment := object{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": s.meta(name, guardName, nil), "spec": object{
		"replicas": 1, "revisionHistoryLimit": 1, "selector": object{"matchLabels": selector}, "strategy": object{"type": "Recreate"},
		"template": object{"metadata": object{"labels": s.labels(guardName, nil), "annotations": object{noteAgent: s.Agent}}, "spec": spec}}}
	return append(who, deployment)
}

// identity is the account of a pod of mlx, and what it may do in the namespace: nothing but what the rules say.
func (s Settings) identity(name, component string, rules list) []object {
	const rbac = "rbac.authorization.k8s.io"
	meta := func() object { return s.meta(name, component, nil) }
	return []object{
		{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta()},
		{"apiVersion": rbac + "/v1", "kind": "Role", "metadata": meta(), "rules": rules},
		{"apiVersion": rbac + "/v1", "kind": "RoleBinding", "metadata": meta(),
			"roleRef":  object{"apiGroup": rbac, "kind": "Role", "name": name},
			"subjects": list{object{"kind": "ServiceAccount", "name": name}}},
	}
}

// anchorResource is where the anchor of the service belongs.
func (s Settings) anchorResource() kube.Resource {
	switch s.Form {
	case Argo:
		return kube.Rollouts
	case Knative:
		return kube.InferenceSets
	case Gateway, Standard:
	}
	return kube.HTTPRoutes
}

// step is one thing that a guard does.
type step struct {
	Path  string `json:"path"`
	Patch object `json:"patch"`
}

// reverted is what a guard leaves in the anchor.
type reverted struct {
	Generation uint64 `json:"generation"`
	Reason     string `json:"reason"`
}

// revert is what gives all to stable, whatever else happens: it needs nothing but the right to patch the anchor.
func (s Settings) revert(c *kube.Client, d deploy.Desired) (string, error) {
	return s.revertBy(c, d, "lease_expired: nobody renewed the lease of the candidate for "+strconv.Itoa(seconds(d.Lease))+" s") // as a router says it
}

// revertBy is the same for another reason.
func (s Settings) revertBy(c *kube.Client, d deploy.Desired, reason string) (string, error) {
	where := c.Path(s.anchorResource(), NameOf(s.Service))
	patch, err := s.allToStable(d)
	if err != nil {
		return "", err
	}
	note, err := json.Marshal(reverted{Generation: d.Generation, Reason: reason})
	if err != nil {
		return "", fault.New(fault.Internal, "cannot write down how a rollout is taken back: %w", err)
	}
	meta := object{"annotations": object{noteReverted: string(note)}}
	all := []step{{Path: where, Patch: object{"metadata": meta, "spec": patch}}}
	if s.Form == Argo {
		all = []step{{Path: where + "/status", Patch: object{"status": object{"abort": true}}}, {Path: where, Patch: object{"metadata": meta}}}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fault.New(fault.Internal, "cannot write down how a rollout is taken back: %w", err)
	}
	return string(text), nil
}

// allToStable is the part of spec of an anchor that changes when stable gets everything.
func (s Settings) allToStable(d deploy.Desired) (object, error) {
	d.Mirror, d.Arms = 0, slices.Clone(d.Arms)
	for i := range d.Arms {
		if d.Arms[i].Share = 0; d.Arms[i].Role == deploy.Stable {
			d.Arms[i].Share = deploy.All
		}
	}
	switch s.Form {
	case Gateway, Standard:
		spec := s.route(d)["spec"].(object)
		return object{"rules": spec["rules"]}, nil
	case Knative:
		return object{"predictor": object{"canaryTrafficPercent": 0}}, nil
	case Argo:
	}
	return object{}, nil
}
