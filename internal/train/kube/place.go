package kube

import (
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// gpuLabels are the labels that clusters give nodes to name their GPU; any of them may do.
func gpuLabels() []string {
	return []string{"nvidia.com/gpu.product", "amd.com/gpu.product-name", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name"}
}

// place asks for resources, and for nodes that have them. GPUType names a resource (nvidia.com/mig-1g.5gb, amd.com/gpu), a
// vendor, a label with its value (accelerator=a100), or a product as one of the usual labels has it.
func place(spec, container object, j train.Job) error {
	need := object{}
	if n := j.Resources.CPUs; n > 0 {
		need["cpu"] = strconv.Itoa(n)
	}
	if n := j.Resources.Memory; n > 0 {
		need["memory"] = strconv.FormatInt(n, 10)
	}
	terms, err := gpus(spec, need, j.Resources)
	if err != nil {
		return err
	}
	if len(need) > 0 {
		container["resources"] = object{"requests": need, "limits": copyOf(need)}
	}
	affinity := object{}
	if len(terms) > 0 {
		affinity["requiredDuringSchedulingIgnoredDuringExecution"] = object{"nodeSelectorTerms": terms}
	}
	if j.Spot {
		var wishes list
		for _, at := range spots() {
			wishes = append(wishes, object{"weight": 100, "preference": expression(at[0], at[1])})
		}
		affinity["preferredDuringSchedulingIgnoredDuringExecution"] = wishes
		spec["tolerations"] = list{
			object{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"},
			object{"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
		}
	}
	if len(affinity) > 0 {
		spec["affinity"] = object{"nodeAffinity": affinity}
	}
	return nil
}

// spots are the labels of machines that may be taken away. Spot is a permission, so that it is a wish and no condition.
func spots() [][2]string {
	return [][2]string{
		{"karpenter.sh/capacity-type", "spot"}, {"eks.amazonaws.com/capacityType", "SPOT"},
		{"cloud.google.com/gke-spot", "true"}, {"kubernetes.azure.com/scalesetpriority", "spot"},
	}
}

func gpus(spec, need object, r train.Resources) (terms list, err error) {
	if r.GPUs <= 0 {
		return nil, nil
	}
	resource := "nvidia.com/gpu"
	key, value, labelled := strings.Cut(r.GPUType, "=")
	switch kind := strings.ToLower(r.GPUType); {
	case labelled && (key == "" || value == ""):
		return nil, fault.New(fault.Usage, "cannot ask for GPUs of type %q: a label has a name and a value", r.GPUType).
			Hint("kubectl get nodes --show-labels   # what do your nodes say?")
	case labelled:
		spec["nodeSelector"] = object{key: value}
		if strings.HasPrefix(key, "amd.com/") {
			resource = "amd.com/gpu"
		}
	case kind == "", kind == "nvidia":
	case kind == "amd":
		resource = "amd.com/gpu"
	case strings.Contains(kind, "/"):
		resource = r.GPUType
	case strings.HasPrefix(kind, "mig-"):
		resource = "nvidia.com/" + kind
	default:
		for _, label := range gpuLabels() {
			terms = append(terms, expression(label, r.GPUType))
		}
		if strings.HasPrefix(kind, "amd") || len(kind) > 2 && kind[:2] == "mi" && kind[2] >= '0' && kind[2] <= '9' {
			resource = "amd.com/gpu"
		}
	}
	need[resource] = strconv.Itoa(r.GPUs)
	return terms, nil
}

func expression(label, value string) object {
	return object{"matchExpressions": list{object{"key": label, "operator": "In", "values": list{value}}}}
}
