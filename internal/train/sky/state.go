package sky

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// cluster is a row of `sky status -o json`.
type cluster struct {
	Name   string  `json:"name"`
	Status string  `json:"status"` // INIT, UP, STOPPED
	Why    *string `json:"init_status_reason"`
	Nodes  string  `json:"node_names"`
}

// queued is a row of `sky queue -o json`.
type queued struct {
	ID     int     `json:"job_id"`
	Status string  `json:"status"`
	Exit   []int   `json:"exit_codes"`
	Start  float64 `json:"start_at"` // seconds since 1970; 0 is not known
}

// fragment finds the JSON in an output: SkyPilot writes also for people on stdout.
func fragment[T any](text, open string) (v T, err error) {
	text = plain(text)
	for at := 0; ; {
		i := strings.Index(text[at:], open)
		if i < 0 {
			return v, fault.New(fault.Unavailable, "cannot read what SkyPilot says: %.200q", strings.TrimSpace(text))
		}
		at += i
		if at == 0 || text[at-1] == '\n' {
			if err := json.NewDecoder(strings.NewReader(text[at:])).Decode(&v); err == nil {
				return v, nil
			}
		}
		at += len(open)
	}
}

// clusters asks for all clusters at once.
func (d *Driver) clusters(ctx context.Context) (map[string]cluster, error) {
	out, err := d.sky(ctx, askTime, "status", "-o", "json")
	if err != nil {
		return nil, err
	}
	if out.status != 0 {
		return nil, fault.New(fault.Unavailable, "cannot ask SkyPilot: %s", out.words()).Hint("sky api status")
	}
	return parseClusters(out.stdout)
}

func parseClusters(text string) (map[string]cluster, error) {
	rows, err := fragment[[]cluster](text, "[")
	all := make(map[string]cluster, len(rows))
	for _, c := range rows {
		all[c.Name] = c
	}
	return all, err
}

// queues asks for the jobs of some clusters, all of which are up.
func (d *Driver) queues(ctx context.Context, names []string) (map[string][]queued, error) {
	out, err := d.sky(ctx, askTime, append([]string{"queue", "-o", "json"}, names...)...)
	if err != nil {
		return nil, err
	}
	if out.status != 0 {
		return nil, fault.New(fault.Unavailable, "cannot ask SkyPilot: %s", out.words()).Hint("sky api status")
	}
	return fragment[map[string][]queued](out.stdout, "{")
}

// Status asks twice: which clusters there are, and what those that are up do.
func (d *Driver) Status(ctx context.Context, refs []train.Ref) ([]train.Status, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	known, err := d.clusters(ctx)
	if err != nil {
		return nil, err
	}
	refs = newest(refs, known)
	var up []string
	for _, r := range refs {
		if c, ok := known[r.Name()]; ok && (c.Status == "UP" || c.Status == "AUTOSTOPPING") {
			up = append(up, r.Name())
		}
	}
	var jobs map[string][]queued
	if len(up) > 0 {
		if jobs, err = d.queues(ctx, up); err != nil {
			return nil, err
		}
	}
	all := make([]train.Status, len(refs))
	for i, r := range refs {
		c, ok := known[r.Name()]
		if !ok {
			all[i] = train.Status{Ref: r, State: train.Gone, Cause: train.CauseMissing, Reason: "SkyPilot has no cluster " + r.Name()}
			continue
		}
		all[i] = status(r, c, jobs[r.Name()])
	}
	return all, nil
}

