package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
	"mlx/internal/kube"
)

// A release of stages may be an InferenceGraph of KServe: an InferenceService for each stage, with the server of the stage and its meter, and the
// router of KServe, which asks them. Its pod can have nothing beside that router, so that the meter of the release is a pod of its own: the
// route of mlx leads there, and what it counts are the answers of the graph.
const (
	graphSuffix = "-graph"
	graphReady  = "/readyz" // of the router of KServe
)

// graphed says whether a release is one.
func (s Settings) graphed(r deploy.Release) bool {
	return s.Form == Standard && s.Graph && len(r.Stages) > 0
}

// graphOf is the InferenceGraph of a release, and the Service that KServe makes for it.
func (s Settings) graphOf(r deploy.Release) string { return nameOf(s.Service, r.Key) + graphSuffix }

// stageService is the InferenceService of a stage.
func (s Settings) stageService(r deploy.Release, i int) string {
	return nameOf(s.Service, r.Key) + "-s" + strconv.Itoa(i)
}

// graph is the InferenceGraph of a release.
func (s Settings) graph(arm deploy.Arm) (object, error) {
	r := arm.Release
	o, err := cascade.Graph(cascade.Graphed{Name: s.graphOf(r), Release: r, URL: func(i int) string {
		return "http://" + s.stageService(r, i) + "-predictor" + r.Stages[i].Path
	}})
	if err != nil {
		return nil, err
	}
	meta := s.meta(s.graphOf(r), "graph", nil)
	meta["labels"].(object)[kserveVisible] = "cluster-local"
	meta["annotations"] = object{noteService: s.Service, noteRelease: r.Key, noteModel: r.Name(), kserveMode: "Standard", kserveScaler: "none"}
	o["metadata"] = meta
	o["spec"].(object)["minReplicas"] = max(arm.Replicas, 1)
	return o, nil
}

// graphWorkload runs one release as a graph.
func (s Settings) graphWorkload(arm deploy.Arm) ([]object, error) {
	r := arm.Release
	graph, err := s.graph(arm)
	if err != nil {
		return nil, err
	}
	all := []object{graph}
	one := s
	one.Signature = nil // requests are not held against the signatures of stages
	for i := range r.Stages {
		name := s.stageService(r, i)
		template, err := one.template(s.partOf(r, i))
		if err != nil {
			return nil, err
		}
		labels := s.labels("server", nil)
		labels[labelStage] = name
		template["metadata"].(object)["labels"] = labels
		meta := s.meta(name, "server", nil)
		meta["labels"].(object)[labelStage] = name
		meta["annotations"] = object{noteService: s.Service, noteRelease: r.Key, noteModel: s.partOf(r, i).Name()}
		service, err := s.predicted(arm, meta, template)
		if err != nil {
			return nil, err
		}
		all = append(all, service, s.budget(name, nil, object{labelName: NameOf(s.Service), labelStage: name}))
	}
	front, err := s.front(r)
	if err != nil {
		return nil, err
	}
	return append(all, s.deployed(arm, front)...), nil
}

// partOf is a stage as a release of its own.
func (s Settings) partOf(r deploy.Release, i int) deploy.Release {
	g := r.Stages[i]
	return deploy.Release{Key: r.Key, Model: g.Model, Version: g.Version, Record: g.Record, Digest: g.Digest, Image: g.Image, Run: g.Run, Data: g.Data,
		Commit: g.Commit, Code: r.Code, Serve: *g.Serve}
}

// front is the pod that counts what a graph answers.
func (s Settings) front(r deploy.Release) (object, error) {
	s.Pod, s.GPUs, s.GPUType = frontPod(s.Pod), 0, ""
	template, err := s.template(r)
	if err != nil {
		return nil, err
	}
	spec := template["spec"].(object)
	meter := spec["containers"].(list)[0].(object)
	meter["command"] = append(meter["command"].(list), "--host", s.graphOf(r))
	asked := object{"path": "/ready", "port": portStats}
	start := max(seconds(orTime(r.Serve.Start, usualStart)), 1)
	meter["startupProbe"] = object{"httpGet": asked, "periodSeconds": 1, "timeoutSeconds": probeEvery, "failureThreshold": start}
	meter["readinessProbe"] = object{"httpGet": asked, "periodSeconds": probeEvery, "timeoutSeconds": probeEvery, "failureThreshold": 2}
	return template, nil
}

