package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// packed is a manifest with its config and layers, all named: a v1.Image whose bytes are written here, so that nothing else decides them.
type packed struct {
	manifest v1.Manifest
	raw      []byte
	config   []byte
	layers   []v1.Layer
	diffs    []v1.Hash
}

// pack writes the manifest of a config and of layers. Layers that m names already only give their annotations.
func pack(m v1.Manifest, config []byte, kind types.MediaType, s stack) (*packed, error) {
	p := &packed{manifest: m, config: config, layers: s.layers, diffs: s.diffs}
	hash, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	p.manifest.SchemaVersion, p.manifest.MediaType = 2, types.OCIManifestSchema1
	p.manifest.Config = v1.Descriptor{MediaType: kind, Digest: hash, Size: size}
	described := p.manifest.Layers
	p.manifest.Layers = make([]v1.Descriptor, 0, len(s.layers))
	for i, l := range s.layers {
		d, err := describe(l)
		if err != nil {
			return nil, err
		}
		if i < len(described) {
			d.Annotations = described[i].Annotations
		}
		p.manifest.Layers = append(p.manifest.Layers, d)
	}
	p.raw, err = json.Marshal(p.manifest)
	return p, err
}

// describe is a layer as a manifest of OCI names it: what Docker calls its types is the same under other names.
func describe(l v1.Layer) (v1.Descriptor, error) {
	kind, err := l.MediaType()
	if err != nil {
		return v1.Descriptor{}, err
	}
	switch kind {
	case types.DockerLayer:
		kind = types.OCILayer
	case types.DockerUncompressedLayer:
		kind = types.OCIUncompressedLayer
	default:
	}
	size, err := l.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, err := l.Digest()
	return v1.Descriptor{MediaType: kind, Size: size, Digest: digest}, err
}

// Layers implements v1.Image.
func (p *packed) Layers() ([]v1.Layer, error) { return p.layers, nil }

// MediaType implements v1.Image.
func (p *packed) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Size implements v1.Image.
func (p *packed) Size() (int64, error) { return int64(len(p.raw)), nil }

// ConfigName implements v1.Image.
func (p *packed) ConfigName() (v1.Hash, error) { return p.manifest.Config.Digest, nil }

// ConfigFile implements v1.Image.
func (p *packed) ConfigFile() (*v1.ConfigFile, error) {
	return v1.ParseConfigFile(bytes.NewReader(p.config))
}

// RawConfigFile implements v1.Image.
func (p *packed) RawConfigFile() ([]byte, error) { return p.config, nil }

// Digest implements v1.Image.
func (p *packed) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(p.raw))
	return h, err
}

// Manifest implements v1.Image.
func (p *packed) Manifest() (*v1.Manifest, error) { return p.manifest.DeepCopy(), nil }

// RawManifest implements v1.Image.
func (p *packed) RawManifest() ([]byte, error) { return p.raw, nil }

// LayerByDigest implements v1.Image.
func (p *packed) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	for i, d := range p.manifest.Layers {
		if d.Digest == h {
			return p.layers[i], nil
		}
	}
	return nil, fmt.Errorf("the package has no layer %s", h)
}

// LayerByDiffID implements v1.Image.
func (p *packed) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for i, d := range p.diffs {
		if d == h {
			return p.layers[i], nil
		}
	}
	return nil, fmt.Errorf("the package has no layer %s", h)
}
