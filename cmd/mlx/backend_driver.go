package main

import (
	"context"
	"encoding/json"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
	"mlx/internal/train/local"
	"mlx/internal/train/slurm"
	"mlx/internal/train/ssh"
)

// localBackend is the name of this machine as a backend, also where mlx.yaml does not name it.
const localBackend = "local"

// nodeFolder is where mlx keeps its things on a node, where the backend names no folder.
const nodeFolder = "~/.cache/mlx/node"

// backend returns the backend of a name, with what the user's own files say of it. What mlx.yaml says must have been allowed
// here: it comes with a clone, and with every pull request.
func (a *app) backend(name string) (repo.Backend, error) {
	c, err := a.config()
	if err != nil {
		return repo.Backend{}, err
	}
	all, err := a.backends()
	if err != nil {
		return repo.Backend{}, err
	}
	b, ok := all.Get(name)
	if !ok && name == localBackend {
		return repo.Backend{Type: "local"}, nil
	}
	if !ok {
		return repo.Backend{}, noBackend(name, append(slices.Clone(all.Names()), localBackend))
	}
	committed, ok := c.Backends.Get(name)
	if value := committed.TrustValue(); ok && value != "" {
		t, err := a.allowed()
		if err != nil {
			return repo.Backend{}, err
		}
		if !t.Approved(repo.TrustBackend, name, value) {
			return repo.Backend{}, fault.New(fault.Denied, "cannot use backend %s: %s says %s, which you have not allowed here",
				name, repo.ConfigName, value).Hint("mlx trust")
		}
	}
	return b, nil
}

func noBackend(name string, known []string) error {
	err := fault.New(fault.NotFound, "there is no backend %q", name)
	if near := fault.Nearest(name, known); near != "" {
		return err.Hint("--on %s   # did you mean this one?", shellWord(near))
	}
	return err.Hint("mlx backend list   # shows those there are")
}

// driver returns what drives a backend. A type of backend is one case.
func (a *app) driver(ctx context.Context, name string) (train.Driver, repo.Backend, error) {
	b, err := a.backend(name)
	if err != nil {
		return nil, b, err
	}
	d, err := a.driverOf(ctx, name, b)
	return d, b, err
}

func (a *app) driverOf(_ context.Context, name string, b repo.Backend) (train.Driver, error) {
	switch b.Type {
	case "local":
		h, err := a.nodeHost("", b)
		return local.New(h), err
	case "ssh":
		var hosts []*train.Host
		for _, host := range hostsOf(b) {
			h, err := a.nodeHost(host, b)
			if err != nil {
				return nil, err
			}
			hosts = append(hosts, h)
		}
		return ssh.New(hosts, orderRoots), nil
	case "slurm":
		h, err := a.nodeHost(b.Host, b)
		return slurm.New(h, trainBackend(name, b)), err
	case "kubernetes":
		return a.kubeDriver(name, b)
	case "ray":
		return a.rayDriver(name, b)
	case "sky":
		return a.skyDriver(name, b), nil
	}
	return nil, fault.New(fault.Usage, "this mlx cannot drive backend %s: it is of type %s", name, b.Type).Hint("mlx version   # is it too old?")
}

// hostsOf are the hosts of a backend that ssh leads to, in the order of their ranks.
func hostsOf(b repo.Backend) []string {
	if len(b.Hosts) > 0 {
		return b.Hosts
	}
	return []string{b.Host}
}

// orderRoots are the versions that a job needs: its work tree, data, models, the checkpoint that it begins with, and those asked for by name.
func orderRoots(o train.Order) ([]object.Digest, error) {
	var start struct {
		Body run.Body `json:"body"`
	}
	if err := json.Unmarshal(o.Start, &start); err != nil {
		return nil, fault.New(fault.Integrity, "cannot read the record of run %s: %w", o.Run.Short(), err)
	}
	var all []object.Digest
	add := func(root object.Digest) {
		if !root.IsZero() && !slices.Contains(all, root) {
			all = append(all, root)
		}
	}
	add(o.Tree)
	for _, d := range start.Body.Data {
		add(d.Root)
	}
	for _, m := range o.Models {
		add(m.Root)
	}
	if o.Resume != nil {
		add(*o.Resume)
	}
	if start.Body.Job != nil {
		for _, v := range start.Body.Job.Versions {
			add(v)
		}
	}
	return all, nil
}

// trainBackend is a backend in the words of drivers.
func trainBackend(name string, b repo.Backend) train.Backend {
	return train.Backend{
		Name: name, Type: b.Type, Host: b.Host, Hosts: b.Hosts, Dir: nodeDir(b), URL: b.URL, Context: b.Context, Namespace: b.Namespace,
		Image: b.Image, Queue: b.Queue, Options: b.Options, Setup: b.Setup, Pod: b.Pod.Plain(), Agent: b.Agent, Spot: b.Spot,
		Resources: resourcesOf(b.Resources),
	}
}

func nodeDir(b repo.Backend) string {
	if b.Dir == "" {
		return nodeFolder
	}
	return b.Dir
}
