package kube

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"mlx/internal/fault"
)

// MergeAt changes some fields of the object, or of the part of one, at a path of the API server as Path writes it: /apis/GROUP/VERSION/namespaces/…
// It is for who was told the path, and must be in the namespace of the client.
func (c *Client) MergeAt(ctx context.Context, where string, patch, into any) error {
	what, err := c.objectAt(where)
	if err != nil {
		return err
	}
	q := url.Values{"fieldManager": {Manager}}
	return c.ask(ctx, request{method: http.MethodPatch, path: strings.TrimPrefix(where, "/"), query: q, body: patch, kind: "application/merge-patch+json",
		what: "change " + what}, into)
}

// GetAt reads what stands at a path, which has to be in the namespace as well.
func (c *Client) GetAt(ctx context.Context, where string, into any) error {
	what, err := c.objectAt(where)
	if err != nil {
		return err
	}
	return c.ask(ctx, request{method: http.MethodGet, path: strings.TrimPrefix(where, "/"), what: "read " + what}, into)
}

// objectAt is how the object at a path is called, which stands in the namespace.
func (c *Client) objectAt(where string) (string, error) {
	parts := strings.Split(where, "/")
	at := 3 // "", api, v1, namespaces, NAME, PLURAL, NAME
	if len(parts) > 1 && parts[1] == "apis" {
		at = 4
	}
	sound := len(parts) >= at+4 && len(parts) <= at+5 && (parts[1] == "api" || parts[1] == "apis") && parts[at] == "namespaces"
	for _, p := range parts[1:] {
		sound = sound && p != "" && p != "." && p != ".." && strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == ""
	}
	if !sound {
		return "", fault.New(fault.Usage, "cannot change %.200q: it is no path of an object in a namespace", where)
	}
	if parts[at+1] != c.namespace {
		return "", fault.New(fault.Denied, "cannot change %.200q: it is not in namespace %s", where, c.namespace)
	}
	return strings.Join(parts[at+2:], "/"), nil
}
