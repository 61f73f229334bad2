package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
)

// Export writes a package and what refers to it as one file: a tar of a layout of OCI. The file appears once it is whole. tag names the
// package in it for those who load it.
func Export(ctx context.Context, file, tag string, b *Built, attached []Attachment) error {
	err := export(ctx, file, func(w io.Writer) error { return writeLayout(ctx, w, tag, b, attached) })
	return failed(ctx, "cannot write "+file, err)
}

func export(ctx context.Context, file string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), ctx.Err()); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// writeLayout writes a layout of OCI as a tar: what is small first, then the layers.
func writeLayout(ctx context.Context, w io.Writer, tag string, b *Built, attached []Attachment) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	t := layoutWriter{ctx: ctx, t: tar.NewWriter(w), written: map[v1.Hash]bool{}}
	all := []*packed{b.image}
	for _, a := range attached {
		all = append(all, a.image)
	}
	for i, p := range all {
		digest, err := p.Digest()
		if err != nil {
			return err
		}
		d := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(p.raw)), ArtifactType: p.manifest.ArtifactType}
		switch {
		case i > 0:
			d.Annotations = p.manifest.Annotations
		case tag != "":
			d.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
		}
		if i == 0 && b.Platform.OS != "" {
			d.Platform = b.Platform.oci()
		}
		index.Manifests = append(index.Manifests, d)
	}
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	t.text("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	t.text("index.json", text)
	for i, p := range all {
		t.blob(index.Manifests[i].Digest, p.raw)
		t.blob(p.manifest.Config.Digest, p.config)
	}
	for _, p := range all {
		for i, l := range p.layers {
			t.layer(p.manifest.Layers[i], l)
		}
	}
	return errors.Join(t.err, t.t.Close())
}

// layoutWriter writes the files of a layout until something fails.
type layoutWriter struct {
	ctx     context.Context //nolint:containedctx // it lives for one call
	t       *tar.Writer
	written map[v1.Hash]bool
	err     error
}

func (w *layoutWriter) file(name string, size int64, from func() (io.ReadCloser, error)) {
	if w.err != nil {
		return
	}
	h := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0).UTC()}
	if w.err = w.t.WriteHeader(&h); w.err != nil {
		return
	}
	in, err := from()
	if err != nil {
		w.err = err
		return
	}
	defer in.Close()
	n, err := io.CopyBuffer(onlyWriter{w.t}, onlyReader{in}, make([]byte, 1<<20))
	if err == nil && n != size {
		err = fault.New(fault.Conflict, "%s has %d bytes, not %d: it changed while it was read", name, n, size)
	}
	w.err = errors.Join(err, w.ctx.Err())
}

func (w *layoutWriter) text(name string, text []byte) {
	w.file(name, int64(len(text)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
}

func (w *layoutWriter) blob(d v1.Hash, text []byte) {
	if !w.written[d] {
		w.written[d] = true
		w.text("blobs/sha256/"+d.Hex, text)
	}
}

func (w *layoutWriter) layer(d v1.Descriptor, l v1.Layer) {
	if !w.written[d.Digest] {
		w.written[d.Digest] = true
		w.file("blobs/sha256/"+d.Digest.Hex, d.Size, l.Compressed)
	}
}
