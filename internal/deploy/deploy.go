// Package deploy hides how a new version of a model takes over from the old one: the states of a rollout and what moves it from one to
// the next, what is judged at each step, and what must be asked of whatever carries the traffic. A rollout is a value that is folded from
// the records of the ledger; Rollout.Next is pure. A Driver of two methods makes one kind of target do what a Desired says.
//
// Two rules stand above all others: all traffic never goes to a version that has not proven itself, and a rollback always finds the last
// good one.
package deploy

import (
	"context"
	"errors"
	"strconv"
	"time"

	"mlx/internal/object"
)

// Driver is a target: a host with the router of mlx, HAProxy, Kubernetes.
type Driver interface {
	// Apply asks for a state. It is idempotent. ErrStale: the target has obeyed a later generation, that of somebody else.
	Apply(ctx context.Context, d Desired) error
	// Observe tells what is so. An error says that the target could not be asked: nothing is known then.
	Observe(ctx context.Context, service string) (Actual, error)
}

// ErrStale says that a target has obeyed a later generation than the one that was asked for: somebody else has acted meanwhile.
var ErrStale = errors.New("a later generation is in force")

// Share is a part of the traffic in ten thousandths: 10000 is all of it.
type Share int

// All is all of the traffic.
const All Share = 10_000

// Float is the share as a number from 0 to 1.
func (s Share) Float() float64 { return float64(s) / float64(All) }

// Role is what an arm is for.
type Role string

// The roles.
const (
	Stable    Role = "stable"
	Candidate Role = "candidate"
	Shadow    Role = "shadow"   // it gets copies, and its answers go to nobody
	Previous  Role = "previous" // it gets nothing, and is kept ready to return to
)

// Release is a version of a model as it is served: exactly these bytes by exactly this command.
type Release struct {
	Key     string        `json:"key"`              // names it everywhere: hex digest of all that follows
	Model   string        `json:"model"`            // its name in the registry
	Version int           `json:"version"`          // its number there
	Record  object.Digest `json:"record"`           // that registered it
	Digest  object.Digest `json:"digest"`           // of its bytes
	Image   string        `json:"image,omitempty"`  // digest of the package it was started from: "sha256:..."
	Run     object.Digest `json:"run"`              // that made it
	Data    []string      `json:"data,omitempty"`   // digests of the snapshots that the run read
	Commit  string        `json:"commit,omitempty"` // of git, of the code that made it
	Code    object.Digest `json:"code"`             // snapshot of the code that serves it
	Serve   Serve         `json:"serve"`            // how it is served

	// Stages are what it consists of when it is more than one model. The model above is that of the last stage which has one.
	Stages  []ReleaseStage `json:"stages,omitempty"`
	Combine *Combine       `json:"combine,omitempty"` // of stages
}

// Serve is how a server of a release is started. A server is any command that listens on port PORT of 127.0.0.1.
type Serve struct {
	Command string        `json:"command"`
	Env     []string      `json:"env,omitempty"`   // NAME=value, beside those of the machine
	Ready   string        `json:"ready,omitempty"` // path that answers 200 when it can work; empty: it is found by trying those that servers use
	Start   time.Duration `json:"start"`           // longest time until it is ready
	Stop    time.Duration `json:"stop"`            // what it has to end after TERM

	Protocol   string `json:"protocol"`             // v2, mlflow, json or raw
	Idempotent bool   `json:"idempotent,omitempty"` // asking twice does no harm
}

// Name is what a person would type: flights@v7; of stages small@v3+large@v2.
func (r Release) Name() string {
	if len(r.Stages) > 0 {
		return r.Versions()
	}
	return r.Model + "@v" + strconv.Itoa(r.Version)
}

// Desired is what should be so. The zero value of an arm has no traffic.
type Desired struct {
	Service    string `json:"service"`
	Generation uint64 `json:"generation"` // a target obeys a greater one than it has obeyed, and no other
	Arms       []Arm  `json:"arms"`       // at most one of each role; the shares of stable and candidate sum to All, unless there is no stable
	Sticky     Sticky `json:"sticky"`
	// Lease is how long a candidate keeps its traffic without a word from who controls the rollout. 0: for ever. When it ends the target
	// gives everything to stable by itself, and remembers that it did.
	Lease time.Duration `json:"lease"`
	// Mirror is the share of the requests that the shadow gets a copy of.
	Mirror Share `json:"mirror"`
	// Breaks is how many broken connections of the candidate within BreaksIn make the target give all to stable at once. 0: no number.
	Breaks   int           `json:"breaks"`
	BreaksIn time.Duration `json:"breaks_in"`
}

// Arm is one version that is served beside others.
type Arm struct {
	Role     Role    `json:"role"`
	Release  Release `json:"release"`
	Share    Share   `json:"share"`
	Replicas int     `json:"replicas"`
	// Until is when a previous release need not be kept ready any longer.
	Until time.Time `json:"until,omitzero"`
}

