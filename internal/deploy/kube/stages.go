package kube

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
)

// A release of stages is one pod: a container of mlx that answers as the stages say, and one for each stage, with the package of its model.
const (
	portStages = 8083 // how the stages are: of the container of mlx
	portStage  = 8100 // of the server of the first stage, on 127.0.0.1; the next ones follow

	stagePrefix = "stage-"
)

// stageName is the container of a stage.
func stageName(name string) string { return stagePrefix + NameOf(name) }

// checkStages refuses stages that no pod answers by.
func (s Settings) checkStages(r deploy.Release, bad func(string, ...any) *fault.Error) error {
	if len(r.Stages) == 0 {
		return nil
	}
	if s.Form == Knative {
		return bad("in Knative mode one model is served, and it has stages").Hint("kubernetes: {form: kserve}   # in services.%s", s.Service)
	}
	if s.Agent == "" {
		return bad("nothing would answer by its stages").Hint("kubernetes: {agent: IMAGE@sha256:…}   # in services.%s: an image of mlx", s.Service)
	}
	if s.Graph {
		return s.checkGraph(r, bad)
	}
	seen := map[string]string{}
	for _, g := range r.Stages {
		switch {
		case g.List != nil:
			return bad("stage %s looks hashes up in a file, which is in no package", g.Name).Hint("target: host   # or a stage whose server looks them up")
		case seen[stageName(g.Name)] != "":
			return bad("stages %s and %s would have one name there", seen[stageName(g.Name)], g.Name)
		}
		seen[stageName(g.Name)] = g.Name
	}
	return nil
}

// checkGraph refuses stages that no graph answers by as a host does.
func (s Settings) checkGraph(r deploy.Release, bad func(string, ...any) *fault.Error) error {
	switch {
	case s.Form != Standard:
		return bad("graph: is what KServe makes, and its form is %s", s.Form).Hint("kubernetes: {form: kserve, graph: true}   # in services.%s", s.Service)
	case s.Scale != nil:
		return bad("graph: and scale: do not go together: each stage would have its own number").Hint("kubernetes: {form: gateway}   # in services.%s: one pod has all stages", s.Service)
	}
	_, err := s.graph(deploy.Arm{Release: r})
	return err
}

// cascade makes the server of a release the container of mlx that answers by its stages.
func (s Settings) cascade(r deploy.Release, server object) (object, error) {
	pod := cascade.Pod{Plan: cascade.Plan{Service: s.Service, Release: r.Key, Idempotent: r.Serve.Idempotent}}
	if r.Combine != nil {
		pod.Plan.Combine = *r.Combine
	}
	for i, g := range r.Stages {
		serve := *g.Serve
		serve.Command, serve.Env = "", nil // its container has them
		g.Serve = &serve
		pod.Plan.Stages, pod.Ports = append(pod.Plan.Stages, cascade.Stage{ReleaseStage: g}), append(pod.Ports, portStage+i)
		ready := local.Probes(g.Model)
		if serve.Ready != "" {
			ready = []string{"/" + strings.TrimPrefix(serve.Ready, "/")}
		}
		pod.Ready = append(pod.Ready, ready)
	}
	text, err := json.Marshal(pod)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write the plan of %s: %w", r.Name(), err)
	}
	server["image"] = s.Agent
	server["command"] = list{agentPath, "agent", "cascade", "--listen", "127.0.0.1:" + strconv.Itoa(portServer), "--stats", strconv.Itoa(portStages)}
	server["env"] = list{object{"name": "MLX_CASCADE", "value": keepDollars(string(text))}}
	server["securityContext"] = lockedSecurity()
	server["resources"] = object{"requests": object{"cpu": "10m", "memory": "64Mi"}, "limits": object{"memory": "1Gi"}}
	server["livenessProbe"] = object{"httpGet": object{"path": "/healthz", "port": portStages}, "periodSeconds": probeEvery, "timeoutSeconds": probeEvery, "failureThreshold": 12}
	delete(server, "volumeMounts")
	return server, nil
}

// stage is the container of one stage. Whether it can work is asked by the container that answers by it, since it listens on 127.0.0.1.
func (s Settings) stage(r deploy.Release, i int) (object, error) {
	g := r.Stages[i]
	c, err := s.server(s.partOf(r, i), portStage+i)
	if err != nil {
		return nil, err
	}
	c["name"] = stageName(g.Name)
	delete(c, "ports")
	asked := object{"path": "/ready/" + strconv.Itoa(i), "port": portStages}
	for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
		c[probe].(object)["httpGet"] = asked
	}
	return c, nil
}

// served are the images of the containers that serve a release, by their names.
func (s Settings) served(r deploy.Release) map[string]string {
	switch {
	case len(r.Stages) == 0:
		return map[string]string{s.serverName(): r.Image}
	case s.graphed(r):
		return nil // its stages have pods of their own
	}
	all := map[string]string{}
	for _, g := range r.Stages {
		all[stageName(g.Name)] = g.Image
	}
	return all
}

// countStages asks what the stages of a release have answered, of the pods that are there.
func (v *Driver) countStages(ctx context.Context, r deploy.Release, pods []pod) []deploy.SeenStage {
	var all []deploy.SeenStage
	switch {
	case len(r.Stages) == 0:
		return nil
	case v.Settings.graphed(r):
		return v.countGraph(ctx, r)
	}
	for _, p := range pods {
		if !p.of(r.Key) || p.Status.IP == "" || !p.metered() {
			continue
		}
		one, end := context.WithTimeout(ctx, scrapeTime)
		var got struct {
			Stages []deploy.SeenStage `json:"stages"`
		}
		if v.client.Proxied(one, p.Metadata.Name, portStages, "v1/stages", &got) == nil {
			for i := range got.Stages {
				at := slices.IndexFunc(p.Status.Containers, func(c container) bool { return c.Name == stageName(got.Stages[i].Name) })
				if at >= 0 {
					got.Stages[i].Restarts = p.Status.Containers[at].Restarts
				}
			}
			all = deploy.AddStages(all, got.Stages)
		}
		end()
	}
	return all
}
