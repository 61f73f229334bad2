package main

import (
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/kube"
	"mlx/internal/repo"
	"mlx/internal/train"
	trainkube "mlx/internal/train/kube"
)

// kubeDriver drives a namespace of a cluster, as the user's kubeconfig knows it.
func (a *app) kubeDriver(name string, b repo.Backend) (train.Driver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find the program that runs here: %w", err)
	}
	c, err := kube.Open(kube.Config{
		Files: kubeconfigs(), Context: b.Context, Namespace: b.Namespace, Agent: "mlx/" + buildVersion().Version,
	})
	if err != nil {
		return nil, err
	}
	backend := trainBackend(name, b)
	backend.Dir = b.Dir // a pod has no home folder
	return trainkube.New(trainkube.Options{
		Client: c, Backend: backend, Hold: b.Hold.Duration,
		Agents: func(system, arch string) (string, error) {
			agent := b.Agent
			if trainkube.IsImage(agent) {
				agent = "" // an init container brings that one
			}
			file, err := agentProgram(agent, self, system, arch)
			if err == nil && file == "" {
				file = self
			}
			return file, err
		},
	}), nil
}

// kubeconfigs are the files that say where clusters are.
func kubeconfigs() []string {
	if list := os.Getenv("KUBECONFIG"); list != "" {
		return filepath.SplitList(list)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return []string{filepath.Join(home, ".kube", "config")}
}
