package cascade

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// StageHeader is the header of an answer that names the stages whose answer it is.
const StageHeader = "X-Mlx-Stage"

// ReadyPath answers 200 once all stages have been ready.
const ReadyPath = "/v2/health/ready"

// usualDeadline is what a stage has for which nothing is said.
const usualDeadline = time.Minute

// Options say what answers. All are needed but Log.
type Options struct {
	Plan    Plan
	Address func(stage int) string // HOST:PORT of its server; empty: it has none that is ready
	Trouble func(stage int) string // why it has none
	Now     func() time.Time
	Log     func(format string, args ...any)
}

// Cascade answers by stages.
type Cascade struct {
	o      Options
	stages []*stage
	client *http.Client
	fresh  *http.Client // asks on a new connection
	ready  atomic.Bool
	held   atomic.Int64 // bytes of requests that are being answered
}

// stage is one that can be asked.
type stage struct {
	Stage
	number  int
	list    *List
	next    *gate.Condition // nil: its answer is one
	reads   map[string]string
	answer  string // pointer to its prediction
	counts  *counts
	without atomic.Int64 // since when it has no server, in nanoseconds; 0: it has one
	looked  atomic.Int64 // when that was last seen
}

// New makes it, and opens the lists. What was counted before goes on.
func New(o Options, before []deploy.SeenStage) (_ *Cascade, err error) {
	c := &Cascade{o: o, client: newClient(true), fresh: newClient(false)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for i, s := range o.Plan.Stages {
		one := &stage{Stage: s, number: i, reads: map[string]string{}, answer: s.Answer, counts: newCounts(before, s.Name)}
		c.stages = append(c.stages, one)
		if one.Deadline == 0 {
			one.Deadline = usualDeadline
		}
		if s.List != nil {
			if one.list, err = Open(s.Index); err != nil {
				return nil, err
			}
			if err = s.fits(one.list.Width()); err != nil {
				return nil, err
			}
			continue
		}
		if one.answer == "" {
			one.answer = usualAnswer(s.Serve.Protocol)
		}
		if s.Next == "" {
			continue
		}
		if one.next, err = gate.ParseCondition(s.Next); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot ask stage %s: %w", s.Name, err)
		}
		for _, name := range one.next.Reads() {
			one.reads[name] = placeOf(name, one.answer)
		}
	}
	return c, nil
}

// usualAnswer is where the predictions are in an answer of a protocol.
func usualAnswer(protocol string) string {
	if protocol == "v2" {
		return "/outputs/0/data"
	}
	return "/predictions"
}

// answerName is the name by which an expression reads the prediction.
const answerName = "answer"

// placeOf is where a name of an expression stands in an answer.
func placeOf(name, answer string) string {
	switch {
	case name == answerName:
		return answer
	case strings.HasPrefix(name, "/"):
		return name
	}
	return "/" + escape(name)
}

// Close ends its use.
func (c *Cascade) Close() error {
	c.client.CloseIdleConnections()
	var all error
	for _, s := range c.stages {
		if s.list != nil {
			all = errors.Join(all, s.list.Close())
		}
	}
	return all
}

// ServeHTTP answers one request.
func (c *Cascade) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case ReadyPath:
		c.tellReady(w)
		return
	case "/v2/health/live":
		return
	}
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		refuse(w, http.StatusNotFound, "stages answer requests with a body")
		return
	}
	body, free, err := c.read(w, req)
	defer free()
	if err != nil {
		refuse(w, statusOf(err), err.Error())
		return
	}
	a := asking{Cascade: c, req: req, body: body}
	if c.o.Plan.Combine.By == deploy.CombineCascade {
		a.cascade(w)
	} else {
		a.ensemble(w)
	}
}

// tellReady says whether all stages have been ready, and of one that is not why.
func (c *Cascade) tellReady(w http.ResponseWriter) {
	if c.ready.Load() {
		return
	}
	for _, s := range c.stages {
		if s.list == nil && c.o.Address(s.number) == "" {
			http.Error(w, "stage "+s.Name+": "+c.o.Trouble(s.number), http.StatusServiceUnavailable)
			return
		}
	}
	c.ready.Store(true)
}

// asking is one request.
type asking struct {
	*Cascade
	req  *http.Request
	body []byte
}

