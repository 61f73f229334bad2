package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"mlx/internal/fault"
)

// RegistryName is REGISTRY/REPO:TAG of a word that may lack the tag.
func RegistryName(word, tag string) (string, error) {
	if isPath(word) {
		return "", fault.New(fault.Usage, "cannot push to %s: that is a file or folder here", word).Hint("-o %s   # writes one", word)
	}
	ref, err := reference(word, tag)
	if err != nil {
		return "", err
	}
	if d, ok := ref.(name.Digest); ok {
		return "", fault.New(fault.Usage, "cannot push to %s: what comes there has a digest of its own", d)
	}
	return ref.Name(), nil
}

// Push sends a package and what refers to it to REGISTRY/REPO:TAG. Layers that are there are not sent again. Registries without the
// Referrers API get the list of what refers to it under the tag sha256-DIGEST.
func (a Access) Push(ctx context.Context, to string, b *Built, attached []Attachment) error {
	ref, err := reference(to, "latest")
	if err != nil {
		return err
	}
	what := "cannot push to " + to
	p, err := remote.NewPusher(a.options()...)
	if err != nil {
		return failed(ctx, what, err)
	}
	if err := p.Push(ctx, ref, b.image); err != nil {
		return failed(ctx, what, err)
	}
	for _, o := range attached { // one after the other: the list under a tag is read, changed and written
		if err := p.Push(ctx, ref.Context().Digest(o.Digest), o.image); err != nil {
			return failed(ctx, fmt.Sprintf("%s: the %s", what, o.What), err)
		}
	}
	return nil
}

// Present says whether REGISTRY/REPO:TAG is a package, with all that refers to it. It reads no layer.
func (a Access) Present(ctx context.Context, at, digest string, attached []Attached) (bool, error) {
	ref, err := reference(at, "latest")
	if err != nil {
		return false, err
	}
	r, err := a.registry(ref)
	if err != nil {
		return false, err
	}
	for i := -1; i < len(attached); i++ {
		asked, want := ref, digest
		if i >= 0 {
			asked, want = ref.Context().Digest(attached[i].Digest), attached[i].Digest
		}
		if ok, err := r.has(ctx, asked, want); err != nil || !ok {
			return false, failed(ctx, "cannot ask "+at, err)
		}
	}
	return true, nil
}
