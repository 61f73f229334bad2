package ray

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mlx/internal/train"
)

// logName is the file that has the output of a job, on the node that executes it.
func logName(id string) string { return "job-driver-" + id + ".log" }

// logPath asks for the bytes of a file of logs. The Jobs API itself would decode the text, and answers 500 for a byte that
// is no UTF-8. kind is "file", or "stream" to be told what is added for as long as one listens.
func logPath(kind, node, name string) string {
	q := url.Values{"node_id": {node}, "filename": {name}, "lines": {"-1"}}
	if kind == "stream" {
		q.Set("interval", "0.05")
	} else {
		q.Set("timeout", "3600")
	}
	return "/api/v0/logs/" + kind + "?" + q.Encode()
}

// Logs reads the output of a job as Ray has it, all that there is from a byte on.
func (d *Driver) Logs(ctx context.Context, ref train.Ref, from int64) (io.ReadCloser, error) {
	j, found, err := d.api.job(ctx, ref.Name())
	switch {
	case err != nil:
		return nil, err
	case !found:
		return skip(io.NopCloser(strings.NewReader("")), from)
	case j.Node == nil:
		text := "" // it did not begin: why is all there is
		if j.Message != nil && j.ended() {
			text = strings.TrimSpace(*j.Message) + "\n"
		}
		return skip(io.NopCloser(strings.NewReader(text)), from)
	}
	resp, err := d.api.do(ctx, call{method: http.MethodGet, path: logPath("file", *j.Node, logName(ref.Name())), stream: true})
	if err == nil {
		return skip(resp.Body, from)
	}
	var r *refusal
	if !errors.As(err, &r) {
		return nil, err
	}
	// An old Ray, or a node that is gone.
	var reply struct {
		Logs string `json:"logs"`
	}
	if err := d.api.get(ctx, "/api/jobs/"+url.PathEscape(ref.Name())+"/logs", &reply); err != nil {
		return nil, err
	}
	return skip(io.NopCloser(bytes.NewReader([]byte(reply.Logs))), from)
}

// skip leaves out bytes: Ray sends a file from its beginning.
func skip(r io.ReadCloser, n int64) (io.ReadCloser, error) {
	if _, err := io.CopyN(io.Discard, r, n); err != nil && !errors.Is(err, io.EOF) {
		r.Close()
		return nil, err
	}
	return r, nil
}
