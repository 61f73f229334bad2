package main

import (
	"context"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/registry"
)

// provenance is what was found out about a version before it may go into service: its package, byte by byte, and who stands for it. Without
// a package it is empty.
type provenance struct {
	image  string // digest
	bytes  int64
	signed string // fingerprint of the key
	place  string
}

// prove makes sure of the bytes of all versions.
func (s *served) prove(ctx context.Context, c picked) (err error) {
	for i := range c {
		if c[i].proven, err = s.proveOne(ctx, c[i].version); err != nil {
			return err
		}
	}
	return nil
}

// proveOne makes sure of the bytes of a version, which are read once for that. A package is verified where it lies, and the weights in it must
// be those that the ledger names. Without one the bytes are read if the policy of the stage asks for anything.
func (s *served) proveOne(ctx context.Context, v *registry.Version) (provenance, error) {
	if v.Root.IsZero() {
		return provenance{}, nil // there is nothing to serve, which is told later
	}
	known, err := s.app.packagesOf(ctx, v)
	if err != nil {
		return provenance{}, err
	}
	if !slices.ContainsFunc(known, func(p packageRecord) bool { return p.body.Place != nil }) {
		return provenance{}, s.wholeOnce(ctx, v)
	}
	record, found, err := s.app.verifiedPackage(ctx, v)
	if err == nil {
		err = s.app.sameWeights(ctx, v, found)
	}
	if err != nil {
		return provenance{}, s.unproven(v, err)
	}
	s.compared = v.Root
	return provenance{image: found.Digest, bytes: found.Bytes, signed: found.Signed, place: s.app.placeName(*record.body.Place)}, nil
}

// unproven is the refusal of a version whose package is not what it should be.
func (s *served) unproven(v *registry.Version, err error) error {
	refused := fault.New(fault.KindOf(err), "cannot deploy %s to %s: %w", v.Name(), s.name, err).About(refOfVersion(v))
	if len(fault.Hints(err)) == 0 {
		return refused.Hint("mlx model package %s -o FILE.tar --key KEY   # the same bytes again, in a file, signed", shellWord(v.Name()))
	}
	return refused
}

// sameWeights compares the weights in a package with those of the version, as the store has them: each file of it is compared with its
// digest as it is read.
func (a *app) sameWeights(ctx context.Context, v *registry.Version, found image.Verified) error {
	i := slices.IndexFunc(found.Layers, func(l image.Layer) bool { return l.What == image.LayerWeights })
	if i < 0 {
		return fault.New(fault.Integrity, "the package %s has no weights", shortImage(found.Digest))
	}
	return a.bringModel(ctx, v, func() error {
		m, err := a.modelFolder(ctx, v)
		if err != nil {
			return err
		}
		progress := a.streams.Progress("reading "+v.Name(), "bytes", 0)
		defer progress.Done()
		recipe := image.Recipe{Form: found.Form, Name: v.Model, Version: "v" + numberWord(v.Version), Model: m.FS, Read: progress.Add}
		b, err := image.Build(ctx, recipe)
		if err != nil {
			return err
		}
		if b.Layers[0].Digest != found.Layers[i].Digest {
			return fault.New(fault.Integrity, "the package %s holds other weights than the ledger names: %s, not %s", shortImage(found.Digest),
				shortImage(found.Layers[i].Digest), shortImage(b.Layers[0].Digest))
		}
		return nil
	})
}

// shortImage is a digest as people are told it.
func shortImage(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// wholeOnce reads the bytes of a version whole where the policy of the stage asks for anything, unless this process has done it.
func (s *served) wholeOnce(ctx context.Context, v *registry.Version) error {
	if s.cfg.Stage == "" || s.compared == v.Root {
		return nil
	}
	to, err := readStage(s.cfg.Stage)
	if err != nil {
		return err
	}
	needs, err := s.app.needsOf(to)
	if err != nil || len(needs) == 0 {
		return err
	}
	if err := s.app.bringVersion(ctx, v, to); err != nil {
		return err
	}
	if err := s.app.whole(ctx, bytesOf(v)); err != nil {
		return err
	}
	s.compared = v.Root
	return nil
}

// tell says what was verified.
func (p provenance) tell(t *telling) {
	if p.image != "" {
		t.line(t.served.app.now(), "packaged", shortImage(p.image)+"  "+cli.FormatBytes(p.bytes)+"  signed by "+p.signed)
	}
}

// plan is the step of a plan that this is.
func (p provenance) plan(to *registry.Version) planStep {
	return planStep{Do: "verify", What: to.Name(), Why: shortImage(p.image) + " in " + p.place + ", signed by " + p.signed, Bytes: p.bytes}
}
