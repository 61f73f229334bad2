package kube

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"sync"
	"time"
)

// Item is an object that a Cache keeps.
type Item struct {
	Name   string
	Labels map[string]string
	Text   json.RawMessage
}

// Cache keeps the objects of a namespace, of each kind that it is asked for, up to date by one connection each: they are listed once, and from
// then on the server tells what changes.
type Cache struct {
	client *Client
	match  Select
	over   context.Context //nolint:containedctx // it ends the connections
	end    context.CancelFunc
	ended  sync.WaitGroup

	mu    sync.Mutex
	kinds map[Resource]*kept
}

// kept are the objects of one kind.
type kept struct {
	mu     sync.Mutex
	items  map[string]Item
	synced bool
	err    error         // why it is not up to date
	turned chan struct{} // closed when synced or err changes
	heard  map[*listener]struct{}
}

// listener is told when an object changes whose label is value.
type listener struct {
	label, value string
	changed      chan struct{}
}

// Cache keeps objects that s matches, until Close.
func (c *Client) Cache(s Select) *Cache {
	ctx, end := context.WithCancel(context.Background())
	return &Cache{client: c, match: s, over: ctx, end: end, kinds: map[Resource]*kept{}}
}

// Client is whom it asks.
func (k *Cache) Client() *Client { return k.client }

// Close ends the connections.
func (k *Cache) Close() {
	k.end()
	k.ended.Wait()
}

// Get are the objects of a kind whose label is value. The first call of a kind waits until it is listed. An error says that nothing is known now.
func (k *Cache) Get(ctx context.Context, r Resource, label, value string) ([]Item, error) {
	of := k.kind(r)
	for {
		of.mu.Lock()
		synced, err, turned := of.synced, of.err, of.turned
		if synced {
			var all []Item
			for _, item := range of.items {
				if item.Labels[label] == value {
					all = append(all, item)
				}
			}
			of.mu.Unlock()
			return all, nil
		}
		of.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-turned:
		}
	}
}

// kind is what is kept of a kind, which is followed from the first call on.
func (k *Cache) kind(r Resource) *kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	of, ok := k.kinds[r]
	if !ok {
		of = &kept{items: map[string]Item{}, turned: make(chan struct{}), heard: map[*listener]struct{}{}}
		k.kinds[r] = of
		k.ended.Go(func() { k.follow(r, of) })
	}
	return of
}

// Hear tells when there is something new to Get, until end is called. Changes that come before they are received are one.
func (k *Cache) Hear(r Resource, label, value string) (changed <-chan struct{}, end func()) {
	of, l := k.kind(r), &listener{label: label, value: value, changed: make(chan struct{}, 1)}
	of.mu.Lock()
	defer of.mu.Unlock()
	of.heard[l] = struct{}{}
	return l.changed, func() {
		of.mu.Lock()
		defer of.mu.Unlock()
		delete(of.heard, l)
	}
}

// tell tells those who hear of an object; nil: of all.
func (of *kept) tell(item *Item) {
	for l := range of.heard {
		if item == nil || item.Labels[l.label] == l.value {
			select {
			case l.changed <- struct{}{}:
			default: // it has not looked since
			}
		}
	}
}

func (of *kept) turn(synced bool, err error) {
	of.mu.Lock()
	defer of.mu.Unlock()
	of.synced, of.err = synced, err
	close(of.turned)
	of.turned = make(chan struct{})
}

// retryEvery is how long a cache rests before it lists again what it could not follow.
const retryEvery = 500 * time.Millisecond

// follow keeps one kind up to date.
func (k *Cache) follow(r Resource, of *kept) {
	for k.over.Err() == nil {
		version, err := k.list(r, of)
		of.turn(err == nil, err)
		for err == nil {
			version, err = k.watch(r, of, version)
		}
		if k.over.Err() != nil {
			return
		}
		if k.behind(err) {
			continue // what was missed is listed
		}
		of.turn(false, err)
		select {
		case <-k.over.Done():
		case <-time.After(retryEvery):
		}
	}
}

// behind says that the server has forgotten what happened since the version that was named.
func (k *Cache) behind(err error) bool { return reasonOf(err) == "Expired" || reasonOf(err) == "Gone" }

type identity struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
	} `json:"metadata"`
}

func (k *Cache) list(r Resource, of *kept) (version string, err error) {
	var l struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := k.client.List(k.over, r, k.match, &l); err != nil {
		return "", err
	}
	items := make(map[string]Item, len(l.Items))
	for _, text := range l.Items {
		if item, _, ok := itemOf(text); ok {
			items[item.Name] = item
		}
	}
	of.mu.Lock()
	of.items = items
	of.tell(nil)
	of.mu.Unlock()
	return l.Metadata.ResourceVersion, nil
}

func itemOf(text json.RawMessage) (Item, string, bool) {
	var id identity
	if json.Unmarshal(text, &id) != nil {
		return Item{}, "", false
	}
	return Item{Name: id.Metadata.Name, Labels: id.Metadata.Labels, Text: text}, id.Metadata.ResourceVersion, id.Metadata.Name != ""
}

// watch takes what changes after a version, until the server ends the connection, which it does after some minutes.
func (k *Cache) watch(r Resource, of *kept, version string) (string, error) {
	more := url.Values{"resourceVersion": {version}, "allowWatchBookmarks": {"true"}}
	err := k.client.watch(k.over, r, watching{Select: k.match, more: more}, func(change Change) error {
		item, at, ok := itemOf(change.Object)
		if at != "" {
			version = at
		}
		if !ok {
			return nil
		}
		of.mu.Lock()
		defer of.mu.Unlock()
		switch change.Type {
		case "DELETED":
			delete(of.items, item.Name)
		case "ADDED", "MODIFIED":
			of.items[item.Name] = item
		}
		of.tell(&item)
		return nil
	})
	if err == nil && k.over.Err() != nil {
		err = io.EOF
	}
	return version, err
}
