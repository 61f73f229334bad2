package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// Observe tells what the cluster does, from what it has told by itself; only the counts of meters are asked for.
func (v *Driver) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	seen := deploy.Actual{At: v.Now()}
	now, err := v.cached(ctx)
	if err != nil || now == nil {
		v.mu.Lock()
		seen.Generation = v.bare
		v.mu.Unlock()
		return seen, err
	}
	if seen.Generation = now.generation; now.generation == 0 && now.exported() {
		seen.Trouble = "what is there is an export that somebody has applied: the next deploy or rollback takes it over"
		return seen, nil
	}
	var shares map[string]deploy.Share
	shares, seen.Trouble = v.split(ctx, now)
	if who := now.intruder(); who != "" && !v.Follows && seen.Trouble == "" {
		seen.Trouble = who + " has written to " + v.Settings.anchorResource().Plural + "/" + v.name() + " as well, and may undo what mlx does: gitops: in mlx.yaml has mlx commit it instead"
	}
	if now.reverted != nil {
		at := v.leaseEnd(ctx)
		if at.IsZero() || at.After(seen.At) { // it was taken back for another reason
			at = seen.At
		}
		seen.Reverted = &deploy.Reverted{Generation: now.reverted.Generation, At: at, Reason: now.reverted.Reason}
	}
	pods, err := v.pods(ctx)
	if err != nil {
		return seen, err
	}
	workloads, err := v.workloads(ctx, now)
	if err != nil {
		return seen, err
	}
	comparers, err := v.podsWhere(ctx, pod.compares)
	if err != nil {
		return seen, err
	}
	counted := v.count(ctx, slices.Concat(pods, comparers))
	seen.Pairs = v.pairsOf(now.desired)
	for _, arm := range now.desired.Arms {
		if slices.ContainsFunc(seen.Arms, func(s deploy.Seen) bool { return s.Key == arm.Release.Key }) {
			continue // stable and its own shadow
		}
		one := v.seenArm(ctx, arm, pods, workloads)
		if arm.Role == deploy.Candidate {
			if other := v.otherGuard(ctx); other != "" { // nobody would take it back as he should
				one.Trouble, one.Other = cmp.Or(one.Trouble, other), one.Other+1
			}
		}
		one.Share, one.Stages = shares[arm.Release.Key], v.countStages(ctx, arm.Release, pods)
		one.Counts, one.InFlight = counted[arm.Release.Key].Counts, counted[arm.Release.Key].InFlight
		seen.Arms = append(seen.Arms, one)
	}
	return seen, ctx.Err()
}

// cached is the anchor as the cluster has last told it; nil: there is none.
func (v *Driver) cached(ctx context.Context) (*held, error) {
	r := v.Settings.anchorResource()
	var h held
	there, err := v.heard(ctx, r, v.name(), &h)
	if err != nil {
		return nil, v.explain(err, r)
	}
	if !there {
		return nil, nil
	}
	return &h, h.read()
}

// heard reads an object of the service as the cluster has last told of it; false: there is none.
func (v *Driver) heard(ctx context.Context, r kube.Resource, name string, into any) (there bool, err error) {
	items, err := v.cache.Get(ctx, r, labelName, v.name())
	at := slices.IndexFunc(items, func(i kube.Item) bool { return i.Name == name })
	if err != nil || at < 0 {
		return false, err
	}
	return true, json.Unmarshal(items[at].Text, into)
}

