package image

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
)

// Base is an image that a package is built on.
type Base struct {
	Name     string // as it was typed
	Digest   string // of its manifest for the platform
	Platform Platform

	image v1.Image
	close io.Closer
}

// Close gives back what the base needs to be read.
func (b *Base) Close() error { return b.close.Close() }

// OpenBase finds the image that a word names: of a registry, or a layout of OCI in a folder or a tar. Of an image for several platforms it
// takes that of p.
func (a Access) OpenBase(ctx context.Context, word string, p Platform) (*Base, error) {
	b, err := a.openBase(ctx, word, p)
	if err != nil {
		return nil, failed(ctx, "cannot read the base "+word, err)
	}
	return b, nil
}

func (a Access) openBase(ctx context.Context, word string, p Platform) (*Base, error) {
	from, closer, err := a.open(Place(word), "latest")
	if err != nil {
		return nil, err
	}
	b, err := chosen(ctx, from, p)
	if err != nil {
		return nil, errors.Join(err, closer.Close())
	}
	b.Name, b.close = word, closer
	return b, nil
}

// chosen finds the image of a place for a platform.
func chosen(ctx context.Context, from place, p Platform) (*Base, error) {
	d, err := from.named(ctx)
	if err != nil {
		return nil, err
	}
	for depth := 0; d.MediaType.IsIndex(); depth++ {
		text, err := from.manifest(ctx, d.Digest)
		if err != nil {
			return nil, err
		}
		var index v1.IndexManifest
		if json.Unmarshal(text, &index) != nil || depth > maxDepth {
			return nil, fault.New(fault.Integrity, "its index %.20s… is damaged", d.Digest.String())
		}
		if d, err = forPlatform(index, p); err != nil {
			return nil, err
		}
	}
	b := &Base{Digest: d.Digest.String()}
	if r, ok := from.(registry); ok { // its layers are mounted where they lie on the registry that they go to
		b.image, err = remote.Image(r.ref.Context().Digest(b.Digest), append(r.access.options(), remote.WithContext(ctx))...)
	} else {
		b.image, err = partial.CompressedToImage(pulled{ctx, from, d.Digest})
	}
	if err != nil {
		return nil, err
	}
	config, err := b.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	b.Platform = Platform{config.OS, config.Architecture, config.Variant}
	if b.Platform.OS != p.OS || b.Platform.Arch != p.Arch || p.Variant != "" && b.Platform.Variant != p.Variant {
		return nil, fault.New(fault.Conflict, "it is for %s, not for %s", b.Platform, p).Hint("--platform %s", b.Platform)
	}
	return b, nil
}

// maxDepth is how many lists of images may lead to an image.
const maxDepth = 3

func forPlatform(index v1.IndexManifest, p Platform) (v1.Descriptor, error) {
	want := *p.oci()
	for _, d := range index.Manifests {
		if d.MediaType.IsIndex() && d.Platform == nil {
			return d, nil
		}
		if d.Platform != nil && d.Platform.Satisfies(want) {
			return d, nil
		}
	}
	return v1.Descriptor{}, fault.New(fault.NotFound, "it has no image for %s", p).Hint("--platform OS/ARCH")
}

// pulled is an image of a layout.
type pulled struct {
	ctx    context.Context //nolint:containedctx // an image is read for as long as the package is made
	from   place
	digest v1.Hash
}

// RawManifest implements partial.CompressedImageCore.
func (p pulled) RawManifest() ([]byte, error) {
	_, text, err := readManifest(p.ctx, p.from, p.digest)
	return text, err
}

// MediaType implements partial.CompressedImageCore.
func (p pulled) MediaType() (types.MediaType, error) {
	m, _, err := readManifest(p.ctx, p.from, p.digest)
	return m.MediaType, err
}

// RawConfigFile implements partial.CompressedImageCore.
func (p pulled) RawConfigFile() ([]byte, error) {
	m, _, err := readManifest(p.ctx, p.from, p.digest)
	if err != nil {
		return nil, err
	}
	return read(p.ctx, p.from, m.Config.Digest, maxConfig)
}

// LayerByDigest implements partial.CompressedImageCore.
func (p pulled) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	m, text, err := readManifest(p.ctx, p.from, p.digest)
	if err != nil {
		return nil, err
	}
	if h == m.Config.Digest {
		return partial.ConfigLayer(rawConfig{p, text})
	}
	for _, d := range m.Layers {
		if d.Digest == h {
			return blobLayer{p, d}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "the base has no layer %.20s…", h.String())
}

type rawConfig struct {
	p        pulled
	manifest []byte
}

func (c rawConfig) RawConfigFile() ([]byte, error) { return c.p.RawConfigFile() }

// blobLayer is a layer of a layout.
type blobLayer struct {
	p pulled
	d v1.Descriptor
}

func (l blobLayer) Digest() (v1.Hash, error)            { return l.d.Digest, nil }
func (l blobLayer) Compressed() (io.ReadCloser, error)  { return l.p.from.blob(l.p.ctx, l.d.Digest) }
func (l blobLayer) Size() (int64, error)                { return l.d.Size, nil }
func (l blobLayer) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }
