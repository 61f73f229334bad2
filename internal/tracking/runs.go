package tracking

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mlx/internal/object"
	"mlx/internal/run"
)

func runRoutes() []route {
	return []route{
		{"POST", "runs/create", (*Server).createRun},
		{"GET", "runs/get", (*Server).getRun},
		{"POST", "runs/update", (*Server).updateRun},
		{"POST", "runs/delete", (*Server).deleteRun},
		{"POST", "runs/restore", (*Server).restoreRun},
		{"POST", "runs/log-metric", (*Server).logMetric},
		{"POST", "runs/log-parameter", (*Server).logParam},
		{"POST", "runs/log-batch", (*Server).logBatch},
		{"POST", "runs/set-tag", (*Server).setTag},
		{"POST", "runs/delete-tag", (*Server).deleteTag},
		{"POST", "runs/log-inputs", (*Server).logInputs},
		{"POST", "runs/outputs", (*Server).logOutputs},
		{"POST", "runs/search", (*Server).searchRuns},
		{"GET", "metrics/get-history", (*Server).metricHistory},
		{"GET", "metrics/get-history-bulk", (*Server).metricHistories},
		{"GET", "metrics/get-history-bulk-interval", (*Server).metricHistoriesBetween},
	}
}

// which is how a request names a run: clients of the 1.x series say run_uuid, later ones both.
type which struct {
	ID   string `json:"run_id"`
	UUID string `json:"run_uuid"`
}

func (w which) id() (string, error) {
	switch {
	case w.ID != "":
		return w.ID, nil
	case w.UUID != "":
		return w.UUID, nil
	}
	return "", missing("run_id")
}

// aboutRun reads a request that names a run, and returns its id.
func (c *call) aboutRun(q interface{ id() (string, error) }) (string, error) {
	if err := c.into(q); err != nil {
		return "", err
	}
	return q.id()
}

// answerRun is the answer with one run.
func (s *Server) answerRun(r *row) document {
	return append(appendRun([]byte(`{"run":`), r, s.places().of(r)), '}')
}

func (s *Server) getRun(c *call) (any, error) {
	var q which
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	r, err := s.rowFor(c.ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.experiments.refresh(c.ctx, false); err != nil {
		return nil, err
	}
	return s.answerRun(r), nil
}

// rowFor is the row of one run as it is now.
func (s *Server) rowFor(ctx context.Context, id string) (*row, error) {
	digest, err := s.digestOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if h := s.written(clientID(digest)); h != nil {
		return s.rowOfHeld(h), nil
	}
	b, by, err := s.body(ctx, digest)
	if err != nil {
		return nil, err
	}
	return rowOf(digest, b, by), nil
}

// bodyOf is body of the run that a client names.
func (s *Server) bodyOf(ctx context.Context, id string) (*run.Body, string, error) {
	digest, err := s.digestOf(ctx, id)
	if err != nil {
		return nil, "", err
	}
	return s.body(ctx, digest)
}

// body is everything that is known of a run, and who recorded it.
func (s *Server) body(ctx context.Context, id object.Digest) (*run.Body, string, error) {
	if h := s.written(clientID(id)); h != nil {
		b := h.Body()
		return &b, h.By(), nil
	}
	b, by, err := s.o.History.Body(ctx, id)
	if err != nil {
		return nil, "", err
	}
	return &b, by, run.Unfold(ctx, s.o.Store, &b)
}

// rowOfHeld is the row of a run that this server writes.
func (s *Server) rowOfHeld(h *held) *row {
	version := h.Version()
	s.live.mu.Lock()
	if h.row != nil && h.version == version {
		defer s.live.mu.Unlock()
		return h.row
	}
	s.live.mu.Unlock()
	b := h.Body()
	r := rowOf(h.ID, &b, h.By())
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	h.row, h.version = r, version
	return r
}

func (s *Server) updateRun(c *call) (any, error) {
	var q struct {
		which
		Status *string `json:"status"`
		End    *whole  `json:"end_time"`
		Name   string  `json:"run_name"`
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	var e run.Entry
	if q.Status != nil {
		if e.Status = strings.ToUpper(*q.Status); !slices.Contains(statuses(), e.Status) {
			return nil, invalid("Invalid value %s for parameter 'status' supplied.%s", quoted(*q.Status), seeDocs)
		}
		if q.End == nil && e.Status != "RUNNING" && e.Status != "SCHEDULED" {
			e.EndedAt = s.now()
		}
	}
	if q.End != nil {
		at, ok := fromMS(int64(*q.End))
		if !ok {
			return nil, invalid("Invalid value %d for parameter 'end_time' supplied.", *q.End)
		}
		e.EndedAt = &at
	}
	if q.Name != "" {
		name := cut(q.Name, maxTag)
		e.Name, e.Tags = name, []run.TrackedTag{{Key: tagName, Value: &name}}
	}
	if err := s.change(c.ctx, id, e, nil); err != nil {
		return nil, err
	}
	h, err := s.writer(c.ctx, id)
	if err != nil {
		return nil, err
	}
	r := s.rowOfHeld(h)
	if q.Status != nil && h.Over() {
		s.trouble(s.settle(c.ctx, h))
	}
	return document(append(appendInfo([]byte(`{"run_info":`), r, s.places().of(r)), '}')), nil
}

func statuses() []string { return []string{"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"} }

func (s *Server) deleteRun(c *call) (any, error) {
	return s.bin(c, run.Entry{Deleted: s.now()})
}

func (s *Server) restoreRun(c *call) (any, error) {
	return s.bin(c, run.Entry{Restored: true})
}

// bin puts a run into the bin, or takes it out again. Twice is as good as once.
func (s *Server) bin(c *call, e run.Entry) (any, error) {
	var q which
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	same := &Failure{}
	err = s.change(c.ctx, id, e, func(h *held) error {
		if h.Deleted() == (e.Deleted != nil) {
			return same
		}
		return nil
	})
	if errors.Is(err, same) {
		err = nil
	}
	return nil, err
}
