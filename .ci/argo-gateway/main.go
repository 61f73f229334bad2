// Command argo-gateway is a stand-in for the Gateway API plugin of Argo Rollouts, which the module proxy does not have: the controller,
// the protocol between the two and the HTTPRoute are the real ones. It only sets weights, and knows no headers and no mirrors.
// It is built beside the controller, in a module of .ci/controllers.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
	goplugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
)

// name is that of the plugin it stands for.
const name = "argoproj-labs/gatewayAPI"

// settings are what a Rollout says to the plugin.
type settings struct {
	HTTPRoute  string `json:"httpRoute"`
	HTTPRoutes []struct {
		Name string `json:"name"`
	} `json:"httpRoutes"`
	Namespace string `json:"namespace"`
}

type plugin struct{ client dynamic.Interface }

func failed(err error) types.RpcError {
	if err == nil {
		return types.RpcError{}
	}
	return types.RpcError{ErrorString: err.Error()}
}

func (p *plugin) InitPlugin() types.RpcError {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err == nil {
		p.client, err = dynamic.NewForConfig(config)
	}
	return failed(err)
}

// routes calls one with each route of a rollout, and stores those that it has changed.
func (p *plugin) routes(r *v1alpha1.Rollout, one func(backend map[string]any) (changed bool)) error {
	var s settings
	if err := json.Unmarshal(r.Spec.Strategy.Canary.TrafficRouting.Plugins[name], &s); err != nil {
		return err
	}
	if s.Namespace == "" {
		s.Namespace = r.Namespace
	}
	names := []string{}
	if s.HTTPRoute != "" {
		names = append(names, s.HTTPRoute)
	}
	for _, route := range s.HTTPRoutes {
		names = append(names, route.Name)
	}
	if len(names) == 0 {
		return fmt.Errorf("no httpRoute is named")
	}
	kind := p.client.Resource(schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}).Namespace(s.Namespace)
	for _, route := range names {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error { return change(kind, route, one) })
		if err != nil {
			return err
		}
	}
	return nil
}

func change(kind dynamic.ResourceInterface, route string, one func(backend map[string]any) (changed bool)) error {
	object, err := kind.Get(context.Background(), route, metav1.GetOptions{})
	if err != nil {
		return err
	}
	rules, _, err := unstructured.NestedSlice(object.Object, "spec", "rules")
	if err != nil {
		return err
	}
	changed := false
	for _, rule := range rules {
		backends, _ := rule.(map[string]any)["backendRefs"].([]any)
		for _, backend := range backends {
			changed = one(backend.(map[string]any)) || changed
		}
	}
	if !changed {
		return nil
	}
	if err := unstructured.SetNestedSlice(object.Object, rules, "spec", "rules"); err != nil {
		return err
	}
	_, err = kind.Update(context.Background(), object, metav1.UpdateOptions{FieldManager: "gatewayapi"})
	return err
}

// weights are those that a rollout asks for, by service.
func weights(r *v1alpha1.Rollout, canary int32) map[string]int64 {
	c := r.Spec.Strategy.Canary
	return map[string]int64{c.CanaryService: int64(canary), c.StableService: int64(100 - canary)}
}

func (p *plugin) SetWeight(r *v1alpha1.Rollout, canary int32, _ []v1alpha1.WeightDestination) types.RpcError {
	want := weights(r, canary)
	return failed(p.routes(r, func(backend map[string]any) bool {
		weight, ours := want[backend["name"].(string)]
		if !ours || backend["weight"] == weight {
			return false
		}
		backend["weight"] = weight
		return true
	}))
}

func (p *plugin) VerifyWeight(r *v1alpha1.Rollout, canary int32, _ []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	want, verified := weights(r, canary), types.Verified
	err := p.routes(r, func(backend map[string]any) bool {
		if weight, ours := want[backend["name"].(string)]; ours && backend["weight"] != weight {
			verified = types.NotVerified
		}
		return false
	})
	return verified, failed(err)
}

func (p *plugin) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) types.RpcError {
	return types.RpcError{}
}

func (p *plugin) SetHeaderRoute(*v1alpha1.Rollout, *v1alpha1.SetHeaderRoute) types.RpcError {
	return types.RpcError{ErrorString: "the stand-in of the tests knows no headers"}
}

func (p *plugin) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) types.RpcError {
	return types.RpcError{ErrorString: "the stand-in of the tests knows no mirrors"}
}

func (p *plugin) RemoveManagedRoutes(*v1alpha1.Rollout) types.RpcError { return types.RpcError{} }

func (p *plugin) Type() string { return "GatewayAPI" }

func main() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "ARGO_ROLLOUTS_RPC_PLUGIN", MagicCookieValue: "trafficrouter"},
		Plugins:         map[string]goplugin.Plugin{"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{Impl: &plugin{}}},
	})
}
