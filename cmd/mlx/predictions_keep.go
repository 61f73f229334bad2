package main

import (
	"cmp"
	"context"
	"sync"
	"time"

	"mlx/internal/audit"
	"mlx/internal/audit/sink"
	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/repo"
)

// predictionSink is where the predictions of a service go on to; nil without one.
func predictionSink(name string, s repo.Service) (audit.Sender, error) {
	if s.Log.Sink == "" {
		return nil, nil
	}
	return sink.Open(s.Log.Sink, name)
}

// loggedRelease is what the log tells of a release.
func loggedRelease(r deploy.Release) *audit.Release {
	return &audit.Release{Key: r.Key, Model: r.Model, Version: r.Version, Digest: r.Digest, Image: r.Image, Run: r.Run, Data: r.Data, Commit: r.Commit}
}

// loggedStages are what the log tells of the stages of a release, by their names: each is its model in that release.
func loggedStages(r deploy.Release) map[string]*audit.Release {
	all := map[string]*audit.Release{}
	for _, s := range r.Stages {
		all[s.Name] = &audit.Release{Key: r.Key, Model: s.Model, Version: s.Version, Digest: s.Digest, Image: s.Image, Run: s.Run, Data: s.Data, Commit: s.Commit}
	}
	return all
}

// predictionOf is what the log keeps of an answered request. release is nil where the router itself has answered.
func predictionOf(a router.Answered, release *audit.Release) audit.Prediction {
	p := audit.Prediction{
		ID: a.ID, At: a.At, Generation: a.Generation, Role: string(a.Role), Release: release, Status: a.Status, Latency: a.Latency, Retried: a.Retried,
		Schema: string(a.Schema), Why: a.SchemaWhy,
		Request: audit.Body{Type: a.RequestType, Coding: a.RequestCoding, Bytes: a.Request, Size: max(0, a.RequestBytes)},
		Answer:  audit.Body{Type: a.ReplyType, Coding: a.ReplyCoding, Bytes: a.Reply, Size: max(0, a.ReplyBytes)},
	}
	if a.Bucket >= 0 {
		p.Word, p.Bucket = a.Word, a.Bucket
	}
	// A body of which only the beginning was kept is none, and the digest of a part would be that of something else.
	for _, b := range []*audit.Body{&p.Request, &p.Answer} {
		if int64(len(b.Bytes)) < b.Size {
			b.Bytes = nil
		}
	}
	return p
}

// costOfAnswer is what a request costs by the prices of mlx.yaml: one that a server got. While a server works on several at a time, each
// has its part of the hour.
func costOfAnswer(s repo.Service, a router.Answered) (amount float64, currency string) {
	if a.Key == "" {
		return 0, "" // the router itself has answered
	}
	amount = s.Price.Request.Amount + s.Price.Hour.Amount*a.Latency.Hours()/float64(max(1, s.Limits.InFlight))
	if amount <= 0 {
		return 0, ""
	}
	return amount, cmp.Or(s.Price.Request.Currency, s.Price.Hour.Currency)
}

// predictionKeeper hands what a router answered to the log of its service. It never waits: what the log cannot take is counted there.
type predictionKeeper struct {
	served *served
	writer *audit.Writer
	strict bool // what cannot be kept is not answered

	mu       sync.Mutex
	releases map[string]*audit.Release // by key; nil of one that nobody knows
	stages   map[string]map[string]*audit.Release
}

// keepPredictions opens the log of a service to be written to.
func (s *served) keepPredictions(ctx context.Context) (*predictionKeeper, error) {
	o, err := s.app.predictionOptions(s.name, s.cfg)
	if err != nil {
		return nil, err
	}
	w, err := audit.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return &predictionKeeper{served: s, writer: w, strict: o.Strict, releases: map[string]*audit.Release{}, stages: map[string]map[string]*audit.Release{}}, nil
}

func (k *predictionKeeper) take(a router.Answered) {
	if !a.Sampled {
		return
	}
	p := predictionOf(a, k.release(a.Key))
	p.Release, p.Stage = k.stage(p.Release, a.Stage)
	p.Cost, p.Currency = costOfAnswer(k.served.cfg, a)
	if k.strict {
		k.writer.AddPromised(p)
		return
	}
	_ = k.writer.Add(p) // what cannot be kept is counted, and the alarm tells of it
}

// kept is what became of what was handed to the log.
func (k *predictionKeeper) kept() deploy.Logged {
	s := k.writer.Stats()
	l := deploy.Logged{Strict: k.strict, Kept: int64(s.Accepted), Dropped: s.Dropped, Refusing: k.strict && s.Refusing != nil}
	if s.Trouble != nil {
		l.Trouble = s.Trouble.Error()
	} else if l.Refusing {
		l.Trouble = s.Refusing.Error()
	}
	return l
}

// release is what the log tells of a release. A key that is not known is that of a release that is new.
func (k *predictionKeeper) release(key string) *audit.Release {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.releases[key]; ok || key == "" {
		return r
	}
	arms, err := k.served.supervisor().Arms()
	if err != nil {
		return nil
	}
	k.releases[key] = nil
	for _, w := range arms.Arms {
		k.releases[w.Release.Key], k.stages[w.Release.Key] = loggedRelease(w.Release), loggedStages(w.Release)
	}
	return k.releases[key]
}

// stage is what the log tells of the stage of a release that has answered, and its name. Several are only named; what a server that has no stages
// says of them means nothing.
func (k *predictionKeeper) stage(r *audit.Release, name string) (*audit.Release, string) {
	if r == nil || name == "" {
		return r, ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	stages := k.stages[r.Key]
	if len(stages) == 0 {
		return r, ""
	}
	if one := stages[name]; one != nil {
		return one, name
	}
	return r, name
}

// sealTime is what a router that ends has to seal its log.
const sealTime = 30 * time.Second

func (k *predictionKeeper) close(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, sealTime)
	defer stop()
	return k.writer.Close(ctx)
}
