package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// Manager is the name by which the API server remembers which fields of an object mlx has set.
const Manager = "mlx"

// More resources that mlx uses.
var (
	Deployments     = Resource{Group: "apps", Version: "v1", Plural: "deployments"}
	ReplicaSets     = Resource{Group: "apps", Version: "v1", Plural: "replicasets"}
	EndpointSlices  = Resource{Group: "discovery.k8s.io", Version: "v1", Plural: "endpointslices"}
	Leases          = Resource{Group: "coordination.k8s.io", Version: "v1", Plural: "leases"}
	Roles           = Resource{Group: "rbac.authorization.k8s.io", Version: "v1", Plural: "roles"}
	RoleBindings    = Resource{Group: "rbac.authorization.k8s.io", Version: "v1", Plural: "rolebindings"}
	ServiceAccounts = Resource{Version: "v1", Plural: "serviceaccounts"}
	Budgets         = Resource{Group: "policy", Version: "v1", Plural: "poddisruptionbudgets"}
	NetworkPolicies = Resource{Group: "networking.k8s.io", Version: "v1", Plural: "networkpolicies"}
	Autoscalers     = Resource{Group: "autoscaling", Version: "v2", Plural: "horizontalpodautoscalers"}
	ScaledObjects   = Resource{Group: "keda.sh", Version: "v1alpha1", Plural: "scaledobjects"}
	HTTPRoutes      = Resource{Group: "gateway.networking.k8s.io", Version: "v1", Plural: "httproutes"}
	Gateways        = Resource{Group: "gateway.networking.k8s.io", Version: "v1", Plural: "gateways"}
	Rollouts        = Resource{Group: "argoproj.io", Version: "v1alpha1", Plural: "rollouts"}
	InferenceGraphs = Resource{Group: "serving.kserve.io", Version: "v1alpha1", Plural: "inferencegraphs"}
	InferenceSets   = Resource{Group: "serving.kserve.io", Version: "v1beta1", Plural: "inferenceservices"}
)

// Path is where an object of the namespace stands, as somebody needs it who speaks to the API server by himself.
func (c *Client) Path(r Resource, name string) string { return "/" + c.path(r, name) }

// Apply makes an object what it is to be, or makes it (server-side apply). Fields that it does not name stay as others have set them; one that
// somebody else has set to another value is a conflict. With metadata.resourceVersion it must not have changed since. into, if it is not nil,
// gets what the server made of it.
func (c *Client) Apply(ctx context.Context, r Resource, o Application, into any) error {
	q := url.Values{"fieldManager": {cmp.Or(o.Manager, Manager)}, "fieldValidation": {"Strict"}}
	if o.Dry {
		q.Set("dryRun", "All")
	}
	if o.Force {
		q.Set("force", "true")
	}
	name := nameOf(o.Object)
	return c.ask(ctx, request{method: http.MethodPatch, path: c.path(r, name), query: q, body: o.Object, kind: "application/apply-patch+yaml",
		what: "apply " + r.Plural + "/" + name}, into)
}

// Application is an object that is applied.
type Application struct {
	Object map[string]any
	Dry    bool // the server says whether it would take it
	Force  bool // fields that others have set become those of mlx

	Manager string // in whose name; empty: that of mlx
}

func nameOf(o object) string {
	meta, _ := o["metadata"].(object)
	name, _ := meta["name"].(string)
	return name
}

// Merge changes some fields of an object, as a merge patch of JSON says.
func (c *Client) Merge(ctx context.Context, r Resource, name string, patch, into any) error {
	q := url.Values{"fieldManager": {Manager}}
	return c.ask(ctx, request{method: http.MethodPatch, path: c.path(r, name), query: q, body: patch, kind: "application/merge-patch+json",
		what: "change " + r.Plural + "/" + name}, into)
}

// Patch changes an object by operations of a JSON patch.
func (c *Client) Patch(ctx context.Context, r Resource, name string, operations []map[string]any, into any) error {
	q := url.Values{"fieldManager": {Manager}}
	return c.ask(ctx, request{method: http.MethodPatch, path: c.path(r, name), query: q, body: operations, kind: "application/json-patch+json",
		what: "change " + r.Plural + "/" + name}, into)
}

// Changed says that an object is not the one any more that somebody has read, or is there already.
func Changed(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == http.StatusConflict && len(r.Conflicts) == 0
}

// Conflict is a field that somebody else has set.
type Conflict struct {
	Field   string // as the API server writes it: .spec.replicas
	Manager string // who has set it
}

// Conflicts are the fields that an Apply was refused for.
func Conflicts(err error) []Conflict {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Conflicts
	}
	return nil
}

// conflicts reads why an Apply is refused: conflict with "manager" using apps/v1.
func conflicts(body []byte) []Conflict {
	var s struct {
		Details struct {
			Causes []struct{ Reason, Message, Field string } `json:"causes"`
		} `json:"details"`
	}
	if json.Unmarshal(body, &s) != nil {
		return nil
	}
	var all []Conflict
	for _, c := range s.Details.Causes {
		if c.Reason == "FieldManagerConflict" {
			_, who, _ := strings.Cut(c.Message, `"`)
			who, _, _ = strings.Cut(who, `"`)
			all = append(all, Conflict{Field: c.Field, Manager: who})
		}
	}
	return all
}

// Has says whether the API server knows a resource.
func (c *Client) Has(ctx context.Context, r Resource) (bool, error) {
	var l struct {
		Resources []struct {
			Name string `json:"name"`
		} `json:"resources"`
	}
	where := path.Join("apis", r.Group, r.Version)
	if r.Group == "" {
		where = path.Join("api", r.Version)
	}
	err := c.ask(ctx, request{method: http.MethodGet, path: where, what: "ask what the cluster knows of " + r.Plural}, &l)
	if Missing(err) {
		return false, nil
	}
	for _, one := range l.Resources {
		if one.Name == r.Plural {
			return true, nil
		}
	}
	return false, err
}

// maxProxied bounds what a pod answers.
const maxProxied = 16 << 20

// Proxied asks a port of a pod by way of the API server.
func (c *Client) Proxied(ctx context.Context, pod string, port int, where string, into any) error {
	p := c.path(Pods, pod+":"+strconv.Itoa(port)) + "/proxy/" + strings.TrimPrefix(where, "/")
	what := "ask pod " + pod
	body, err := c.open(ctx, request{method: http.MethodGet, path: p, what: what})
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxProxied+1))
	switch {
	case err != nil:
		return c.lost(what, err)
	case len(text) > maxProxied:
		return fault.New(fault.Integrity, "cannot %s: it answers more than %d bytes", what, maxProxied)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fault.New(fault.Integrity, "cannot %s: it answers what is no JSON: %w", what, err)
	}
	return nil
}

// In is the same client in another namespace.
func (c *Client) In(namespace string) *Client {
	other := *c
	other.namespace = namespace
	return &other
}
