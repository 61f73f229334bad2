package main

import (
	"cmp"
	"context"
	"crypto"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/image"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// packageRecord is a package as the ledger tells it.
type packageRecord struct {
	rec  lineage.Record
	body image.Package
}

// packagesOf lists the packages of a version, each place of each once more, newest first.
func (a *app) packagesOf(ctx context.Context, v *registry.Version) ([]packageRecord, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	var all []packageRecord
	for rec, err := range l.Referring(ctx, v.Record) {
		if err != nil {
			return nil, err
		}
		if !image.Packaged.Is(rec) {
			continue
		}
		body, err := image.Packaged.Decode(rec)
		if err != nil {
			return nil, err
		}
		if body.Digest == v.Digest {
			all = append(all, packageRecord{rec, body})
		}
	}
	slices.SortStableFunc(all, func(x, y packageRecord) int {
		return cmp.Or(cmp.Compare(y.rec.LC, x.rec.LC), y.rec.ID.Compare(x.rec.ID))
	})
	return all, nil
}

// packagedOf adds the packages of all versions of a model, and what they were converted from.
func packagedOf(ctx context.Context, r registry.Registry, m *registry.Model, ids map[object.Digest]lineage.Record) error {
	var digests []object.Digest
	for _, v := range m.Versions {
		if !v.Digest.IsZero() {
			digests = append(digests, v.Digest)
		}
	}
	if len(digests) == 0 {
		return nil
	}
	for rec, err := range r.Ledger.Mentioning(ctx, digests, image.Packaged.Name(), modelConverted.Name()) {
		if err != nil {
			return err
		}
		for _, v := range m.Versions { // other models may have the same bytes
			if slices.ContainsFunc(rec.In, func(in lineage.Input) bool { return in.ID == v.Record }) {
				ids[rec.ID] = rec
			}
		}
	}
	return nil
}

// verifiedPackage is the newest package of a version, read where it lies and compared byte by byte, that somebody signed who is trusted here:
// what a deploy starts from. Of several places with this package the newest that can be asked counts. It is of the kind NotFound where there
// is none, Denied where nobody who is trusted stands for it, and Integrity where a byte is wrong, whatever lies elsewhere. A package that
// went nowhere has nothing that could be read, and is passed over.
func (a *app) verifiedPackage(ctx context.Context, v *registry.Version) (packageRecord, image.Verified, error) {
	known, err := a.packagesOf(ctx, v)
	if err != nil {
		return packageRecord{}, image.Verified{}, err
	}
	newest := ""
	var first error
	for _, p := range known {
		if p.body.Place == nil || newest != "" && p.body.Image != newest {
			continue
		}
		newest = p.body.Image
		found, err := a.packageAt(ctx, v, p)
		switch fault.KindOf(err) {
		case fault.NotFound, fault.Unavailable, fault.Denied: // it may be whole in another place
			a.streams.Why("%v", err)
			if first == nil {
				first = err
			}
			continue
		default:
		}
		return p, found, err
	}
	if first == nil {
		first = fault.New(fault.NotFound, "cannot verify a package of %s: none was brought to a place", v.Name()).
			Hint("mlx model package %s --push REGISTRY/REPO", shellWord(v.Name()))
	}
	return packageRecord{}, image.Verified{}, first
}

// packageAt checks a package where a record says that it lies.
func (a *app) packageAt(ctx context.Context, v *registry.Version, p packageRecord) (image.Verified, error) {
	if err := a.mayReach(*p.body.Place); err != nil {
		return image.Verified{}, err
	}
	at, err := a.reached(*p.body.Place)
	if err != nil {
		return image.Verified{}, err
	}
	return a.believe(ctx, at, image.Want{Digest: p.body.Image, Model: v.Digest.Hex()})
}

// believe checks a package by the keys that are trusted here: those of the ledger and of mlx.yaml that nobody revoked.
func (a *app) believe(ctx context.Context, at image.At, want image.Want) (image.Verified, error) {
	l, err := a.ledger()
	if err != nil {
		return image.Verified{}, err
	}
	known, err := a.signers(ctx, l)
	if err != nil {
		return image.Verified{}, err
	}
	keys := map[string]crypto.PublicKey{}
	add := func(line []byte) {
		fingerprint, key, err := lineage.CryptoKey(line)
		if err == nil && counts(known, fingerprint) {
			keys[fingerprint] = key
		}
	}
	ledger, err := l.Keys(ctx)
	if err != nil {
		return image.Verified{}, err
	}
	for _, k := range ledger {
		add([]byte(k.Public))
	}
	files, err := a.trustedKeys(ctx)
	if err != nil {
		return image.Verified{}, err
	}
	for _, k := range files {
		add(k.line)
	}
	want.Trust = func(fingerprint string) crypto.PublicKey {
		if key, ok := keys[fingerprint]; ok {
			return key
		}
		return nil
	}
	progress := a.streams.Progress("checking "+at.Name, "bytes", 0)
	defer progress.Done()
	v, err := a.access().Verify(ctx, at, want)
	switch fault.KindOf(err) {
	case fault.Denied:
		if len(keys) == 0 {
			err = fault.New(fault.Denied, "%w", err).Hint("mlx key add FILE.pub   # no key is trusted here")
		}
	case fault.Integrity:
		err = fault.New(fault.Integrity, "%w", err).Hint("mlx model package NAME@vN -o FILE   # makes it again")
	default:
	}
	return v, err
}
