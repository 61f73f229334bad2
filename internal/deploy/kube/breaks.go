package kube

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/guard"
	"mlx/internal/deploy/meter"
	"mlx/internal/kube"
)

// A step is watched for breaks as long as this process controls it. No object of a cluster knows such a rule, so that whoever controls the
// rollout hears of them from the meters, and takes the candidate back without waiting for the next look.

// How often a meter is asked again that did not answer, and a cluster that did not tell which pods the candidate has.
const (
	breaksAgain = 500 * time.Millisecond
	breaksLook  = 5 * time.Second
)

// watched is the step that is watched.
type watched struct {
	generation uint64
	stop       context.CancelFunc
}

// watchBreaks begins to watch the step of a generation, and ends to watch another one.
func (v *Driver) watchBreaks(d deploy.Desired) {
	counted := v.Agent() != ""
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.watched.stop != nil {
		if v.watched.generation == d.Generation {
			return
		}
		v.watched.stop()
		v.watched = watched{}
	}
	c, begun := armOf(d, deploy.Candidate)
	_, beside := armOf(d, deploy.Stable)
	if !begun || !beside || c.Share == 0 || d.Breaks == 0 || !counted || v.Follows {
		return
	}
	ctx, stop := context.WithCancel(v.Cluster.over)
	v.watched = watched{d.Generation, stop}
	v.Cluster.ended.Go(func() {
		defer stop()
		v.breaks(ctx, d, c.Release.Key)
	})
}

// breaks hears of each broken connection of the pods of a candidate, until there are as many as end a rollout.
func (v *Driver) breaks(ctx context.Context, d deploy.Desired, key string) {
	heard := make(chan struct{})
	var each sync.WaitGroup
	defer each.Wait()
	ctx, stop := context.WithCancel(ctx) // before they are waited for
	defer stop()
	listening := map[string]context.CancelFunc{}
	changed, end := v.cache.Hear(kube.Pods, labelName, v.name())
	defer end()
	look := time.NewTicker(breaksLook)
	defer look.Stop()
	var at []time.Time
	for {
		v.listen(ctx, key, listening, func(ctx context.Context, name string) {
			each.Go(func() { v.hear(ctx, name, heard) })
		})
		select {
		case <-ctx.Done():
			return
		case <-changed:
			continue
		case <-look.C:
			continue
		case <-heard:
		}
		at = append(at, v.Now())
		at = at[max(len(at)-d.Breaks, 0):]
		if len(at) < d.Breaks || d.BreaksIn > 0 && at[len(at)-1].Sub(at[0]) > d.BreaksIn {
			continue
		}
		reason := fmt.Sprintf("breaks: the connection of the candidate broke %d times", d.Breaks)
		if d.BreaksIn > 0 {
			reason += " within " + d.BreaksIn.String()
		}
		if v.takeBack(ctx, d, reason) {
			return
		}
	}
}

// listen has each pod of a release listened to once.
func (v *Driver) listen(ctx context.Context, key string, listening map[string]context.CancelFunc, to func(ctx context.Context, name string)) {
	pods, err := v.pods(ctx)
	if err != nil {
		return // at the next look
	}
	there := map[string]bool{}
	for _, p := range pods {
		if !p.of(key) || !p.metered() || p.Status.IP == "" || p.Metadata.Deleted != "" {
			continue
		}
		name := p.Metadata.Name
		if there[name] = true; listening[name] == nil && len(listening) < scraped {
			one, stop := context.WithCancel(ctx)
			listening[name] = stop
			to(one, name)
		}
	}
	maps.DeleteFunc(listening, func(name string, stop context.CancelFunc) bool {
		if !there[name] {
			stop()
		}
		return !there[name]
	})
}

// hear tells of each connection of a pod that breaks from now on.
func (v *Driver) hear(ctx context.Context, name string, heard chan<- struct{}) {
	known := int64(-1) // what broke before is not counted
	for ctx.Err() == nil {
		var b meter.Broken
		if err := v.client.Proxied(ctx, name, portStats, fmt.Sprintf("v1/broken/%d", known), &b); err != nil {
			select { // a meter of an earlier mlx knows of none
			case <-ctx.Done():
			case <-time.After(breaksAgain):
			}
			continue
		}
		more := b.Broken - known
		if known < 0 {
			more = 0
		} else if more < 0 { // it was started again
			more = b.Broken
		}
		known = b.Broken
		for range more {
			select {
			case heard <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// takeBack gives all to stable, as a guard does, if the cluster still obeys what is watched. false: it has to be tried again.
func (v *Driver) takeBack(ctx context.Context, d deploy.Desired, reason string) bool {
	steps, err := v.settings().revertBy(v.client, d, reason)
	if err != nil {
		return false
	}
	for range obeyTries {
		now, err := v.anchor(ctx)
		if err != nil {
			return false
		}
		if now == nil || now.generation != d.Generation || now.reverted != nil {
			return true
		}
		err = v.revertNow(ctx, now, steps)
		if !kube.Changed(err) {
			return err == nil
		}
	}
	return false
}

// revertNow does what a guard would do, if nobody has changed the anchor since it was read.
func (v *Driver) revertNow(ctx context.Context, now *held, text string) error {
	steps, err := guard.ReadSteps(text)
	if err != nil {
		return err
	}
	version := now.Metadata.ResourceVersion
	for _, s := range steps {
		if err := s.Take(ctx, v.client, version); err != nil {
			return err
		}
		version = "" // the first one has changed it
	}
	return nil
}
