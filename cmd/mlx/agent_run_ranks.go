package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

// What the nodes of a job tell each other in its folder, where they share it.
const (
	laidName = "laid"     // agentTurn: node 0 has laid out the job, and begins or has ended an attempt
	endName  = "end.json" // rankEnded, in the folder of a rank
)

// nodeFile holds the nodeNote of a node, beside the folders of the ranks.
func nodeFile(node int) string {
	return filepath.Join(train.RanksName, "node"+strconv.Itoa(node)+".json")
}

type agentTurn struct {
	Attempt int  `json:"attempt"`
	Over    bool `json:"over"`
}

type rankEnded struct {
	run.RankEnd
	Attempt int       `json:"attempt"`
	Host    string    `json:"host"`
	Ended   time.Time `json:"ended"`
}

type nodeNote struct {
	Host  string         `json:"host"`
	Facts []run.NodeFact `json:"facts,omitempty"`
}

// agentRanks is the processes of an attempt beside the one that is recorded.
type agentRanks struct {
	job     *agentJob
	attempt int
	first   *agentMember // the recorded one
	local   sync.WaitGroup

	mu     sync.Mutex
	failed string    // which one failed first, and how
	at     time.Time // when
	status int       // of that one
	ended  map[int]bool
	drawn  []run.Drawn // of other nodes
	stop   context.CancelFunc
	looked chan struct{}
}

// startRanks starts the other processes of this node, and lets other nodes start theirs.
func (j *agentJob) startRanks(spec run.Spec, first *agentMember) (*agentRanks, error) {
	r := &agentRanks{job: j, attempt: spec.Attempt, first: first, ended: map[int]bool{}, looked: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	if j.place.Nodes > 1 && j.place.Shared {
		if err := j.note(laidName, agentTurn{Attempt: spec.Attempt}); err != nil {
			cancel()
			return nil, err
		}
		go r.watch(ctx)
	} else {
		close(r.looked)
	}
	for local := 1; local < j.order.Ranks; local++ {
		r.local.Go(func() { r.report(j.seat(local).Rank(), j.executeRank(spec, local)) })
	}
	return r, nil
}

// executeRank runs one process to its end and notes that.
func (j *agentJob) executeRank(spec run.Spec, local int) rankEnded {
	me := j.crew.join()
	defer j.crew.leave(me)
	rank := j.seat(local).Rank()
	dir := j.path(train.RanksName, strconv.Itoa(rank))
	argv := spec.Command
	if len(spec.Argv) > 0 {
		argv = spec.Argv
	}
	env := slices.Concat(j.in.environ, j.variables(local), []string{"MLX_ATTEMPT=" + strconv.Itoa(spec.Attempt), "MLX_RUN_ID=" + j.id.Hex()})
	e := rankEnded{Attempt: spec.Attempt, Host: j.app.host()}
	var err error
	e.RankEnd, err = run.Rank{
		Command: argv, Dir: spec.Dir, Env: env, Folder: dir, Stops: me.stops, Signals: me.signals, Secrets: run.NewMask(j.secretValues()),
		Host: j.app.host(), Now: j.app.now, Environ: j.in.environ,
	}.Execute()
	if err != nil {
		e.RankEnd = run.RankEnd{State: run.Failed, Cause: err.Error(), Status: 125}
	}
	e.Ended = j.app.now().UTC()
	if err := j.note(filepath.Join(train.RanksName, strconv.Itoa(rank), endName), e); err != nil {
		j.say("%v", err)
	}
	return e
}

// report takes how a rank ended. The first of which it is heard that it failed ends the others, and the one that did before all is why.
func (r *agentRanks) report(rank int, e rankEnded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended[rank] {
		return
	}
	r.ended[rank] = true
	if rank != 0 && rank%r.job.order.Ranks == 0 { // one process tells of its whole node
		for _, d := range e.Drawn {
			d.Host = e.Host
			r.drawn = append(r.drawn, d)
		}
	}
	if stop, _ := r.job.crew.closed(); e.State == run.Succeeded || e.Stopped || stop != nil || r.failed != "" && !e.Ended.Before(r.at) {
		return
	}
	first := r.failed == ""
	r.at, r.status = e.Ended, e.Status
	r.failed = fmt.Sprintf("rank %d on %s: %s", rank, e.Host, e.Cause)
	if e.Tail != "" {
		r.failed += ": " + strings.ReplaceAll(e.Tail, "\n", " | ")
	}
	r.job.say("%s", r.failed)
	if first {
		r.job.crew.end(run.Stop{State: run.Failed, Cause: r.failed, Grace: r.job.grace()}, nil)
	}
}

// watch reads how the ranks of other nodes ended.
func (r *agentRanks) watch(ctx context.Context) {
	defer close(r.looked)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		r.look()
		select {
		case <-ctx.Done():
			r.look()
			return
		case <-look.C:
		}
	}
}

func (r *agentRanks) look() {
	j := r.job
	for rank := j.order.Ranks; rank < j.seat(0).World(); rank++ {
		e, err := noted[rankEnded](j, filepath.Join(train.RanksName, strconv.Itoa(rank), endName))
		if err == nil && e.Attempt == r.attempt {
			r.report(rank, e)
		}
	}
}

// Bounds of the time for other nodes to tell how their ranks ended: when the recorded one has succeeded, and when it has failed. Then another one may
// have failed before, as whose consequence it did.
const (
	rankPatience = 5 * time.Minute
	rankNews     = 2 * lookEvery
)

