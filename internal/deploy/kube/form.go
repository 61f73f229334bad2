package kube

import (
	"context"
	"reflect"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// word is how mlx.yaml calls a form.
func (f Form) word() string {
	if f == Standard {
		return "kserve"
	}
	return string(f)
}

// moved refuses another form than the one that the service has in the namespace: the objects of both would answer the same requests, and nobody
// would end those of the other one.
func (v *Driver) moved(ctx context.Context, now *held) error {
	if now != nil && now.Metadata.Annotations[noteForm] != "" { // Argo has a route of the same name, which is no anchor
		return v.otherForm(now, v.Settings.anchorResource())
	}
	has, err := v.Cluster.Forms(ctx)
	if err != nil {
		return v.explain(err, v.Settings.anchorResource())
	}
	for _, form := range has {
		other := Settings{Form: form}
		r := other.anchorResource()
		if r == v.Settings.anchorResource() {
			continue
		}
		var h held
		there, err := v.heard(ctx, r, v.name(), &h)
		if kube.SideOf(err) == kube.SideRights {
			continue // who may not see those has made none
		}
		if err != nil {
			return v.explain(err, r)
		}
		if !there {
			continue
		}
		if err := v.otherForm(&h, r); err != nil {
			return err
		}
	}
	return nil
}

func (v *Driver) otherForm(h *held, r kube.Resource) error {
	form := Form(h.Metadata.Annotations[noteForm])
	if form == "" || form == v.Settings.Form {
		return nil
	}
	selector := labelName + "=" + v.name() + "," + labelManager + "=mlx"
	return fault.New(fault.Conflict, "cannot serve %s on Kubernetes: %s/%s has it in the form %s, and form: asks for %s", v.Settings.Service, r.Plural, v.name(), form.word(),
		v.Settings.Form.word()).Hint("kubernetes: {form: %s}   # in services.%s: as it is", form.word(), v.Settings.Service).
		Hint("kubectl -n %s delete %s,deployments,services,networkpolicies,poddisruptionbudgets -l %s   # once another service has the other form and gets its requests",
			v.client.Namespace(), r.Plural, selector)
}

// steer changes of a route that Argo sets the weights of what mlx.yaml says of it: the Gateway, the name and the path. Other objects that Argo owns a
// part of stay as they were made.
func (v *Driver) steer(ctx context.Context, r kube.Resource, o Object) error {
	if r != kube.HTTPRoutes {
		return nil
	}
	var err error
	for range obeyTries {
		var live object
		if err = v.client.Get(ctx, r, named(o), &live); err != nil {
			break
		}
		changes := steering(live, o)
		if len(changes) == 0 {
			return nil
		}
		meta, _ := live["metadata"].(object)
		changes = append(changes, object{"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]})
		if err = v.client.Patch(ctx, r, named(o), changes, nil); !kube.Changed(err) {
			break
		}
	}
	return v.explain(err, r)
}

// steering is what is to be changed of a route, as operations of a JSON patch: all but its weights.
func steering(live, asked object) []map[string]any {
	var all []map[string]any
	has, _ := live["spec"].(object)
	want, _ := asked["spec"].(object)
	for _, key := range []string{"parentRefs", "hostnames"} {
		switch {
		case reflect.DeepEqual(has[key], want[key]):
		case want[key] == nil:
			all = append(all, object{"op": "remove", "path": "/spec/" + key})
		default:
			all = append(all, object{"op": "add", "path": "/spec/" + key, "value": want[key]})
		}
	}
	if old, now := matches(has), matches(want); old != nil && !reflect.DeepEqual(old, now) {
		all = append(all, object{"op": "replace", "path": "/spec/rules/0/matches", "value": now})
	}
	return all
}

func matches(spec object) any {
	rules, _ := spec["rules"].(list)
	if len(rules) == 0 {
		return nil
	}
	rule, _ := rules[0].(object)
	return rule["matches"]
}
