package main

import (
	"cmp"
	"context"
	"os"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/image"
)

// agentImage has a repository of images hold this very program for a platform, linux/amd64 say, and names it by its digest: what pods of a
// service run beside its servers. agent is the file, or the folder of files, that has it where this one does not run there; it may be empty.
// What the repository has is not sent again.
func (a *app) agentImage(ctx context.Context, repository, platform, agent string) (string, error) {
	built, err := a.agentBuilt(ctx, platform, agent)
	if err != nil {
		return "", err
	}
	return a.access().Keep(ctx, repository, built)
}

// agentBuilt is that image, which is sent nowhere.
func (a *app) agentBuilt(ctx context.Context, platform, agent string) (*image.Built, error) {
	p, err := image.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find the program that runs here: %w", err)
	}
	file, err := agentProgram(agent, self, p.OS, p.Arch)
	if err != nil {
		return nil, err
	}
	if file == "" {
		file = self
	}
	return image.Program{
		Name: "mlx", File: file, Platform: p, Labels: map[string]string{image.LabelTitle: "mlx", image.LabelVersion: mlxVersion()},
	}.Build(ctx)
}

// agentPlatforms are those that nodes have.
func agentPlatforms() []string { return []string{"linux/amd64", "linux/arm64"} }

// agentAnywhere is an image of mlx for as many platforms as there is a program for: at least those that are needed, and one.
func (a *app) agentAnywhere(ctx context.Context, need []string, agent string) (*image.Built, error) {
	var all []*image.Built
	var missed error
	for _, platform := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(agentPlatforms(), need)))) {
		built, err := a.agentBuilt(ctx, platform, agent)
		switch {
		case err == nil:
			all = append(all, built)
		case ctx.Err() != nil || slices.Contains(need, platform):
			return nil, err
		default:
			missed = cmp.Or(missed, err)
		}
	}
	if len(all) == 0 {
		return nil, missed
	}
	return image.Platforms(all)
}
