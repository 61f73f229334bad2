package kube

import (
	"cmp"
	"fmt"
	"strings"

	"mlx/internal/train"
)

// judge makes one status of what the Job, its pods and their containers say.
func (s sight) judge(r train.Ref) train.Status {
	out := train.Status{Ref: r}
	j, pods := s.of(r)
	if j == nil {
		out.State, out.Cause = train.Gone, train.CauseMissing
		out.Reason = fmt.Sprintf("namespace %s has no Job %s", s.namespace, r.Name())
		return out
	}
	out.Handle = s.namespace + "/" + j.Metadata.Name
	out.Starts = max(0, out.Number(j.Metadata.Name)-1)
	for i := range pods {
		if pods[i].index() == 0 {
			out.Starts += 1 + restarts(&pods[i])
		}
		if c := pods[i].main(); c != nil && c.State.Running != nil {
			out.Ending = true // where the Job is over: a node may not have ended it yet
		}
	}
	main := first(pods, 0)
	if main != nil {
		out.Node = main.Spec.NodeName
	}
	ended, well, why := j.closing(pods)
	switch {
	case ended:
		s.ended(&out, pods, well, why)
	case j.Spec.Suspend:
		out.State, out.Reason = train.Pending, s.queued(j)
	case main == nil && j.Metadata.DeletionTimestamp != nil:
		out.State, out.Cause, out.Reason = train.Gone, train.CauseCancelled, "the Job is being deleted"
	case main == nil:
		out.State, out.Reason = train.Pending, cmp.Or(s.events.last(j.Metadata.UID), "its pod is not made yet")
	default:
		alive(&out, j, pods)
	}
	if out.State == train.Gone && out.Cause != train.CauseMemory && j.Metadata.DeletionTimestamp != nil {
		out.Cause = train.CauseCancelled // who deletes a Job does not want it
	}
	if c := main.runs(); out.State == train.Running && c != nil {
		out.Began = c.State.Running.StartedAt
	}
	return out
}

// runs is the container of the command, while it runs.
func (p *podObject) runs() *containerStatus {
	if p == nil {
		return nil
	}
	if c := p.main(); c != nil && c.State.Running != nil {
		return c
	}
	return nil
}

func restarts(p *podObject) int {
	if c := p.main(); c != nil {
		return c.RestartCount
	}
	return 0
}

// ended judges a job that is over. The first container that failed by itself says more than the Job does.
func (s sight) ended(out *train.Status, pods []podObject, well bool, why condition) {
	zero := 0
	if well {
		out.State, out.Exit = train.Done, &zero
		return
	}
	if p := guilty(pods); p != nil {
		judgePod(out, p)
	} else {
		out.State, out.Cause, out.Reason = train.Gone, train.CauseNode, "its pod was deleted: "+why.Message
	}
	if why.Reason == "DeadlineExceeded" {
		out.State, out.Cause, out.Reason = train.Gone, train.CauseTime, why.Message
	}
}

// guilty is the pod to blame: the first that failed, and of the first node if none did.
func guilty(pods []podObject) *podObject {
	var found *podObject
	for i := range pods {
		p := &pods[i]
		if p.Status.Phase == "Failed" && (found == nil || p.Metadata.CreationTimestamp.Before(found.Metadata.CreationTimestamp)) {
			found = p
		}
	}
	if found == nil {
		found = first(pods, 0)
	}
	return found
}

// alive judges a job that the cluster still works on. It runs when all of its nodes do.
func alive(out *train.Status, j *jobObject, pods []podObject) {
	nodes := max(1, j.Spec.Completions)
	for n := range nodes {
		p := first(pods, n)
		if p == nil {
			out.State, out.Reason = train.Pending, fmt.Sprintf("the pod of node %d of %d is not made yet", n+1, nodes)
			return
		}
		if reason, waits := waiting(p); waits {
			out.State, out.Reason = train.Pending, reason
			if nodes > 1 {
				out.Reason = fmt.Sprintf("node %d of %d: %s", n+1, nodes, reason)
			}
			return
		}
	}
	p := first(pods, 0)
	if c := p.main(); c != nil && c.State.Running != nil {
		out.State = train.Running
		if p.Metadata.DeletionTimestamp != nil {
			out.Reason = "the pod is being ended"
		}
		return
	}
	judgePod(out, p) // sidecars may keep it; the job is over when its own container is
}

