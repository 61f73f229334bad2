package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"mlx/internal/fault"
)

// The types of in-toto statements about a package.
const (
	statementType  = "https://in-toto.io/Statement/v1"
	predicateSLSA  = "https://slsa.dev/provenance/v1"
	predicateBill  = "https://cyclonedx.org/bom"
	predicateModel = "https://model_signing/signature/v1.0"

	buildType = "mlx:package/v1" // what the parameters of the provenance mean: docs/package.md
	builderID = "mlx:local/v1"

	// As cosign marks the bundles that it attaches.
	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
)

// Origin is what a package was made of, for its provenance.
type Origin struct {
	Model      string // as a person types it: flights@v3
	Run        string // hex id of the run that made the model; empty: none is recorded
	Code       string // where its code was taken from: REVISION:PATH; empty: it has none
	Command    []string
	Inputs     []Input
	Mlx        string // version of mlx
	FinishedAt time.Time
}

// Input is something with a digest that took part.
type Input struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type provenance struct {
	Definition buildDefinition `json:"buildDefinition"`
	Details    runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType    string         `json:"buildType"`
	External     map[string]any `json:"externalParameters"`
	Internal     map[string]any `json:"internalParameters"`
	Dependencies []Input        `json:"resolvedDependencies"`
}

type runDetails struct {
	Builder  builder           `json:"builder"`
	Metadata map[string]string `json:"metadata"`
}

type builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// about starts a statement whose subject is the package.
func (b *Built) about(predicateType string, predicate any) ([]byte, error) {
	hash, err := v1.NewHash(b.Digest)
	if err != nil {
		return nil, err
	}
	return json.Marshal(statement{
		Type: statementType, Subject: []subject{{b.name, map[string]string{hash.Algorithm: hash.Hex}}}, PredicateType: predicateType, Predicate: predicate,
	})
}

// Provenance states how the package was made: SLSA provenance v1.
func (b *Built) Provenance(o Origin) ([]byte, error) {
	external := map[string]any{"model": o.Model, "form": b.Form}
	if b.Base != nil {
		external["base"] = b.Base.Name
	}
	if b.Platform.OS != "" {
		external["platform"] = b.Platform.String()
	}
	if o.Code != "" {
		external["code"] = o.Code
	}
	if len(o.Command) > 0 {
		external["command"] = o.Command
	}
	inputs := o.Inputs
	if b.Base != nil {
		hash, err := v1.NewHash(b.Base.Digest)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs[:len(inputs):len(inputs)], Input{Name: b.Base.Name, Digest: map[string]string{hash.Algorithm: hash.Hex}})
	}
	metadata := map[string]string{"finishedOn": o.FinishedAt.UTC().Format(time.RFC3339)}
	if o.Run != "" {
		metadata["invocationId"] = o.Run
	}
	return b.about(predicateSLSA, provenance{
		Definition: buildDefinition{BuildType: buildType, External: external, Internal: map[string]any{"layout": layout}, Dependencies: inputs},
		Details:    runDetails{Builder: builder{ID: builderID, Version: map[string]string{"mlx": o.Mlx}}, Metadata: metadata},
	})
}

// Bill states what is in the package: a bill of materials of CycloneDX in JSON.
func (b *Built) Bill(cyclonedx []byte) ([]byte, error) {
	if !json.Valid(cyclonedx) {
		return nil, fault.New(fault.Internal, "the bill of materials is no JSON")
	}
	return b.about(predicateBill, json.RawMessage(bytes.TrimSpace(cyclonedx)))
}

// Attachment is a signed statement that refers to a package.
type Attachment struct {
	Attached
	image *packed
}

// Attach makes the manifest that lets a bundle refer to a package (OCI 1.1). what is one of the words of Attached.What.
func (b *Built) Attach(what string, bundled []byte) (Attachment, error) {
	predicates := map[string]string{Provenance: predicateSLSA, BillOfMaterial: predicateBill, ModelSignature: predicateModel}
	predicate, ok := predicates[what]
	if !ok || len(bundled) > maxStatement {
		return Attachment{}, fault.New(fault.Usage, "cannot attach a %s of %d bytes", what, len(bundled))
	}
	digest, err := b.image.Digest()
	if err != nil {
		return Attachment{}, err
	}
	m := v1.Manifest{
		ArtifactType: bundleType,
		Subject:      &v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(b.image.raw))},
		Annotations:  map[string]string{annotationContent: "dsse-envelope", annotationPredicate: predicate},
	}
	l := static.NewLayer(bundled, bundleType)
	image, err := pack(m, []byte("{}"), "application/vnd.oci.empty.v1+json", stack{layers: []v1.Layer{l}})
	if err != nil {
		return Attachment{}, err
	}
	name, err := image.Digest()
	return Attachment{Attached{what, name.String()}, image}, err
}

// readStatement reads a signed statement, which must be about the package of a digest.
func readStatement(text []byte, digest v1.Hash) (predicateType string, predicate json.RawMessage, err error) {
	var s struct {
		Type          string          `json:"_type"`
		Subject       []subject       `json:"subject"`
		PredicateType string          `json:"predicateType"`
		Predicate     json.RawMessage `json:"predicate"`
	}
	if err := json.Unmarshal(text, &s); err != nil || s.Type != statementType {
		return "", nil, errors.New("it is no in-toto statement of version 1")
	}
	for _, o := range s.Subject {
		if o.Digest[digest.Algorithm] == digest.Hex {
			return s.PredicateType, s.Predicate, nil
		}
	}
	var others []string
	for _, o := range s.Subject[:min(len(s.Subject), 3)] {
		others = append(others, fmt.Sprintf("%.80s %.12s", o.Name, o.Digest[digest.Algorithm]))
	}
	return "", nil, fmt.Errorf("it is about another package: %s", strings.Join(others, ", "))
}
