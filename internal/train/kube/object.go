package kube

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/kube"
	"mlx/internal/train"
)

// Names that mlx gives on a cluster. A label has at most 63 characters, so that the whole id is an annotation.
const (
	runLabel     = "mlx.dev/run"
	titleNote    = "mlx.dev/title"
	managerLabel = "app.kubernetes.io/managed-by"
	queueLabel   = "kueue.x-k8s.io/queue-name"
	mainName     = "run" // of the container that the command runs in
	volumeName   = "mlx"
	orderName    = "mlx-order"
	orderDir     = "/run/mlx"
	labelLength  = 40
)

const (
	endGrace   = 90 * time.Second // from TERM to KILL where a pod is ended by others; Cancel shortens it
	spare      = 30 * time.Minute // beyond the time limit of a run, for what comes before and after it
	maxSecrets = 1000 << 10       // of one Secret object, by etcd
)

type (
	object = map[string]any
	list   = []any
)

// build makes the objects of a job. owned are those that need the identity of the job first.
func (d *Driver) build(j train.Job) (job object, owned []object, err error) {
	image := j.Image
	if image == "" {
		image = d.backend.Image
	}
	if image == "" {
		return nil, nil, fault.New(fault.Usage, "cannot make a Job: backend %s has no image", d.backend.Name).
			Hint("mlx run --on %s --image IMAGE -- …   # the container that the command runs in", d.backend.Name).
			Hint("mlx show backend:%s   # image: of it in mlx.yaml is used when nothing is said", d.backend.Name)
	}
	spec, err := d.pod(j, image)
	if err != nil {
		return nil, nil, err
	}
	nodes := max(1, j.Resources.Nodes)
	template := object{"metadata": object{"labels": labels(j.Ref)}, "spec": spec}
	if template, err = applyPod(template, d.backend.Pod); err != nil {
		return nil, nil, fault.New(fault.Usage, "cannot merge pod: of backend %s: %w", d.backend.Name, err)
	}
	jobSpec := object{
		"backoffLimit": 0, "completions": nodes, "parallelism": nodes,
		"ttlSecondsAfterFinished": int(ttl / time.Second), "template": template,
		"podReplacementPolicy": "Failed", // no pod beside one that is about to end
	}
	if nodes > 1 {
		jobSpec["completionMode"] = "Indexed"
		owned = append(owned, service(j.Ref))
	}
	if j.Requeue {
		jobSpec["podFailurePolicy"] = object{"rules": list{object{
			"action": "Ignore", "onPodConditions": list{object{"type": "DisruptionTarget", "status": "True"}},
		}}}
	}
	meta := object{
		"name": j.Name(), "labels": labels(j.Ref),
		"annotations": object{runLabel: j.ID.Hex(), titleNote: j.Title},
	}
	if j.Queue != "" {
		meta["labels"].(object)[queueLabel] = j.Queue
		jobSpec["suspend"] = true // the queue starts it
	}
	if hasSecret(j) {
		s, err := secret(j)
		if err != nil {
			return nil, nil, err
		}
		owned = append(owned, s)
	}
	if nodes > 1 {
		tellShared(template, d.root)
	}
	return object{"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": jobSpec}, owned, nil
}

// pod is the specification of a pod before pod: of the backend is merged into it.
func (d *Driver) pod(j train.Job, image string) (object, error) {
	mounts := list{object{"name": volumeName, "mountPath": d.root}}
	volumes := list{object{"name": volumeName, "emptyDir": object{}}}
	if j.Resources.GPUs > 0 { // frameworks share batches between processes there, and 64 MiB is the default
		mounts = append(mounts, object{"name": "shm", "mountPath": "/dev/shm"})
		volumes = append(volumes, object{"name": "shm", "emptyDir": object{"medium": "Memory"}})
	}
	if len(j.Order) > 0 {
		mounts = append(mounts, object{"name": orderName, "mountPath": orderDir, "readOnly": true})
		volumes = append(volumes, object{"name": orderName, "secret": object{
			"secretName": j.Name(), "items": list{object{"key": train.OrderName, "path": train.OrderName}},
		}})
	}
	container := object{
		"name": mainName, "image": image, "command": list{"/bin/sh", "-c", waitScript(d.dir(j.Ref), comeMost)},
		"env": environment(j), "volumeMounts": mounts, "securityContext": restricted(),
	}
	if len(j.Secrets) > 0 {
		container["envFrom"] = list{object{"secretRef": object{"name": j.Name()}}}
	}
	spec := object{
		"restartPolicy": "Never", "terminationGracePeriodSeconds": int(endGrace / time.Second),
		"automountServiceAccountToken": false, "enableServiceLinks": false,
		"securityContext": object{"seccompProfile": object{"type": "RuntimeDefault"}},
		"volumes":         volumes,
	}
	if IsImage(d.backend.Agent) {
		spec["initContainers"] = list{object{
			"name": "mlx", "image": d.backend.Agent, "command": list{"/bin/sh", "-c", copyScript(d.dir(j.Ref))},
			"volumeMounts": list{object{"name": volumeName, "mountPath": d.root}}, "securityContext": restricted(),
		}}
	}
	if j.Resources.Nodes > 1 {
		spec["subdomain"] = j.Name() // gives the pods stable host names: NAME-0.NAME
	}
	if j.Resources.Time > 0 { // the agent keeps the limit; this is for an agent that cannot. It counts from the start of the pod
		spec["activeDeadlineSeconds"] = int((j.Resources.Time + endGrace + spare + d.hold) / time.Second)
	}
	if err := place(spec, container, j); err != nil {
		return nil, err
	}
	spec["containers"] = list{container}
	return spec, nil
}

