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
	look     = 300 * time.Millisecond
)

// Cancel stops a job: TERM to the agent and to what it started, and KILL once the grace is over, which Ray knows since the
// submit. One that waits for its place is killed where Ray's own stop does nothing.
func (d *Driver) Cancel(ctx context.Context, ref train.Ref, grace time.Duration) error {
	id := ref.Name()
	j, found, err := d.api.job(ctx, id)
	if err != nil || !found || j.ended() {
		return err
	}
	if j.Status == "PENDING" {
		return d.kill(ctx, id)
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
	digest, agent, err := d.sendAgent(ctx)
	if err != nil {
		return err
	}
	killer := submission{
		ID:         id + "-kill-" + nonce(),
		Entrypoint: "exec sh ./mlx-start " + digest + " kill " + quote(id),
		RuntimeEnv: runtimeEnv{WorkingDir: agent},
		Resources:  map[string]float64{"node:__internal_head__": 0.001},
	}
	if err := d.create(ctx, killer); err != nil {
		return err
	}
	defer d.api.forget(killer.ID)
	end, err := d.api.await(ctx, killer.ID, killWait)
	if err != nil {
		return err
	}
	j, err := d.api.await(ctx, id, stopWait)
	if err == nil && !j.ended() {
		err = fault.New(fault.Unavailable, "cannot end job %s of %s: it is still %s, and what should end it is %s", id, d.backend.Name, j.Status, end.Status)
	}
	return err
}

// forget removes what Ray knows of a job that has ended.
func (a api) forget(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	a.await(ctx, id, stopWait)
	if resp, err := a.do(ctx, call{method: http.MethodDelete, path: "/api/jobs/" + url.PathEscape(id)}); err == nil {
		resp.Body.Close()
	}
}
