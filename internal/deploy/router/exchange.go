package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/answer"
	"mlx/internal/deploy/router/internal/trace"
)

// exchange is one request on its way, and its answer.
type exchange struct {
	r    *router
	t    *table
	req  *http.Request // as it came
	w    http.ResponseWriter
	id   string
	at   time.Time
	draw draw

	arm    *arm    // that was chosen; nil: none yet
	by     *arm    // whose answer goes back; nil: of the router itself
	server *server // that gives it
	tries  int     // how many servers were asked

	body body

	mirror  bool        // the shadow is to get a copy
	copied  http.Header // of the request as servers get it; nil: no copy is to be made
	sampled bool

	parent, span trace.Context
	timer        *time.Timer
	slow         atomic.Bool // when the time was over, the client had not sent all, or did not read
	gives        atomic.Bool // the client is to read
	ending       sync.Mutex
	ended        bool // nothing is done to its connection any more

	sent, done time.Time // to the server that answers, and when its answer had ended
	status     int
	reply      reply
	upgraded   bool
	broke      time.Duration // of Retried: how long the candidate took to fail
	retried    bool          // the candidate broke, and stable was asked
	err        error         // why there is no answer
	verdict    Verdict
	why        string
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// errTime is the cause of a request whose time is over.
var errTime = errors.New("the time for the request is over")

// lastWord is how long a client may take to read that the time is over.
const lastWord = 5 * time.Second

// ServeHTTP answers one request.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.refresh()
	x := &exchange{r: r, t: r.table.Load(), req: req, w: w, id: requestID(req), at: r.o.Now()}
	w.Header().Set(idHeader, x.id)
	if r.draining.Load() {
		r.late.Add(1)
		w.Header().Set("Connection", "close") // HTTP/2 says it in its own way
	}
	limits := r.o.Settings.Limits
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	x.timer = time.AfterFunc(limits.Time, func() {
		x.slow.Store(x.body.waits.Load() || x.gives.Load())
		cancel(errTime)
		x.ending.Lock()
		defer x.ending.Unlock()
		if x.ended { // the connection may have its next request
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))          // a body that does not come holds nothing up
		_ = http.NewResponseController(w).SetWriteDeadline(r.o.Now().Add(lastWord)) // nor does a client that does not read
	})
	defer x.timer.Stop()
	x.startSpan()
	defer func() { x.finish(context.Cause(ctx)) }()
	if err := r.all.enter(ctx, limits.QueueTime); err != nil {
		if errors.Is(err, errFull) {
			r.shared.N[cellFull].Add(1)
		}
		x.fail(w, err)
		return
	}
	defer r.all.leave()
	if err := x.admit(w); err != nil {
		x.fail(w, err)
		return
	}
	if err := x.arm.pool.gate.enter(ctx, limits.QueueTime); err != nil {
		x.fail(w, err)
		return
	}
	defer x.arm.pool.gate.leave()
	out := req.WithContext(context.WithValue(ctx, exchangeKey{}, x)) // a copy: net/http looks at the body of its own
	x.body.attach(out)
	if x.body.long(req) {
		_ = http.NewResponseController(w).EnableFullDuplex() // a server may answer while the body still comes
		defer x.body.drain()
	}
	r.proxy.ServeHTTP(w, out)
}

// refusal is an error that the client has to mend.
type refusal struct {
	status int
	field  string
	why    string
}

func (e *refusal) Error() string { return e.why }

// errNobody: no arm serves what fell to it.
var errNobody = errors.New("no release serves this request")

// admit finds the arm of a request, and holds that the request may go there.
func (x *exchange) admit(w http.ResponseWriter) error {
	r, limits := x.r, x.r.o.Settings.Limits
	if !wellFormed(x.req) {
		return &refusal{status: http.StatusBadRequest, why: "the request is not well formed"}
	}
	if x.req.ContentLength > limits.Body {
		r.shared.N[cellTooLong].Add(1)
		return tooLong(limits.Body)
	}
	x.body.limit(w, x.req, limits.Body)
	if err := x.promised(); err != nil {
		return err
	}
	if x.t.sticky.Field != "" {
		if err := x.body.keep(r, x.req); err != nil {
			return err
		}
	}
	arm := r.claim(x, x.body.plain(r, x.req))
	if !x.draw.counted {
		r.shared.N[cellUncounted].Add(1)
	}
	if arm == nil {
		r.shared.N[cellNobody].Add(1)
		return errNobody
	}
	x.arm = arm
	x.mirror = arm.Role == deploy.Stable && x.t.shadow != nil && x.t.desired.Mirror > 0 && rand.IntN(int(deploy.All)) < int(x.t.desired.Mirror)
	if x.draw.counted {
		arm.pool.count.add(cellRequests)
	}
	if x.wantsBody() {
		if err := x.body.keep(r, x.req); err != nil {
			return err
		}
	}
	return x.checkRequest()
}

// errUnlogged: what it would answer could not be kept. Why is nobody's business but of who runs the service.
var errUnlogged = errors.New("this service answers nothing that its log does not keep, and the log cannot be written now")

// promised makes sure that the sink takes the request, if it is to get it.
func (x *exchange) promised() error {
	o := x.r.o
	if o.Sink == nil || !sampled(x.id, o.Settings.Sample.Share) {
		return nil
	}
	if o.Promise != nil && o.Promise() != nil {
		x.r.shared.N[cellUnlogged].Add(1)
		return errUnlogged
	}
	x.sampled = true
	return nil
}

// wantsBody: the body is needed for more than to be passed on.
func (x *exchange) wantsBody() bool {
	s := x.arm.pool.serving.Load()
	return x.mirror || x.sampled || s.schema.Inputs() || x.mayRetry(x.arm, s)
}

