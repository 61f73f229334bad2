package cascade

import (
	"slices"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
)

// counts are what is counted of a stage.
type counts struct {
	before                                      deploy.SeenStage // by the process before this one
	requests, decidedN, passedN, errorsN, lateN atomic.Int64
	latency                                     [deploy.NumBuckets]atomic.Int64
}

func newCounts(before []deploy.SeenStage, name string) *counts {
	c := &counts{before: deploy.SeenStage{Name: name}}
	if i := slices.IndexFunc(before, func(s deploy.SeenStage) bool { return s.Name == name }); i >= 0 {
		c.before = before[i]
	}
	return c
}

// add counts an answer.
func (c *counts) add(v verdict, late bool, took time.Duration) {
	c.requests.Add(1)
	switch v {
	case sure:
		c.decidedN.Add(1)
	case passed:
		c.passedN.Add(1)
	case wrong:
		c.errorsN.Add(1)
		if late {
			c.lateN.Add(1)
		}
	}
	c.latency[deploy.Bucket(took.Microseconds())].Add(1)
}

// decided says that an answer that was not sure went back after all.
func (c *counts) decided() {
	c.decidedN.Add(1)
	c.passedN.Add(-1)
}

// Counts are what was counted of each stage, also by processes before this one. What is ready and in trouble is known to whoever keeps the
// servers.
func (c *Cascade) Counts() []deploy.SeenStage {
	all := make([]deploy.SeenStage, len(c.stages))
	for i, s := range c.stages {
		buckets := make([]int64, deploy.NumBuckets)
		for b := range buckets {
			buckets[b] = s.counts.latency[b].Load()
		}
		now := deploy.SeenStage{Name: s.Name, Requests: s.counts.requests.Load(), Decided: s.counts.decidedN.Load(), Passed: s.counts.passedN.Load(),
			Errors: s.counts.errorsN.Load(), Late: s.counts.lateN.Load(), Latency: deploy.NewHistogram(buckets)}
		before := s.counts.before
		before.Ready, before.Restarts, before.Trouble = 0, 0, ""
		all[i] = before.And(now)
	}
	return all
}
