package kube

import (
	"context"
	"encoding/json"
	"strings"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// otherImage says that a pod runs another image than its release has. A mirror that has the same bytes is only told.
func (v *Driver) otherImage(p pod, r deploy.Release) string {
	if v.Settings.Form == Knative {
		return "" // the image of the model is fetched by KServe, and stands elsewhere
	}
	want := map[string]string{}
	for name, sum := range v.Settings.served(r) {
		want[name] = v.Settings.Repository + "@" + sum
	}
	if agent := p.Metadata.Annotations[noteAgent]; agent != "" {
		if want[meterName] = agent; len(r.Stages) > 0 {
			want[v.Settings.serverName()] = agent
		}
	}
	return v.otherThan(p, want, r.Name())
}

// otherThan says that a container of a pod runs another image than it should.
func (v *Driver) otherThan(p pod, images map[string]string, of string) string {
	for _, c := range p.Spec.Containers {
		want := images[c.Name]
		if want == "" || c.Image == want {
			continue
		}
		if sum := digestOf(c.Image); sum != "" && sum == digestOf(want) {
			v.tell("pods of " + of + " get their image from " + c.Image + ", which the cluster put in place of " + want + ": the bytes are the same")
			continue
		}
		return "a rule of the cluster put image " + c.Image + " in place of " + want + ": it is not what was released"
	}
	for _, c := range p.Status.Containers {
		if sum, want := digestOf(c.ImageID), digestOf(images[c.Name]); sum != "" && want != "" && sum != want {
			return "pod " + p.Metadata.Name + " runs the image " + sum + " as its " + c.Name + ", and " + want + " was released"
		}
	}
	return ""
}

// digestOf is that of an image by digest; empty: it has none.
func digestOf(image string) string {
	_, sum, _ := strings.Cut(image, "@")
	return sum
}

// otherGuard says that what guards the rollout is not what was put there.
func (v *Driver) otherGuard(ctx context.Context) string {
	items, err := v.cache.Get(ctx, kube.Pods, labelName, v.name())
	if err != nil {
		return "" // it is told elsewhere
	}
	for _, item := range items {
		var p pod
		if item.Labels[labelComponent] != guardName || json.Unmarshal(item.Text, &p) != nil || p.Metadata.Deleted != "" {
			continue
		}
		if other := v.otherThan(p, map[string]string{guardName: p.Metadata.Annotations[noteAgent]}, "the guard"); other != "" {
			return "the guard: " + other
		}
	}
	return ""
}