// over waits for the others when the recorded process has ended. One that failed before it, or alone, makes the attempt one that did, and says why.
func (r *agentRanks) over(b *run.Body) {
	j := r.job
	if b.State != run.Succeeded {
		j.crew.end(run.Stop{State: run.Killed, Cause: "rank 0: " + b.Cause, Grace: j.grace()}, r.first)
	}
	r.local.Wait()
	if j.place.Nodes > 1 && j.place.Shared {
		until := j.app.now().Add(rankPatience)
		if b.State != run.Succeeded {
			until = j.app.now().Add(rankNews)
		}
		for !r.all() && j.app.now().Before(until) {
			if stop, _ := j.crew.closed(); stop != nil {
				break
			}
			time.Sleep(lookFirst)
		}
		if err := j.note(laidName, agentTurn{Attempt: r.attempt, Over: true}); err != nil {
			j.say("%v", err)
		}
	}
	r.stop()
	<-r.looked
	r.mu.Lock()
	defer r.mu.Unlock()
	b.Drawn = append(b.Drawn, r.drawn...)
	j.failedStatus = 0
	stop, _ := j.crew.closed()
	if r.failed != "" && (b.State == run.Succeeded || stop == nil && r.at.Before(*b.EndedAt)) {
		b.State, b.Cause, j.failedStatus = run.Failed, r.failed, r.status
	}
}

// all says whether every rank has ended, or one has failed.
func (r *agentRanks) all() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed != "" || len(r.ended) >= r.job.seat(0).World()-1
}

// follow is the agent of a node that records nothing: it executes its ranks as node 0 begins and ends attempts.
func (j *agentJob) follow(ctx context.Context) error {
	if !j.place.Shared {
		return j.followAlone(ctx)
	}
	r := j.path(train.ResultName)
	last := 0
	for {
		turn, err := j.nextTurn(last, r)
		if err != nil || turn.Attempt == 0 {
			return err
		}
		last = turn.Attempt
		if err := j.enter(ctx); err != nil {
			return err
		}
		j.executeTurn(ctx, turn)
	}
}

// enter opens what node 0 has laid out.
func (j *agentJob) enter(ctx context.Context) error {
	if j.in != nil {
		return nil
	}
	r, err := findProject(j.source())
	if err != nil {
		return err
	}
	j.inside(r)
	j.facts = j.askFacts(ctx)
	return nil
}

// nextTurn waits for the attempt that comes after one. Attempt 0: there is none.
func (j *agentJob) nextTurn(last int, result string) (agentTurn, error) {
	for {
		t, err := noted[agentTurn](j, laidName)
		if err == nil && t.Attempt > last && !t.Over {
			return t, nil
		}
		if isThere(result) {
			return agentTurn{}, nil
		}
		select {
		case <-j.crew.over:
			return agentTurn{}, nil
		case <-time.After(lookEvery / 5):
		}
	}
}

// executeTurn executes the ranks of this node until they have ended, or the attempt has.
func (j *agentJob) executeTurn(ctx context.Context, t agentTurn) {
	spec := j.spec(t.Attempt, time.Time{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if now, err := noted[agentTurn](j, laidName); err == nil && (now.Attempt != t.Attempt || now.Over) {
				j.crew.end(run.Stop{State: run.Killed, Cause: "the attempt is over", Grace: j.grace()}, nil)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(lookEvery):
			}
		}
	}()
	j.executeRanks(spec)
	j.noteNode()
}

// executeRanks runs all processes of this node to their end, and returns the greatest of their statuses. The first that fails ends the others.
func (j *agentJob) executeRanks(spec run.Spec) int {
	status := make([]int, j.order.Ranks)
	var all sync.WaitGroup
	for local := range j.order.Ranks {
		all.Go(func() {
			e := j.executeRank(spec, local)
			if status[local] = e.Status; e.State != run.Succeeded {
				j.say("rank %d: %s", j.seat(local).Rank(), e.Cause)
				j.crew.end(run.Stop{State: run.Failed, Cause: "another rank failed", Grace: j.grace()}, nil)
			}
		})
	}
	all.Wait()
	return slices.Max(status)
}

// followAlone is follow where the nodes share no disk: this one lays out the job itself, once, and its status is that of its ranks.
func (j *agentJob) followAlone(ctx context.Context) error {
	if run.Variable(j.app.environ, train.SharedVariable) == "0" { // certainly a folder of its own, to which each submit brings them
		defer j.removeSecrets()
	}
	j.work = j.path("nodes", strconv.Itoa(j.place.Node)) // should it be the folder of other nodes as well, they do not meet
	if err := j.prepare(ctx); err != nil {
		return err
	}
	if stop, _ := j.crew.closed(); stop != nil {
		return fault.New(fault.Interrupted, "%s", stop.Cause)
	}
	j.facts = j.askFacts(ctx)
	j.app.child = j.executeRanks(j.spec(1, time.Time{}))
	return nil
}

// noteNode tells node 0 which machine this is, and what is worth knowing of it.
func (j *agentJob) noteNode() {
	if err := j.note(nodeFile(j.place.Node), nodeNote{j.app.host(), j.facts.answer()}); err != nil {
		j.say("%v", err)
	}
}

// nodes are the hosts of the job in the order of their ranks, and what is worth knowing of them.
func (j *agentJob) nodes() (hosts []string, facts []run.NodeFact) {
	hosts, facts = []string{j.app.host()}, j.facts.answer()
	for node := 1; node < j.place.Nodes; node++ {
		if n, err := noted[nodeNote](j, nodeFile(node)); err == nil {
			hosts, facts = append(hosts, n.Host), append(facts, n.Facts...)
		}
	}
	return hosts, facts
}
