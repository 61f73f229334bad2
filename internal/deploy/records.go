package deploy

import (
	"fmt"
	"time"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// The kinds of record.
var (
	Planned  = lineage.Define[Plan]("deploy.planned/v1")
	Moved    = lineage.Define[Move]("deploy.moved/v1")
	Asked    = lineage.Define[Asking]("deploy.asked/v1")
	Observed = lineage.Define[Observation]("deploy.observed/v1")
)

// noun is that of all these records.
const noun = "deploy"

// Plan is the body of deploy.planned/v1: a rollout begins. Its record is the id of the rollout.
type Plan struct {
	Spec
	Generation uint64         `json:"generation"` // above every one that the service has had
	Replaces   *object.Digest `json:"replaces,omitempty"`
	Message    string         `json:"message,omitempty"`
	Commit     string         `json:"commit,omitempty"` // of git, that holds the settings
}

// Move is the body of deploy.moved/v1: a rollout came from one state to another.
type Move struct {
	Service    string          `json:"service"`
	Rollout    object.Digest   `json:"rollout"`
	Generation uint64          `json:"generation"`
	From       State           `json:"from"`
	To         State           `json:"to"`
	Held       State           `json:"held,omitempty"` // of a paused one
	Step       int             `json:"step"`           // from 0
	Share      Share           `json:"share"`          // of the candidate, from here on
	Reason     string          `json:"reason,omitempty"`
	Actor      string          `json:"actor"`
	Findings   []gate.Finding  `json:"findings,omitempty"`
	Obeys      []object.Digest `json:"obeys,omitempty"` // records of words that were obeyed
	Stable     string          `json:"stable,omitempty"`
	Candidate  string          `json:"candidate"` // keys of the releases
	Commit     string          `json:"commit,omitempty"`
	Until      *time.Time      `json:"until,omitempty"` // of a completed one: until when the release before it is kept ready
	Marks      *Marks          `json:"marks,omitempty"` // of a state in which the candidate has requests or copies
}

// Asking is the body of deploy.asked/v1: somebody wants something of a rollout that another process may be carrying out.
type Asking struct {
	Service string        `json:"service"`
	Rollout object.Digest `json:"rollout"`
	Word    Word          `json:"word"`
	Reason  string        `json:"reason,omitempty"`
	Actor   string        `json:"actor"`
}

// Observation is the body of deploy.observed/v1: the target was seen to do what a state asks for, or is watched while it does.
type Observation struct {
	Service    string        `json:"service"`
	Rollout    object.Digest `json:"rollout"`
	Generation uint64        `json:"generation"`
	State      State         `json:"state"`
	Took       time.Duration `json:"took_ns"`    // from the record of the state until then
	Watched    time.Duration `json:"watched_ns"` // see Rollout
	Arms       []ObservedArm `json:"arms"`
}

// ObservedArm is what was seen of a release.
type ObservedArm struct {
	Key      string `json:"key"`
	Role     Role   `json:"role"`
	Share    Share  `json:"share"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	Requests int64  `json:"requests"` // since the target first served it
	Answers  int64  `json:"answers"`
	Errors   int64  `json:"errors"`
}

// moveOf is the record of a change.
func moveOf(before, after Rollout) Move {
	m := Move{Service: after.Service, Rollout: after.ID, Generation: after.Generation, From: before.State, To: after.State, Held: after.Held,
		Step: after.Step, Share: after.Share(), Reason: after.Reason, Actor: after.Actor, Findings: after.Findings, Obeys: after.Obeyed,
		Candidate: after.To.Key, Commit: after.To.Commit}
	if after.From != nil {
		m.Stable = after.From.Key
	}
	if after.State == StateCompleted {
		m.Until = &after.Until
	}
	if p := after.phase(); p == StateShadow || p == StateStep {
		marks := after.Marks
		m.Marks = &marks
	}
	return m
}

// observationOf is the record of what is seen.
func observationOf(r Rollout, seen Actual, took time.Duration) Observation {
	o := Observation{Service: r.Service, Rollout: r.ID, Generation: r.Generation, State: r.State, Took: took, Watched: r.Watched,
		Arms: make([]ObservedArm, 0, len(seen.Arms))}
	for _, s := range seen.Arms {
		o.Arms = append(o.Arms, ObservedArm{Key: s.Key, Role: s.Role, Share: s.Share, Replicas: s.Replicas, Ready: s.Ready,
			Requests: s.Counts.Requests, Answers: s.Counts.Answers, Errors: s.Counts.Errors})
	}
	return o
}

// op is the idempotency key of a change: whoever makes it twice makes it once.
func (m Move) op() string {
	return fmt.Sprintf("deploy %s %d %s %s %d", m.Rollout.Hex(), m.Generation, m.To, m.Held, m.Step)
}

// Named is the input of every record of a service: the ledger finds them by it without looking at others.
func Named(service string) lineage.Input {
	return lineage.Input{Role: "service", ID: object.Sum([]byte("mlx service\n" + service))}
}
