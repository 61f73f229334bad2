package kube

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/kube"
	"mlx/internal/train"
)

// few is up to how many jobs are asked for by name; more would make the address of the request too long.
const few = 60

// Status asks once for jobs and once for pods, however many they are. Where a job has no pod, the events say why.
func (d *Driver) Status(ctx context.Context, jobs []train.Ref) ([]train.Status, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	which := kube.Select{Labels: selector(jobs)}
	var all jobList
	if err := d.api.List(ctx, kube.Jobs, which, &all); err != nil {
		return nil, err
	}
	var pods podList
	if err := d.api.List(ctx, kube.Pods, which, &pods); err != nil {
		return nil, err
	}
	s := sight{namespace: d.api.Namespace(), jobs: index(all), pods: byLabel(pods)}
	if s.needsEvents(jobs) { // who may not read events gets no reason, but a state
		_ = d.api.List(ctx, kube.Events, kube.Select{Fields: "involvedObject.kind=Job,type=Warning"}, &s.events)
	}
	if s.needsWorkloads(jobs) {
		_ = d.api.List(ctx, workloads(), kube.Select{}, &s.workloads)
	}
	out := make([]train.Status, len(jobs))
	for i, j := range jobs {
		out[i] = s.judge(j)
	}
	return out, nil
}

// index finds jobs by the id of their run: the newest, where one was handed over again.
func index(l jobList) map[string]*jobObject {
	all := make(map[string]*jobObject, len(l.Items))
	for i, j := range l.Items {
		id := j.Metadata.Annotations[runLabel]
		if before := all[id]; before == nil || later(j.Metadata.Name, before.Metadata.Name) {
			all[id] = &l.Items[i]
		}
	}
	return all
}

// later says of two names of one run's Jobs whether the first is the newer one: they end in a number without a zero before it.
func later(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

func byLabel(l podList) map[string][]podObject {
	all := make(map[string][]podObject, len(l.Items))
	for _, p := range l.Items {
		label := p.Metadata.Labels[runLabel]
		all[label] = append(all[label], p)
	}
	return all
}

// workloads are the objects in which Kueue says why a job waits.
func workloads() kube.Resource {
	return kube.Resource{Group: "kueue.x-k8s.io", Version: "v1beta1", Plural: "workloads"}
}

func selector(jobs []train.Ref) string {
	if len(jobs) > few {
		return managerLabel + "=mlx," + runLabel
	}
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = j.ID.Hex()[:labelLength]
	}
	return runLabel + " in (" + strings.Join(names, ",") + ")"
}

// sight is what was seen of a namespace.
type sight struct {
	namespace string
	jobs      map[string]*jobObject  // by id
	pods      map[string][]podObject // by label
	events    eventList
	workloads workloadList
}

type workload struct {
	Metadata metadata `json:"metadata"`
	Status   struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type workloadList struct {
	Items []workload `json:"items"`
}

func (s sight) of(r train.Ref) (*jobObject, []podObject) {
	j, pods := s.jobs[r.ID.Hex()], s.pods[r.ID.Hex()[:labelLength]]
	if j != nil {
		pods = podsOf(pods, j.Metadata.Name)
	}
	return j, pods
}

// podsOf are those that a Job has made, out of all of a run.
func podsOf(pods []podObject, job string) []podObject {
	return slices.DeleteFunc(slices.Clone(pods), func(p podObject) bool {
		of := p.Metadata.Labels["job-name"]
		return of != "" && of != job
	})
}

func (s sight) needsEvents(jobs []train.Ref) bool {
	for _, r := range jobs {
		j, pods := s.of(r)
		if j == nil || j.Spec.Suspend {
			continue
		}
		if ended, _, _ := j.closing(pods); !ended && len(pods) == 0 {
			return true
		}
	}
	return false
}

func (s sight) needsWorkloads(jobs []train.Ref) bool {
	for _, r := range jobs {
		if j, _ := s.of(r); j != nil && j.Spec.Suspend && j.Metadata.Labels[queueLabel] != "" {
			return true
		}
	}
	return false
}

// queued is why a suspended job waits.
func (s sight) queued(j *jobObject) string {
	queue := j.Metadata.Labels[queueLabel]
	if queue == "" {
		return "the Job is suspended"
	}
	for _, w := range s.workloads.Items {
		if w.Metadata.Labels["kueue.x-k8s.io/job-uid"] != j.Metadata.UID {
			continue
		}
		for _, c := range w.Status.Conditions {
			if c.Type == "QuotaReserved" && c.Status == "False" && c.Message != "" {
				return "queue " + queue + ": " + c.Message
			}
		}
	}
	return "waits in queue " + queue
}
