package slurm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"mlx/internal/train"
)

// judge reads what Slurm knows of a job that has left no result. now is the time on the login node, in the words of squeue.
func judge(st *train.Status, s seen, now string) {
	word, by, _ := strings.Cut(strings.TrimRight(s.state, "+"), " ") // "CANCELLED by 1000"
	gone := func(cause train.Cause, reason string) { st.State, st.Cause, st.Reason = train.Gone, cause, reason }
	switch word {
	case "PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD":
		st.State, st.Reason, st.Node = train.Pending, explain(s.reason), ""
	case "CONFIGURING":
		st.State, st.Reason = train.Pending, "the nodes are being made ready"
	case "RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING":
		st.State = train.Running
	case "SUSPENDED", "STOPPED":
		st.State, st.Reason = train.Running, "Slurm has suspended it"
	case "TIMEOUT":
		gone(train.CauseTime, "Slurm ended it at its time limit")
	case "DEADLINE":
		gone(train.CauseTime, "Slurm ended it at its deadline")
	case "OUT_OF_MEMORY":
		gone(train.CauseMemory, "it used more memory than it had asked for")
	case "PREEMPTED":
		gone(train.CausePreempted, "Slurm gave its place to another job")
	case "NODE_FAIL":
		gone(train.CauseNode, "node "+s.node+" failed")
	case "BOOT_FAIL", "LAUNCH_FAILED":
		gone(train.CauseNode, "a node could not be made ready")
	case "CANCELLED", "REVOKED":
		gone(train.CauseCancelled, strings.TrimSpace("Slurm says: cancelled "+by))
	case "COMPLETED":
		if recent(s.ended, now) && !s.past {
			st.State, st.Reason = train.Running, "it has ended, and its result is not seen yet"
			break
		}
		gone(train.CauseExit, "the agent ended without a result")
	case "FAILED":
		failed(st, s)
	default:
		st.State, st.Reason = train.Unknown, "Slurm says "+word
	}
}

// failed tells how an agent ended: STATUS:SIGNAL.
func failed(st *train.Status, s seen) {
	st.State, st.Cause, st.Reason = train.Gone, train.CauseExit, "the agent failed"
	status, signal, _ := strings.Cut(s.exit, ":")
	code, err := strconv.Atoi(status)
	number, bad := strconv.Atoi(signal)
	switch {
	case err != nil || bad != nil:
		return
	case number > 0:
		code = 128 + number
		st.Reason = fmt.Sprintf("the agent was killed by signal %d", number)
	case code > 0:
		st.Reason = fmt.Sprintf("the agent ended with status %d", code)
	}
	st.Exit = &code
	if s.reason != "" && s.reason != "None" && s.reason != "NonZeroExitCode" {
		st.Reason += ": " + s.reason
	}
}

// recent says whether a job has just ended. Both times are those of the login node.
func recent(ended, now string) bool {
	const layout = "2006-01-02T15:04:05"
	at, err := time.Parse(layout, ended)
	is, bad := time.Parse(layout, now)
	return err == nil && bad == nil && is.Sub(at) < soon
}

// explain adds what a reason of Slurm means, where the word does not tell.
func explain(reason string) string {
	word, _, _ := strings.Cut(reason, ",")
	if meaning := meaning(word); meaning != "" {
		return reason + ": " + meaning
	}
	if reason == "None" || reason == "" {
		return "Slurm has not looked at it yet"
	}
	return reason
}

func meaning(reason string) string {
	switch reason {
	case "Resources":
		return "what it asks for is in use; it starts when that is free"
	case "Priority":
		return "jobs before it in the queue come first"
	case "Dependency":
		return "it waits for another job"
	case "DependencyNeverSatisfied":
		return "it waits for a job that has failed, and will never start"
	case "BeginTime":
		return "it may not start yet; a job that is queued again waits two minutes on most clusters"
	case "JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue":
		return "it is held, until somebody says scontrol release"
	case "ReqNodeNotAvail", "Reserved_for_maintenance":
		return "the nodes for it are down, drained or reserved"
	case "Reservation":
		return "it waits for its reservation"
	case "Licenses":
		return "it waits for a licence"
	case "PartitionDown", "PartitionInactive":
		return "the partition takes no jobs now"
	case "PartitionTimeLimit":
		return "it asks for more time than the partition allows"
	case "PartitionNodeLimit", "PartitionConfig":
		return "it asks for more than the partition has"
	case "BadConstraints":
		return "no node is as it asks"
	case "JobArrayTaskLimit":
		return "as many tasks of the array run as may"
	case "InvalidAccount":
		return "the account is not known"
	case "InvalidQOS", "QOSNotAllowed":
		return "you may not use that QOS there"
	case "launch failed requeued held":
		return "a node could not start it; it is held, until somebody says scontrol release"
	}
	for _, limit := range []struct{ prefix, of string }{{"QOS", "the QOS"}, {"Assoc", "your account"}, {"MaxGRESPerAccount", "your account"}} {
		if !strings.HasPrefix(reason, limit.prefix) {
			continue
		}
		switch {
		case strings.Contains(reason, "PerJob"), strings.Contains(reason, "WallDuration"):
			return "one job may not ask for that much, by " + limit.of
		case strings.Contains(reason, "Limit"), strings.Contains(reason, "Max"), strings.Contains(reason, "Grp"):
			return "as much is in use as " + limit.of + " allows; it starts when jobs end"
		}
	}
	return ""
}
