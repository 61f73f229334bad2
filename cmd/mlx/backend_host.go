package main

import (
	"os"
	"path/filepath"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/train"
)

// sshVariable holds the words that start ssh in place of `ssh`, as a shell would split them.
const sshVariable = "MLX_SSH"

// nodeHost is a machine of a backend: name is as in the ssh configuration, empty for this one.
func (a *app) nodeHost(name string, b repo.Backend) (*train.Host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find the program that runs here: %w", err)
	}
	words, ok := train.Words(os.Getenv(sshVariable))
	if !ok {
		return nil, fault.New(fault.Usage, "cannot understand %s: a quote has no end", sshVariable).Hint("export %s='ssh -F FILE'", sshVariable)
	}
	h := &train.Host{
		Name: name, Dir: nodeDir(b), SSH: words, Self: self, Untouched: a.dry,
		Agents: func(system, arch string) (string, error) { return agentProgram(b.Agent, self, system, arch) },
	}
	if home, err := os.UserHomeDir(); err == nil {
		h.Home = home
	}
	if dir, err := os.UserCacheDir(); err == nil {
		h.Cache = filepath.Join(dir, "mlx", "nodes")
	}
	if a.streams.Interactive() {
		h.Terminal = a.streams.Err
	}
	own := "mlx-ssh-" + strconv.Itoa(os.Getuid())
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		h.Sockets = append(h.Sockets, filepath.Join(dir, "mlx-ssh"))
	}
	h.Sockets = append(h.Sockets, filepath.Join(os.TempDir(), own), filepath.Join("/tmp", own))
	return h, nil
}

// agentProgram finds mlx for a platform: what the backend names, else, for another platform than this, what lies beside this
// program or in the user's cache. "": this very program.
func agentProgram(agent, self, system, arch string) (string, error) {
	v := buildVersion()
	name := "mlx-" + system + "-" + arch
	if agent != "" {
		if found := train.FindAgent([]string{agent}, system, arch); found != "" {
			return found, nil
		}
		return "", fault.New(fault.NotFound, "there is no mlx for %s %s: agent: of the backend names %s", system, arch, agent).
			Hint("edit %s   # agent: a file, or a folder with %s", repo.ConfigName, name)
	}
	if system == v.OS && arch == v.Arch {
		return "", nil
	}
	places := []string{filepath.Dir(self)}
	if dir, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(dir, "mlx", "agents", v.Version))
	}
	if found := train.FindAgent(places, system, arch); found != "" {
		return found, nil
	}
	err := fault.New(fault.NotFound, "there is no mlx for %s %s here: no %s in %s", system, arch, name, places[0])
	if len(places) > 1 {
		err = fault.New(fault.NotFound, "there is no mlx for %s %s here: no %s in %s or %s", system, arch, name, places[0], places[1])
	}
	return "", err.Hint("edit %s   # agent: of the backend names mlx %s for %s %s", repo.ConfigName, v.Version, system, arch)
}
