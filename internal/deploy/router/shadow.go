package router

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"mlx/internal/deploy/router/internal/answer"
)

// copies are what the shadow is still to get. No client waits for one.
type copies struct {
	queue chan *copyJob
	done  sync.WaitGroup
}

// copyJob is a request that stable has answered.
type copyJob struct {
	x    *exchange
	arm  *arm // the shadow
	born int64
}

func newCopies(ctx context.Context, r *router) *copies {
	c := &copies{queue: make(chan *copyJob, r.o.Settings.Shadow.Queue)}
	for range r.o.Settings.Shadow.Workers {
		c.done.Go(func() {
			for {
				select {
				case job := <-c.queue:
					job.run(ctx)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return c
}

// rest drops what is left when the router ends.
func (c *copies) rest() {
	c.done.Wait()
	for {
		select {
		case job := <-c.queue:
			job.drop()
		default:
			return
		}
	}
}

// copyLater says whether the exchange is handed on by a copy.
func (x *exchange) copyLater() bool {
	c := x.t.shadow.pool.count
	c.add(cellEligible)
	switch {
	case !x.body.whole || x.reply.stream || x.upgraded || x.reply.complete && !x.reply.held:
		c.add(cellUnlike)
		return false
	case !x.reply.complete || x.copied == nil:
		c.add(cellDropped)
		return false
	}
	select {
	case x.r.copies.queue <- &copyJob{x, x.t.shadow, x.r.clock()}:
		return true
	default:
		c.add(cellDropped)
		x.hand(&Pair{Key: x.t.shadow.Release.Key, Dropped: true})
		return true
	}
}

func (j *copyJob) drop() {
	j.arm.pool.count.add(cellDropped)
	j.x.hand(&Pair{Key: j.arm.Release.Key, Dropped: true})
}

// run sends the copy and compares the answers.
func (j *copyJob) run(ctx context.Context) {
	x, r, c := j.x, j.x.r, j.arm.pool.count
	left := r.o.Settings.Shadow.Age - time.Duration(r.clock()-j.born)
	if left <= 0 || r.table.Load().shadow == nil || r.table.Load().shadow.Release.Key != j.arm.Release.Key {
		j.drop() // too old, or it is the shadow no more
		return
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	c.add(cellRequests)
	start := r.o.Now()
	got, tooLong, err := j.ask(ctx)
	took := r.o.Now().Sub(start)
	if err != nil && ctx.Err() != nil {
		j.drop()
		return
	}
	pair := &Pair{Key: j.arm.Release.Key, Status: got.Status}
	c.latency(took)
	switch {
	case err != nil || got.Status >= 500:
		c.add(cellErrors)
	default:
		c.add(cellAnswers)
		if !tooLong && got.Status >= 200 && got.Status <= 299 {
			countOutput(c, got, r.rule, r.o.Settings.Limits.Answer)
		}
	}
	stable := x.answer()
	switch {
	case err != nil || got.Status >= 500 && stable.Status < 500:
		pair.Result = answer.Result{Verdict: answer.Different, Where: "the shadow failed"}
		c.add(cellFailed)
	case tooLong:
		pair.Result = answer.Result{Verdict: answer.Unlike, Where: "the answer of the shadow is a stream, or too long"}
	default:
		pair.Result = r.rule.Compare(stable, got, func(d float64) { c.observe(cellDiffs, d*1e6) })
	}
	switch pair.Result.Verdict {
	case answer.Unlike:
		c.add(cellUnlike)
	case answer.Different:
		c.add(cellCompared)
		c.add(cellDisagreed)
	default:
		c.add(cellCompared)
	}
	x.hand(pair)
}

// ask gets the answer of the shadow.
func (j *copyJob) ask(ctx context.Context) (got answer.Answer, tooLong bool, err error) {
	x := j.x
	s := j.arm.pool.serving.Load()
	b := j.arm.pool.pick(s.list, nil, x.r.o.Settings.Balance, x.r.clock())
	if b == nil {
		return got, false, errNoServer
	}
	target := *x.req.URL
	target.Scheme, target.Host = "http", b.address
	req, err := http.NewRequestWithContext(ctx, x.req.Method, target.String(), bytes.NewReader(x.body.kept))
	if err != nil {
		return got, false, err
	}
	req.Header, req.Host = x.copied, x.req.Host
	req.Header.Set(shadowHeader, "true")
	b.inFlight.Add(1)
	defer b.inFlight.Add(-1)
	resp, err := x.r.transport(s).RoundTrip(req)
	if err != nil {
		if nothingSent(err) && !errors.Is(err, context.DeadlineExceeded) {
			b.refuse(x.r.clock())
		}
		return got, false, err
	}
	defer resp.Body.Close()
	got = answer.Answer{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type"), Encoding: resp.Header.Get("Content-Encoding")}
	if answer.Streams(got.Type) {
		return got, true, nil
	}
	limit := int64(x.r.o.Settings.Limits.Answer)
	got.Body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	return got, int64(len(got.Body)) > limit, err
}

// hand gives the exchange to the sink. It is the end of it.
func (x *exchange) hand(pair *Pair) {
	defer x.body.release(x.r)
	if x.r.o.Sink == nil {
		return
	}
	x.r.o.Sink(x.answered(pair))
}

func (x *exchange) answered(pair *Pair) Answered {
	a := Answered{
		ID: x.id, At: x.at, Service: x.t.desired.Service, Generation: x.t.desired.Generation, Bucket: x.draw.ofWord(), Word: x.draw.hexWord(),
		Counted: x.arm != nil && x.draw.counted, Method: x.req.Method, Path: x.req.URL.Path, Status: x.status, Latency: x.done.Sub(x.sent), Schema: x.verdict,
		SchemaWhy: x.why, Pair: pair, Sampled: x.sampled, RequestType: x.req.Header.Get("Content-Type"), ReplyType: x.reply.kind, ReplyBytes: x.reply.length,
		RequestCoding: x.req.Header.Get("Content-Encoding"), ReplyCoding: x.reply.coding, RequestBytes: x.req.ContentLength,
		Stage: x.reply.stage,
	}
	if x.status == statusClosed {
		a.Status = 0
	}
	if x.by != nil {
		a.Role, a.Key = x.by.Role, x.by.Release.Key
	} else if x.arm != nil && x.err == nil {
		a.Role, a.Key = x.arm.Role, x.arm.Release.Key
	}
	if x.retried {
		a.Retried = x.arm.Release.Key
	}
	if x.span.Trace != [16]byte{} {
		a.Trace = x.span.String()[3:35]
	}
	if x.sampled {
		s := x.r.o.Settings.Sample
		if x.body.whole {
			a.Request = x.body.kept[:min(len(x.body.kept), s.Body)]
		}
		a.Reply = x.reply.buffer[:min(len(x.reply.buffer), s.Reply)]
	}
	return a
}
