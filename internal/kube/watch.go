package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"mlx/internal/fault"
)

// Change is what happened to an object that is watched.
type Change struct {
	Type   string          `json:"type"` // ADDED, MODIFIED, DELETED
	Object json.RawMessage `json:"object"`
}

// Watch calls each for every change of the objects that s matches, those that exist first as ADDED. It ends when each
// returns an error, io.EOF for enough, when ctx ends, or when the server ends the watch, which it does after some
// minutes: that is no error.
func (c *Client) Watch(ctx context.Context, r Resource, s Select, each func(Change) error) error {
	q := s.query()
	q.Set("watch", "true")
	what := "watch " + r.Plural
	body, err := c.open(ctx, request{method: http.MethodGet, path: c.path(r, ""), query: q, what: what})
	if err != nil {
		return err
	}
	defer body.Close()
	lines := json.NewDecoder(body)
	for {
		var change Change
		if err := lines.Decode(&change); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return c.lost(what, err)
		}
		switch change.Type {
		case "BOOKMARK":
			continue
		case "ERROR":
			return c.refused(what, http.StatusInternalServerError, change.Object)
		case "ADDED", "MODIFIED", "DELETED":
			if err := each(change); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		default:
			return fault.New(fault.Integrity, "cannot %s: a change of type %.20q", what, change.Type)
		}
	}
}