// cascade asks one stage after the other until one is sure.
func (a asking) cascade(w http.ResponseWriter) {
	var unsure *reply // that was given last
	for _, s := range a.stages {
		if a.req.Context().Err() != nil {
			return // nobody waits for it
		}
		began := a.o.Now()
		r := a.ask(s)
		verdict := s.judge(r)
		if verdict == wrong && a.req.Context().Err() != nil {
			r.close()
			return
		}
		s.counts.add(verdict, r.late, a.o.Now().Sub(began))
		switch verdict {
		case sure:
			unsure.close()
			r.give(w, s.Name)
			return
		case passed:
			if r.status != 0 {
				unsure.close()
				unsure = r
			}
			continue
		case wrong:
		}
		a.say("stage %s: %v", s.Name, r.err)
		switch s.OnError {
		case deploy.OnErrorSkip:
			r.close()
			continue
		case deploy.OnErrorReply:
			unsure.close()
			r.close()
			ownReply(s).give(w, s.Name)
			return
		}
		unsure.close()
		r.fail(w, s.Name)
		return
	}
	if unsure != nil { // who should have been asked next is not there
		a.stages[unsure.stage].counts.decided()
		unsure.give(w, a.stages[unsure.stage].Name)
		return
	}
	refuse(w, http.StatusBadGateway, "no stage has answered")
}

func (c *Cascade) say(format string, args ...any) {
	if c.o.Log != nil {
		c.o.Log(format, args...)
	}
}

// verdict is what an answer of a stage means.
type verdict int

const (
	sure   verdict = iota // it is the answer
	passed                // the next stage is asked
	wrong                 // it is none
)

// judge says what the answer of a stage of a cascade means. Of one that means nothing it says why.
func (s *stage) judge(r *reply) verdict {
	switch {
	case r.err != nil:
		return wrong
	case s.list != nil && r.status == 0:
		return passed
	case r.status >= http.StatusInternalServerError:
		r.err = fmt.Errorf("it answers %d", r.status)
		return wrong
	case s.list != nil || s.next == nil || r.status < 200 || r.status > 299: // what does not fit one stage does not fit the others
		return sure
	}
	holds, err := s.asksNext(r)
	switch {
	case err != nil:
		r.err = err
		return wrong
	case holds:
		return passed
	}
	return sure
}

// maxPredictions bounds how many predictions of one answer a condition is held against.
const maxPredictions = 100_000

// asksNext says whether the condition holds of an answer; of several predictions, whether it does of one of them.
func (s *stage) asksNext(r *reply) (bool, error) {
	if r.stream != nil || r.header.Get("Content-Encoding") != "" {
		return false, errors.New("its answer cannot be read")
	}
	values := map[string]any{}
	for name, at := range s.reads {
		v, err := valueAt(r.body, at)
		if errors.Is(err, errNoJSON) {
			return false, fmt.Errorf("its answer is no JSON: %.80q", r.body)
		}
		if err == nil {
			values[name] = v
		}
	}
	several, ok := values[answerName].([]any)
	if !ok {
		return s.next.Holds(values)
	}
	flat := flatten(several, nil)
	if len(flat) == 0 || len(flat) > maxPredictions {
		return false, fmt.Errorf("its answer has %d predictions", len(flat))
	}
	for _, one := range flat {
		values[answerName] = one
		if holds, err := s.next.Holds(values); err != nil || holds {
			return holds, err
		}
	}
	return false, nil
}

func flatten(v any, all []any) []any {
	list, ok := v.([]any)
	if !ok {
		return append(all, v)
	}
	for _, one := range list {
		if all = flatten(one, all); len(all) > maxPredictions {
			return all
		}
	}
	return all
}

// ownReply is the answer that mlx itself gives for a stage.
func ownReply(s *stage) *reply {
	return &reply{stage: s.number, status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: s.Reply}
}

// ask asks a stage.
func (a asking) ask(s *stage) *reply {
	if s.list != nil {
		return a.look(s)
	}
	ctx, cancel := context.WithCancelCause(a.req.Context())
	late := time.AfterFunc(s.Deadline, func() { cancel(errLate) })
	r := a.send(ctx, s)
	r.late = errors.Is(r.err, errLate)
	if r.stream == nil || r.err != nil {
		late.Stop()
		cancel(nil)
		return r
	}
	if !late.Stop() && context.Cause(ctx) != nil { // it began too late to be read
		r.close()
		return &reply{stage: s.number, err: errLate, late: true}
	}
	r.cancel = func() { cancel(nil) }
	return r
}
