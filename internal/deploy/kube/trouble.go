package kube

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// troubleOf says why a pod is not ready; empty: it only starts.
func (v *Driver) troubleOf(ctx context.Context, p pod) string {
	what := "pod " + p.Metadata.Name
	if waits := p.nodeless(); waits != "" {
		return waits
	}
	all := slices.Concat(p.Status.First, p.Status.Containers)
	slices.SortStableFunc(all, func(a, b container) int { return cmp.Compare(a.told(), b.told()) })
	for _, c := range all {
		if why := v.troubleIn(ctx, p, c); why != "" {
			return what + ": " + why
		}
	}
	if p.Status.Phase == "Failed" {
		return what + " has failed: " + cmp.Or(p.Status.Message, p.Status.Reason)
	}
	return ""
}

// told orders containers by what their trouble says: one that ended well was told to, because another did not get ready beside it.
func (c container) told() int {
	if e := cmp.Or(c.State.Terminated, c.Last.Terminated); e != nil && e.Code == 0 {
		return 1
	}
	return 0
}

// nodeless says that a pod waits for a node, and what the scheduler says of it; empty: it has one.
func (p pod) nodeless() string {
	for _, c := range p.Status.Conditions {
		if c.Type == "PodScheduled" && c.Status == "False" {
			return "pod " + p.Metadata.Name + " waits for a node: " + c.Message
		}
	}
	return ""
}

func (v *Driver) troubleIn(ctx context.Context, p pod, c container) string {
	switch w := c.State.Waiting; {
	case w == nil, w.Reason == "ContainerCreating", w.Reason == "PodInitializing":
	case w.Reason == "CrashLoopBackOff":
		return "its " + c.Name + " ended " + howEnded(c.Last.Terminated) + v.lastLine(ctx, p, c)
	case strings.Contains(w.Reason, "Image"):
		return "the image of its " + c.Name + " cannot be pulled: " + cmp.Or(w.Message, w.Reason)
	default:
		return c.Name + " does not start: " + w.Reason + ": " + w.Message
	}
	if e := c.State.Terminated; e != nil && (c.Name == v.Settings.serverName() || strings.HasPrefix(c.Name, stagePrefix) || e.Code != 0) {
		return "its " + c.Name + " ended " + howEnded(e) + v.lastLine(ctx, p, c)
	}
	if e := c.Last.Terminated; e != nil && !c.Ready && c.Restarts > 0 {
		return "its " + c.Name + " ended before " + howEnded(e) + v.lastLine(ctx, p, c)
	}
	return ""
}

func howEnded(e *ended) string {
	switch {
	case e == nil:
		return "again and again"
	case e.Reason == "OOMKilled":
		return "because it needed more memory than memory: of the service gives it"
	}
	return fmt.Sprintf("with status %d", e.Code)
}

// lastLine is the last one that a container printed.
func (v *Driver) lastLine(ctx context.Context, p pod, c container) string {
	const most = 16 << 10
	for _, previous := range []bool{c.State.Terminated == nil, false} {
		log, err := v.client.Logs(ctx, p.Metadata.Name, kube.LogOptions{Container: c.Name, Previous: previous, Tail: 1})
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(log, most))
		_ = log.Close() // it was only read
		if line := strings.TrimSpace(string(text)); err == nil && line != "" {
			return ": " + line[:min(len(line), 300)]
		}
	}
	return ""
}

// trouble says why a Deployment has fewer pods than it should: quota, an admission rule, or nothing came of it in time.
func (w workload) trouble() string {
	at := slices.IndexFunc(w.Status.Conditions, func(c condition) bool { return c.Type == "ReplicaFailure" && c.Status == "True" })
	if at < 0 {
		return ""
	}
	c := w.Status.Conditions[at]
	why := "no pod can be made"
	switch {
	case strings.Contains(c.Message, "exceeded quota"):
		why = "the quota of the namespace is used up"
	case strings.Contains(c.Message, "violates PodSecurity"), strings.Contains(c.Message, "denied"):
		why = "a rule of the cluster forbids its pods"
	}
	return why + ": " + c.Message
}

