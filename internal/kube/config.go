package kube

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"mlx/internal/fault"
)

// Config says which cluster is meant.
type Config struct {
	Files     []string // of kubeconfig, the first to define something wins: $KUBECONFIG split, or ~/.kube/config
	Context   string   // of these; empty is the current one
	Namespace string   // empty is that of the context
	Agent     string   // how the client calls itself: "mlx/1.2"
}

// Open finds the cluster, without asking it. Where none of the files exists and this is a pod, the cluster is the one
// that the pod runs in.
func Open(o Config) (*Client, error) {
	c, namespace, name, err := o.find()
	if err != nil {
		return nil, err
	}
	if o.Namespace != "" {
		namespace = o.Namespace
	}
	if strings.Trim(namespace, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(namespace) > 63 {
		return nil, fault.New(fault.Usage, "cannot use namespace %.80q: no namespace is called so", namespace).Hint("kubectl get namespaces   # lists them")
	}
	c.UserAgent = o.Agent
	c.WarningHandler = rest.NoWarnings{}
	transport, err := rest.TransportFor(c)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot use context %s of kubeconfig: %w", name, err).Hint("kubectl config view   # shows it")
	}
	base, err := address(c.Host)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot use context %s of kubeconfig: %w", name, err).Hint("kubectl config view   # shows it")
	}
	return &Client{base: base, http: &http.Client{Transport: transport}, stream: streamer{c}, context: name, namespace: namespace}, nil
}

// find reads kubeconfig, or the files that every pod has.
func (o Config) find() (c *rest.Config, namespace, name string, err error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: o.Files, WarnIfAllMissing: false}
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{
		CurrentContext: o.Context, Timeout: "0",
	})
	raw, err := loaded.RawConfig()
	if err != nil {
		return nil, "", "", fault.New(fault.Usage, "cannot read kubeconfig: %w", err).Hint("kubectl config view   # shows the same trouble?")
	}
	if name = o.Context; name == "" {
		name = raw.CurrentContext
	}
	if len(raw.Contexts) == 0 && o.Context == "" {
		return inside(o.Files)
	}
	if raw.Contexts[name] == nil {
		return nil, "", "", fault.New(fault.NotFound, "cannot find context %q in kubeconfig (%s)", name, strings.Join(o.Files, ", ")).
			Hint("kubectl config get-contexts   # lists them; context: in mlx.yaml names one")
	}
	if c, err = loaded.ClientConfig(); err != nil {
		return nil, "", "", fault.New(fault.Usage, "cannot use context %s of kubeconfig: %w", name, err).Hint("kubectl config view   # shows it")
	}
	if namespace, _, err = loaded.Namespace(); err != nil {
		return nil, "", "", fault.New(fault.Usage, "cannot use context %s of kubeconfig: %w", name, err).Hint("kubectl config view   # shows it")
	}
	return c, namespace, name, nil
}

// inside is the cluster of the pod that mlx itself runs in.
func inside(files []string) (*rest.Config, string, string, error) {
	c, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, "", "", fault.New(fault.NotFound, "cannot find a cluster: no context in kubeconfig (%s)", strings.Join(files, ", ")).
			Hint("kubectl config get-contexts   # what is there?").Hint("export KUBECONFIG=FILE   # where it lies")
	}
	if err != nil {
		return nil, "", "", fault.New(fault.Denied, "cannot use the service account of this pod: %w", err).
			Hint("kubectl get serviceaccount   # automountServiceAccountToken must be true for a pod that submits")
	}
	rules := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{}, &clientcmd.ConfigOverrides{})
	namespace, _, err := rules.Namespace()
	if err != nil || namespace == "" {
		namespace = "default"
	}
	return c, namespace, "", nil
}

// address is the URL of an API server: kubeconfig may leave the scheme out.
func address(host string) (*url.URL, error) {
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	if err == nil && u.Host == "" {
		err = errors.New("server is no address")
	}
	return u, err
}