// mayRetry: if a connection breaks, somebody else can be asked the same.
func (x *exchange) mayRetry(a *arm, s *serving) bool {
	return s.Idempotent && (a.Role == deploy.Candidate && x.t.stable != nil || a.Role == deploy.Stable && len(s.list) > 1)
}

func (x *exchange) checkRequest() error {
	s := x.arm.pool.serving.Load()
	if !s.schema.Inputs() || !x.body.whole || len(x.body.kept) == 0 {
		return nil
	}
	plain := x.body.plain(x.r, x.req)
	problem, checked := s.schema.Request(x.req.Header.Get("Content-Type"), plain)
	if problem != nil {
		x.verdict, x.why = BadRequest, problem.Error()
		return &refusal{http.StatusBadRequest, problem.Field, "the request does not fit the signature of the model: " + problem.Error()}
	}
	if checked && plain != nil {
		x.verdict = Fits
	}
	return nil
}

func tooLong(limit int64) error {
	return &refusal{status: http.StatusRequestEntityTooLarge, why: fmt.Sprintf("the body of the request is longer than %d bytes", limit)}
}

// fail answers in place of a server.
func (x *exchange) fail(w http.ResponseWriter, err error) {
	x.err = err
	x.status = statusOf(err)
	message := map[string]string{"error": err.Error(), "request_id": x.id}
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		if refused.field != "" {
			message["field"] = refused.field
		}
	case x.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case x.status == http.StatusBadGateway: // addresses of servers are nobody's business
		message["error"] = "the connection to the model server broke"
	}
	body, _ := json.Marshal(message) // strings only
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(x.status)
	_, _ = w.Write(body) // the client may be gone
}

// statusClosed is what nginx notes of a client that went before its answer.
const statusClosed = 499

func statusOf(err error) int {
	var refused *refusal
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return refused.status
	case errors.As(err, &long):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errTime):
		return http.StatusGatewayTimeout
	case errors.Is(err, errFull), errors.Is(err, errNobody), errors.Is(err, errNoServer), errors.Is(err, errUnlogged):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.Canceled):
		return statusClosed
	}
	return http.StatusBadGateway
}

// finish counts what became of a request, and hands it on.
func (x *exchange) finish(cause error) {
	x.timer.Stop()
	x.ending.Lock()
	x.ended = true
	x.ending.Unlock()
	if x.done.IsZero() {
		x.done = x.r.o.Now()
	}
	if x.sent.IsZero() {
		x.sent = x.done
	}
	if x.server != nil {
		x.server.inFlight.Add(-1)
	}
	if x.arm != nil {
		x.arm.pool.claimed.Add(-1)
	}
	if x.retried {
		x.t.stable.pool.claimed.Add(-1)
	}
	if x.arm != nil && x.draw.counted {
		x.count(x.outcome(cause))
	}
	if cause == nil && x.reply.err != nil && x.by.Role == deploy.Candidate && !x.body.broken.Load() {
		x.r.broke(x.t)
	}
	x.endSpan()
	if x.mirror && x.verdict != BadRequest && x.copyLater() {
		return // with what is known of the pair
	}
	x.hand(nil)
}

// outcome says what became of the request for the arm that was chosen.
type outcome byte

const (
	answered outcome = iota
	failed
	refused
	left // by the client
)

func (x *exchange) outcome(cause error) outcome {
	var bad *refusal
	var long *http.MaxBytesError
	switch {
	case x.verdict == BadRequest:
		return refused
	case errors.As(x.err, &bad), errors.As(x.err, &long):
		return left // it never was whole
	case x.retried:
		return failed
	case x.upgraded || x.reply.complete:
	case x.body.broken.Load():
		return left
	case errors.Is(cause, errTime) && !x.slow.Load():
		return failed
	case cause != nil, x.err == nil && x.reply.err == nil: // gone while it waited, or while it was answered
		return left
	default:
		return failed
	}
	if x.status >= 500 {
		return failed
	}
	return answered
}

func (x *exchange) count(o outcome) {
	c := x.arm.pool.count
	switch o {
	case refused:
		c.add(cellRefused)
	case left:
		c.add(cellLeft)
	case failed:
		c.add(cellErrors)
		if !x.retried {
			c.latency(x.done.Sub(x.sent))
			break
		}
		c.latency(x.broke)
		if x.by != nil && x.by != x.arm && x.reply.complete {
			c.add(cellRetried)
		}
	case answered:
		c.add(cellAnswers)
		c.latency(x.done.Sub(x.sent))
		x.look(c)
	}
}

// look reads the answer: what the model said, and whether it fits what it should say.
func (x *exchange) look(c *counters) {
	if !x.reply.held || x.status < 200 || x.status > 299 {
		return
	}
	limit := x.r.o.Settings.Limits.Answer
	a := x.answer()
	countOutput(c, a, x.r.rule, limit)
	s := x.arm.pool.serving.Load()
	plain, ok := answer.Plain(a.Encoding, a.Body, limit)
	if !s.schema.Outputs() || !ok {
		return
	}
	if problem, checked := s.schema.Answer(a.Type, plain); problem != nil {
		c.add(cellSchema)
		x.verdict, x.why = BadAnswer, problem.Error()
	} else if checked && x.verdict == Unchecked {
		x.verdict = Fits
	}
}

func countOutput(c *counters, a answer.Answer, rule answer.Rule, limit int) {
	number, word, isNumber, ok := a.First(rule.Pointer, limit)
	switch {
	case !ok:
	case isNumber:
		c.output(number)
	default:
		c.word(word)
	}
}

func (x *exchange) answer() answer.Answer {
	return answer.Answer{Status: x.status, Type: x.reply.kind, Encoding: x.reply.coding, Body: x.reply.buffer}
}
