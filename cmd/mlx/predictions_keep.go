package main

import (
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
