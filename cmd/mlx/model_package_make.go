package main

import (
	"context"
	"crypto/ecdsa"
	"errors"

	"mlx/internal/image"
	"mlx/internal/lineage"
	"mlx/internal/registry"
)

// packaging is one run of `mlx model package`.
type packaging struct {
	app     *app
	o       modelPackageOptions
	model   *registry.Model
	version *registry.Version
	places  []image.At
	known   []packageRecord // of the version, newest first

	recipe packageRecipe
	newest *packageRecord // the package, once it is known
	done   []packageRecord
}

// stampKey signs packages.
type stampKey struct {
	signer image.Signer
	ecdsa  *ecdsa.PrivateKey // nil: not in a file, or of another type
}

// missing are the places that do not have the package yet. It reads none of the bytes of the model.
func (p *packaging) missing(ctx context.Context) ([]image.At, error) {
	for i, k := range p.known {
		if k.body.Recipe != p.recipe.key {
			continue
		}
		if p.newest == nil {
			p.newest = &p.known[i]
		}
		for _, l := range k.body.Layers {
			if l.What == image.LayerWeights {
				p.recipe.Weights = &l
			}
		}
	}
	if len(p.places) == 0 {
		return nil, nil
	}
	signers, signing, err := p.signers(ctx)
	if err != nil {
		return nil, err
	}
	var missing []image.At
	for _, at := range p.places {
		there, err := p.there(ctx, at, func(b image.Package) bool {
			if b.Signed == "" {
				return b.Recipe == p.recipe.key && !signing
			}
			return b.Recipe == p.recipe.key && counts(signers, b.Signed)
		})
		if err != nil {
			return nil, err
		}
		if there == nil {
			missing = append(missing, at)
			continue
		}
		p.newest = there
		p.done = append(p.done, *there)
	}
	return missing, nil
}

// signers are the keys that are believed here, and whether this package is to be signed. Who signed what is there already may have been
// revoked since: then it is signed anew.
func (p *packaging) signers(ctx context.Context) (known []registry.Signer, signing bool, err error) {
	l, err := p.app.ledger()
	if err != nil {
		return nil, false, err
	}
	if known, err = p.app.signers(ctx, l); err != nil || p.o.key != "" {
		return known, true, err
	}
	r, err := p.app.repo()
	if err != nil {
		return nil, false, err
	}
	key, err := r.SigningKey(ctx)
	return known, key != "", err
}

// there is the record of the package that a place has, which must still be so; nil: it has none.
func (p *packaging) there(ctx context.Context, at image.At, same func(image.Package) bool) (*packageRecord, error) {
	for i, k := range p.known {
		if k.body.Place == nil || *k.body.Place != at {
			continue
		}
		if !same(k.body) {
			return nil, nil // the newest there is another one
		}
		place, err := p.app.reached(at)
		if err != nil {
			return nil, err
		}
		ok, err := p.app.access().Present(ctx, place, k.body.Image, k.body.Attached)
		if err != nil || !ok {
			return nil, err
		}
		return &p.known[i], nil
	}
	return nil, nil
}

// make builds the package, brings it to the places that lack it, and records it.
func (p *packaging) make(ctx context.Context, missing []image.At) error {
	var key *stampKey
	var err error
	if len(missing) > 0 {
		if key, err = p.app.packageSigner(ctx, p.o.key); err != nil {
			return err
		}
	}
	return p.app.bringModel(ctx, p.version, func() error {
		m, err := p.app.modelFolder(ctx, p.version)
		if err != nil {
			return err
		}
		p.recipe.Model = m.FS
		progress := p.app.streams.Progress("packaging "+p.version.Name(), "bytes", 0)
		defer progress.Done()
		p.recipe.Read = progress.Add
		b, err := image.Build(ctx, p.recipe.Recipe)
		if err != nil {
			return err
		}
		attached, err := p.statements(ctx, b, key)
		if err != nil {
			return err
		}
		return p.bring(ctx, parcel{b, attached, p.body(b, attached, key)}, missing)
	})
}

// parcel is a package on its way, and its record without a place.
type parcel struct {
	built    *image.Built
	attached []image.Attachment
	body     image.Package
}

// bring takes a package to places, and records each once it is there.
func (p *packaging) bring(ctx context.Context, d parcel, places []image.At) error {
	if len(places) == 0 {
		d.body.Signed, d.body.Attached = "", nil // it goes nowhere, and neither do they
		return p.record(ctx, d.body)
	}
	for _, at := range places {
		there, err := p.app.reached(at)
		if err != nil {
			return err
		}
		if at.Kind == image.InFile {
			err = image.Export(ctx, there.Name, "v"+numberWord(p.version.Version), d.built, d.attached)
		} else {
			err = p.app.access().Push(ctx, there.Name, d.built, d.attached)
		}
		if err != nil {
			return err
		}
		d.body.Place = &at
		if err := p.record(ctx, d.body); err != nil {
			return err
		}
	}
	return nil
}

