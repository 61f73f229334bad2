package ray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// submission is the body of POST /api/jobs/.
type submission struct {
	Entrypoint string             `json:"entrypoint"`
	ID         string             `json:"submission_id"`
	RuntimeEnv runtimeEnv         `json:"runtime_env"`
	Metadata   map[string]string  `json:"metadata,omitempty"`
	CPUs       float64            `json:"entrypoint_num_cpus,omitempty"`
	GPUs       float64            `json:"entrypoint_num_gpus,omitempty"`
	Memory     int64              `json:"entrypoint_memory,omitempty"`
	Resources  map[string]float64 `json:"entrypoint_resources,omitempty"`
}

type runtimeEnv struct {
	WorkingDir string            `json:"working_dir"`
	Modules    []string          `json:"py_modules,omitempty"`
	Env        map[string]string `json:"env_vars,omitempty"`
	Config     map[string]any    `json:"config,omitempty"`
}

// stopMargin is how much longer than the grace Ray waits before it kills: the agent saves what there is in that time.
const stopMargin = 60 * time.Second

// request makes the job of Ray for a job. What stands in it can be read by everybody who may use the cluster.
func request(j train.Job, want demand, digest string) (submission, error) {
	var order train.Order
	if j.Order != nil { // it is only described otherwise
		var err error
		if order, err = train.ParseOrder(j.Order); err != nil {
			return submission{}, err
		}
	}
	s := submission{
		ID:       j.Name(),
		Metadata: map[string]string{"mlx_run": j.ID.Hex(), "mlx_title": j.Title},
		RuntimeEnv: runtimeEnv{
			Env: map[string]string{
				"RAY_JOB_STOP_WAIT_TIME_S": strconv.Itoa(int((order.Grace + stopMargin).Seconds())),
				train.StartVariable:        j.Name(), // another one of the same run is over for certain
			},
			Config: map[string]any{"setup_timeout_seconds": 1800},
		},
	}
	if nodes := j.Resources.Nodes; nodes > 1 {
		text, err := json.Marshal(want)
		if err != nil {
			return submission{}, err
		}
		s.Entrypoint = "exec sh ./mlx-start " + digest + " launch " + strconv.Itoa(nodes) + " " + quote(string(text)) + " " + quote(j.Dir)
		return s, nil // the places of all nodes are taken at once by what it starts
	}
	s.Entrypoint = "exec sh ./mlx-start " + digest + " run " + quote(j.Dir)
	for name, n := range want {
		switch name {
		case "CPU":
			s.CPUs = n
		case "GPU":
			s.GPUs = n
		case "memory":
			s.Memory = int64(n)
		default:
			if s.Resources == nil {
				s.Resources = make(map[string]float64)
			}
			s.Resources[name] = n
		}
	}
	return s, nil
}

// details is what the API tells of a job.
type details struct {
	Type     string  `json:"type"`
	ID       *string `json:"submission_id"`
	Status   string  `json:"status"`
	Message  *string `json:"message"`
	Error    *string `json:"error_type"`
	Exit     *int    `json:"driver_exit_code"`
	Node     *string `json:"driver_node_id"`
	AgentURL *string `json:"driver_agent_http_address"`
}

// Ended says that Ray is through with the job.
func (d details) ended() bool {
	return d.Status == "SUCCEEDED" || d.Status == "FAILED" || d.Status == "STOPPED"
}

// job asks for one. false: Ray knows no such job.
func (a api) job(ctx context.Context, id string) (details, bool, error) {
	var d details
	err := a.get(ctx, "/api/jobs/"+url.PathEscape(id), &d)
	if missing(err) {
		return d, false, nil
	}
	return d, err == nil, err
}

// maxJobs bounds the list of all jobs: each failed one tells up to 20,000 characters of its log.
const maxJobs = 512 << 20

// jobs asks for all of them with one request, and keeps the newest of those that are wanted, by their first names.
func (a api) jobs(ctx context.Context, wanted map[string]bool) (map[string]details, error) {
	resp, err := a.do(ctx, call{method: http.MethodGet, path: "/api/jobs/"})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	found, err := decodeJobs(resp.Body, wanted)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot read the jobs of Ray at %s: %w", a.base, err)
	}
	return found, nil
}

