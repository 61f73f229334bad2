package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// treeLayer is a folder as a layer that is not compressed: its digest and its diff id are one. It is read anew each time that it is
// sent.
type treeLayer struct {
	ctx   context.Context //nolint:containedctx // a layer lives as long as the package that is being made
	files *folder
	kind  types.MediaType
	name  func() (v1.Hash, error) // once
}

// newLayer makes the layer of a folder; known is its digest, where that is known.
func newLayer(ctx context.Context, f *folder, kind types.MediaType, known *Layer) *treeLayer {
	l := &treeLayer{ctx: ctx, files: f, kind: kind}
	l.name = sync.OnceValues(func() (v1.Hash, error) {
		if known != nil && known.Bytes == f.size {
			return v1.NewHash(known.Digest)
		}
		sum := sha256.New()
		if err := f.write(ctx, sum); err != nil {
			return v1.Hash{}, err
		}
		return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, nil
	})
	return l
}

// Digest implements v1.Layer.
func (l *treeLayer) Digest() (v1.Hash, error) { return l.name() }

// DiffID implements v1.Layer.
func (l *treeLayer) DiffID() (v1.Hash, error) { return l.name() }

// Compressed implements v1.Layer: nothing is compressed.
func (l *treeLayer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed implements v1.Layer. Whoever stops reading must close it.
func (l *treeLayer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.files.write(l.ctx, w)) }()
	return r, nil
}

// Size implements v1.Layer.
func (l *treeLayer) Size() (int64, error) { return l.files.size, nil }

// MediaType implements v1.Layer.
func (l *treeLayer) MediaType() (types.MediaType, error) { return l.kind, nil }
