package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"mlx/internal/fault"
)

// maxManifest bounds the bytes of a manifest, an index, a config and a signed statement that are read.
const (
	maxManifest  = 4 << 20
	maxConfig    = 16 << 20
	maxStatement = 64 << 20
)

// place is where packages lie: a repository of a registry, or a layout of OCI in a folder or a tar.
type place interface {
	// named is the manifest that the name of the place stands for.
	named(ctx context.Context) (v1.Descriptor, error)
	// manifest returns the bytes of a manifest or an index, which are as long as said and have this digest.
	manifest(ctx context.Context, d v1.Hash) ([]byte, error)
	// blob opens the bytes of a digest; they are not compared with it.
	blob(ctx context.Context, d v1.Hash) (io.ReadCloser, error)
	// referrers are the manifests that refer to one.
	referrers(ctx context.Context, d v1.Hash) ([]v1.Descriptor, error)
}

// isPath says whether a word means a file or folder here, and not an image of a registry.
func isPath(word string) bool {
	return strings.HasPrefix(word, ".") || strings.HasPrefix(word, "/") || strings.HasSuffix(word, ".tar")
}

// Place is what a word means: a file or folder here where it begins with . or / or ends with .tar, else an image of a registry.
func Place(word string) At {
	if isPath(word) {
		return At{InFile, word}
	}
	return At{InRegistry, word}
}

// open opens a place. Without a tag its name stands for the given one.
func (a Access) open(at At, tag string) (place, io.Closer, error) {
	if at.Kind == InFile {
		l, err := openLayout(at.Name)
		if err != nil {
			return nil, nil, err
		}
		return l, l, nil
	}
	ref, err := reference(at.Name, tag)
	if err != nil {
		return nil, nil, err
	}
	r, err := a.registry(ref)
	return r, io.NopCloser(nil), err
}

// registry is a repository of a registry.
type registry struct {
	access Access
	ref    name.Reference
	puller *remote.Puller // signs in once
}

func (a Access) registry(ref name.Reference) (registry, error) {
	p, err := remote.NewPuller(a.options()...)
	return registry{a, ref, p}, err
}

func (r registry) named(ctx context.Context) (v1.Descriptor, error) {
	d, err := r.puller.Get(ctx, r.ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return d.Descriptor, nil
}

func (r registry) manifest(ctx context.Context, d v1.Hash) ([]byte, error) {
	got, err := r.puller.Get(ctx, r.ref.Context().Digest(d.String()))
	if err != nil {
		return nil, damaged(d, err)
	}
	return got.Manifest, check(got.Manifest, d)
}

func (r registry) blob(ctx context.Context, d v1.Hash) (io.ReadCloser, error) {
	l, err := r.puller.Layer(ctx, r.ref.Context().Digest(d.String()))
	if err != nil {
		return nil, err
	}
	return l.Compressed()
}

func (r registry) referrers(ctx context.Context, d v1.Hash) ([]v1.Descriptor, error) {
	index, err := remote.Referrers(r.ref.Context().Digest(d.String()), append(r.access.options(), remote.WithContext(ctx), remote.Reuse(r.puller))...)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	return m.Manifests, nil
}

// has says whether a manifest is there.
func (r registry) has(ctx context.Context, ref name.Reference, digest string) (bool, error) {
	d, err := r.puller.Head(ctx, ref)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return d.Digest.String() == digest, nil
}

// check compares bytes with their digest.
func check(text []byte, d v1.Hash) error {
	sum := sha256.Sum256(text)
	if d.Algorithm != "sha256" || hex.EncodeToString(sum[:]) != d.Hex {
		return fault.New(fault.Integrity, "%.20s… is damaged: its bytes are not those of its digest", d.String())
	}
	return nil
}

// read reads a blob of at most limit bytes and compares it with its digest.
func read(ctx context.Context, p place, d v1.Hash, limit int64) ([]byte, error) {
	in, err := p.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, damaged(d, err)
	}
	if int64(len(text)) > limit {
		return nil, fault.New(fault.Integrity, "%.20s… is too long: it has more than %d bytes", d.String(), limit)
	}
	return text, check(text, d)
}

// damaged is the error of reading a blob: what says that the bytes are other ones than those of the digest is damage.
func damaged(d v1.Hash, err error) error {
	words := err.Error()
	if strings.HasPrefix(words, "error verifying") || strings.HasPrefix(words, "manifest digest:") {
		return fault.New(fault.Integrity, "%.20s… is damaged: its bytes are not those of its digest", d.String())
	}
	return err
}

