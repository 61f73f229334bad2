package main

import (
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/train"
	"mlx/internal/train/ray"
	"mlx/internal/train/sky"
)

// Variables that Ray itself reads: the token of a cluster, and the file that has it.
const (
	rayToken     = "RAY_AUTH_TOKEN"
	rayTokenPath = "RAY_AUTH_TOKEN_PATH"
)

func (a *app) rayDriver(name string, b repo.Backend) (train.Driver, error) {
	d, err := ray.New(ray.Options{
		Backend: trainBackend(name, b), Now: a.now, Token: rayTokenOf,
		Agent: func() (string, error) { return nodeProgram(b) },
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// rayTokenOf finds the token where Ray's own programs look for it. "": there is none.
func rayTokenOf() string {
	if t := strings.TrimSpace(os.Getenv(rayToken)); t != "" {
		return t
	}
	name := os.Getenv(rayTokenPath)
	if home, err := os.UserHomeDir(); name == "" && err == nil {
		name = filepath.Join(home, ".ray", "auth_token")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (a *app) skyDriver(name string, b repo.Backend) train.Driver {
	return sky.New(sky.Options{
		Backend: trainBackend(name, b), Env: a.environ,
		Agent: func() (string, error) { return nodeProgram(b) },
		Host:  func(cluster string) (*train.Host, error) { return a.nodeHost(cluster, b) },
	})
}

// nodeProgram finds mlx for nodes that cannot be asked before what they are: Linux, and this architecture if this is Linux.
func nodeProgram(b repo.Backend) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot find the program that runs here: %w", err)
	}
	v := buildVersion()
	arch := "amd64"
	if v.OS == "linux" {
		arch = v.Arch
	}
	found, err := agentProgram(b.Agent, self, "linux", arch)
	if found == "" {
		found = self
	}
	return found, err
}
