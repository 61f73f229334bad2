package kube

import (
	"context"
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
	s := sight{namespace: d.api.Namespace(), jobs: map[string]*jobObject{}, pods: map[string][]podObject{}}
	for i, j := range all.Items {
		s.jobs[j.Metadata.Annotations[runLabel]] = &all.Items[i]
	}
	for _, p := range pods.Items {
		label := p.Metadata.Labels[runLabel]
		s.pods[label] = append(s.pods[label], p)
	}
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

type workloadList struct {
	Items []struct {
		Metadata metadata `json:"metadata"`
		Status   struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	} `json:"items"`
}

func (s sight) of(r train.Ref) (*jobObject, []podObject) {
	return s.jobs[r.ID.Hex()], s.pods[r.ID.Hex()[:labelLength]]
}

func (s sight) needsEvents(jobs []train.Ref) bool {
	for _, r := range jobs {
		j, pods := s.of(r)
		if j == nil || j.Spec.Suspend {
			continue
		}
		if ended, _, _ := j.end(); !ended && len(pods) == 0 {
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