// explain says what is to be done about an error of the API server, of a kind of object.
func (v *Driver) explain(err error, r kube.Resource) error {
	if err == nil {
		return nil
	}
	kubectl := "kubectl -n " + v.client.Namespace()
	if name := v.client.Context(); name != "" {
		kubectl = "kubectl --context " + name + " -n " + v.client.Namespace()
	}
	if all := kube.Conflicts(err); len(all) > 0 {
		return v.conflict(err, all, kubectl, r)
	}
	e := func(kind fault.Kind, format string, args ...any) *fault.Error {
		return fault.New(kind, "cannot serve "+v.Settings.Service+" on Kubernetes: "+format, args...)
	}
	switch kube.SideOf(err) {
	case kube.SideRights:
		if r.Group == kube.Roles.Group {
			return e(fault.Denied, "%w", err).Hint("docs/kubernetes.md has the Role that mlx needs: the guard of a rollout gets a part of it, and nobody gives rights that he has not")
		}
		return e(fault.Denied, "%w", err).
			Hint("%s create role mlx-deploy --verb=get,list,watch,create,patch,delete --resource=%s   # by who runs the cluster; docs/kubernetes.md has the whole Role", kubectl, resourceWord(r))
	case kube.SideAdmission:
		return e(fault.Denied, "%w", err).Hint("mlx export kubernetes service:%s   # shows the objects; pod: of the service changes them", v.Settings.Service)
	case kube.SideQuota:
		return e(fault.Unavailable, "%w", err).Hint("%s describe quota", kubectl)
	case kube.SideObject:
		return e(fault.Usage, "%w", err).Hint("mlx export kubernetes service:%s   # shows the objects; pod: of the service changes them", v.Settings.Service)
	case kube.SideState:
		if kube.Missing(err) && strings.Contains(err.Error(), `namespaces "`) {
			return e(fault.NotFound, "the cluster has no namespace %s", v.client.Namespace()).Hint("kubectl create namespace %s", v.client.Namespace()).
				Hint("kubernetes: {namespace: …}   # in services.%s", v.Settings.Service)
		}
		if kube.Missing(err) && slices.Contains([]string{kube.HTTPRoutes.Group, kube.Rollouts.Group, kube.InferenceSets.Group, kube.ScaledObjects.Group}, r.Group) {
			return e(fault.NotFound, "the cluster has no kind %s", resourceWord(r)).Hint("kubectl api-resources --api-group %s", r.Group).
				Hint("kubernetes: {form: …}   # in services.%s: gateway, argo or kserve, as the cluster has it", v.Settings.Service)
		}
	case kube.SideNetwork, kube.SideServer, kube.SideLogin:
	}
	return err
}

func resourceWord(r kube.Resource) string {
	if r.Group == "" {
		return r.Plural
	}
	return r.Plural + "." + r.Group
}

// conflict names who has set what mlx would set.
func (v *Driver) conflict(err error, all []kube.Conflict, kubectl string, r kube.Resource) error {
	var words []string
	for _, c := range all {
		words = append(words, c.Field+" is set by "+c.Manager)
	}
	name := r.Plural + "/"
	if _, rest, ok := strings.Cut(err.Error(), "apply "+name); ok {
		object, _, _ := strings.Cut(rest, " ")
		name += object
	}
	e := fault.New(fault.Conflict, "cannot serve %s on Kubernetes: somebody else owns a part of %s: %s", v.Settings.Service, name, strings.Join(words, ", "))
	if slices.ContainsFunc(all, func(c kube.Conflict) bool { return c.Field == ".spec.replicas" }) {
		e = e.Hint("scale: {max: …, cpu: 70%%}   # in services.%s.kubernetes: what scales it owns replicas, and mlx leaves them alone", v.Settings.Service)
	}
	return e.Hint("%s get %s -o yaml --show-managed-fields", kubectl, name)
}
