package kube

import (
	"slices"

	"mlx/internal/fault"
)

type (
	object = map[string]any
	list   = []any
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

// Merge lays patch over base, in the way of Kubernetes' strategic merge: null removes a key, and members of the lists that a pod has are the
// same one by their names. base is changed.
func Merge(base, patch map[string]any) (map[string]any, error) {
	merged, err := merge(base, patch, "")
	if err != nil {
		return nil, err
	}
	return merged.(object), nil
}

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
			return ok && Same(o[by], p[by])
		})
		if at < 0 {
			base = append(base, p)
			continue
		}
		if Same(p["$patch"], "delete") {
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

// Same compares names and numbers. What the user wrote may be anything.
func Same(a, b any) bool {
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
