package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"mlx/internal/kube"
	"mlx/internal/train"
)

// Shows is the objects of a job as those see them who may read the namespace: the Job, its pods, Services and events. Values of
// Secrets are what Kubernetes hides from them, and are left out.
func (d *Driver) Shows(ctx context.Context, job train.Ref) (string, error) {
	found, err := d.objects(ctx, job)
	if err != nil {
		return "", err
	}
	for _, s := range found[kube.Secrets.Plural] {
		for name := range asObject(s["data"]) {
			s["data"].(object)[name] = ""
		}
	}
	var events struct {
		Items []object `json:"items"`
	}
	if err := d.api.List(ctx, kube.Events, kube.Select{Fields: "involvedObject.name=" + job.Name()}, &events); err != nil {
		return "", err
	}
	found[kube.Events.Plural] = events.Items
	text, err := json.MarshalIndent(found, "", "  ")
	return string(text), err
}

// Left is the objects that a job still has.
func (d *Driver) Left(ctx context.Context, job train.Ref) (string, error) {
	found, err := d.objects(ctx, job)
	if err != nil {
		return "", err
	}
	var left strings.Builder
	for _, r := range kinds() {
		for _, o := range found[r.Plural] {
			fmt.Fprintf(&left, "%s/%v of run %s\n", r.Plural, asObject(o["metadata"])["name"], job.ID.Short())
		}
	}
	return left.String(), nil
}

// kinds are the kinds of objects that a job consists of.
func kinds() []kube.Resource {
	return []kube.Resource{kube.Jobs, kube.Pods, kube.Secrets, kube.Services}
}

// objects are all of a job, by their kind.
func (d *Driver) objects(ctx context.Context, job train.Ref) (map[string][]object, error) {
	found := map[string][]object{}
	for _, r := range kinds() {
		var all struct {
			Items []object `json:"items"`
		}
		if err := d.api.List(ctx, r, kube.Select{Labels: selector([]train.Ref{job})}, &all); err != nil {
			return nil, err
		}
		found[r.Plural] = all.Items
	}
	return found, nil
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}
