package ray

import (
	"context"
	"encoding/json"
	"net/url"

	"mlx/internal/train"
)

// Shows is the job as the API of Ray shows it to everybody who reaches it.
func (d *Driver) Shows(ctx context.Context, job train.Ref) (string, error) {
	var shown json.RawMessage
	err := d.api.get(ctx, "/api/jobs/"+url.PathEscape(job.Name()), &shown)
	if missing(err) {
		return "", nil
	}
	return string(shown), err
}

// Left is the job as long as Ray has not ended it. Ray's list of ended jobs is its own.
func (d *Driver) Left(ctx context.Context, job train.Ref) (string, error) {
	j, known, err := d.api.job(ctx, job.Name())
	if err != nil || !known || j.ended() {
		return "", err
	}
	return job.Name() + " " + j.Status + "\n", nil
}
