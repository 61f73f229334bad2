// Package compare hides how the answers of two releases to the same requests are compared where who carries the traffic throws the answers to
// copies away, as a Gateway of Kubernetes does. The copies come here: a router whose stable is the one release and whose shadow the other asks
// both and counts the pairs, as it does on a host. Nobody waits for what it answers. Which pods each release has, the API server tells.
package compare

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog" //nolint:depguard // the router reports to no other kind of logger
	"net"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// Settings are what whoever made the pod says of what is compared.
type Settings struct {
	Service string          `json:"service"`
	Stable  Side            `json:"stable"`
	Shadow  Side            `json:"shadow"`
	Port    int             `json:"port"` // of the pods of both
	Router  router.Settings `json:"router"`
}

// Side is one of the two releases.
type Side struct {
	Release string `json:"release"` // its key
	Service string `json:"service"` // the Service of Kubernetes whose pods serve it
}

const maxSettings = 1 << 20

// serviceForm is what a Service may be called.
var serviceForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ReadSettings reads them as JSON.
func ReadSettings(text []byte) (Settings, error) {
	var s Settings
	if len(text) > maxSettings {
		return s, fault.New(fault.Usage, "cannot read what is to be compared: it is longer than 1 MiB")
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fault.New(fault.Usage, "cannot read what is to be compared: %w", err)
	}
	switch {
	case s.Service == "":
		return s, fault.New(fault.Usage, "cannot read what is to be compared: it names no service")
	case s.Port < 1 || s.Port > 65535:
		return s, fault.New(fault.Usage, "cannot read what is to be compared: %d is no port", s.Port)
	case s.Stable.Release == s.Shadow.Release:
		return s, fault.New(fault.Usage, "cannot read what is to be compared: both releases are the same one")
	}
	for _, side := range []Side{s.Stable, s.Shadow} {
		if side.Release == "" || !serviceForm.MatchString(side.Service) {
			return s, fault.New(fault.Usage, "cannot read what is to be compared: a side has no release, or %.100q is no Service", side.Service)
		}
	}
	return s, nil
}

// Options are what it is started with.
type Options struct {
	Settings Settings
	Client   *kube.Client // of the namespace of the pods
	Traffic  net.Listener // of copies; closed at the end
	Stats    net.Listener // of questions to what compares itself; closed at the end
	State    string       // folder of its own. What was counted there before is counted on
	Now      func() time.Time
	Log      *slog.Logger // what a person should see; nil: nobody
}

type comparer struct {
	o      Options
	client *router.Client
	cache  *kube.Cache

	mu      sync.Mutex
	routed  bool           // the router knows both releases
	servers map[string]int // by release: how many pods are ready
	deaf    map[string]string
}

// retry is how soon is tried again what failed.
const retry = time.Second

// Run compares until ctx ends.
func Run(ctx context.Context, o Options) error {
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		return fault.New(fault.Unavailable, "cannot make the folder of what compares: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &comparer{o: o, client: router.NewClient(o.State), servers: map[string]int{}, deaf: map[string]string{},
		cache: o.Client.Cache(kube.Select{Labels: serviceLabel + " in (" + o.Settings.Stable.Service + "," + o.Settings.Shadow.Service + ")"})}
	defer c.cache.Close()
	stats, _ := router.Questions(c.client, func(context.Context) string { return c.missing() }, o.Log)
	lost := make(chan error, 1)
	go func() { lost <- stats.Serve(o.Stats) }()
	defer func() { _ = stats.Close() }() // nobody is owed an answer

	routing, stop := context.WithCancel(ctx)
	defer stop()
	up, over := make(chan struct{}), make(chan struct{})
	var routed error
	go func() {
		defer close(over)
		routed = router.Run(routing, router.Options{Service: o.Settings.Service, Listeners: []net.Listener{o.Traffic}, State: o.State,
			Settings: o.Settings.Router, Now: o.Now, Log: o.Log, Ready: func() { close(up) }})
	}()
	var err error
	select {
	case <-up:
		err = c.work(routing, over, lost)
	case <-over:
	}
	stop()
	<-over
	return errors.Join(err, routed)
}

// work tells the router of both releases, and then of their pods as they come and go, until it is over.
func (c *comparer) work(ctx context.Context, over <-chan struct{}, lost <-chan error) error {
	if err := c.route(ctx); err != nil {
		return err
	}
	following, end := context.WithCancel(ctx)
	var each sync.WaitGroup
	defer each.Wait()
	defer end()
	for _, side := range []Side{c.o.Settings.Stable, c.o.Settings.Shadow} {
		each.Go(func() { c.follow(following, side) })
	}
	select {
	case <-ctx.Done():
		return nil
	case <-over: // Run says why
		return nil
	case err := <-lost:
		return fault.New(fault.Unavailable, "cannot go on: the port of what compares is lost: %w", err)
	}
}

// route makes the one release stable and the other its shadow.
func (c *comparer) route(ctx context.Context) error {
	s := c.o.Settings
	actual, err := c.client.Actual(ctx)
	if err != nil {
		return err
	}
	arms := []deploy.Arm{{Role: deploy.Stable, Release: deploy.Release{Key: s.Stable.Release}, Share: deploy.All, Replicas: 1},
		{Role: deploy.Shadow, Release: deploy.Release{Key: s.Shadow.Release}, Replicas: 1}}
	same := func(seen deploy.Seen, arm deploy.Arm) bool {
		return seen.Role == arm.Role && seen.Key == arm.Release.Key
	}
	if !slices.EqualFunc(actual.Arms, arms, same) {
		err = c.client.Apply(ctx, deploy.Desired{Service: s.Service, Generation: actual.Generation + 1, Mirror: deploy.All, Arms: arms})
	}
	if err == nil {
		c.mu.Lock()
		c.routed = true
		c.mu.Unlock()
	}
	return err
}
