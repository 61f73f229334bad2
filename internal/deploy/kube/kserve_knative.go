package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// inference is an InferenceService of KServe in Knative mode: one template, and the share of its revision.
func (s Settings) inference(d deploy.Desired) (object, error) {
	meta := s.meta(NameOf(s.Service), "inference", nil)
	meta["annotations"] = object{kserveMode: "Knative"}
	o := object{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta}
	arm, ok := chosen(d)
	if !ok {
		o["spec"] = object{"predictor": object{}}
		return o, nil
	}
	predictor, err := s.predictor(arm)
	if err != nil {
		return nil, err
	}
	o["spec"] = object{"predictor": predictor}
	if c, begun := armOf(d, deploy.Candidate); begun && len(d.Arms) > 1 {
		predictor["canaryTrafficPercent"] = int(c.Share / 100)
	}
	return o, nil
}

// predictor is what an InferenceService in Knative mode serves, by a runtime of the cluster.
func (s Settings) predictor(arm deploy.Arm) (object, error) {
	model := object{"modelFormat": object{"name": s.Format}, "storageUri": "oci://" + s.image(arm.Release)}
	if resources := s.resources(); len(resources) > 0 {
		model["resources"] = resources
	}
	var env list
	for _, one := range arm.Release.Serve.Env {
		name, value, _ := strings.Cut(one, "=")
		env = append(env, object{"name": name, "value": keepDollars(value)})
	}
	if len(env) > 0 {
		model["env"] = env
	}
	p := object{"model": model, "minReplicas": max(arm.Replicas, 1), "labels": s.labels("server", &arm.Release),
		"annotations": object{noteRelease: arm.Release.Key, noteModel: arm.Release.Name()}}
	if c := s.Scale; c != nil {
		p["minReplicas"], p["maxReplicas"] = c.least(), c.Max
		p["scaleMetric"], p["scaleTarget"] = "concurrency", max(int(c.Queue+0.5), 1)
	}
	if len(s.Secrets) > 0 {
		p["imagePullSecrets"] = s.pullSecrets()
	}
	if s.Account != "" {
		p["serviceAccountName"] = s.Account
	}
	if s.GPUType != "" {
		p["nodeSelector"] = object{"nvidia.com/gpu.product": s.GPUType}
	}
	return s.predictorPod(p)
}

// predictorPod lays what the user wrote over an InferenceService, which is a pod with more keys. What mlx says itself is refused.
func (s Settings) predictorPod(p object) (object, error) {
	if len(s.Pod) == 0 {
		return p, nil
	}
	patch, err := plain(s.Pod)
	if err != nil {
		return nil, err
	}
	if inner, ok := patch["spec"].(object); ok {
		patch = inner
	}
	for _, key := range []string{"workerSpec", "maxReplicas", "minReplicas", "scaleTarget", "scaleMetric", "autoScaling", "canaryTrafficPercent", "containers", "model", "name"} {
		if patch[key] != nil {
			return nil, fault.New(fault.Usage, "cannot serve %s on Kubernetes: pod: has %s, which KServe would ignore, or mlx sets itself", s.Service, key).
				Hint("edit mlx.yaml   # scale:, memory:, cpus: and gpus: of services.%s.kubernetes", s.Service)
		}
	}
	base, err := plain(p)
	if err != nil {
		return nil, err
	}
	return kube.Merge(base, patch)
}

// splitRevisions reads how Knative splits the requests.
func (v *Driver) splitRevisions(now *held) (map[string]deploy.Share, string) {
	what := "inferenceservice/" + v.name()
	var s inferenceStatus
	if len(now.Status) > 0 && json.Unmarshal(now.Status, &s) != nil {
		return nil, what + " cannot be read"
	}
	switch {
	case len(now.desired.Arms) == 0:
		return map[string]deploy.Share{}, ""
	case len(s.Conditions) == 0:
		return nil, "KServe has not seen " + what + ": does its controller run?"
	case s.Observed > 0 && s.Observed < now.Metadata.Generation:
		return nil, "KServe has not seen " + what + " as it is now"
	case s.Mode != "" && s.Mode != "Knative":
		return nil, what + " runs in " + s.Mode + " mode, where the share of a canary of Knative mode is ignored"
	}
	if len(now.desired.Arms) == 1 && now.desired.Arms[0].Role != deploy.Stable {
		return map[string]deploy.Share{now.desired.Arms[0].Release.Key: now.desired.Arms[0].Share}, "" // there is nobody beside it
	}
	p := s.Components["predictor"]
	arm, _ := chosen(now.desired)
	stable, _ := armOf(now.desired, deploy.Stable)
	if len(p.Traffic) == 0 {
		return nil, "Knative has split nothing yet of " + what
	}
	var spec struct {
		Predictor struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"predictor"`
	}
	if json.Unmarshal(now.Spec, &spec) != nil {
		return nil, what + " cannot be read"
	}
	latest := cmp.Or(spec.Predictor.Annotations[noteRelease], arm.Release.Key) // what was taken back stays the template
	shares := map[string]deploy.Share{}
	for _, t := range p.Traffic {
		switch {
		case t.Latest && p.Created != p.Ready:
			return nil, "revision " + p.Created + " is not ready"
		case t.Latest:
			shares[latest] += deploy.Share(t.Percent * 100)
		default:
			shares[stable.Release.Key] += deploy.Share(t.Percent * 100)
		}
	}
	return shares, ""
}

// mode refuses the form of Knative where the InferenceService, as it runs, would ignore its shares.
func (v *Driver) mode(ctx context.Context) error {
	if v.Settings.Form != Knative {
		return nil
	}
	now, err := v.cached(ctx)
	if err != nil || now == nil {
		return err
	}
	var s inferenceStatus
	if json.Unmarshal(now.Status, &s) != nil || s.Mode == "" || s.Mode == "Knative" {
		return nil
	}
	return fault.New(fault.Conflict, "cannot serve %s on Kubernetes: inferenceservice/%s runs in %s mode, and a share of Knative mode would be ignored there: a canary would get everything",
		v.Settings.Service, v.name(), s.Mode).Hint("kubernetes: {form: kserve}   # in services.%s", v.Settings.Service)
}
