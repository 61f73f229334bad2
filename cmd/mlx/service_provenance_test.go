package main

import (
	"context"
	"os"
	"path/filepath"
	"testing/fstest"

	"mlx/internal/cli"
	"mlx/internal/image"
)

// wrongPackageMain makes and records a package whose labels and signed provenance name a version, and whose weights are other bytes:
// wrongpackage REF KEY FILE. Only who has a trusted key and bad intent, or a damaged disk, could make one.
func wrongPackageMain() {
	a := newApp(nil, cli.Open(os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	if err := wrongPackage(context.Background(), a, os.Args[1:]); err != nil {
		os.Exit(a.streams.Fail(err))
	}
	a.close()
}

func wrongPackage(ctx context.Context, a *app, args []string) error {
	m, v, err := a.versionNamed(ctx, args[0])
	if err != nil {
		return err
	}
	o := modelPackageOptions{ref: args[0], form: string(image.Image), key: args[1], out: args[2]}
	p := &packaging{app: a, o: o, model: m, version: v}
	if p.places, err = a.packagePlaces(o, v); err != nil {
		return err
	}
	if p.recipe, _, err = a.recipe(ctx, v, o.made()); err != nil {
		return err
	}
	key, err := a.packageSigner(ctx, o.key)
	if err != nil {
		return err
	}
	p.recipe.Model = fstest.MapFS{filepath.Base(v.Path): {Data: []byte(`{"w": 99}`)}}
	b, err := image.Build(ctx, p.recipe.Recipe)
	if err != nil {
		return err
	}
	attached, err := p.statements(ctx, b, key)
	if err != nil {
		return err
	}
	return p.bring(ctx, parcel{b, attached, p.body(b, attached, key)}, p.places)
}