// restricted is what the strictest profile of Pod Security asks of a container. Whether the image can do without root is
// not known here.
func restricted() object {
	return object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": list{"ALL"}}}
}

// environment are the variables of the agent. JOB_COMPLETION_INDEX is set by Kubernetes.
func environment(j train.Job) list {
	vars := maps.Clone(j.Env)
	if vars == nil {
		vars = map[string]string{}
	}
	nodes := max(1, j.Resources.Nodes)
	vars[train.NodesVariable] = strconv.Itoa(nodes)
	if nodes > 1 {
		vars[train.MasterVariable] = j.Name() + "-0." + j.Name()
	}
	var all list
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		// $(NAME) would be replaced by Kubernetes; $$ keeps it.
		all = append(all, object{"name": name, "value": keepDollars(vars[name])})
	}
	return all
}

// tellShared says whether the nodes of a job share the folder of mlx: they do where it is a volume of the user's own, which
// must be one that many may write.
func tellShared(template object, root string) {
	spec := template["spec"].(object)
	for _, c := range members(spec, "containers") {
		if !kube.Same(c["name"], mainName) {
			continue
		}
		shared := "1"
		for _, m := range members(c, "volumeMounts") {
			if kube.Same(m["mountPath"], root) && kube.Same(m["name"], volumeName) {
				shared = "0"
			}
		}
		env, _ := c["env"].(list)
		c["env"] = append(env, object{"name": train.SharedVariable, "value": shared})
	}
}

func keepDollars(s string) string {
	var out []byte
	for i := range len(s) {
		if s[i] == '$' && i+1 < len(s) && (s[i+1] == '(' || s[i+1] == '$') {
			out = append(out, '$')
		}
		out = append(out, s[i])
	}
	return string(out)
}

func labels(r train.Ref) object {
	return object{managerLabel: "mlx", runLabel: r.ID.Hex()[:labelLength]}
}

// service gives the pods of several nodes their names.
func service(r train.Ref) object {
	return object{
		"apiVersion": "v1", "kind": "Service",
		"metadata": object{"name": r.Name(), "labels": labels(r)},
		"spec": object{
			"clusterIP": "None", "selector": object{runLabel: r.ID.Hex()[:labelLength]},
			"publishNotReadyAddresses": true, // the nodes look for each other before they are ready
		},
	}
}

func hasSecret(j train.Job) bool { return len(j.Secrets)+len(j.Order) > 0 }

// secret is the only object that holds values of secrets.
func secret(j train.Job) (object, error) {
	data, size := object{}, 0
	add := func(name string, value []byte) {
		data[name], size = base64.StdEncoding.EncodeToString(value), size+len(name)+len(value)
	}
	for name, value := range j.Secrets {
		if name == train.OrderName {
			return nil, fault.New(fault.Usage, "cannot pass a secret that is called %s", name)
		}
		add(name, []byte(value))
	}
	if len(j.Order) > 0 {
		add(train.OrderName, j.Order)
	}
	if size > maxSecrets {
		return nil, fault.New(fault.Usage, "cannot pass %d bytes of secrets and orders: Kubernetes takes at most %d in one object", size, maxSecrets)
	}
	return object{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
		"metadata": object{"name": j.Name(), "labels": labels(j.Ref)}, "data": data,
	}, nil
}

// dir is the folder of a job in its pod.
func (d *Driver) dir(r train.Ref) string { return path.Join(d.root, "jobs", r.ID.Hex()) }
