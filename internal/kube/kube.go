// Package kube hides how an API server of Kubernetes is spoken to: where kubeconfig says it is and how it wants to be
// convinced (tokens, certificates, credential programs, the service account of a pod), its paths, its answers, and the
// streams into a pod. Objects go in and come out as JSON values; what they mean is the business of the caller.
//
// Of client-go it uses the configuration, the authenticated transport and the streams only. Typed objects would cost
// 20 MB of program and a slower start of every command.
package kube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// maxAnswer bounds one answer: 1,000 jobs with their pods have about 8 MB.
const maxAnswer = 256 << 20

// Resource is a kind of object, as the paths of the API name it.
type Resource struct {
	Group   string // empty for the core
	Version string
	Plural  string

	Everywhere bool // its objects belong to no namespace
}

// The resources that mlx uses.
var (
	Pods     = Resource{Version: "v1", Plural: "pods"}
	Secrets  = Resource{Version: "v1", Plural: "secrets"}
	Services = Resource{Version: "v1", Plural: "services"}
	Events   = Resource{Version: "v1", Plural: "events"}
	Nodes    = Resource{Version: "v1", Plural: "nodes", Everywhere: true}
	Jobs     = Resource{Group: "batch", Version: "v1", Plural: "jobs"}
)

// Client speaks to one namespace of one cluster.
type Client struct {
	base      *url.URL
	http      *http.Client
	stream    streamer
	context   string
	namespace string
}

// Namespace is where the objects of the client live.
func (c *Client) Namespace() string { return c.namespace }

// Server is the address of the API server.
func (c *Client) Server() string { return c.base.String() }

// Context is the name of the context of kubeconfig; empty inside a cluster.
func (c *Client) Context() string { return c.context }

// Create makes an object. into, if it is not nil, gets what the server made of it. A key that the server does not know is
// an error: it would be left out in silence otherwise.
func (c *Client) Create(ctx context.Context, r Resource, object, into any) error {
	q := url.Values{"fieldValidation": {"Strict"}}
	return c.ask(ctx, request{method: http.MethodPost, path: c.path(r, ""), query: q, body: object, what: "create " + r.Plural}, into)
}

// Try asks whether the cluster would take an object, with all of its rules, and makes nothing.
func (c *Client) Try(ctx context.Context, r Resource, object any) error {
	q := url.Values{"fieldValidation": {"Strict"}, "dryRun": {"All"}}
	return c.ask(ctx, request{method: http.MethodPost, path: c.path(r, ""), query: q, body: object, what: "create " + r.Plural}, nil)
}

// Get reads an object.
func (c *Client) Get(ctx context.Context, r Resource, name string, into any) error {
	return c.ask(ctx, request{method: http.MethodGet, path: c.path(r, name), what: "read " + r.Plural + "/" + name}, into)
}

// Select says which objects are meant: all that match both. Empty matches all.
type Select struct {
	Labels string // as in kubectl get -l
	Fields string // as in kubectl get --field-selector
}

func (s Select) query() url.Values {
	q := url.Values{}
	if s.Labels != "" {
		q.Set("labelSelector", s.Labels)
	}
	if s.Fields != "" {
		q.Set("fieldSelector", s.Fields)
	}
	return q
}

// List reads all objects that s matches, in one request. into has the shape of a list: {"items": […]}.
func (c *Client) List(ctx context.Context, r Resource, s Select, into any) error {
	return c.ask(ctx, request{method: http.MethodGet, path: c.path(r, ""), query: s.query(), what: "list " + r.Plural}, into)
}

// Removal says how an object is deleted.
type Removal struct {
	Grace       *time.Duration // of pods: from TERM to KILL; nil is what the object says
	Propagation string         // of what the object owns: Foreground, Background, Orphan; empty is the server's choice
	UID         string         // delete only the object that has it; empty is any of the name
}

// Delete asks for the end of an object. It may still be there for a while when Delete returns.
func (c *Client) Delete(ctx context.Context, r Resource, name string, o Removal) error {
	return c.ask(ctx, request{
		method: http.MethodDelete, path: c.path(r, name), body: o.options(), what: "delete " + r.Plural + "/" + name,
	}, nil)
}

// DeleteAll does the same for all objects that s matches.
func (c *Client) DeleteAll(ctx context.Context, r Resource, s Select, o Removal) error {
	return c.ask(ctx, request{
		method: http.MethodDelete, path: c.path(r, ""), query: s.query(), body: o.options(), what: "delete " + r.Plural,
	}, nil)
}