// frontPod is what the user wrote of pods, without what he wrote of the server, which is not in this one.
func frontPod(pod map[string]any) map[string]any {
	pod = maps.Clone(pod)
	delete(pod, "containers")
	if spec, ok := pod["spec"].(object); ok {
		spec = maps.Clone(spec)
		delete(spec, "containers")
		pod["spec"] = spec
	}
	return pod
}

// stagePods are those of a stage of a graph.
func (v *Driver) stagePods(ctx context.Context, r deploy.Release, i int) []pod {
	items, err := v.cache.Get(ctx, kube.Pods, labelName, v.name())
	if err != nil {
		return nil // they are told with the others
	}
	var all []pod
	for _, item := range items {
		var p pod
		if item.Labels[labelStage] == v.Settings.stageService(r, i) && json.Unmarshal(item.Text, &p) == nil && p.Metadata.Deleted == "" {
			all = append(all, p)
		}
	}
	return all
}

// stagesTrouble says what is wrong with the stages of a graph. other: one of them runs what was not released.
func (v *Driver) stagesTrouble(ctx context.Context, r deploy.Release) (trouble string, other bool) {
	for i, g := range r.Stages {
		for _, p := range v.stagePods(ctx, r, i) {
			images := map[string]string{kserveName: v.Settings.Repository + "@" + g.Image, meterName: p.Metadata.Annotations[noteAgent]}
			if why := v.otherThan(p, images, v.Settings.partOf(r, i).Name()); why != "" {
				return why, true
			}
			if !p.ready() {
				trouble = cmp.Or(trouble, v.troubleOf(ctx, p))
			}
		}
	}
	return trouble, false
}

// troubleOfGraph says why KServe has not made a graph.
func (v *Driver) troubleOfGraph(ctx context.Context, r deploy.Release) string {
	name := v.Settings.graphOf(r)
	s, _, ok := v.kserveStatus(ctx, kube.InferenceGraphs, name)
	if !ok {
		return ""
	}
	what := "inferencegraph/" + name
	if len(s.Conditions) == 0 {
		return "KServe has not seen " + what + ": does its controller run?"
	}
	for _, c := range s.Conditions {
		if c.Type == "Ready" && c.Status != "True" {
			return what + " is not Ready: " + c.Reason + ": " + c.Message
		}
	}
	return ""
}

// countGraph is what the stages of a graph have answered, by their meters, of the pods that are there. A stage that was followed by another one
// has passed so many requests on.
func (v *Driver) countGraph(ctx context.Context, r deploy.Release) []deploy.SeenStage {
	all := make([]deploy.SeenStage, len(r.Stages))
	for i, g := range r.Stages {
		one := &all[i]
		one.Name = g.Name
		for _, p := range v.stagePods(ctx, r, i) {
			if p.ready() {
				one.Ready++
			}
			for _, c := range p.Status.Containers {
				if c.Name == kserveName {
					one.Restarts += c.Restarts
				}
			}
			if p.Status.IP == "" || !p.metered() {
				continue
			}
			asked, end := context.WithTimeout(ctx, scrapeTime)
			var got deploy.Actual
			if v.client.Proxied(asked, p.Metadata.Name, portStats, "v1/actual", &got) == nil && len(got.Arms) > 0 {
				counts := got.Arms[0].Counts
				one.Requests, one.Errors, one.Decided = one.Requests+counts.Requests, one.Errors+counts.Errors, one.Decided+counts.Answers
				one.Latency = one.Latency.And(counts.Latency)
			}
			end()
		}
	}
	for i := range all[:len(all)-1] {
		all[i].Passed = min(all[i+1].Requests, all[i].Decided)
		all[i].Decided -= all[i].Passed
	}
	return all
}
