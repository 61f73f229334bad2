package kube

import (
	"encoding/json"
	"path"
	"strconv"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// Containers of a pod. Where KServe makes it, the server is called otherwise.
const (
	serverName = "server"
	meterName  = "meter"
	guardName  = "guard"

	nobody     = 65532 // the user of what needs no rights
	agentPath  = "/mlx"
	modelDir   = "/models" // where a package has its model
	probeEvery = 5         // seconds
)

// template is the pod of a release, before and after pod: of mlx.yaml is merged into it.
func (s Settings) template(r deploy.Release) (object, error) {
	stop := seconds(orTime(r.Serve.Stop, usualStop))
	spec := object{
		"automountServiceAccountToken": false, "enableServiceLinks": false,
		"securityContext":               podSecurity(),
		"terminationGracePeriodSeconds": stop + seconds(drainTime) + seconds(orTime(s.Drain, usualDrain)),
		"containers":                    nil,
		"volumes":                       s.volumes(),
	}
	notes := object{noteRelease: r.Key, noteModel: r.Name()}
	containers, err := s.containers(r)
	if err != nil {
		return nil, err
	}
	if spec["containers"] = containers; s.Agent != "" {
		notes[noteAgent] = s.Agent // what is in the pods is held against it
		notes["prometheus.io/scrape"], notes["prometheus.io/port"], notes["prometheus.io/path"] = "true", strconv.Itoa(portStats), "/metrics"
	}
	if s.Account != "" {
		spec["serviceAccountName"] = s.Account
	}
	if len(s.Secrets) > 0 {
		spec["imagePullSecrets"] = s.pullSecrets()
	}
	if s.GPUType != "" {
		spec["nodeSelector"] = object{"nvidia.com/gpu.product": s.GPUType}
	}
	if s.GPUs > 0 {
		spec["tolerations"] = list{object{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}}
	}
	labels := s.labels("server", &r)
	return s.merged(object{"metadata": object{"labels": labels, "annotations": notes}, "spec": spec})
}

func (s Settings) pullSecrets() (refs list) {
	for _, name := range s.Secrets {
		refs = append(refs, object{"name": name})
	}
	return refs
}

// containers are the server, or what answers by the stages and their servers, and what counts.
func (s Settings) containers(r deploy.Release) (all list, err error) {
	if s.graphed(r) {
		meter, err := s.meter(r)
		return list{meter}, err
	}
	port := portServer
	if s.Agent == "" {
		port = portIn
	}
	server, err := s.server(r, port)
	if err == nil && len(r.Stages) > 0 {
		server, err = s.cascade(r, server)
	}
	if err != nil {
		return nil, err
	}
	all = list{server}
	for i := range r.Stages {
		one, err := s.stage(r, i)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if s.Agent == "" {
		return all, nil
	}
	meter, err := s.meter(r)
	return append(all, meter), err
}

// merged lays what the user wrote over a pod. A container without a name is the server.
func (s Settings) merged(template object) (object, error) {
	if len(s.Pod) == 0 {
		return template, nil
	}
	patch, err := plain(s.Pod)
	if err != nil {
		return nil, err
	}
	if patch["spec"] == nil && patch["metadata"] == nil {
		patch = object{"spec": patch}
	}
	spec, _ := patch["spec"].(object)
	containers, _ := spec["containers"].(list)
	for _, c := range containers {
		if c, ok := c.(object); ok && c["name"] == nil {
			c["name"] = s.serverName()
		}
	}
	base, err := plain(template)
	if err != nil {
		return nil, err
	}
	merged, err := kube.Merge(base, patch)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot merge pod: of service %s: %w", s.Service, err)
	}
	return merged, nil
}

func (s Settings) serverName() string {
	if s.kserve() {
		return kserveName
	}
	return serverName
}

// server is the container of the model server.
func (s Settings) server(r deploy.Release, port int) (object, error) {
	env, err := s.env(r, port)
	if err != nil {
		return nil, err
	}
	// The meter knows whether the server can work, and when the last request is answered, so that the server may end.
	asked := object{"path": "/ready", "port": portStats}
	stopping := object{"httpGet": object{"path": "/drained", "port": portStats}}
	if s.Agent == "" { // a route needs a moment to forget a pod: until then it answers
		asked, stopping = object{"path": s.ready(r), "port": portIn}, object{"sleep": object{"seconds": seconds(drainTime)}}
	}
	probe := func(failures int) object {
		return object{"httpGet": asked, "periodSeconds": probeEvery, "timeoutSeconds": probeEvery, "failureThreshold": failures}
	}
	start := max((seconds(orTime(r.Serve.Start, usualStart))+probeEvery-1)/probeEvery, 1)
	startup := probe(start)
	startup["periodSeconds"], startup["failureThreshold"] = 1, start*probeEvery
	c := object{
		"name": s.serverName(), "image": s.image(r), "command": argv(hostless(r.Serve.Command)), "env": env,
		"volumeMounts": s.mounts(), "securityContext": containerSecurity(),
		"startupProbe": startup, "readinessProbe": probe(2), "livenessProbe": probe(12),
		"lifecycle": object{"preStop": stopping},
	}
	if s.Agent == "" || s.Form == Standard { // KServe looks at this container for where requests go, and knows of no other
		c["ports"] = list{object{"name": "http", "containerPort": portIn}}
	}
	if resources := s.resources(); len(resources) > 0 {
		c["resources"] = resources
	}
	return c, nil
}

// meter is the container that counts what the server answers. It passes requests on to it, and goes on until the last one is answered.
func (s Settings) meter(r deploy.Release) (object, error) {
	ready := local.Probes(r.Model)
	if r.Serve.Ready != "" {
		ready = []string{"/" + strings.TrimPrefix(r.Serve.Ready, "/")}
	}
	target := portServer
	if s.graphed(r) {
		ready, target = []string{graphReady}, servicePort
	}
	server := router.Servers{Idempotent: r.Serve.Idempotent}
	if s.Signature != nil {
		if server.Signature = s.Signature(r); len(server.Signature) > maxSignature {
			return nil, fault.New(fault.Usage, "cannot serve %s on Kubernetes: the signature of %s is longer than 256 KiB, and stands in the pods", s.Service, r.Name()).
				Hint("schema: none   # in services.%s: requests are not checked", s.Service)
		}
	}
	text, err := json.Marshal(object{"service": s.Service, "release": r.Key, "ready": ready, "linger": drainTime, "server": server,
		"router": router.Settings{Limits: s.Limits, Compare: router.Compare{Pointer: s.Compare.Pointer}, Drain: orTime(s.Drain, usualDrain)}})
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write the settings of the meter: %w", err)
	}
	return object{
		"name": meterName, "image": s.Agent,
		"command": list{agentPath, "agent", "meter", "--target", strconv.Itoa(target), "--listen", strconv.Itoa(portIn), "--stats", strconv.Itoa(portStats),
			"--state", "/state"},
		"env":          list{object{"name": "MLX_METER", "value": keepDollars(string(text))}},
		"ports":        list{object{"name": "http", "containerPort": portIn}, object{"name": "stats", "containerPort": portStats}},
		"resources":    object{"requests": object{"cpu": "10m", "memory": "64Mi"}, "limits": object{"memory": "512Mi"}},
		"startupProbe": object{"httpGet": object{"path": "/healthz", "port": portStats}, "periodSeconds": 1, "failureThreshold": 60},
		"volumeMounts": list{object{"name": "state", "mountPath": "/state"}}, "securityContext": lockedSecurity(),
	}, nil
}

