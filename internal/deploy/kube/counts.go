package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
)

// counts add up what the pods of each release have counted. A pod that goes takes its counts with it, and a meter that starts again begins at
// nothing: what they had is kept, so that a sum never falls. Several processes keep the same file: what one knows, and what the file says, is
// joined pod by pod, so that nothing is lost and nothing counts twice, whoever writes last.
type counts struct {
	file string
	lock func(context.Context) (func(), error) // of the file, among processes; nil: there is no other

	mu   sync.Mutex
	last string            // what the file said
	of   map[string]*tally // by release
}

// tally is what a release has counted.
type tally struct {
	Gone  figures              `json:"gone"`           // of pods that went long ago
	Ended map[string]time.Time `json:"ended,omitzero"` // which were those, and since when: what somebody else knows of them is in Gone already
	Pods  map[string]*counted  `json:"pods"`           // by uid
}

// counted is what one pod has counted, whether it is there or not.
type counted struct {
	Lives  int       `json:"lives,omitempty"` // how often its meter has begun again
	Before figures   `json:"before,omitzero"` // of the lives that have ended
	Now    figures   `json:"now"`
	Missed time.Time `json:"missed,omitzero"` // since when it is not there
}

// figures are what a pod has counted of its answers, or of the pairs that it has compared.
type figures struct {
	deploy.Counters

	Pairs deploy.Pairs `json:"pairs,omitzero"`
}

func (f figures) and(other figures) figures {
	return figures{f.Counters.And(other.Counters), f.Pairs.And(other.Pairs)}
}

// Times for which a pod is kept that is not there: the cluster may have left it out of one answer, and others may have seen more of it.
const (
	keptApart  = 10 * time.Minute
	keptEnded  = 7 * 24 * time.Hour
	lockedMost = 2 * time.Second
)

// openCounts reads what was kept. A file that cannot be read is begun again: a step then counts from here on.
func openCounts(file string, lock func(context.Context) (func(), error)) *counts {
	c := &counts{file: file, lock: lock, of: map[string]*tally{}}
	_ = c.read() // it is read again before it is written
	return c
}

// read joins what the file says.
func (c *counts) read() error {
	if c.file == "" {
		return nil
	}
	text, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		c.last = ""
		return nil
	}
	if err != nil || string(text) == c.last {
		return err
	}
	c.last = string(text)
	var said map[string]*tally
	if json.Unmarshal(text, &said) != nil {
		return nil // what is known here takes its place
	}
	for key, theirs := range said {
		if theirs == nil {
			continue
		}
		c.tally(key).join(theirs)
	}
	return nil
}

func (c *counts) tally(key string) *tally {
	t := c.of[key]
	if t == nil {
		t = &tally{Ended: map[string]time.Time{}, Pods: map[string]*counted{}}
		c.of[key] = t
	}
	return t
}

// join takes what another process knows of the same pods.
func (t *tally) join(theirs *tally) {
	t.Gone = more(t.Gone, theirs.Gone) // whoever adds to it has read what was there
	maps.Copy(t.Ended, theirs.Ended)
	for uid, other := range theirs.Pods {
		if other == nil {
			continue
		}
		if mine := t.Pods[uid]; mine != nil {
			mine.join(*other)
		} else {
			one := *other
			t.Pods[uid] = &one
		}
	}
	for uid := range t.Ended {
		delete(t.Pods, uid)
	}
}

// join takes the later of two states of one pod. Who has not seen yet that its meter began again may know more of its lives before.
func (p *counted) join(other counted) {
	if p.Lives < other.Lives {
		*p, other = other, *p
	}
	if p.Lives == other.Lives {
		p.Before, p.Now = more(p.Before, other.Before), more(p.Now, other.Now)
	} else {
		p.Before = more(p.Before, other.sum())
	}
	if p.Missed.IsZero() {
		p.Missed = other.Missed
	}
}

func (p *counted) sum() figures { return p.Before.and(p.Now) }

// more is the later of two states of one counter.
func more(a, b figures) figures {
	if b.Requests > a.Requests || b.Requests == a.Requests && b.Ended() > a.Ended() {
		a.Counters = b.Counters
	}
	done := func(p deploy.Pairs) int64 { return p.Compared + p.Unlike + p.Dropped }
	if b.Pairs.Eligible > a.Pairs.Eligible || b.Pairs.Eligible == a.Pairs.Eligible && done(b.Pairs) > done(a.Pairs) {
		a.Pairs = b.Pairs
	}
	return a
}

// see takes what a pod counts now.
func (c *counts) see(key, uid string, now deploy.Counters) { c.take(key, uid, figures{Counters: now}) }

// seePairs takes what a pod has compared, in which the release is the shadow.
func (c *counts) seePairs(key, uid string, now deploy.Pairs) { c.take(key, uid, figures{Pairs: now}) }

func (c *counts) take(key, uid string, now figures) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	if _, ended := t.Ended[uid]; ended {
		return // the cluster tells of it once more, and it has no requests any more
	}
	p := t.Pods[uid]
	if p == nil {
		p = &counted{}
		t.Pods[uid] = p
	}
	if now.Requests < p.Now.Requests || now.Pairs.Eligible < p.Now.Pairs.Eligible {
		p.Lives, p.Before = p.Lives+1, p.sum()
	}
	p.Now = now
}

// keep takes which pods there are, joins what others know, and writes down what is to be kept. Where that cannot be, it is known as long as this
// process.
func (c *counts) keep(ctx context.Context, there map[string]bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock != nil {
		waiting, end := context.WithTimeout(ctx, lockedMost)
		defer end()
		release, err := c.lock(waiting)
		if err != nil {
			return
		}
		defer release()
	}
	if c.read() != nil {
		return
	}
	for _, t := range c.of {
		t.fold(there, now)
	}
	text, err := json.Marshal(c.of)
	if err != nil || c.file == "" || string(text)+"\n" == c.last {
		return
	}
	if folder.WriteJSON(c.file, c.of) == nil {
		c.last = string(text) + "\n"
	}
}

// fold lays together what pods had counted that went long ago.
func (t *tally) fold(there map[string]bool, now time.Time) {
	for uid, p := range t.Pods {
		switch {
		case there[uid]:
			p.Missed = time.Time{}
		case p.Missed.IsZero():
			p.Missed = now
		case now.Sub(p.Missed) > keptApart:
			t.Gone, t.Ended[uid] = t.Gone.and(p.sum()), now
			delete(t.Pods, uid)
		}
	}
	for _, uid := range slices.Collect(maps.Keys(t.Ended)) {
		if now.Sub(t.Ended[uid]) > keptEnded {
			delete(t.Ended, uid)
		}
	}
}

// sums are what each release has counted.
func (c *counts) sums() map[string]deploy.Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]deploy.Counters{}
	for key, t := range c.of {
		all[key] = t.sum().Counters
	}
	return all
}

// pairs are what was compared in all with a release as the shadow.
func (c *counts) pairs(key string) deploy.Pairs {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.of[key]; t != nil {
		return t.sum().Pairs
	}
	return deploy.Pairs{}
}

func (t *tally) sum() figures {
	sum := t.Gone
	for _, p := range t.Pods {
		sum = sum.and(p.sum())
	}
	return sum
}
