package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

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
	return c.watch(ctx, r, watching{Select: s}, func(change Change) error {
		if change.Type == bookmark {
			return nil
		}
		return each(change)
	})
}

const bookmark = "BOOKMARK"

// watching says what is watched.
type watching struct {
	Select

	more url.Values
}

// watch also tells how far the server has come.
func (c *Client) watch(ctx context.Context, r Resource, s watching, each func(Change) error) error {
	q := s.query()
	for name, values := range s.more {
		q[name] = values
	}
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
		case "ERROR":
			return c.refused(what, http.StatusInternalServerError, change.Object)
		case "ADDED", "MODIFIED", "DELETED", bookmark:
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
