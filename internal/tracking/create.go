package tracking

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"

	"mlx/internal/object"
	"mlx/internal/run"
)

// creation is the request for a run.
type creation struct {
	Experiment string `json:"experiment_id"`
	User       string `json:"user_id"`
	Start      whole  `json:"start_time"`
	Name       string `json:"run_name"`
	Tags       []pair `json:"tags"`

	tags       map[string]string
	experiment string // name
	peer       Peer
	addr       string
}

func (q *creation) read() error {
	q.tags = map[string]string{}
	for i := range q.Tags {
		t, err := q.Tags[i].tag(at("tags", i))
		if err != nil {
			return err
		}
		q.tags[t.Key] = *t.Value
	}
	if len(q.tags) > maxEntities {
		return atMost(maxEntities, "tags", len(q.tags))
	}
	tag := q.tags[tagName]
	if q.Name != "" && tag != "" && q.Name != tag {
		return invalid("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='%s', mlflow.runName='%s').",
			clip(q.Name), clip(tag))
	}
	q.Name = cut(cmp.Or(q.Name, tag), maxTag)
	return nil
}

func (s *Server) createRun(c *call) (any, error) {
	var q creation
	if err := c.into(&q); err != nil {
		return nil, err
	}
	if err := q.read(); err != nil {
		return nil, err
	}
	e, err := s.experiments.open(c.ctx, cmp.Or(q.Experiment, defaultID))
	if err != nil {
		return nil, err
	}
	if e.id != defaultID {
		q.experiment = e.name
	}
	q.addr, q.peer = c.req.RemoteAddr, Peer{Rank: -1}
	if s.o.Peer != nil {
		server := ""
		if own, ok := c.req.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			server = own.String()
		}
		q.peer = s.o.Peer(q.addr, server)
	}
	h, err := s.begin(c.ctx, &q)
	if err != nil {
		return nil, err
	}
	return s.answerRun(s.rowOfHeld(h)), nil
}

// begin is the run that a client gets when it begins one.
func (s *Server) begin(ctx context.Context, q *creation) (*held, error) {
	if q.tags[tagParent] == "" && s.o.Joined != nil {
		if h, err := s.join.enter(ctx, s, q); err != nil || h != nil {
			return h, err
		}
	}
	if q.Name == "" {
		q.Name = newName()
	}
	q.tags[tagName] = q.Name
	spec := run.TrackSpec{
		Base: s.o.Base, Name: q.Name, Experiment: q.experiment, User: cmp.Or(q.User, q.tags[tagUser]), Tags: q.tags, StartedAt: s.o.Now(),
	}
	if at, ok := fromMS(int64(q.Start)); ok && q.Start > 0 {
		spec.StartedAt = at
	}
	s.parent(ctx, q, &spec)
	t, err := s.o.Runner.Track(ctx, spec)
	if err != nil {
		return nil, err
	}
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	return s.hold(t), nil
}

// parent finds the run that the new one is part of: the one that its client names, else that of the command. A parent that nobody
// knows is a tag and nothing more.
func (s *Server) parent(ctx context.Context, q *creation, spec *run.TrackSpec) {
	var outer object.Digest
	if s.o.Joined != nil {
		outer = s.o.Joined()
	}
	spec.Inside = !outer.IsZero()
	if id := q.tags[tagParent]; id != "" {
		if parent, err := s.digestOf(ctx, id); err == nil {
			spec.Parent = parent.Hex()
		}
	} else if !outer.IsZero() {
		spec.Parent = outer.Hex()
	}
}

// join is the run of the command that the clients are part of, once one of them began it.
type join struct {
	mu    sync.Mutex
	taken bool
	id    object.Digest
	first creation
}

// enter is the run of the command where the client is to have that: it is the first, or it does the same work beside the first. nil:
// it gets a run of its own.
func (j *join) enter(ctx context.Context, s *Server, q *creation) (*held, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	outer := s.o.Joined()
	if outer.IsZero() || j.taken && !j.beside(s, q) {
		return nil, nil
	}
	h, err := s.writer(ctx, clientID(outer))
	if err != nil {
		return nil, err
	}
	e := run.Entry{User: cmp.Or(q.User, q.tags[tagUser])}
	if j.taken {
		for key, value := range q.tags { // the first to say something is right
			if _, known := h.Tag(key); !known {
				e.Tags = append(e.Tags, run.TrackedTag{Key: key, Value: &value})
			}
		}
		return h, h.Log(ctx, e)
	}
	j.taken, j.id, j.first = true, outer, *q
	e.Status = "RUNNING"
	for key, value := range q.tags {
		e.Tags = append(e.Tags, run.TrackedTag{Key: key, Value: &value})
	}
	name := q.Name
	if name == "" && h.Body().Name == "" {
		name = newName()
	}
	if name != "" {
		e.Name = name
		e.Tags = append(e.Tags, run.TrackedTag{Key: tagName, Value: &name})
	}
	if q.experiment != "" {
		e.Moved = &q.experiment
	}
	return h, h.Log(ctx, e)
}

// beside says whether a client that begins a run does the work of the first one together with it: another rank of a distributed
// program, a worker, or a fork of the same program. A second run of the same process, and one of another program, is another run.
// Where nothing is known of processes, only the same program that asks for a run of the same name over another connection is.
func (j *join) beside(s *Server, q *creation) bool {
	over := true
	if h := s.written(clientID(j.id)); h != nil {
		status := h.Body().Tracking.Status
		over = status != "RUNNING" && status != "SCHEDULED"
	}
	p, first := q.peer, j.first.peer
	same := q.tags[tagSource] == j.first.tags[tagSource]
	if p.PID == 0 || first.PID == 0 {
		return !over && same && q.Name != "" && q.Name == j.first.Name && q.addr != j.first.addr
	}
	switch {
	case p.PID == first.PID:
		return false
	case p.Rank >= 0 || p.Worker:
		return true
	}
	return !over && same && (p.Parent == first.PID || p.Parent == first.Parent || p.PID == first.Parent)
}
