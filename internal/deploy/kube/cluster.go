package kube

import (
	"context"
	"sync"

	"mlx/internal/kube"
)

// Cluster is a namespace of a cluster. What mlx has made in it is kept up to date by one connection for each kind of object, however many
// services there are. The first service has connections of its own, which tell of that service only: many processes may drive one each.
type Cluster struct {
	client *kube.Client

	mu    sync.Mutex
	first string
	alone *kube.Cache // of the first service
	all   *kube.Cache // of all others
	forms []Form      // that the cluster has the kinds for; nil: it was not asked

	looking  sync.Mutex        // one asks for Gateways at a time, and the others have its answer
	gateways map[string]looked // by name, as services say it

	scaled *bool // it knows KEDA; nil: it was not asked

	over  context.Context //nolint:containedctx // it ends what drivers do by themselves
	end   context.CancelFunc
	ended sync.WaitGroup
}

// NewCluster asks nothing yet.
func NewCluster(c *kube.Client) *Cluster {
	over, end := context.WithCancel(context.Background())
	return &Cluster{client: c, over: over, end: end, gateways: map[string]looked{}}
}

// of is what is known of the objects of a service.
func (c *Cluster) of(service string) *kube.Cache {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alone == nil {
		c.first, c.alone = service, c.client.Cache(kube.Select{Labels: labelManager + "=mlx," + labelName + "=" + NameOf(service)})
	}
	if service == c.first {
		return c.alone
	}
	if c.all == nil {
		c.all = c.client.Cache(kube.Select{Labels: labelManager + "=mlx"})
	}
	return c.all
}

// Close ends the connections.
func (c *Cluster) Close() {
	c.end()
	c.ended.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cache := range []*kube.Cache{c.alone, c.all} {
		if cache != nil {
			cache.Close()
		}
	}
}

// Agent is the image of mlx that the pods of a service have beside their servers; empty: there are none.
func (c *Cluster) Agent(ctx context.Context, s Settings) (string, error) {
	v := New(Options{Cluster: c, Settings: s})
	r := s.anchorResource()
	var h held
	_, err := v.heard(ctx, r, v.name(), &h)
	return h.Metadata.Annotations[noteAgent], v.explain(err, r)
}

// Forms are the forms that a cluster has the kinds for. It is asked once.
func (c *Cluster) Forms(ctx context.Context) ([]Form, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forms != nil {
		return c.forms, nil
	}
	all := []Form{}
	for _, one := range []struct {
		r     kube.Resource
		forms []Form
	}{{kube.InferenceSets, []Form{Standard, Knative}}, {kube.Rollouts, []Form{Argo}}, {kube.HTTPRoutes, []Form{Gateway}}} {
		has, err := c.client.Has(ctx, one.r)
		if err != nil {
			return nil, err
		}
		if has {
			all = append(all, one.forms...)
		}
	}
	c.forms = all
	return all, nil
}
