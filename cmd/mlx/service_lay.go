package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// servicesName is the folder that holds one for each service that runs here.
const servicesName = "services"

// serviceDir is what this clone keeps of a service that runs on this machine.
func serviceDir(r *repo.Repo, service string) string {
	return filepath.Join(r.Home, servicesName, service)
}

// layRelease puts a release where its servers find it: the model and the code, exactly as recorded. What stands there already is compared
// and mended, so that nothing is served which somebody has changed.
func (a *app) layRelease(ctx context.Context, service string, rel deploy.Release) (place local.Place, err error) {
	if err := rel.Sound(); err != nil {
		return place, err
	}
	r, err := a.repo()
	if err != nil {
		return place, err
	}
	dir := releaseDir(serviceDir(r, service), rel)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return place, fault.New(fault.KindOf(err), "cannot lay out %s: %w", rel.Name(), err)
	}
	var model []string
	if len(rel.Stages) == 0 {
		if model, err = a.layModel(ctx, rel, filepath.Join(dir, "model")); err != nil {
			return place, err
		}
	}
	app := filepath.Join(dir, "app")
	err = a.layDown(ctx, rel, located{Path: "code", Root: rel.Code}, snapshot.CheckoutOptions{Path: app, To: rel.Code, Kind: snapshot.Directory})
	if err != nil {
		return place, err
	}
	if err := os.WriteFile(filepath.Join(dir, local.OnnxruntimeName), []byte(local.OnnxruntimeServer()), 0o600); err != nil {
		return place, fault.New(fault.KindOf(err), "cannot lay out %s: %w", rel.Name(), err)
	}
	place = local.Place{Dir: app, Env: append([]string{"MLX_SERVICE=" + service, "MLX_RELEASE=" + rel.Key, "MLX_RELEASE_DIR=" + dir}, model...)}
	if len(rel.Stages) == 0 {
		return place, nil
	}
	self, err := selfProgram()
	if err != nil {
		return place, err
	}
	place.Env = append(place.Env, programEnv+"="+self)
	return place, a.layStages(ctx, service, rel, place)
}

// layDown checks a version out, and fetches of it what is not here.
func (a *app) layDown(ctx context.Context, rel deploy.Release, at located, o snapshot.CheckoutOptions) (err error) {
	from, err := a.hereOrigin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	o.Force = true // only mlx writes there
	err = a.reading(ctx, piece{located: at, from: from}, nil, func() error {
		_, err := from.store.Checkout(ctx, o)
		return err
	})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot lay out %s: %w", rel.Name(), err)
	}
	return nil
}

// recordedVersion is the version that a release serves, whatever its number is now.
func (a *app) recordedVersion(ctx context.Context, rel deploy.Release) (*registry.Version, error) {
	reg, err := a.registry()
	if err != nil {
		return nil, err
	}
	v, err := reg.VersionOf(ctx, rel.Record)
	if err != nil {
		return nil, err
	}
	if v.Digest != rel.Digest {
		return nil, fault.New(fault.Integrity, "cannot serve %s: record %s registers other bytes", rel.Name(), rel.Record.Short()).Hint("mlx verify --ledger")
	}
	return v, nil
}
