package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Fleet drives hosts that have no queue of their own: a job starts at once, on the first hosts of the list. It is what the
// drivers local and ssh have in common. What is known of a job lies in its folder on the hosts and nowhere else.
type Fleet struct {
	Hosts []*Host // in the order of the ranks of their nodes
	// Roots names the versions that a job needs, for hosts that do not share the folder of the first.
	Roots func(Order) ([]object.Digest, error)
}

// first is the host that has the folders of all jobs, and executes the first node of each.
func (f *Fleet) first() (*Host, error) {
	if len(f.Hosts) == 0 || f.Hosts[0] == nil {
		return nil, fault.New(fault.Usage, "the backend has no host").Hint("edit mlx.yaml   # host: as in your ssh configuration")
	}
	return f.Hosts[0], nil
}

// Access says that files can be brought at any time.
func (f *Fleet) Access() Access { return AccessHost }

// Link connects to the first host.
func (f *Fleet) Link(ctx context.Context, _ Ref) (io.ReadWriteCloser, error) {
	h, err := f.first()
	if err != nil {
		return nil, err
	}
	return h.Link(ctx)
}

// Submit starts the agent of a job on each of its hosts, unless it was started before.
func (f *Fleet) Submit(ctx context.Context, j Job) (string, error) {
	hosts, err := f.nodes(j)
	if err != nil {
		return "", err
	}
	start := startQuestion{Run: j.ID, Nodes: len(hosts), Again: j.Requeue, Needs: j.Resources}
	for name, value := range j.Env {
		start.Env = append(start.Env, name+"="+value)
	}
	if len(hosts) > 1 {
		return f.submitMany(ctx, hosts, j, start)
	}
	said, err := hosts[0].ask(ctx, jobsQuestion{Start: &start})
	if err != nil {
		return "", err
	}
	return handleOf(hosts[0], said), nil
}

// nodes are the hosts that a job is to execute on.
func (f *Fleet) nodes(j Job) ([]*Host, error) {
	if _, err := f.first(); err != nil {
		return nil, err
	}
	nodes := max(1, j.Resources.Nodes)
	if nodes > len(f.Hosts) {
		return nil, fault.New(fault.Usage, "cannot start a run on %d nodes: the backend has %d", nodes, len(f.Hosts)).
			Hint("edit mlx.yaml   # hosts: [NAME, NAME] of the backend")
	}
	return f.Hosts[:nodes], nil
}

// hostsOf are the hosts that a job may be on: as many as its handle names, all where that is not known.
func (f *Fleet) hostsOf(job Ref) []*Host {
	if job.Handle == "" {
		return f.Hosts
	}
	return f.Hosts[:min(len(f.Hosts), 1+strings.Count(job.Handle, handleComma))]
}

// handleComma stands between what the hosts of a job call their parts of it.
const handleComma = ","

func handleOf(h *Host, said jobsReply) string {
	name := h.Name
	if name == "" {
		name = said.Agent.Host
	}
	return name + ":" + strconv.Itoa(said.Agent.PID)
}

// Status asks the first host about all jobs at once, and the others about those that have more nodes.
func (f *Fleet) Status(ctx context.Context, jobs []Ref) ([]Status, error) {
	h, err := f.first()
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	q := jobsQuestion{}
	for _, j := range jobs {
		q.Jobs = append(q.Jobs, jobQuestion{Run: j.ID})
	}
	said, err := h.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(said.Jobs) != len(jobs) {
		return nil, fault.New(fault.Integrity, "%s tells of %d jobs, not of %d", h.label(), len(said.Jobs), len(jobs))
	}
	all := make([]Status, len(jobs))
	for i, s := range said.Jobs {
		all[i] = s.status(jobs[i])
	}
	f.otherNodes(ctx, said.Jobs, all)
	return all, nil
}

// otherNodes adds what is wrong with the other nodes of jobs that execute.
func (f *Fleet) otherNodes(ctx context.Context, first []jobSaid, all []Status) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	for rank, h := range f.Hosts[1:] {
		rank++
		var q jobsQuestion
		var of []int
		for i, s := range first {
			if s.Agent.Nodes > rank && all[i].State == Running {
				q.Jobs, of = append(q.Jobs, jobQuestion{Run: all[i].ID, Rank: rank}), append(of, i)
			}
		}
		if len(of) == 0 {
			continue
		}
		wait.Go(func() {
			said, err := h.ask(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			for n, i := range of {
				switch {
				case err != nil:
					all[i].Reason = fmt.Sprintf("node %d: %v", rank, err)
				case n < len(said.Jobs) && said.Jobs[n].State == Gone:
					all[i].Reason = fmt.Sprintf("node %d (%s): %s", rank, h.label(), said.Jobs[n].Reason)
				}
			}
		})
	}
	wait.Wait()
}

// Logs reads what the agent of the first node said itself.
func (f *Fleet) Logs(ctx context.Context, job Ref, from int64) (io.ReadCloser, error) {
	h, err := f.first()
	if err != nil {
		return nil, err
	}
	said, err := h.ask(ctx, jobsQuestion{Log: &logQuestion{Run: job.ID, From: from}})
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(said.Log)), nil
}

// Cancel ends the agents of a job on all its hosts, those of further nodes as soon as that of the first was asked.
func (f *Fleet) Cancel(ctx context.Context, job Ref, grace time.Duration) error {
	if _, err := f.first(); err != nil {
		return err
	}
	hosts := f.hostsOf(job)
	errs := make([]error, len(hosts))
	var wait sync.WaitGroup
	for rank, h := range hosts {
		wait.Go(func() {
			_, errs[rank] = h.ask(ctx, jobsQuestion{Stop: &stopQuestion{Run: job.ID, Rank: rank, Grace: max(0, grace)}})
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Shell returns the words that open a shell in a folder of a job. dir is below the folder of mlx on the host.
func (f *Fleet) Shell(_ Ref, dir string) ([]string, error) {
	h, err := f.first()
	if err != nil {
		return nil, err
	}
	return h.Shell(dir)
}

// Describe says what Submit would do.
func (f *Fleet) Describe(j Job) (string, error) {
	hosts, err := f.nodes(j)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&text, "%s: mlx agent run %s\n", h.label(), j.Dir)
	}
	return text.String(), nil
}

// ask puts a question about jobs to mlx on a host.
func (h *Host) ask(ctx context.Context, q jobsQuestion) (jobsReply, error) {
	q.Kind = askKind
	text, err := json.Marshal(q)
	if err != nil {
		return jobsReply{}, err
	}
	said, err := h.Call(ctx, "jobs", text)
	if err != nil {
		return jobsReply{}, err
	}
	r, err := parse[jobsReply](said, askKind, "the answer of "+h.label())
	if err != nil {
		return jobsReply{}, err
	}
	if r.Trouble != nil {
		return jobsReply{}, fault.New(fault.Kind(r.Trouble.Kind), "%s: %s", h.label(), r.Trouble.Text)
	}
	if q.Start != nil && r.Agent == nil {
		return jobsReply{}, fault.New(fault.Integrity, "%s does not say what it started", h.label())
	}
	return r, nil
}
