package kube

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What of the objects of Kubernetes a status is read from. Everything else of them is left out.

type metadata struct {
	Name              string            `json:"name"`
	UID               string            `json:"uid"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type jobObject struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Suspend     bool `json:"suspend"`
		Completions int  `json:"completions"`
	} `json:"spec"`
	Status struct {
		Active     int         `json:"active"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type jobList struct {
	Items []jobObject `json:"items"`
}

// end says whether the job has ended, whether all of it succeeded, and the cluster's words if it did not.
func (j jobObject) end() (ended, well bool, why condition) {
	for _, c := range j.Status.Conditions {
		if c.Status == "True" && (c.Type == "Complete" || c.Type == "Failed") {
			return true, c.Type == "Complete", c
		}
	}
	return false, false, condition{}
}

// closing is end also where the cluster has decided it and only counts together what the pods left.
func (j jobObject) closing(pods []podObject) (ended, well bool, why condition) {
	if ended, well, why = j.end(); ended {
		return ended, well, why
	}
	for i := range pods {
		if c := pods[i].main(); c != nil && c.State.Running != nil {
			return false, false, condition{}
		}
	}
	for _, c := range j.Status.Conditions {
		if c.Status == "True" && (c.Type == "SuccessCriteriaMet" || c.Type == "FailureTarget") {
			return true, c.Type == "SuccessCriteriaMet", c
		}
	}
	return false, false, condition{}
}

type terminated struct {
	ExitCode int    `json:"exitCode"`
	Signal   int    `json:"signal"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}

type containerStatus struct {
	Name         string `json:"name"`
	RestartCount int    `json:"restartCount"`
	State        struct {
		Waiting *struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"waiting"`
		Running *struct {
			StartedAt time.Time `json:"startedAt"`
		} `json:"running"`
		Terminated *terminated `json:"terminated"`
	} `json:"state"`
}

type podObject struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase      string            `json:"phase"`
		Reason     string            `json:"reason"`
		Message    string            `json:"message"`
		IP         string            `json:"podIP"`
		Conditions []condition       `json:"conditions"`
		Init       []containerStatus `json:"initContainerStatuses"`
		Containers []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

type podList struct {
	Items []podObject `json:"items"`
}

// main is the container of the command; nil before the node has said anything of it.
func (p *podObject) main() *containerStatus {
	for i := range p.Status.Containers {
		if p.Status.Containers[i].Name == mainName {
			return &p.Status.Containers[i]
		}
	}
	return nil
}

func (p *podObject) running() bool {
	c := p.main()
	return c != nil && c.State.Running != nil && p.Metadata.DeletionTimestamp == nil
}

// begun says that the container runs or ran, so that there is a log.
func (p *podObject) begun() bool {
	c := p.main()
	return c != nil && (c.State.Running != nil || c.State.Terminated != nil)
}

func (p *podObject) condition(kind string) *condition {
	for i, c := range p.Status.Conditions {
		if c.Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// indexAnnotation is what Kubernetes writes at pods of jobs with several nodes: the number of the node.
const indexAnnotation = "batch.kubernetes.io/job-completion-index"

// index is the number of the node that a pod is; 0 where there is only one.
func (p *podObject) index() int {
	n, err := strconv.Atoi(p.Metadata.Annotations[indexAnnotation])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// first is the newest pod of a node of a job; nil where there is none.
func first(pods []podObject, node int) *podObject {
	var found *podObject
	for i := range pods {
		p := &pods[i]
		if p.index() == node && (found == nil || p.Metadata.CreationTimestamp.After(found.Metadata.CreationTimestamp)) {
			found = p
		}
	}
	return found
}

type eventObject struct {
	Reason         string    `json:"reason"`
	Message        string    `json:"message"`
	LastTimestamp  time.Time `json:"lastTimestamp"`
	InvolvedObject struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
		UID  string `json:"uid"`
	} `json:"involvedObject"`
}

type eventList struct {
	Items []eventObject `json:"items"`
}

// last is the newest event of an object, in the cluster's words.
func (l eventList) last(uid string) string {
	var of []eventObject
	for _, e := range l.Items {
		if e.InvolvedObject.UID == uid {
			of = append(of, e)
		}
	}
	if len(of) == 0 {
		return ""
	}
	newest := slices.MaxFunc(of, func(a, b eventObject) int { return cmp.Compare(a.LastTimestamp.UnixNano(), b.LastTimestamp.UnixNano()) })
	return strings.TrimSpace(newest.Message)
}
