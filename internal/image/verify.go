package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"mlx/internal/fault"
)

// Want is what a package must be.
type Want struct {
	Digest string // of its manifest; empty: whatever the place names
	Model  string // digest of the bytes of the model, in hex; empty: any
	Trust  Trust  // whose provenance is believed
}

// Verified is a package of which every byte was read and is what its digest says, and whose provenance somebody signed who is believed.
type Verified struct {
	Digest   string
	Form     Form
	Platform Platform
	Layers   []Layer // base, weights and code as they were made here; else all are base
	Bytes    int64
	Labels   map[string]string
	Signed   string // fingerprint of the key
	Attached []Attached

	// Provenance is the predicate of the statement that was signed.
	Provenance json.RawMessage
}

// Verify reads a package where it lies and checks it: the digest of every layer, of its config and its manifest, and the signature of its
// provenance by a key that is trusted, which must be about this package. It is of the kind Integrity when a byte is wrong, Denied when
// nobody who is trusted stands for it.
func (a Access) Verify(ctx context.Context, at At, w Want) (Verified, error) {
	v, err := a.verify(ctx, at, w)
	return v, failed(ctx, "cannot believe the package "+at.Name, err)
}

func (a Access) verify(ctx context.Context, at At, w Want) (v Verified, err error) {
	from, closer, err := a.open(at, "latest")
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	digest, err := wanted(ctx, from, w)
	if err != nil {
		return v, err
	}
	m, _, err := readManifest(ctx, from, digest)
	if err != nil {
		return v, err
	}
	v = Verified{Digest: digest.String(), Form: Image, Labels: m.Annotations}
	if w.Model != "" && v.Labels[LabelModel] != w.Model {
		return v, fault.New(fault.Integrity, "it holds the model %.12s, not %.12s", v.Labels[LabelModel], w.Model)
	}
	if err := v.provenance(ctx, from, digest, w.Trust); err != nil { // before all that is long
		return v, err
	}
	return v, v.content(ctx, from, m)
}

func wanted(ctx context.Context, from place, w Want) (v1.Hash, error) {
	if w.Digest != "" {
		return v1.NewHash(w.Digest)
	}
	d, err := from.named(ctx)
	return d.Digest, err
}

// content compares every blob with its digest.
func (v *Verified) content(ctx context.Context, from place, m v1.Manifest) error {
	config, err := read(ctx, from, m.Config.Digest, maxConfig)
	if err != nil {
		return err
	}
	own, err := v.ofConfig(m, config)
	if err != nil {
		return err
	}
	for i, d := range m.Layers {
		l := Layer{What: LayerBase, Digest: d.Digest.String(), Bytes: d.Size}
		if first := len(m.Layers) - own; i >= first {
			l.What = []string{LayerWeights, LayerCode}[min(i-first, 1)]
		}
		if err := whole(ctx, from, d); err != nil {
			return err
		}
		v.Layers = append(v.Layers, l)
		v.Bytes += d.Size
	}
	return nil
}

// ofConfig reads what the config says of the package, and how many of the last layers were made here.
func (v *Verified) ofConfig(m v1.Manifest, config []byte) (own int, err error) {
	if m.Config.MediaType == mediaModel {
		v.Form = ModelPack
		return len(m.Layers), nil
	}
	var c v1.ConfigFile
	if err := json.Unmarshal(config, &c); err != nil {
		return 0, fault.New(fault.Integrity, "its config is no JSON of the expected form")
	}
	v.Platform = Platform{c.OS, c.Architecture, c.Variant}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return 0, fault.New(fault.Integrity, "its config names %d layers, and it has %d", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	for _, h := range c.History {
		if h.CreatedBy == createdBy {
			own++
		}
	}
	return min(own, 2, len(m.Layers)), nil
}

// whole reads a blob and compares it with its digest and length.
func whole(ctx context.Context, from place, d v1.Descriptor) error {
	in, err := from.blob(ctx, d.Digest)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{sum}, onlyReader{io.LimitReader(in, d.Size+1)}, make([]byte, 1<<20))
	if err != nil {
		return damaged(d.Digest, err)
	}
	if n != d.Size || hex.EncodeToString(sum.Sum(nil)) != d.Digest.Hex {
		return fault.New(fault.Integrity, "its layer %.20s… is damaged: its bytes are not those of its digest", d.Digest.String())
	}
	return nil
}

// maxReferrers bounds what may refer to a package.
const maxReferrers = 1024

// provenance finds the provenance that somebody signed who is trusted.
func (v *Verified) provenance(ctx context.Context, from place, digest v1.Hash, trust Trust) error {
	all, err := from.referrers(ctx, digest)
	if err != nil {
		return err
	}
	if len(all) > maxReferrers {
		return fault.New(fault.Integrity, "%d manifests refer to it, which are too many", len(all))
	}
	refused := fault.New(fault.Denied, "nobody has signed how it was made")
	for _, d := range all {
		if d.MediaType.IsIndex() {
			continue
		}
		problem, err := v.bundle(ctx, from, d.Digest, signedBy{digest, trust})
		if err != nil {
			return err
		}
		if problem != nil && (problem.Kind == fault.Integrity || refused.Kind == fault.Denied) {
			refused = problem
		}
	}
	if v.Signed == "" {
		return refused
	}
	return nil
}

type signedBy struct {
	digest v1.Hash // of the package
	trust  Trust
}

// bundle reads one statement about the package. A problem is why it does not count: whoever may write to a registry may attach anything,
// so that one good provenance is enough. Bytes that are not those of their digest are an error.
func (v *Verified) bundle(ctx context.Context, from place, d v1.Hash, by signedBy) (*fault.Error, error) {
	m, _, err := readManifest(ctx, from, d)
	if err != nil {
		return nil, err
	}
	if m.ArtifactType != bundleType { // the list of a registry may call it otherwise
		return nil, nil
	}
	if m.Subject == nil || m.Subject.Digest != by.digest || len(m.Layers) != 1 {
		return fault.New(fault.Integrity, "the statement %.20s… refers to another package", d.String()), nil
	}
	if _, err := read(ctx, from, m.Config.Digest, maxConfig); err != nil { // it says nothing, but a copy would need it
		return nil, err
	}
	text, err := read(ctx, from, m.Layers[0].Digest, maxStatement)
	if err != nil {
		return nil, err
	}
	if m.Annotations[annotationPredicate] == predicateModel { // it is about the files: mlx verify --signature
		v.Attached = append(v.Attached, Attached{ModelSignature, d.String()})
		return nil, nil
	}
	signed, key, err := openBundle(text, by.trust)
	if errors.Is(err, errUnknownKey) {
		return fault.New(fault.Denied, "it is signed by %.80s, and that key is not trusted here", key).
			Hint("mlx key add FILE.pub   # the public half, if you know whose it is"), nil
	}
	if err != nil {
		return fault.New(fault.Integrity, "the signature of its statement %.20s… does not hold: %w", d.String(), err), nil
	}
	kind, predicate, err := readStatement(signed, by.digest)
	if err != nil {
		return fault.New(fault.Integrity, "its statement %.20s… does not count: %w", d.String(), err), nil
	}
	switch kind {
	case predicateSLSA:
		v.Signed, v.Provenance = key, predicate
		v.Attached = append(v.Attached, Attached{Provenance, d.String()})
	case predicateBill:
		v.Attached = append(v.Attached, Attached{BillOfMaterial, d.String()})
	}
	return nil, nil
}