// maxSignature bounds the signature of a model in the settings of a meter.
const maxSignature = 256 << 10

// argv is the command of a release: as it is where it has plain words only, else by the shell of the image.
func argv(command string) list {
	words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(command), "exec "))
	if len(words) > 0 && !strings.ContainsAny(command, "\"'`$\\|&;<>()*?[]#~=%!{}\n") {
		var all list
		for _, w := range words {
			all = append(all, w)
		}
		return all
	}
	return list{"/bin/sh", "-c", keepDollars(command)}
}

// serverText is the variable that has the text of the server for ONNX: on a host it is a file in the folder of a release.
const serverText = "MLX_SERVER"

// hostless is a command without the file that mlx puts beside a model on a host.
func hostless(command string) string {
	return strings.ReplaceAll(command, `"$MLX_RELEASE_DIR/`+local.OnnxruntimeName+`"`, `-c "$`+serverText+`"`)
}

// keepDollars keeps Kubernetes from putting the value of a variable in place of $(NAME).
func keepDollars(s string) string {
	return strings.ReplaceAll(s, "$(", "$$(")
}

// env are the variables that every server gets on a host as well, and those of the release.
func (s Settings) env(r deploy.Release, port int) (list, error) {
	var all list
	add := func(name, value string) { all = append(all, object{"name": name, "value": keepDollars(value)}) }
	add("PORT", strconv.Itoa(port))
	add("MLX_SERVICE", s.Service)
	add("MLX_RELEASE", r.Key)
	if s.File != nil {
		name, err := s.File(r)
		if err != nil {
			return nil, err
		}
		add("MLX_MODEL", path.Join(modelDir, name))
	}
	add("MLX_MODEL_DIR", modelDir)
	add("MLX_MODEL_NAME", r.Model)
	add("MLX_MODEL_VERSION", strconv.Itoa(r.Version))
	add("HOME", "/tmp")
	if strings.Contains(hostless(r.Serve.Command), serverText) {
		add(serverText, local.OnnxruntimeServer())
	}
	for _, one := range r.Serve.Env {
		name, value, _ := strings.Cut(one, "=")
		add(name, value)
	}
	return all, nil
}