func (o Removal) options() map[string]any {
	options := map[string]any{"apiVersion": "v1", "kind": "DeleteOptions"}
	if o.Grace != nil {
		options["gracePeriodSeconds"] = int64(o.Grace.Round(time.Second) / time.Second)
	}
	if o.Propagation != "" {
		options["propagationPolicy"] = o.Propagation
	}
	if o.UID != "" {
		options["preconditions"] = map[string]any{"uid": o.UID}
	}
	return options
}

// Version is what the server calls itself: "v1.37.2".
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	err := c.ask(ctx, request{method: http.MethodGet, path: "version", what: "ask for the version"}, &v)
	return v.GitVersion, err
}

// MayI asks whether the user may do something in the namespace: create, jobs. sub is empty or the part of an object: log, exec.
func (c *Client) MayI(ctx context.Context, verb string, r Resource, sub string) (bool, error) {
	review := map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{
			"namespace": c.namespace, "verb": verb, "group": r.Group, "resource": r.Plural, "subresource": sub,
		}},
	}
	var answer struct {
		Status struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	err := c.ask(ctx, request{
		method: http.MethodPost, path: "apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body: review, what: "ask for your rights",
	}, &answer)
	return answer.Status.Allowed, err
}

// request is one question to the server.
type request struct {
	method, path string
	query        url.Values
	body         any
	kind         string // content type of body; empty is JSON
	what         string // after "cannot", for people
}

// path is that of a resource in the namespace, or of one object of it.
func (c *Client) path(r Resource, name string) string {
	root := path.Join("apis", r.Group, r.Version)
	if r.Group == "" {
		root = path.Join("api", r.Version)
	}
	if r.Everywhere {
		return path.Join(root, r.Plural, url.PathEscape(name))
	}
	return path.Join(root, "namespaces", url.PathEscape(c.namespace), r.Plural, url.PathEscape(name))
}

// ask sends a request and reads the whole answer.
func (c *Client) ask(ctx context.Context, q request, into any) error {
	body, err := c.open(ctx, q)
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return c.lost(q.what, err)
	case len(text) > maxAnswer:
		return fault.New(fault.Integrity, "cannot %s: the answer of %s has more than %d bytes", q.what, c.base.Host, maxAnswer)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fault.New(fault.Integrity, "cannot %s: %s answers what is no API of Kubernetes: %w", q.what, c.base.Host, err)
	}
	return nil
}

// open sends a request and returns the answer of a server that did what was asked.
func (c *Client) open(ctx context.Context, q request) (io.ReadCloser, error) {
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, fault.New(fault.Usage, "cannot %s: %w", q.what, err)
		}
		body = bytes.NewReader(text)
	}
	address := c.address(q.path, q.query)
	req, err := http.NewRequestWithContext(ctx, q.method, address.String(), body)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot %s: %w", q.what, err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", cmp.Or(q.kind, "application/json"))
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(q.what, err)
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // of a refusal, what can be read is enough
	return nil, c.refused(q.what, answer.StatusCode, text)
}

func (c *Client) address(tail string, query url.Values) *url.URL {
	u := *c.base
	u.RawPath = strings.TrimSuffix(u.EscapedPath(), "/") + "/" + tail // tail is escaped
	u.Path, _ = url.PathUnescape(u.RawPath)                           // what url.PathEscape made cannot fail
	u.RawQuery = query.Encode()
	return &u
}

// LogOptions says what of a log is read.
type LogOptions struct {
	Container string
	Follow    bool
	Previous  bool  // that of the last start of the container
	Tail      int64 // lines from the end; 0 is all
}

// Logs reads what a container of a pod has written, stdout and stderr together.
func (c *Client) Logs(ctx context.Context, pod string, o LogOptions) (io.ReadCloser, error) {
	q := url.Values{"container": {o.Container}}
	if o.Follow {
		q.Set("follow", "true")
	}
	if o.Previous {
		q.Set("previous", "true")
	}
	if o.Tail > 0 {
		q.Set("tailLines", strconv.FormatInt(o.Tail, 10))
	}
	return c.open(ctx, request{method: http.MethodGet, path: c.path(Pods, pod) + "/log", query: q, what: "read the log of pod " + pod})
}