// waiting says why a pod does not execute yet.
func waiting(p *podObject) (reason string, waits bool) {
	if p.Status.Phase == "Failed" || p.Status.Phase == "Succeeded" || p.begun() {
		return "", false
	}
	if c := p.condition("PodScheduled"); c != nil && c.Status == "False" {
		return cmp.Or(c.Message, c.Reason), true
	}
	for _, all := range [][]containerStatus{p.Status.Init, p.Status.Containers} {
		for _, c := range all {
			if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return strings.TrimSuffix(fmt.Sprintf("container %s: %s: %s", c.Name, w.Reason, w.Message), ": "), true
			}
		}
	}
	if p.Spec.NodeName == "" {
		return "waits for a node", true
	}
	return "the containers are being made on " + p.Spec.NodeName, true
}

// judgePod judges a pod that is over, or whose container is.
func judgePod(out *train.Status, p *podObject) {
	out.State = train.Gone
	if p.Spec.NodeName != "" {
		out.Node = p.Spec.NodeName
	}
	var t *terminated
	if c := p.main(); c != nil {
		t = c.State.Terminated
	}
	if t != nil {
		code := t.ExitCode
		out.Exit = &code
		if code == 0 {
			out.State = train.Done
			return
		}
	}
	if cause, reason := taken(p); cause != train.CauseNone {
		out.Cause, out.Reason = cause, reason
		return
	}
	if t == nil {
		out.Cause, out.Reason = train.CauseExit, beforeMain(p)
		return
	}
	switch {
	case t.Reason == "OOMKilled":
		out.Cause, out.Reason = train.CauseMemory, "OOMKilled: the container went over its memory"
	case t.Reason != "Error" && t.Reason != "":
		out.Cause, out.Reason = train.CauseExit, strings.TrimSuffix(t.Reason+": "+strings.TrimSpace(t.Message), ": ")
	case t.ExitCode > 128 && p.Metadata.DeletionTimestamp != nil:
		out.Cause, out.Reason = train.CauseNode, "its pod was deleted"
	case t.ExitCode > 128:
		out.Cause, out.Reason = train.CauseExit, fmt.Sprintf("killed by signal %d", t.ExitCode-128)
	case t.ExitCode == 126 || t.ExitCode == 127: // of the shell that waits for mlx, or of a command whose results tell more
		out.State, out.Reason = train.Done, "mlx may not execute in this image: it must be built for it, with CGO_ENABLED=0"
	case t.ExitCode == waitedStatus && t.Message != "":
		out.Cause, out.Reason = train.CauseExit, strings.TrimSpace(t.Message)
	default:
		out.State = train.Done
	}
}

// taken says whether the cluster took the place of a pod.
func taken(p *podObject) (train.Cause, string) {
	if c := p.condition("DisruptionTarget"); c != nil && c.Status == "True" {
		reason := strings.TrimSuffix(c.Reason+": "+c.Message, ": ")
		switch c.Reason {
		case "PreemptionByScheduler", "EvictionByEvictionAPI":
			return train.CausePreempted, reason
		}
		return train.CauseNode, reason // DeletionByTaintManager, DeletionByPodGC, TerminationByKubelet
	}
	switch p.Status.Reason {
	case "":
		return train.CauseNone, ""
	case "DeadlineExceeded":
		return train.CauseTime, cmp.Or(p.Status.Message, p.Status.Reason)
	case "Preempting", "Preempted":
		return train.CausePreempted, cmp.Or(p.Status.Message, p.Status.Reason)
	}
	return train.CauseNode, strings.TrimSuffix(p.Status.Reason+": "+p.Status.Message, ": ") // Evicted, NodeLost, Shutdown, NodeAffinity
}

// beforeMain is why the container of the command never ran.
func beforeMain(p *podObject) string {
	for _, c := range p.Status.Init {
		if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
			return fmt.Sprintf("container %s, which brings mlx, ended with status %d: %s", c.Name, t.ExitCode, cmp.Or(t.Message, t.Reason))
		}
	}
	return cmp.Or(p.Status.Message, "its container never ran")
}
