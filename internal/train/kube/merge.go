package kube

import (
	"encoding/json"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// applyPod merges what the user wrote into the template of a pod. It is a specification of a pod, or a whole template
// with metadata and spec. A container without a name is that of the command; null removes a key.
func applyPod(template object, pod any) (object, error) {
	if pod == nil {
		return template, nil
	}
	text, err := json.Marshal(pod) // one kind of numbers and maps, whoever parsed it
	if err != nil {
		return nil, err
	}
	var patch object
	if err := json.Unmarshal(text, &patch); err != nil {
		return nil, fault.New(fault.Usage, "it is no object with keys")
	}
	if patch["spec"] == nil && patch["metadata"] == nil {
		patch = object{"spec": patch}
	}
	for key, v := range patch {
		if key != "spec" && key != "metadata" {
			return nil, fault.New(fault.Usage, "%s stands beside spec: a template has only metadata and spec", key)
		}
		if _, ok := v.(object); !ok {
			return nil, fault.New(fault.Usage, "%s is no object with keys", key)
		}
	}
	spec, _ := patch["spec"].(object)
	nameMain(spec)
	own, err := roundTrip(template)
	if err != nil {
		return nil, err
	}
	dropReplaced(own, spec)
	return kube.Merge(own, patch)
}

// nameMain gives a container without a name that of the command.
func nameMain(spec object) {
	all, _ := spec["containers"].(list)
	for _, c := range all {
		if c, ok := c.(object); ok && c["name"] == nil {
			c["name"] = mainName
		}
	}
}

// dropReplaced removes the empty folders of mlx where the user mounts a volume of their own, such as a claim that keeps
// data between jobs.
func dropReplaced(template, patch object) {
	spec := template["spec"].(object)
	for _, c := range members(patch, "containers") {
		if !kube.Same(c["name"], mainName) {
			continue
		}
		for _, m := range members(c, "volumeMounts") {
			dropMount(spec, m["mountPath"], m["name"])
		}
	}
}

func dropMount(spec object, at, by any) {
	for _, group := range []string{"containers", "initContainers"} {
		for _, c := range members(spec, group) {
			for _, m := range members(c, "volumeMounts") {
				if kube.Same(m["mountPath"], at) {
					was := m["name"]
					m["name"] = by
					volumes, _ := spec["volumes"].(list)
					spec["volumes"] = slices.DeleteFunc(volumes, func(v any) bool { return named(v, was) && !kube.Same(was, by) })
				}
			}
		}
	}
}

func members(of object, key string) []object {
	all, _ := of[key].(list)
	var out []object
	for _, v := range all {
		if o, ok := v.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

func named(v, name any) bool {
	o, ok := v.(object)
	return ok && kube.Same(o["name"], name)
}

func roundTrip(o object) (object, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var out object
	return out, json.Unmarshal(text, &out)
}

func copyOf(o object) object {
	c := object{}
	for k, v := range o {
		c[k] = v
	}
	return c
}
