package image

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Built is a package that was made. Its layers are read when they are sent.
type Built struct {
	Digest   string // of the manifest: "sha256:…"
	Form     Form
	Platform Platform
	Base     *BaseName
	Layers   []Layer
	Bytes    int64 // of all layers

	name  string
	image *packed
	index v1.ImageIndex // of several platforms; nil: it is one image
}

// Build makes a package. It reads the files of the model once, unless the recipe knows their layer.
func Build(ctx context.Context, r Recipe) (*Built, error) {
	b, err := build(ctx, r)
	if err != nil {
		return nil, failed(ctx, "cannot package "+r.Name, err)
	}
	return b, nil
}

func build(ctx context.Context, r Recipe) (*Built, error) {
	stack, err := r.layers(ctx)
	if err != nil {
		return nil, err
	}
	b := &Built{Form: r.Form, Platform: r.Platform, name: r.Name + "@" + r.Version}
	switch {
	case r.Form == ModelPack && (r.Base != nil || len(r.Command) > 0):
		return nil, fault.New(fault.Usage, "an artifact of the form %s runs nowhere by itself: it has neither a base nor a command", ModelPack)
	case r.Form == ModelPack:
		b.Platform = Platform{}
		b.image, err = r.modelPack(stack)
	case r.Form == Image:
		b.image, err = r.image(stack)
	default:
		err = fault.New(fault.Usage, "there is no form %q: one of %v", r.Form, Forms())
	}
	if err != nil {
		return nil, err
	}
	for i, d := range b.image.manifest.Layers {
		b.Layers = append(b.Layers, Layer{What: stack.what[i], Digest: d.Digest.String(), Bytes: d.Size})
		b.Bytes += d.Size
	}
	if r.Base != nil {
		b.Base = &BaseName{Name: r.Base.Name, Digest: r.Base.Digest}
	}
	digest, err := b.image.Digest()
	b.Digest = digest.String()
	return b, err
}

// stack is the layers of a package, what each is, and the digests of their bytes where nothing is compressed.
type stack struct {
	layers []v1.Layer
	what   []string
	diffs  []v1.Hash
}

// layers are those of the base, the weights and the code, in this order.
func (r Recipe) layers(ctx context.Context) (stack, error) {
	var s stack
	if r.Base != nil {
		layers, err := r.Base.image.Layers()
		if err != nil {
			return s, err
		}
		config, err := r.Base.image.ConfigFile()
		if err != nil {
			return s, err
		}
		if len(config.RootFS.DiffIDs) != len(layers) {
			return s, fault.New(fault.Integrity, "the base has %d layers, and its config names %d", len(layers), len(config.RootFS.DiffIDs))
		}
		s = stack{slices.Clone(layers), slices.Repeat([]string{LayerBase}, len(layers)), slices.Clone(config.RootFS.DiffIDs)}
	}
	weights, code := types.OCIUncompressedLayer, types.OCIUncompressedLayer
	models, app := ModelsDir, CodeDir
	if r.Form == ModelPack {
		weights, code, models, app = mediaWeights, mediaCode, ".", "."
	}
	if err := s.add(ctx, source{LayerWeights, r.Model, models, weights, r.Weights, r.Read}); err != nil || r.Code == nil {
		return s, err
	}
	return s, s.add(ctx, source{LayerCode, r.Code, app, code, nil, r.Read})
}

// source is the files of a layer.
type source struct {
	what  string
	files fs.FS
	below string
	kind  types.MediaType
	known *Layer
	read  func(int64)
}

func (s *stack) add(ctx context.Context, from source) error {
	tree, err := newFolder(ctx, from.files, from.below)
	if err != nil {
		return err
	}
	if from.read != nil {
		tree.read = from.read
	}
	l := newLayer(ctx, tree, from.kind, from.known)
	diff, err := l.DiffID()
	s.layers, s.what, s.diffs = append(s.layers, l), append(s.what, from.what), append(s.diffs, diff)
	return err
}

// image writes the config and the manifest of an image.
func (r Recipe) image(s stack) (*packed, error) {
	epoch := v1.Time{Time: time.Unix(0, 0).UTC()}
	config := v1.ConfigFile{}
	if r.Base != nil {
		from, err := r.Base.image.ConfigFile()
		if err != nil {
			return nil, err
		}
		config = *from.DeepCopy()
	}
	if r.Platform.OS != "" {
		config.OS, config.Architecture, config.Variant = r.Platform.OS, r.Platform.Arch, r.Platform.Variant
	}
	config.Created, config.Author, config.Container = epoch, "", ""
	config.RootFS = v1.RootFS{Type: "layers", DiffIDs: s.diffs}
	for _, what := range s.what {
		if what != LayerBase {
			config.History = append(config.History, v1.History{Created: epoch, CreatedBy: createdBy, Comment: what})
		}
	}
	c := &config.Config
	c.Labels = merged(c.Labels, r.Labels)
	c.Env = environment(c.Env, map[string]string{"MLX_MODEL_DIR": "/" + ModelsDir, "MLX_MODEL_NAME": r.Name, "MLX_MODEL_VERSION": r.Version})
	if r.Code != nil {
		c.WorkingDir = "/" + CodeDir
	}
	if len(r.Command) > 0 {
		c.Entrypoint, c.Cmd = nil, r.Command
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	annotations := maps.Clone(r.Labels)
	if r.Base != nil {
		annotations = merged(annotations, map[string]string{labelBaseName: r.Base.Name, labelBaseDigest: r.Base.Digest})
	}
	return pack(v1.Manifest{Annotations: annotations}, text, types.OCIConfigJSON, s)
}

func merged(a, b map[string]string) map[string]string {
	all := make(map[string]string, len(a)+len(b))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// environment sets variables in a list of NAME=VALUE: those of the list keep their places, new ones follow by their names.
func environment(list []string, set map[string]string) []string {
	out := slices.DeleteFunc(slices.Clone(list), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		_, replaced := set[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, name+"="+set[name])
	}
	return out
}

// createdBy marks the layers that are made here.
const createdBy = "mlx model package"

// layout names the way in which packages are written. Another one gives the same recipe another digest.
const layout = "mlx-package/1"

// Key is the digest of what decides the bytes of a package, without reading the files of the model: model and code say which bytes
// those are. Equal keys are equal packages.
func (r Recipe) Key(model object.Digest, code string) (object.Digest, error) {
	base := ""
	if r.Base != nil {
		base = r.Base.Name + "@" + r.Base.Digest
	}
	text, err := object.Encode(key{
		Layout: layout, Form: r.Form, Name: r.Name, Version: r.Version, Model: model, Code: code, Base: base, Platform: r.Platform.String(),
		Command: append([]string{}, r.Command...), Labels: merged(nil, r.Labels), Format: r.Format, Licence: r.Licence,
	})
	return object.Sum(text), err
}

type key struct {
	Layout   string            `json:"layout"`
	Form     Form              `json:"form"`
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Model    object.Digest     `json:"model"`
	Code     string            `json:"code"`
	Base     string            `json:"base"`
	Platform string            `json:"platform"`
	Command  []string          `json:"command"`
	Labels   map[string]string `json:"labels"`
	Format   string            `json:"format"`
	Licence  string            `json:"licence"`
}