// workload is a Deployment as the cluster tells it.
type workload struct {
	Metadata struct {
		Generation int64             `json:"generation"`
		Labels     map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"`
	} `json:"spec"`
	Status struct {
		Observed   int64       `json:"observedGeneration"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

// condition is what a controller says of an object.
type condition struct {
	Type     string `json:"type"`
	Status   string `json:"status"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	Observed int64  `json:"observedGeneration"`

	Since time.Time `json:"lastTransitionTime"`
}

// workloads are what makes the pods of each release, by name. Of Argo that is the Rollout for all of them: it says what befalls their ReplicaSets.
func (v *Driver) workloads(ctx context.Context, now *held) (map[string]workload, error) {
	all := map[string]workload{}
	if v.Settings.Form == Argo {
		var status struct {
			Conditions []condition `json:"conditions"`
		}
		if len(now.Status) == 0 || json.Unmarshal(now.Status, &status) != nil {
			return all, nil
		}
		for _, arm := range now.desired.Arms {
			var w workload
			w.Status.Conditions = status.Conditions
			all[v.Settings.deploymentOf(arm.Release)] = w
		}
		return all, nil
	}
	if !v.Settings.routed() {
		return all, nil
	}
	items, err := v.cache.Get(ctx, kube.Deployments, labelName, v.name())
	if err != nil {
		return nil, v.explain(err, kube.Deployments)
	}
	for _, item := range items {
		var w workload
		if json.Unmarshal(item.Text, &w) == nil {
			all[item.Name] = w
		}
	}
	return all, nil
}

// pod is one as the cluster tells it.
type pod struct {
	Metadata struct {
		Name    string            `json:"name"`
		UID     string            `json:"uid"`
		Labels  map[string]string `json:"labels"`
		Deleted string            `json:"deletionTimestamp"`

		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Name  string `json:"name"`
			Image string `json:"image"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase      string      `json:"phase"`
		Reason     string      `json:"reason"`
		Message    string      `json:"message"`
		IP         string      `json:"podIP"`
		Conditions []condition `json:"conditions"`
		Containers []container `json:"containerStatuses"`
		First      []container `json:"initContainerStatuses"`
	} `json:"status"`
}

// container is one of a pod.
type container struct {
	Name     string         `json:"name"`
	Ready    bool           `json:"ready"`
	Restarts int            `json:"restartCount"`
	ImageID  string         `json:"imageID"`
	State    containerState `json:"state"`
	Last     containerState `json:"lastState"`
}

type containerState struct {
	Waiting    *ended `json:"waiting"`
	Running    *ended `json:"running"`
	Terminated *ended `json:"terminated"`
}

type ended struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Code    int    `json:"exitCode"`
}

func (p pod) of(key string) bool { return p.Metadata.Labels[labelRelease] == labelOf(key) }

func (p pod) ready() bool {
	return p.Metadata.Deleted == "" && slices.ContainsFunc(p.Status.Conditions, func(c condition) bool { return c.Type == "Ready" && c.Status == "True" })
}

// reachTime is how long whoever carries the traffic has to hear of a pod that has become ready: until then it answers that there is none.
const reachTime = 2 * time.Second

// reached says whether requests find a pod that is ready. Clocks of clusters differ: one that is far ahead keeps nobody waiting.
func (p pod) reached(now time.Time) bool {
	return p.ready() && !slices.ContainsFunc(p.Status.Conditions, func(c condition) bool {
		since := now.Sub(c.Since)
		return c.Type == "Ready" && since >= -reachTime && since < reachTime
	})
}

// pods are those that serve, by name.
func (v *Driver) pods(ctx context.Context) ([]pod, error) {
	return v.podsWhere(ctx, func(p pod) bool { return p.Metadata.Labels[labelRelease] != "" })
}

// podsWhere are those of the service that are meant, by name.
func (v *Driver) podsWhere(ctx context.Context, meant func(pod) bool) ([]pod, error) {
	items, err := v.cache.Get(ctx, kube.Pods, labelName, v.name())
	if err != nil {
		return nil, v.explain(err, kube.Pods)
	}
	var all []pod
	for _, item := range items {
		var p pod
		if json.Unmarshal(item.Text, &p) == nil && meant(p) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b pod) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	return all, nil
}

// seenArm is what is known of one release, but for its share and its counts.
func (v *Driver) seenArm(ctx context.Context, arm deploy.Arm, pods []pod, workloads map[string]workload) deploy.Seen {
	one := deploy.Seen{Key: arm.Release.Key, Role: arm.Role, Replicas: arm.Replicas}
	w, has := workloads[v.Settings.deploymentOf(arm.Release)]
	if has && w.Spec.Replicas != nil {
		one.Replicas = *w.Spec.Replicas
	}
	for _, p := range pods {
		if !p.of(arm.Release.Key) || p.Metadata.Deleted != "" {
			continue
		}
		for _, c := range p.Status.Containers {
			one.Restarts += c.Restarts
		}
		other := v.otherImage(p, arm.Release)
		switch {
		case other != "":
			one.Trouble, one.Other = cmp.Or(one.Trouble, other), one.Other+1
		case p.reached(v.Now()):
			one.Ready++
		case p.ready():
		default:
			one.Trouble = cmp.Or(one.Trouble, v.troubleOf(ctx, p))
			one.Waits = cmp.Or(one.Waits, p.nodeless())
		}
	}
	if v.Settings.graphed(arm.Release) {
		trouble, other := v.stagesTrouble(ctx, arm.Release)
		if one.Trouble = cmp.Or(trouble, one.Trouble); other {
			one.Ready = 0
		}
	}
	if has && one.Ready < one.Replicas {
		one.Trouble = cmp.Or(one.Trouble, w.trouble())
	}
	if v.Settings.Form == Standard && one.Ready < one.Replicas && one.Trouble == "" {
		one.Trouble = v.inferenceTrouble(ctx, arm.Release)
	}
	return one
}

// scraped bounds how many meters are asked at once, and how long one has.
const (
	scraped    = 16
	scrapeTime = 3 * time.Second
)

// count asks the meters, and adds what pods had counted that are gone.
func (v *Driver) count(ctx context.Context, pods []pod) map[string]deploy.Seen {
	answers := make([]*deploy.Actual, len(pods))
	var each sync.WaitGroup
	slots := make(chan struct{}, scraped)
	for i, p := range pods {
		if v.Agent() == "" || p.Status.IP == "" || !p.metered() {
			continue
		}
		each.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, end := context.WithTimeout(ctx, scrapeTime)
			defer end()
			var got deploy.Actual
			if v.client.Proxied(ctx, p.Metadata.Name, portStats, "v1/actual", &got) == nil {
				answers[i] = &got
			}
		})
	}
	each.Wait()
	out := map[string]deploy.Seen{}
	there := map[string]bool{}
	for i, p := range pods {
		there[p.Metadata.UID] = true
		if answers[i] == nil || len(answers[i].Arms) == 0 {
			continue
		}
		arm := answers[i].Arms[0]
		key := p.Metadata.Annotations[noteRelease]
		if p.compares() {
			v.counts.seePairs(key, p.Metadata.UID, answers[i].Pairs)
			continue
		}
		v.counts.see(key, p.Metadata.UID, arm.Counts)
		one := out[key]
		one.InFlight += arm.InFlight
		out[key] = one
	}
	v.counts.keep(ctx, there, v.Now())
	for key, c := range v.counts.sums() {
		one := out[key]
		one.Counts = c
		out[key] = one
	}
	return out
}

// metered says whether the meter of a pod runs, or what compares in it.
func (p pod) metered() bool {
	return slices.ContainsFunc(p.Status.Containers, func(c container) bool {
		return (c.Name == meterName || c.Name == compareName) && c.State.Running != nil
	})
}