// Sticky says how a request gets its arm. Key names where the word stands that is hashed; without one every request is drawn by itself.
// A word always falls in the same of 10000 buckets, and the candidate has the first Share of them: who has it keeps it as it grows.
type Sticky struct {
	Header string `json:"header,omitempty"` // name of a header
	Cookie string `json:"cookie,omitempty"` // name of a cookie
	Field  string `json:"field,omitempty"`  // JSON pointer into the body
	// Strict sends who has no word to stable, and counts them for no arm: of an experiment.
	Strict bool   `json:"strict,omitempty"`
	Salt   string `json:"salt"` // another for each rollout, so that not always the same are asked first
}

// Actual is what is so.
type Actual struct {
	Generation uint64    `json:"generation"` // that the target obeys
	At         time.Time `json:"at"`
	Arms       []Seen    `json:"arms"`
	Pairs      Pairs     `json:"pairs"`
	Reverted   *Reverted `json:"reverted,omitempty"` // the target gave all to stable by itself, and nobody has said anything since
	Trouble    string    `json:"trouble,omitempty"`  // of the target: "the router does not run"
	Log        *Logged   `json:"log,omitempty"`      // nil: nothing is logged
}

// Logged is what becomes of the predictions of a service in its log.
type Logged struct {
	Strict   bool   `json:"strict,omitempty"`   // what cannot be kept is not answered
	Kept     int64  `json:"kept"`               // requests that this process of the target has handed to the log
	Dropped  int64  `json:"dropped"`            // and those that it has answered without keeping them
	Refused  int64  `json:"refused"`            // requests that were not answered, because they could not be kept; since ever
	Refusing bool   `json:"refusing,omitempty"` // the next one would be refused
	Trouble  string `json:"trouble,omitempty"`  // why it cannot be written, sealed or sent on
}

// Reverted tells that a target took the traffic from a candidate by itself.
type Reverted struct {
	Generation uint64    `json:"generation"` // in which it happened
	At         time.Time `json:"at"`
	Reason     string    `json:"reason"`
}

// Seen is what is known of one release. What is counted is counted by its key since the target first served it, and never starts again
// while it is served.
type Seen struct {
	Key      string   `json:"key"`
	Role     Role     `json:"role"`
	Share    Share    `json:"share"` // that the target gives it
	Replicas int      `json:"replicas"`
	Ready    int      `json:"ready"` // of these
	Restarts int      `json:"restarts"`
	Other    int      `json:"other,omitempty"`   // servers that run other bytes than were released
	Trouble  string   `json:"trouble,omitempty"` // why one is not ready: what its server said last
	Waits    string   `json:"waits,omitempty"`   // what one that does not start waits for, which takes its time: a node
	Servers  []string `json:"servers,omitempty"` // HOST:PORT of those that are ready, where they can be asked past the router
	InFlight int64    `json:"in_flight"`         // requests that it is answering
	Memory   int64    `json:"memory,omitempty"`  // bytes that one of them holds, the largest; 0: not known
	Counts   Counters `json:"counts"`

	Stages []SeenStage `json:"stages,omitempty"` // of a release that has some
}

// Counters count the answers of a release to users; of a shadow, to the copies.
type Counters struct {
	Requests int64 `json:"requests"` // that it was chosen for
	Answers  int64 `json:"answers"`  // with a status below 500
	Errors   int64 `json:"errors"`   // status 500 and above, or none
	Retried  int64 `json:"retried"`  // of Errors: its connection broke, and stable answered in its place
	Refused  int64 `json:"refused"`  // the request did not fit the schema of the model: it never saw it
	Schema   int64 `json:"schema"`   // of Answers: an answer that does not fit the schema of the model
	// Lost are requests that it was given and of which nothing else is known: their lines of a log did not arrive. They count nowhere else.
	Lost    int64     `json:"lost,omitempty"`
	Latency Histogram `json:"latency"` // of Answers and Errors, in microseconds, from the first byte to its server to the last byte back
	Outputs Outputs   `json:"outputs"` // of Answers
}

// Pairs compare the answers of the shadow with those of stable to the same requests.
type Pairs struct {
	Eligible  int64 `json:"eligible"`  // requests that a copy was to be made of
	Compared  int64 `json:"compared"`  // of these: both answered, and the answers were compared
	Dropped   int64 `json:"dropped"`   // of these: no copy was sent, or its answer came too late, because the shadow did not keep up
	Unlike    int64 `json:"unlike"`    // of Eligible: answers of a kind that cannot be compared: streams, or longer than the limit
	Failed    int64 `json:"failed"`    // of Compared: the shadow failed where stable did not
	Disagreed int64 `json:"disagreed"` // of Compared, Failed among them: answers differ by more than the tolerance
	// Differences are |a-b| of numbers in comparable answers, in millionths.
	Differences Histogram `json:"differences"`
}

// Outputs is how the predictions of a release are spread: its first number, or its first word, in each answer.
type Outputs struct {
	Low   Histogram        `json:"low"`             // of numbers below zero: their magnitude in millionths
	High  Histogram        `json:"high"`            // of numbers from zero up, in millionths
	Words map[string]int64 `json:"words,omitempty"` // at most MaxWords different ones; the rest is counted under ""
}

// MaxWords is how many different words of answers are counted one by one.
const MaxWords = 64