func (s Settings) volumes() list {
	all := list{object{"name": "tmp", "emptyDir": object{}}}
	if s.Agent != "" {
		all = append(all, object{"name": "state", "emptyDir": object{}})
	}
	if s.GPUs > 0 { // frameworks share batches between processes there, and 64 MiB is the default
		all = append(all, object{"name": "shm", "emptyDir": object{"medium": "Memory"}})
	}
	return all
}

func (s Settings) mounts() list {
	all := list{object{"name": "tmp", "mountPath": "/tmp"}}
	if s.GPUs > 0 {
		all = append(all, object{"name": "shm", "mountPath": "/dev/shm"})
	}
	return all
}

// resources are what a server needs. A limit of cores would only make it slower.
func (s Settings) resources() object {
	requests, limits := object{}, object{}
	if s.CPUs > 0 {
		requests["cpu"] = strconv.Itoa(int(s.CPUs*1000+0.5)) + "m"
	}
	if s.Memory > 0 {
		requests["memory"], limits["memory"] = strconv.FormatInt(s.Memory, 10), strconv.FormatInt(s.Memory, 10)
	}
	if s.GPUs > 0 {
		limits["nvidia.com/gpu"] = strconv.Itoa(s.GPUs)
	}
	all := object{}
	if len(requests) > 0 {
		all["requests"] = requests
	}
	if len(limits) > 0 {
		all["limits"] = limits
	}
	return all
}

// podSecurity and containerSecurity are what the strictest profile of Pod Security asks for.
func podSecurity() object {
	return object{"runAsNonRoot": true, "runAsUser": nobody, "runAsGroup": nobody, "fsGroup": nobody, "seccompProfile": object{"type": "RuntimeDefault"}}
}

func containerSecurity() object {
	return object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": list{"ALL"}}}
}

// lockedSecurity is that of mlx itself, which writes nothing.
func lockedSecurity() object {
	c := containerSecurity()
	c["readOnlyRootFilesystem"] = true
	return c
}

// labels of an object of the service.
func (s Settings) labels(component string, r *deploy.Release) object {
	all := object{labelName: NameOf(s.Service), labelManager: "mlx", labelComponent: component}
	if r != nil {
		all[labelVersion], all[labelRelease] = "v"+strconv.Itoa(r.Version), labelOf(r.Key)
	}
	return all
}

func orTime(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
