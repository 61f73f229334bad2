package kube

import (
	"encoding/json"
	"slices"

	"mlx/internal/fault"
)

// mergeKeys say by which field the members of a list are the same one, as the strategic merge of Kubernetes does. Other
// lists are replaced.
func mergeKeys() map[string]string {
	return map[string]string{
		"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "imagePullSecrets": "name",
		"volumeMounts": "mountPath", "volumeDevices": "devicePath", "ports": "containerPort", "hostAliases": "ip",
		"topologySpreadConstraints": "topologyKey", "resourceClaims": "name",
	}
}

// added are lists whose members have no name: those of the user come after those of mlx.
func added(key string) bool { return key == "tolerations" || key == "envFrom" }

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
	merged, err := merge(own, patch, "")
	if err != nil {
		return nil, err
	}
	return merged.(object), nil
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
		if !same(c["name"], mainName) {
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
				if same(m["mountPath"], at) {
					was := m["name"]
					m["name"] = by
					volumes, _ := spec["volumes"].(list)
					spec["volumes"] = slices.DeleteFunc(volumes, func(v any) bool { return named(v, was) && !same(was, by) })
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

// merge lays patch over base.
func merge(base, patch any, key string) (any, error) {
	switch p := patch.(type) {
	case object:
		b, ok := base.(object)
		if !ok {
			b = object{}
		}
		for k, v := range p {
			if v == nil {
				delete(b, k)
				continue
			}
			m, err := merge(b[k], v, k)
			if err != nil {
				return nil, err
			}
			b[k] = m
		}
		return b, nil
	case list:
		b, ok := base.(list)
		if !ok {
			return p, nil
		}
		if added(key) {
			return append(b, p...), nil
		}
		if by := mergeKeys()[key]; by != "" {
			return mergeList(b, p, key, by)
		}
		return p, nil
	}
	return patch, nil
}

func mergeList(base, patch list, key, by string) (any, error) {
	for _, v := range patch {
		p, ok := v.(object)
		if !ok || p[by] == nil {
			return nil, fault.New(fault.Usage, "a member of %s has no %s", key, by)
		}
		at := slices.IndexFunc(base, func(b any) bool {
			o, ok := b.(object)
			return ok && same(o[by], p[by])
		})
		if at < 0 {
			base = append(base, p)
			continue
		}
		if same(p["$patch"], "delete") {
			base = slices.Delete(base, at, at+1)
			continue
		}
		m, err := merge(base[at], p, "")
		if err != nil {
			return nil, err
		}
		base[at] = m
	}
	return base, nil
}

// same compares names and numbers. What the user wrote may be anything.
func same(a, b any) bool {
	switch a := a.(type) {
	case string:
		s, ok := b.(string)
		return ok && a == s
	case float64:
		n, ok := b.(float64)
		return ok && a == n
	}
	return false
}

func named(v, name any) bool {
	o, ok := v.(object)
	return ok && same(o["name"], name)
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
