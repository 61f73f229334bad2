package kube

import (
	"context"
	"encoding/json"
	"strings"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// What KServe has names for.
const (
	kserveName    = "kserve-container" // the container whose port its Service leads to
	kserveMode    = "serving.kserve.io/deploymentMode"
	kserveScaler  = "serving.kserve.io/autoscalerClass"
	kserveVisible = "networking.kserve.io/visibility"
)

// inferenceService runs one release behind a route: an InferenceService of KServe in Standard mode, with the container of the release and its meter. The
// shares are those of a route of mlx over the Services that KServe makes: trafficPercent of a canary decides in KServe v0.20 on the number of its
// pods only, and not one request goes there, so that it is never set. KServe makes no route of its own, by which there were requests that nobody shares out.
func (s Settings) inferenceService(arm deploy.Arm) ([]object, error) {
	r := arm.Release
	name := nameOf(s.Service, r.Key)
	template, err := s.template(r)
	if err != nil {
		return nil, err
	}
	service, err := s.predicted(arm, s.meta(name, "server", &r), template)
	if err != nil {
		return nil, err
	}
	selector := object{labelName: NameOf(s.Service), labelRelease: labelOf(r.Key)}
	all := []object{s.budget(name, &r, selector), service}
	if scaler := s.scaler(name, &r, object{"apiVersion": "apps/v1", "kind": "Deployment", "name": s.deploymentOf(r)}); scaler != nil {
		all = append(all, scaler)
	}
	return all, nil
}

// predicted is the InferenceService that runs the pods of a template.
func (s Settings) predicted(arm deploy.Arm, meta, template object) (object, error) {
	predictor := template["spec"].(object)
	if meta, ok := template["metadata"].(object); ok {
		predictor["labels"], predictor["annotations"] = meta["labels"], meta["annotations"]
	}
	predictor["deploymentStrategy"] = object{"type": "RollingUpdate", "rollingUpdate": object{"maxUnavailable": 0, "maxSurge": 1}}
	if err := s.checkPredictor(predictor); err != nil {
		return nil, err
	}
	meta["labels"].(object)[kserveVisible] = "cluster-local"
	notes := meta["annotations"].(object)
	notes[kserveMode], notes[kserveScaler] = "Standard", "none"
	if predictor["minReplicas"] = max(arm.Replicas, 1); s.Scale != nil { // what is made beside it owns their number
		notes[kserveScaler], predictor["minReplicas"] = "external", s.Scale.least()
	}
	keptUntil(arm, notes)
	return object{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta, "spec": object{"predictor": predictor}}, nil
}

// checkPredictor refuses what KServe would not take as it is meant.
func (s Settings) checkPredictor(predictor object) error {
	containers, _ := predictor["containers"].(list)
	for i, c := range containers {
		if c, ok := c.(object); ok && c["name"] == kserveName && i > 0 {
			return fault.New(fault.Usage, "cannot serve %s on Kubernetes: pod: puts a container before the server, and KServe would take it for the server", s.Service).
				Hint("edit mlx.yaml   # containers: of pod: come after it when they have other names")
		}
	}
	return nil
}

// backendOf is the Service of a release.
func (s Settings) backendOf(r deploy.Release) string {
	if s.Form == Standard && !s.graphed(r) {
		return nameOf(s.Service, r.Key) + "-predictor"
	}
	return nameOf(s.Service, r.Key)
}

// deploymentOf is what runs the pods of a release.
func (s Settings) deploymentOf(r deploy.Release) string { return s.backendOf(r) }

// inferenceStatus is what KServe says of an InferenceService.
type inferenceStatus struct {
	Observed   int64       `json:"observedGeneration"`
	Mode       string      `json:"deploymentMode"`
	Conditions []condition `json:"conditions"`
	Components map[string]struct {
		Ready   string `json:"latestReadyRevision"`
		Created string `json:"latestCreatedRevision"`
		Traffic []struct {
			Revision string `json:"revisionName"`
			Percent  int    `json:"percent"`
			Latest   bool   `json:"latestRevision"`
		} `json:"traffic"`
	} `json:"components"`
}

// inferenceTrouble says why KServe has not made the pods of a release, or not enough of them; empty: it has.
func (v *Driver) inferenceTrouble(ctx context.Context, r deploy.Release) string {
	if !v.Settings.graphed(r) {
		return v.troubleOfInference(ctx, nameOf(v.Settings.Service, r.Key))
	}
	for i := range r.Stages {
		if trouble := v.troubleOfInference(ctx, v.Settings.stageService(r, i)); trouble != "" {
			return trouble
		}
	}
	return v.troubleOfGraph(ctx, r)
}

// kserveStatus is what KServe says of one of its objects, and the generation that the object has; false: there is none that can be read.
func (v *Driver) kserveStatus(ctx context.Context, r kube.Resource, name string) (s inferenceStatus, generation int64, ok bool) {
	var h held
	if there, err := v.heard(ctx, r, name, &h); err != nil || !there {
		return s, 0, false
	}
	ok = len(h.Status) == 0 || json.Unmarshal(h.Status, &s) == nil
	return s, h.Metadata.Generation, ok
}

func (v *Driver) troubleOfInference(ctx context.Context, name string) string {
	s, generation, ok := v.kserveStatus(ctx, kube.InferenceSets, name)
	if !ok {
		return ""
	}
	what := "inferenceservice/" + name
	switch {
	case s.Mode != "" && s.Mode != "Standard":
		return what + " runs in " + s.Mode + " mode, and its route is that of Standard mode"
	case len(s.Conditions) == 0:
		return "KServe has not seen " + what + ": does its controller run?"
	case s.Observed > 0 && s.Observed < generation:
		return "KServe has not seen " + what + " as it is now"
	}
	for _, c := range s.Conditions {
		if c.Type == "PredictorReady" && c.Status == "False" {
			return what + " is not PredictorReady: " + strings.TrimSuffix(c.Reason+": "+c.Message, ": ")
		}
	}
	return ""
}
