package kube

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// gatewayEvery is how often a Gateway is looked at, however many services it has: it is somebody else's, and seldom changes.
const gatewayEvery = 5 * time.Second

// looked is what was last known of a Gateway.
type looked struct {
	at      time.Time
	trouble string
}

// gatewayOf is where the Gateway of a service stands.
func (s Settings) gatewayOf(c *kube.Client) (in *kube.Client, name string) {
	namespace, name, named := strings.Cut(s.Gateway, "/")
	if !named {
		return c, namespace
	}
	return c.In(namespace), name
}

// through says what is wrong with the Gateway of a service; empty: nothing, or mlx may not know.
func (v *Driver) through(ctx context.Context) string {
	if v.Settings.Gateway == "" || v.client == nil {
		return ""
	}
	c := v.Cluster
	c.looking.Lock()
	defer c.looking.Unlock()
	last := c.gateways[v.Settings.Gateway]
	if !last.at.IsZero() && v.Now().Sub(last.at) < gatewayEvery {
		return last.trouble
	}
	var g struct {
		Status struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	in, name := v.Settings.gatewayOf(v.client)
	last = looked{at: v.Now()}
	if in.Get(ctx, kube.Gateways, name, &g) == nil { // it may be nobody's business; that it is not there is told by the route
		last.trouble = notProgrammed(v.Settings.Gateway, g.Status.Conditions)
	}
	c.gateways[v.Settings.Gateway] = last
	return last.trouble
}

func notProgrammed(name string, all []condition) string {
	for _, c := range all {
		if c.Type == "Programmed" && c.Status == "False" {
			return "gateway/" + name + " is not Programmed: " + c.Reason + ": " + c.Message
		}
	}
	return ""
}

// CheckGateway refuses copies that a Gateway would not make: one that does not know them passes requests on without a word.
func (v *Driver) CheckGateway(ctx context.Context, spec deploy.Spec) error {
	if spec.Mirror == 0 || !v.Settings.routed() || v.Settings.Gateway == "" {
		return nil
	}
	var g struct {
		Spec struct {
			Class string `json:"gatewayClassName"`
		} `json:"spec"`
	}
	var class struct {
		Status struct {
			Features []json.RawMessage `json:"supportedFeatures"`
		} `json:"status"`
	}
	in, name := v.Settings.gatewayOf(v.client)
	classes := kube.Resource{Group: kube.Gateways.Group, Version: kube.Gateways.Version, Plural: "gatewayclasses", Everywhere: true}
	if in.Get(ctx, kube.Gateways, name, &g) != nil || v.client.Get(ctx, classes, g.Spec.Class, &class) != nil {
		return nil // mlx may not know
	}
	need := "HTTPRouteRequestMirror"
	if spec.Mirror < deploy.All {
		need = "HTTPRouteRequestPercentageMirror"
	}
	if len(class.Status.Features) == 0 || slices.ContainsFunc(class.Status.Features, func(f json.RawMessage) bool { return featureName(f) == need }) {
		return nil
	}
	return fault.New(fault.Usage, "cannot deploy %s to %s on Kubernetes: Gateway %s makes no such copies of requests: its class %s does not support %s",
		spec.To.Name(), v.Settings.Service, v.Settings.Gateway, g.Spec.Class, need).
		Hint("mlx deploy %s %s --strategy canary   # without copies; and no mirror: in its rollout", v.Settings.Service, spec.To.Name())
}

// featureName is the name of a feature that a GatewayClass supports: an object of one field, or that word alone, as it was at first.
func featureName(text json.RawMessage) string {
	var f struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(text, &f) == nil {
		return f.Name
	}
	_ = json.Unmarshal(text, &f.Name) // what is neither has no name
	return f.Name
}
