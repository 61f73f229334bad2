package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
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

// RegistryHost is the registry of an image, without its repository: registry.example:5000.
func RegistryHost(image string) (string, error) {
	ref, err := reference(image, "latest")
	if err != nil {
		return "", err
	}
	return ref.Context().RegistryStr(), nil
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
	var it remote.Taggable = b.image
	if b.index != nil {
		it = b.index
	}
	if err := p.Push(ctx, ref, it); err != nil {
		return failed(ctx, what, err)
	}
	for _, o := range attached { // one after the other: the list under a tag is read, changed and written
		if err := p.Push(ctx, ref.Context().Digest(o.Digest), o.image); err != nil {
			return failed(ctx, fmt.Sprintf("%s: the %s", what, o.What), err)
		}
	}
	return nil
}

// Present says whether a place has a package, with all that refers to it. Of a registry it reads no layer; of a file it looks whether
// each is as long as it must be.
func (a Access) Present(ctx context.Context, at At, digest string, attached []Attached) (bool, error) {
	if at.Kind == InFile {
		return presentFile(ctx, at.Name, digest, attached), nil
	}
	ref, err := reference(at.Name, "latest")
	if err != nil {
		return false, err
	}
	r, err := a.registry(ref)
	if err != nil {
		return false, err
	}
	there, err := r.has(ctx, ref, digest)
	if err != nil || !there {
		return false, failed(ctx, "cannot ask "+at.Name, err)
	}
	found, errs := make([]bool, len(attached)), make([]error, len(attached))
	var asked sync.WaitGroup // each is a question and an answer: at once, they take as long as one
	for i, o := range attached {
		asked.Go(func() { found[i], errs[i] = r.has(ctx, ref.Context().Digest(o.Digest), o.Digest) })
	}
	asked.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, failed(ctx, "cannot ask "+at.Name, err)
	}
	return !slices.Contains(found, false), nil
}

// presentFile is Present of a file. What cannot be read is not there: it is written anew.
func presentFile(ctx context.Context, file, digest string, attached []Attached) bool {
	l, err := openLayout(file)
	if err != nil {
		return false
	}
	defer func() { _ = l.Close() }() // it was only read
	d, err := l.named(ctx)
	if err != nil || d.Digest.String() != digest {
		return false
	}
	digests := []string{digest}
	for _, o := range attached {
		digests = append(digests, o.Digest)
	}
	for _, digest := range digests {
		h, err := v1.NewHash(digest)
		if err != nil {
			return false
		}
		m, _, err := readManifest(ctx, l, h)
		if err != nil {
			return false
		}
		for _, part := range append(m.Layers[:len(m.Layers):len(m.Layers)], m.Config) {
			if size, ok := l.sizes(part.Digest); !ok || size != part.Size {
				return false
			}
		}
	}
	return true
}

// Keep has a repository hold a package, under a tag that says its digest so that nothing removes it there, and returns its name by digest.
// What is there is not sent again.
func (a Access) Keep(ctx context.Context, repository string, b *Built) (string, error) {
	if isPath(repository) {
		return "", fault.New(fault.Usage, "cannot push to %s: that is a file or folder here", repository).Hint("REGISTRY/REPOSITORY, as registry.example/team/flights")
	}
	repo, err := name.NewRepository(repository)
	if err != nil {
		return "", fault.New(fault.Usage, "cannot push to %q: %w", repository, err).Hint("REGISTRY/REPOSITORY, as registry.example/team/flights")
	}
	_, sum, _ := strings.Cut(b.Digest, ":")
	to := repo.Tag(b.name + "-" + sum[:12]).Name()
	ref := repo.Digest(b.Digest).Name()
	there, err := a.Present(ctx, At{Kind: InRegistry, Name: to}, b.Digest, nil)
	if err != nil || there {
		return ref, err
	}
	return ref, a.Push(ctx, to, b, nil)
}