func decodeJobs(r io.Reader, wanted map[string]bool) (map[string]details, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxJobs))
	if first, err := dec.Token(); err != nil || first != json.Delim('[') {
		return nil, errors.Join(err, fmt.Errorf("it begins with %v", first))
	}
	found := make(map[string]details, len(wanted))
	for dec.More() {
		var d details
		if err := dec.Decode(&d); err != nil {
			return nil, err
		}
		if d.ID == nil {
			continue
		}
		first := firstName(*d.ID)
		if before, ok := found[first]; wanted[first] && (!ok || later(*d.ID, *before.ID)) {
			found[first] = d
		}
	}
	_, err := dec.Token()
	return found, err
}

// firstName is the name under which a job was handed over first.
func firstName(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > len("mlx-") && strings.Trim(id[i+1:], "0123456789") == "" {
		return id[:i]
	}
	return id
}

// later says of two names of one job whether the first is the newer one: numbers without a zero before them.
func later(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// Status asks for all jobs at once.
func (d *Driver) Status(ctx context.Context, refs []train.Ref) ([]train.Status, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	wanted := make(map[string]bool, len(refs))
	for _, r := range refs {
		wanted[train.Ref{ID: r.ID}.Name()] = true
	}
	found, err := d.api.jobs(ctx, wanted)
	if err != nil {
		return nil, err
	}
	all := make([]train.Status, len(refs))
	for i, r := range refs {
		first := train.Ref{ID: r.ID}.Name()
		if j, ok := found[first]; ok {
			r.Handle = *j.ID
			all[i] = j.status(r)
			continue
		}
		all[i] = train.Status{Ref: r, State: train.Gone, Cause: train.CauseMissing, Reason: "Ray has no job " + r.Name() + ": its head was restarted, or somebody deleted it"}
	}
	return all, nil
}

// status puts what Ray says into the words of mlx.
func (d details) status(r train.Ref) train.Status {
	r.Handle = r.Name()
	starts := r.Number(r.Handle)
	s := train.Status{Ref: r, State: train.Unknown, Exit: d.Exit, Node: d.host(), Starts: starts}
	message := ""
	if d.Message != nil {
		message = *d.Message
	}
	switch d.Status {
	case "PENDING":
		s.State, s.Reason, s.Starts = train.Pending, brief(message), starts-1
	case "RUNNING":
		s.State = train.Running
	case "SUCCEEDED":
		s.State = train.Done
	case "STOPPED":
		s.State, s.Cause, s.Reason = train.Gone, train.CauseCancelled, brief(message)
	case "FAILED":
		s.State, s.Cause, s.Reason = d.failure(message)
	default:
		s.Reason = "Ray calls it " + brief(d.Status)
	}
	return s
}

// failure tells the agent's own end from that by others, by the error type where Ray says one, and by its words.
func (d details) failure(message string) (train.State, train.Cause, string) {
	if d.Exit != nil && *d.Exit >= 0 {
		return train.Done, train.CauseNone, ""
	}
	if d.Exit != nil {
		return train.Gone, train.CauseExit, "the agent was killed by signal " + strconv.Itoa(-*d.Exit)
	}
	kind := ""
	if d.Error != nil {
		kind = *d.Error
	}
	reason := brief(message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(message, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("running low on memory", "OutOfMemory"):
		return train.Gone, train.CauseMemory, reason
	case has("killed by `ray.kill`", "ray.kill"):
		return train.Gone, train.CauseCancelled, reason
	case has("preempt", "PREEMPT"):
		return train.Gone, train.CausePreempted, reason
	case kind == "JOB_SUPERVISOR_ACTOR_START_TIMEOUT" || has("failed to start within"):
		return train.Gone, train.CauseTime, reason
	case kind == "JOB_SUPERVISOR_ACTOR_DIED" || kind == "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE" || has("actor died", "node"):
		return train.Gone, train.CauseNode, reason
	}
	return train.Gone, train.CauseNone, reason
}

// host is where the job executes.
func (d details) host() string {
	if d.AgentURL == nil {
		return ""
	}
	u, err := url.Parse(*d.AgentURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