// status puts what SkyPilot says into the words of mlx.
func status(r train.Ref, c cluster, jobs []queued) train.Status {
	r.Handle = c.Name
	s := train.Status{Ref: r, State: train.Unknown, Node: c.Nodes}
	switch {
	case c.Status == "INIT":
		s.State, s.Reason = train.Pending, "SkyPilot is getting machines"
		if c.Why != nil {
			s.Reason = *c.Why
		}
		return s
	case c.Status == "STOPPED":
		s.State, s.Cause, s.Reason = train.Gone, train.CausePreempted, "the cluster was stopped"
		return s
	case len(jobs) == 0:
		s.State, s.Reason = train.Pending, "SkyPilot has the machines"
		return s
	}
	job := jobs[0] // the newest stands first, and there is one
	word := strings.TrimPrefix(job.Status, "JobStatus.")
	if len(job.Exit) > 0 {
		s.Exit = &job.Exit[0]
	}
	switch word {
	case "INIT", "PENDING", "SETTING_UP":
		s.State, s.Reason = train.Pending, "SkyPilot: "+strings.ToLower(word)
	case "RUNNING":
		s.State, s.Starts = train.Running, 1
		if job.Start > 0 && job.Start < 1e11 {
			s.Began = time.UnixMilli(int64(job.Start * 1000)).UTC()
		}
	case "SUCCEEDED", "FAILED":
		s.State, s.Starts = train.Done, 1
	case "FAILED_SETUP", "FAILED_DRIVER":
		s.State, s.Cause, s.Reason = train.Gone, train.CauseNode, "SkyPilot: "+strings.ToLower(word)
	case "CANCELLED":
		s.State, s.Cause, s.Reason = train.Gone, train.CauseCancelled, "SkyPilot: cancelled"
	default:
		s.Reason = "SkyPilot calls it " + word
	}
	return s
}

// Logs reads what SkyPilot has of the output of a job, from a byte on.
func (d *Driver) Logs(ctx context.Context, ref train.Ref, from int64) (io.ReadCloser, error) {
	out, err := d.sky(ctx, askTime, "logs", "--no-follow", "--tail", "0", ref.Name(), "1")
	if err != nil {
		return nil, err
	}
	text := out.stdout
	return io.NopCloser(bytes.NewReader([]byte(text[min(from, int64(len(text))):]))), nil
}

// Cancel asks the agent to end. The cluster stays until its results were fetched, unless the agent does not listen: then
// SkyPilot takes it away.
func (d *Driver) Cancel(ctx context.Context, ref train.Ref, grace time.Duration) error {
	known, err := d.clusters(ctx)
	if err != nil {
		return err
	}
	c, ok := known[ref.Name()]
	if !ok {
		return nil
	}
	if c.Status == "UP" {
		if ended, err := d.end(ctx, ref, grace); ended || err != nil && ctx.Err() != nil {
			return err
		}
	}
	return d.down(ctx, ref.Name())
}

// down takes a cluster away.
func (d *Driver) down(ctx context.Context, name string) error {
	out, err := d.sky(ctx, askTime, "down", "-y", name)
	if err == nil && out.status != 0 {
		err = fault.New(fault.Unavailable, "cannot take down %s: SkyPilot says: %s", name, out.words()).Hint("sky down %s", name)
	}
	return err
}

// newest gives references the names of the clusters that they have now: a job may have been handed over again.
func newest(refs []train.Ref, known map[string]cluster) []train.Ref {
	all := make([]train.Ref, len(refs))
	for i, r := range refs {
		all[i] = r
		for name := range known {
			if r.Number(name) > all[i].Number(all[i].Handle) {
				all[i].Handle = name
			}
		}
	}
	return all
}

// ender sends TERM to the agent whose folder is $1, and waits $2 seconds until it has left its results. 3: it is not there.
const ender = `d=$1; case $d in "~/"*) d=$HOME/${d#"~/"};; esac; cd "$d" 2>/dev/null || exit 3
[ -e result.json ] && exit 0
pid=$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' state.json 2>/dev/null | head -1); [ -n "$pid" ] || exit 3
kill -s TERM "$pid" 2>/dev/null || exit 3
n=0; while [ ! -e result.json ] && [ $n -lt $(($2 * 5)) ]; do sleep 0.2; n=$((n + 1)); done; [ -e result.json ]`

// end ends the agent on the first node, which ends the others. true: its results are there.
func (d *Driver) end(ctx context.Context, ref train.Ref, grace time.Duration) (bool, error) {
	h, err := d.o.Host(ref.Name())
	if err != nil {
		return false, err
	}
	const saving = 60 * time.Second
	seconds := fmt.Sprint(int((grace + saving).Seconds()))
	dir := strings.TrimSuffix(h.Dir, "/") + "/jobs/" + ref.ID.Hex()
	answer, err := h.Run(ctx, []string{"sh", "-c", ender, "sh", dir, seconds}, nil)
	if err != nil {
		return false, errors.Join(err, ctx.Err())
	}
	return answer.Status == 0, nil
}