// record keeps what was done.
func (p *packaging) record(ctx context.Context, b image.Package) error {
	l, err := p.app.ledger()
	if err != nil {
		return err
	}
	rec, err := image.Packaged.Append(ctx, l, lineage.Entry[image.Package]{Body: b, In: []lineage.Input{{Role: "version", ID: p.version.Record}}})
	if err != nil {
		return err
	}
	p.done = append(p.done, packageRecord{rec, b})
	p.newest = &p.done[len(p.done)-1]
	return nil
}

// body is the record of a package that was made here.
func (p *packaging) body(b *image.Built, attached []image.Attachment, key *stampKey) image.Package {
	body := image.Package{Model: p.version.Model, Version: p.version.Version, Digest: p.version.Digest, Image: b.Digest, Form: b.Form,
		Platform: b.Platform.String(), Base: b.Base, Code: p.recipe.code, Command: p.recipe.Command, Recipe: p.recipe.key, Bytes: b.Bytes, Layers: b.Layers}
	for _, o := range attached {
		body.Attached = append(body.Attached, o.Attached)
	}
	if key != nil {
		body.Signed = key.signer.Fingerprint
	}
	return body
}

// statements are what goes with a package: how it was made, what is in it, and the signature of its files. Without a key there is none,
// which is said.
func (p *packaging) statements(ctx context.Context, b *image.Built, key *stampKey) ([]image.Attachment, error) {
	if len(p.places) == 0 {
		return nil, nil
	}
	if key == nil {
		p.app.streams.Note("the package is not signed, so that a deploy does not believe it")
		p.app.streams.Hint("mlx model package … --key FILE", "a key that mlx key list names")
		return nil, nil
	}
	provenance, err := b.Provenance(image.Origin{Model: p.version.Name(), Run: p.recipe.run, Code: p.o.code, Command: p.o.command, Inputs: p.recipe.inputs,
		Mlx: mlxVersion(), FinishedAt: p.app.now()})
	if err != nil {
		return nil, err
	}
	card, err := p.app.cardOf(ctx, p.model, p.version, p.app.cardFiles)
	if err != nil {
		return nil, err
	}
	materials, err := card.CycloneDX()
	if err != nil {
		return nil, err
	}
	bill, err := b.Bill(materials)
	if err != nil {
		return nil, err
	}
	var all []image.Attachment
	for _, s := range []struct {
		what string
		text []byte
	}{{image.Provenance, provenance}, {image.BillOfMaterial, bill}} {
		bundle, err := image.Sign(s.text, key.signer)
		if err != nil {
			return nil, err
		}
		o, err := b.Attach(s.what, bundle)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return p.signFiles(ctx, b, key, all)
}

// signFiles adds the OpenSSF signature of the files, which needs an ECDSA key in a file.
func (p *packaging) signFiles(ctx context.Context, b *image.Built, key *stampKey, all []image.Attachment) ([]image.Attachment, error) {
	if key.ecdsa == nil {
		p.app.streams.Why("the files have no signature of OpenSSF model signing: that needs an ECDSA key in a file")
		return all, nil
	}
	m, err := p.app.modelFolder(ctx, p.version)
	if err != nil {
		return nil, err
	}
	text, err := registry.SignModel(ctx, m, key.ecdsa)
	if err != nil {
		return nil, err
	}
	o, err := b.Attach(image.ModelSignature, text)
	return append(all, o), err
}

// carry takes a package that was made elsewhere, believes it only after every byte was checked, and brings it to the places.
func (p *packaging) carry(ctx context.Context) (err error) {
	from := image.Place(p.o.from)
	var missing []image.At
	v, err := p.app.believe(ctx, from, image.Want{Model: p.version.Digest.Hex()})
	if err != nil {
		return err
	}
	for _, at := range p.places {
		there, err := p.there(ctx, at, func(b image.Package) bool { return b.Image == v.Digest })
		if err != nil {
			return err
		}
		if there == nil {
			missing = append(missing, at)
			continue
		}
		p.newest, p.done = there, append(p.done, *there)
	}
	if p.o.dryRun {
		return p.emitPlan(missing)
	}
	for i, k := range p.known {
		if p.newest == nil && k.body.Image == v.Digest && len(p.places) == 0 {
			p.newest = &p.known[i]
		}
	}
	if len(missing) == 0 && p.newest != nil {
		return p.emit(false)
	}
	b, attached, closer, err := p.app.access().Open(ctx, from, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	body := image.Package{Model: p.version.Model, Version: p.version.Version, Digest: p.version.Digest, Image: v.Digest, Form: v.Form,
		Platform: v.Platform.String(), Base: b.Base, Bytes: v.Bytes, Layers: v.Layers, Signed: v.Signed, Attached: v.Attached}
	if len(p.places) == 0 {
		body.Place = &from
		if from.Kind == image.InFile {
			places, err := p.app.packagePlaces(modelPackageOptions{out: from.Name}, p.version)
			if err != nil {
				return err
			}
			body.Place = &places[0]
		}
		err = p.record(ctx, body)
	} else {
		err = p.bring(ctx, parcel{b, attached, body}, missing)
	}
	if err != nil {
		return err
	}
	return p.emit(true)
}
