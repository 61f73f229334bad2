// Package ray hides how Ray executes jobs: its Jobs API, packages that are named by their content, and what it takes to
// reach a job's node where the API offers nothing for it.
package ray

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Options say which Ray, and what it is given.
type Options struct {
	Backend train.Backend
	Agent   func() (path string, err error) // file with the mlx that the nodes use
	Token   func() string                   // of the API; nil or "" where it asks for none
	Client  *http.Client                    // knows proxies and certificates; nil is the usual one
	Now     func() time.Time
}

// Driver is a Ray cluster.
type Driver struct {
	api     api
	backend train.Backend
	agent   func() (string, error)
	now     func() time.Time
}

// New makes the driver of a backend. It asks for nothing yet.
func New(o Options) (*Driver, error) {
	a, err := newAPI(o)
	if err != nil {
		return nil, err
	}
	return &Driver{api: a, backend: o.Backend, agent: o.Agent, now: o.Now}, nil
}

// Access says that a job takes with it what it needs, and that its node can be reached from when it began.
func (d *Driver) Access() train.Access { return train.AccessAfter }

// Submit uploads what the cluster lacks and makes the job. Its handle is the submission id.
func (d *Driver) Submit(ctx context.Context, j train.Job) (string, error) {
	j.Ref = j.Next()
	id := j.Name()
	if _, found, err := d.api.job(ctx, id); err != nil || found {
		return id, err
	}
	if j.Image != "" {
		return "", fault.New(fault.Usage, "cannot run in the image %s on %s: Ray has no containers for jobs", j.Image, d.backend.Name)
	}
	want := demandOf(j.Resources)
	if err := d.fits(ctx, want, max(1, j.Resources.Nodes)); err != nil {
		return "", err
	}
	digest, agent, err := d.sendAgent(ctx)
	if err != nil {
		return "", err
	}
	modules, err := d.sendJob(ctx, j)
	if err != nil {
		return "", err
	}
	body, err := request(j, want, digest)
	if err != nil {
		return "", err
	}
	body.RuntimeEnv.WorkingDir, body.RuntimeEnv.Modules = agent, modules
	return id, d.create(ctx, body)
}

// Describe is the request that makes the job of Ray, without the names of packages.
func (d *Driver) Describe(j train.Job) (string, error) {
	body, err := request(j, demandOf(j.Resources), "MLX")
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(body, "", "  ")
	return "POST " + d.api.base + "/api/jobs/\n" + string(text) + "\n", err
}

// create makes a job. The reply may be lost after Ray has made it, and Ray refuses a second one of the same id: whether it
// is there decides.
func (d *Driver) create(ctx context.Context, r submission) error {
	err := d.api.post(ctx, "/api/jobs/", r)
	if err == nil {
		return nil
	}
	if _, found, failed := d.api.job(ctx, r.ID); failed == nil && found {
		return nil
	}
	return fault.New(fault.KindOf(err), "cannot submit job %s to %s: %w", r.ID, d.backend.Name, err)
}

// quote makes one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
