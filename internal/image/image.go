// Package image hides how a version of a model becomes a package that container tools carry: an OCI image, or an artifact of the
// model format of the CNCF, made without a daemon. The same model, code, base and platform give the same digest on any machine: files
// are sorted, belong to nobody, and have no time. Weights are a tar layer of their own that is not compressed, because they do not get
// smaller and the bytes of a compressor change with its version; they are read as they are sent and lie nowhere twice.
//
// What a package was made of, and by whom, is stated in in-toto statements that a key of the user signs (DSSE in a Sigstore bundle) and
// that refer to the image (OCI 1.1). Whoever pulls it checks every byte and that signature.
package image

import (
	"io/fs"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Form is what kind of package it is.
type Form string

// The forms.
const (
	Image     Form = "image"     // a container image: weights below /models, code below /app
	ModelPack Form = "modelpack" // an artifact of the model format of the CNCF, which runs nowhere by itself
)

// Forms lists them.
func Forms() []Form { return []Form{Image, ModelPack} }

// Where things lie in an image. KServe and others expect weights there.
const (
	ModelsDir = "models"
	CodeDir   = "app"
)

// The labels of a package, which are annotations of its manifest as well.
const (
	LabelRevision = "org.opencontainers.image.revision" // commit of git
	LabelSource   = "org.opencontainers.image.source"   // where its repository is fetched from
	LabelVersion  = "org.opencontainers.image.version"  // v3
	LabelTitle    = "org.opencontainers.image.title"    // name of the model
	LabelModel    = "dev.mlx.model"                     // digest of the bytes of the model
	LabelData     = "dev.mlx.data"                      // digests of the snapshots that its run read, with commas
	LabelRun      = "dev.mlx.run"                       // that made it

	labelBaseName   = "org.opencontainers.image.base.name"
	labelBaseDigest = "org.opencontainers.image.base.digest"
)

// Recipe is all that decides the bytes of a package.
type Recipe struct {
	Form     Form
	Name     string // of the model, as a person types it
	Version  string // v3
	Model    fs.FS  // its files; links must be readable (fs.ReadLinkFS)
	Code     fs.FS  // nil: none
	Base     *Base  // nil: none. Only for the form image
	Platform Platform
	Command  []string // that the image runs; empty: that of the base
	Labels   map[string]string
	Format   string // of the weights, for the form modelpack: onnx, safetensors; empty: unknown
	Licence  string // SPDX; empty: unknown

	// Weights is the layer of the same model files as an earlier package of this form had it, so that they need not be read to be named.
	// A registry refuses bytes that are not these.
	Weights *Layer

	// Read is told how many more bytes of files were read; nil: nobody wants to know.
	Read func(bytes int64)
}

// Platform is what an image runs on.
type Platform struct{ OS, Arch, Variant string }

// ParsePlatform reads OS/ARCH or OS/ARCH/VARIANT.
func ParsePlatform(word string) (Platform, error) {
	parts := strings.Split(word, "/")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			parts = nil
		}
	}
	if len(parts) < 2 || len(parts) > 3 {
		return Platform{}, fault.New(fault.Usage, "cannot read platform %q", word).Hint("--platform linux/amd64, linux/arm64 or linux/arm/v7")
	}
	p := Platform{OS: parts[0], Arch: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// String is the platform as it is typed.
func (p Platform) String() string {
	if p.OS == "" {
		return ""
	}
	return strings.TrimSuffix(path.Join(p.OS, p.Arch, p.Variant), "/")
}

func (p Platform) oci() *v1.Platform {
	return &v1.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant}
}

// Layer is a layer of a package.
type Layer struct {
	What   string `json:"what"` // base, weights or code
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"`
}

// The words of Layer.What.
const (
	LayerBase    = "base"
	LayerWeights = "weights"
	LayerCode    = "code"
)

// Packaged is the kind of record that a package leaves.
var Packaged = lineage.Define[Package]("image.packaged/v1")

// Package is the body of image.packaged/v1: bytes of a model became a package, or a package came to one more place.
type Package struct {
	Model    string        `json:"model"`
	Version  int           `json:"version"`
	Digest   object.Digest `json:"digest"` // of the bytes of the model
	Image    string        `json:"image"`  // digest of the manifest: "sha256:…"
	Form     Form          `json:"form"`
	Platform string        `json:"platform,omitempty"`
	Base     *BaseName     `json:"base,omitempty"`
	Code     *Code         `json:"code,omitempty"`
	Command  []string      `json:"command,omitempty"`
	Recipe   object.Digest `json:"recipe"` // of what decided the bytes: Recipe.Key; zero for a package that came from elsewhere
	Bytes    int64         `json:"bytes"`  // of all layers
	Layers   []Layer       `json:"layers"`
	Place    *At           `json:"place,omitempty"`    // nil: it was made and went nowhere
	Signed   string        `json:"signed,omitempty"`   // fingerprint of the key that signed its provenance
	Attached []Attached    `json:"attached,omitempty"` // the manifests that refer to it
}

// Code is the files beside the model.
type Code struct {
	From   string `json:"from"`   // as it was typed: REVISION:PATH
	Commit string `json:"commit"` // of git
	Tree   string `json:"tree"`   // of git: what the files are
}

// BaseName is the image that a package was built on.
type BaseName struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// At is where a package lies.
type At struct {
	Kind string `json:"kind"` // registry or file
	Name string `json:"name"` // REGISTRY/REPO:TAG, or a path: in records from the root of the repository, or absolute
}

// The words of At.Kind.
const (
	InRegistry = "registry"
	InFile     = "file"
)

// Attached is a statement about a package.
type Attached struct {
	What   string `json:"what"`   // provenance, sbom or model-signature
	Digest string `json:"digest"` // of its manifest
}

// The words of Attached.What.
const (
	Provenance     = "provenance"
	BillOfMaterial = "sbom"
	ModelSignature = "model-signature"
)
