package ray

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// How long a cancelled job is watched, beyond what its grace allows.
const (
	stopWait = 10 * time.Second
	killWait = 60 * time.Second
	saving   = 30 * time.Second // for the agent to leave its results
	look     = 300 * time.Millisecond
)

// Cancel stops a job: TERM to the agent, which ends the command and leaves its results, and once the grace is over Ray's own
// stop. That alone would not do: it sends TERM to the command as well, so that nobody can tell how it ended. One that waits for
// its place is killed, where Ray's own stop does nothing.
func (d *Driver) Cancel(ctx context.Context, ref train.Ref, grace time.Duration) error {
	id := ref.Name()
	j, found, err := d.api.job(ctx, id)
	if err != nil || !found || j.ended() {
		return err
	}
	if j.Status == "PENDING" {
		return d.kill(ctx, id)
	}
	if d.term(ctx, ref) == nil {
		if j, err = d.api.await(ctx, id, grace+saving); err != nil || j.ended() {
			return err
		}
	}
	if err := d.api.post(ctx, "/api/jobs/"+url.PathEscape(id)+"/stop", struct{}{}); err != nil && !missing(err) {
		return err
	}
	j, err = d.api.await(ctx, id, grace+stopWait)
	switch {
	case err != nil:
		return err
	case !j.ended():
		return d.kill(ctx, id)
	}
	return nil
}

// term sends TERM to the agent of a job, by a small job on its node. An error says that it got none.
func (d *Driver) term(ctx context.Context, ref train.Ref) error {
	at, err := d.place(ctx, ref)
	if err != nil {
		return err
	}
	end, err := d.errand(ctx, ref.Name()+"-term-"+nonce(), "term "+quote(d.dir(ref)), map[string]float64{"node:" + at.IP: 0.001})
	if err == nil && (end.Exit == nil || *end.Exit != 0) {
		err = fault.New(fault.Unavailable, "cannot find the agent of job %s", ref.Name())
	}
	return err
}

// errand executes a small job to its end, and forgets it.
func (d *Driver) errand(ctx context.Context, id, what string, where map[string]float64) (details, error) {
	digest, agent, err := d.sendAgent(ctx)
	if err != nil {
		return details{}, err
	}
	body := submission{
		ID: id, Entrypoint: "exec sh ./mlx-start " + digest + " " + what, RuntimeEnv: runtimeEnv{WorkingDir: agent}, Resources: where,
	}
	if err := d.create(ctx, body); err != nil {
		return details{}, err
	}
	defer d.api.forget(id)
	return d.api.await(ctx, id, killWait)
}

// await waits until a job has ended, or the time is over. A job that is gone has ended.
func (a api) await(ctx context.Context, id string, most time.Duration) (details, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		j, found, err := a.job(ctx, id)
		switch {
		case ctx.Err() != nil:
			return j, nil
		case err != nil:
			return j, err
		case !found:
			return details{Status: "STOPPED"}, nil
		case j.ended():
			return j, nil
		}
		select {
		case <-ctx.Done():
			return j, nil
		case <-tick.C:
		}
	}
}

// kill ends the actor of a job, by a small job at the head: the API has no such request. Everything that the actor
// started ends with it.
func (d *Driver) kill(ctx context.Context, id string) error {
	end, err := d.errand(ctx, id+"-kill-"+nonce(), "kill "+quote(id), map[string]float64{"node:__internal_head__": 0.001})
	if err != nil {
		return err
	}
	j, err := d.api.await(ctx, id, stopWait)
	if err == nil && !j.ended() {
		err = fault.New(fault.Unavailable, "cannot end job %s of %s: it is still %s, and what should end it is %s", id, d.backend.Name, j.Status, end.Status)
	}
	return err
}

// settling is how long Ray itself looks after a job that has ended: what is deleted sooner comes back as one that failed.
const settling = 1500 * time.Millisecond

// forget removes what Ray knows of a job that has ended.
func (a api) forget(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait+settling)
	defer cancel()
	if _, err := a.await(ctx, id, stopWait); err != nil {
		return
	}
	<-time.After(settling)
	if resp, err := a.do(ctx, call{method: http.MethodDelete, path: "/api/jobs/" + url.PathEscape(id)}); err == nil {
		resp.Body.Close()
	}
}
