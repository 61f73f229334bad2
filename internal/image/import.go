package image

import (
	"context"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
)

// Open opens a package that lies somewhere, and what refers to it, so that it can go to another place as it is. Verify says whether it may
// be believed. Whoever opens it closes it.
func (a Access) Open(ctx context.Context, at At, v Verified) (*Built, []Attachment, io.Closer, error) {
	from, closer, err := a.open(at, "latest")
	if err != nil {
		return nil, nil, nil, err
	}
	b, attached, err := opened(ctx, from, v)
	if err != nil {
		return nil, nil, nil, errors.Join(failed(ctx, "cannot read the package "+at.Name, err), closer.Close())
	}
	return b, attached, closer, nil
}

func opened(ctx context.Context, from place, v Verified) (*Built, []Attachment, error) {
	b := &Built{Digest: v.Digest, Form: v.Form, Platform: v.Platform, Layers: v.Layers, Bytes: v.Bytes}
	b.name = v.Labels[LabelTitle] + "@" + v.Labels[LabelVersion]
	if base := v.Labels[labelBaseDigest]; base != "" {
		b.Base = &BaseName{Name: v.Labels[labelBaseName], Digest: base}
	}
	var err error
	if b.image, err = carried(ctx, from, v.Digest); err != nil {
		return nil, nil, err
	}
	var attached []Attachment
	for _, o := range v.Attached {
		p, err := carried(ctx, from, o.Digest)
		if err != nil {
			return nil, nil, err
		}
		attached = append(attached, Attachment{o, p})
	}
	return b, attached, nil
}

// carried is a manifest that is sent on as it is.
func carried(ctx context.Context, from place, digest string) (*packed, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	p := &packed{}
	if p.manifest, p.raw, err = readManifest(ctx, from, h); err != nil {
		return nil, err
	}
	if p.manifest.MediaType != types.OCIManifestSchema1 {
		return nil, fault.New(fault.Usage, "%.20s… is no manifest of OCI", digest)
	}
	if p.config, err = read(ctx, from, p.manifest.Config.Digest, maxConfig); err != nil {
		return nil, err
	}
	for _, d := range p.manifest.Layers {
		l, err := partial.CompressedToLayer(blobLayer{pulled{ctx, from, h}, d})
		if err != nil {
			return nil, err
		}
		p.layers = append(p.layers, l)
	}
	return p, nil
}
