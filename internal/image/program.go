package image

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
)

// Program is an image of nothing but a program of Linux that needs no file beside it.
type Program struct {
	Name     string // of the program in the image: /NAME
	File     string
	Platform Platform
	Labels   map[string]string
}

// layerProgram is what the only layer of such an image is.
const layerProgram = "program"

// nobody is the user that the program runs as, unless a pod says another one: who has no rights, and a number, which a cluster wants to see.
const nobody = "65532:65532"

// Build makes the image. The same program gives the same digest on any machine.
func (p Program) Build(ctx context.Context) (*Built, error) {
	b, err := p.build(ctx)
	if err != nil {
		return nil, failed(ctx, "cannot make an image of "+p.File, err)
	}
	return b, nil
}

func (p Program) build(ctx context.Context) (*Built, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	info, err := os.Stat(p.File)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(p.File)
	f := &folder{files: os.DirFS(filepath.Clean(dir)), read: func(int64) {}, entries: []entry{
		{name: p.Name, source: base, info: tar.Header{Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}},
		{name: "tmp/", info: tar.Header{Typeflag: tar.TypeDir, Mode: 0o1777}}, // whoever the program runs as
	}}
	if err := f.measure(); err != nil {
		return nil, err
	}
	l := newLayer(ctx, f, types.OCIUncompressedLayer, nil)
	digest, err := l.DiffID()
	if err != nil {
		return nil, err
	}
	epoch := v1.Time{Time: time.Unix(0, 0).UTC()}
	config, err := json.Marshal(v1.ConfigFile{
		OS: p.Platform.OS, Architecture: p.Platform.Arch, Variant: p.Platform.Variant, Created: epoch,
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{digest}},
		History: []v1.History{{Created: epoch, CreatedBy: createdBy, Comment: layerProgram}},
		Config:  v1.Config{Entrypoint: []string{"/" + p.Name}, User: nobody, Labels: p.Labels, Env: []string{"PATH=/", "HOME=/tmp"}, WorkingDir: "/"},
	})
	if err != nil {
		return nil, err
	}
	b := &Built{Form: Image, Platform: p.Platform, name: p.Name, Layers: []Layer{{What: layerProgram, Digest: digest.String(), Bytes: f.size}}, Bytes: f.size}
	s := stack{layers: []v1.Layer{l}, what: []string{layerProgram}, diffs: []v1.Hash{digest}}
	if b.image, err = pack(v1.Manifest{Annotations: p.Labels}, config, types.OCIConfigJSON, s); err != nil {
		return nil, err
	}
	sum, err := b.image.Digest()
	b.Digest = sum.String()
	return b, err
}

// Platforms is one image for all of the platforms that several programs are for: who pulls it gets that for his own.
func Platforms(all []*Built) (*Built, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	var list []mutate.IndexAddendum
	together := &Built{Form: Image}
	for _, b := range all {
		list = append(list, mutate.IndexAddendum{Add: b.image, Descriptor: v1.Descriptor{Platform: b.Platform.oci()}})
		together.name, together.Bytes, together.Layers = b.name, together.Bytes+b.Bytes, append(together.Layers, b.Layers...)
	}
	together.index = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), list...)
	sum, err := together.index.Digest()
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot make an image of several platforms: %w", err)
	}
	together.Digest = sum.String()
	return together, nil
}

// check refuses what could not be started: a program of another platform, or one that wants a loader and libraries, which are not there.
func (p Program) check() error {
	in, err := elf.Open(p.File)
	if err != nil {
		return fault.New(fault.Usage, "it is no program of Linux: %w", err)
	}
	defer func() { _ = in.Close() }() // it was only read
	if want, known := machines[p.Platform.Arch]; p.Platform.OS != "linux" || known && in.Machine != want {
		return fault.New(fault.Usage, "it is a program for %s, not for %s", in.Machine, p.Platform)
	}
	for _, part := range in.Progs {
		if part.Type == elf.PT_INTERP {
			return fault.New(fault.Usage, "it needs libraries, and an image of one file has none").Hint("CGO_ENABLED=0 go build   # makes one that does not")
		}
	}
	return nil
}

// machines are the words of ELF for architectures.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "386": elf.EM_386, "riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
}