// openLayout opens a layout of OCI: a folder, or a tar of one.
func openLayout(file string) (*ociLayout, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	l := &ociLayout{name: file}
	if info.IsDir() {
		root, err := os.OpenRoot(file)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
		}
		l.close, l.at = root.Close, func(name string) (io.ReadCloser, error) { return root.Open(name) }
		l.size = func(name string) (int64, error) {
			info, err := root.Stat(name)
			if err != nil {
				return 0, err
			}
			return info.Size(), nil
		}
	} else if err := l.indexTar(); err != nil {
		return nil, err
	}
	if err := l.readIndex(); err != nil {
		_ = l.close()
		return nil, fault.New(fault.KindOf(err), "cannot read %s as an image: %w", file, err).Hint("it must be a layout of OCI, as mlx model package -o writes it")
	}
	return l, nil
}

// ociLayout is a layout of OCI.
type ociLayout struct {
	name  string
	index v1.IndexManifest
	at    func(name string) (io.ReadCloser, error)
	size  func(name string) (int64, error)
	close func() error
}

// sizes is how long the blob of a digest is.
func (l *ociLayout) sizes(d v1.Hash) (int64, bool) {
	n, err := l.size("blobs/" + d.Algorithm + "/" + d.Hex)
	return n, err == nil
}

// Close implements io.Closer.
func (l *ociLayout) Close() error { return l.close() }

func (l *ociLayout) readIndex() error {
	in, err := l.at("index.json")
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err != nil {
		return err
	}
	if len(text) > maxManifest {
		return errors.New("its index is too long")
	}
	if err := json.Unmarshal(text, &l.index); err != nil {
		return fault.New(fault.Integrity, "its index is damaged")
	}
	return nil
}

// named is the one image of the layout: manifests that refer to another one are no image of their own.
func (l *ociLayout) named(ctx context.Context) (v1.Descriptor, error) {
	var found []v1.Descriptor
	for _, d := range l.index.Manifests {
		if d.MediaType.IsIndex() {
			found = append(found, d)
			continue
		}
		m, _, err := readManifest(ctx, l, d.Digest)
		if err != nil {
			return v1.Descriptor{}, err
		}
		if m.Subject == nil {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		return v1.Descriptor{}, fault.New(fault.Usage, "%s holds %d images, and one is expected", l.name, len(found))
	}
	return found[0], nil
}

func (l *ociLayout) manifest(ctx context.Context, d v1.Hash) ([]byte, error) {
	return read(ctx, l, d, maxManifest)
}

func (l *ociLayout) blob(_ context.Context, d v1.Hash) (io.ReadCloser, error) {
	if d.Algorithm != "sha256" || len(d.Hex) != 2*sha256.Size || strings.Trim(d.Hex, "0123456789abcdef") != "" {
		return nil, fault.New(fault.Integrity, "%.80q is no digest that is known here", d.String())
	}
	in, err := l.at("blobs/sha256/" + d.Hex)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s lacks %.20s…", l.name, d.String())
	}
	return in, err
}

func (l *ociLayout) referrers(ctx context.Context, d v1.Hash) ([]v1.Descriptor, error) {
	var all []v1.Descriptor
	for _, o := range l.index.Manifests {
		if o.MediaType.IsIndex() || o.Digest == d {
			continue
		}
		m, _, err := readManifest(ctx, l, o.Digest)
		if err != nil {
			return nil, err
		}
		if m.Subject != nil && m.Subject.Digest == d {
			o.Annotations, o.ArtifactType = m.Annotations, m.ArtifactType
			all = append(all, o)
		}
	}
	return all, nil
}

// readManifest reads the manifest of an image or artifact.
func readManifest(ctx context.Context, p place, d v1.Hash) (v1.Manifest, []byte, error) {
	var m v1.Manifest
	text, err := p.manifest(ctx, d)
	if err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, nil, fault.New(fault.Integrity, "the manifest %.20s… is no JSON of the expected form", d.String())
	}
	if m.MediaType != "" && m.MediaType.IsIndex() {
		return m, nil, fault.New(fault.Usage, "%.20s… is a list of images, not one", d.String())
	}
	if len(m.Layers) > maxLayers {
		return m, nil, fault.New(fault.Integrity, "the manifest %.20s… has %d layers, which are too many", d.String(), len(m.Layers))
	}
	for _, l := range append(m.Layers[:len(m.Layers):len(m.Layers)], m.Config) {
		if l.Digest.Algorithm != "sha256" || l.Size < 0 {
			return m, nil, fault.New(fault.Integrity, "%s", fmt.Sprintf("the manifest %.20s… names bytes in a way that is not known here", d.String()))
		}
	}
	return m, text, nil
}

// maxLayers bounds the layers of an image.
const maxLayers = 1024
