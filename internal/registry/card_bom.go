package registry

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"mlx/internal/fault"
)

// The references inside a bill of materials.
const (
	bomModel = "model"
	bomRun   = "run"
)

// CycloneDX writes the card as a bill of materials of a machine-learning model, CycloneDX 1.6 in JSON. The same card gives the same
// bytes: its serial number is made of the content, its time is that of the newest record.
func (c Card) CycloneDX() ([]byte, error) {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: c.newest().Format(time.RFC3339), Component: c.bomModel(), Lifecycles: &[]cdx.Lifecycle{{Phase: cdx.LifecyclePhasePostBuild}},
		Tools:      &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "mlx", Version: c.Mlx}}},
		Authors:    &[]cdx.OrganizationalContact{{Name: c.By}},
		Properties: c.bomUnknown(),
	}
	files, data, packages := c.bomFiles(), c.bomData(), c.bomPackages()
	components := slices.Concat(files, data, packages)
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: bomModel, Dependencies: pointTo(refsOf(components))}}
	bom.Compositions = &[]cdx.Composition{{Aggregate: known(c.Environment != nil && c.Environment.Complete && len(c.Data) > 0),
		Dependencies: &[]cdx.BOMReference{bomModel}}}
	if len(files) > 0 {
		*bom.Compositions = append(*bom.Compositions, cdx.Composition{Aggregate: cdx.CompositionAggregateComplete, Assemblies: pointTo(bomRefs(files))})
	}
	bom.Formulation = c.bomFormulation(refsOf(data), refsOf(files))
	bom.Declarations = c.bomDeclarations()
	first, err := encodeBOM(bom)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(first)
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8: made of a hash
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
	return encodeBOM(bom)
}

func encodeBOM(bom *cdx.BOM) ([]byte, error) {
	var b bytes.Buffer
	if err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fault.New(fault.Internal, "cannot write CycloneDX: %w", err)
	}
	return b.Bytes(), nil
}

// known says of a list whether it is all there is.
func known(all bool) cdx.CompositionAggregate {
	if all {
		return cdx.CompositionAggregateComplete
	}
	return cdx.CompositionAggregateIncomplete
}

func pointTo[T any](list []T) *[]T {
	if len(list) == 0 {
		return nil
	}
	return &list
}

func refsOf(list []cdx.Component) []string {
	refs := make([]string, len(list))
	for i, c := range list {
		refs[i] = c.BOMRef
	}
	return refs
}

func bomRefs(list []cdx.Component) []cdx.BOMReference {
	refs := make([]cdx.BOMReference, len(list))
	for i, c := range list {
		refs[i] = cdx.BOMReference(c.BOMRef)
	}
	return refs
}

func sha(hex string) *[]cdx.Hash { return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex}} }

func property(name, value string) cdx.Property {
	return cdx.Property{Name: "mlx:" + name, Value: value}
}

// bomUnknown names what is not known, so that nobody takes it for absent.
func (c Card) bomUnknown() *[]cdx.Property {
	var all []cdx.Property
	for _, u := range c.Unknown {
		all = append(all, property("unknown", u))
	}
	return pointTo(all)
}

func (c Card) bomModel() *cdx.Component {
	m := &cdx.Component{BOMRef: bomModel, Type: cdx.ComponentTypeMachineLearningModel, Name: c.Model, Version: strconv.Itoa(c.Version),
		Description: orEmpty(c.Description), Authors: &[]cdx.OrganizationalContact{{Name: c.By}}, ModelCard: c.bomCard()}
	if c.Type == "file" && c.Digest != nil {
		m.Hashes = sha(*c.Digest)
	}
	if c.Licence != nil {
		m.Licenses = &cdx.Licenses{{License: &cdx.License{Name: *c.Licence}}}
	}
	props := []cdx.Property{property("name", c.Name), property("stage", c.Stage), property("stage_since", c.StageSince.Format(time.RFC3339)),
		property("record", c.Record), property("digest", orUnknown(c.Digest)), property("snapshot", orUnknown(c.Snapshot)), property("format", orUnknown(c.Format))}
	for _, a := range c.Aliases {
		props = append(props, property("alias", a))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		props = append(props, property("tag:"+key, c.Tags[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Params)) {
		props = append(props, property("parameter:"+key, fmt.Sprint(c.Params[key])))
	}
	if c.Message != nil {
		props = append(props, property("message", *c.Message))
	}
	if c.Derived != nil {
		props = append(props, property("derived", *c.Derived))
	}
	m.Properties = &props
	if len(c.Parents) > 0 {
		var ancestors []cdx.Component
		for _, p := range c.Parents {
			ancestors = append(ancestors, cdx.Component{Type: cdx.ComponentTypeMachineLearningModel, Name: p.Name, Properties: &[]cdx.Property{property("digest", p.Digest)}})
		}
		m.Pedigree = &cdx.Pedigree{Ancestors: &ancestors}
	}
	if c.Run != nil && c.Run.Remote != nil {
		m.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeVCS, URL: *c.Run.Remote}}
	}
	return m
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c Card) bomCard() *cdx.MLModelCard {
	params := &cdx.MLModelParameters{Task: orUnknown(c.Task), ArchitectureFamily: orUnknown(c.Format)}
	if arch := c.tagged("architecture"); arch != nil {
		params.ModelArchitecture = *arch
	}
	var sets []cdx.MLDatasetChoice
	for i := range c.Data {
		sets = append(sets, cdx.MLDatasetChoice{Ref: dataRef(i)})
	}
	params.Datasets = pointTo(sets)
	fields := func(list []CardField) *[]cdx.MLInputOutputParameters {
		var all []cdx.MLInputOutputParameters
		for _, f := range list {
			all = append(all, cdx.MLInputOutputParameters{Format: f.Name + ": " + f.Type})
		}
		return pointTo(all)
	}
	params.Inputs, params.Outputs = fields(c.Inputs), fields(c.Outputs)
	var metrics []cdx.MLPerformanceMetric
	for _, m := range c.Metrics {
		metrics = append(metrics, cdx.MLPerformanceMetric{Type: m.Name, Value: m.Text})
	}
	considerations := &cdx.MLModelCardConsiderations{TechnicalLimitations: pointTo(slices.Clone(c.Unknown))}
	if c.Description != nil {
		considerations.UseCases = &[]string{*c.Description}
	}
	card := &cdx.MLModelCard{BOMRef: "card", ModelParameters: params, Considerations: considerations}
	if len(metrics) > 0 {
		card.QuantitativeAnalysis = &cdx.MLQuantitativeAnalysis{PerformanceMetrics: &metrics}
	}
	return card
}

func (c Card) bomFiles() []cdx.Component {
	var all []cdx.Component
	for i, f := range c.Files {
		all = append(all, cdx.Component{BOMRef: "file:" + strconv.Itoa(i), Type: cdx.ComponentTypeFile, Name: f.Path, Hashes: sha(f.SHA256),
			Properties: &[]cdx.Property{property("bytes", strconv.FormatInt(f.Bytes, 10))}})
	}
	return all
}

func dataRef(i int) string { return "data:" + strconv.Itoa(i) }

func (c Card) bomData() []cdx.Component {
	var all []cdx.Component
	for i, d := range c.Data {
		props := []cdx.Property{property("snapshot", orUnknown(d.Snapshot)), property("type", d.Type)}
		if d.Source != nil {
			props = append(props, property("source", *d.Source))
		}
		version := ""
		if d.Snapshot != nil {
			version = *d.Snapshot
		}
		all = append(all, cdx.Component{BOMRef: dataRef(i), Type: cdx.ComponentTypeData, Name: d.Path, Version: version, Properties: &props,
			Data: &[]cdx.ComponentData{{Type: cdx.ComponentDataTypeDataset, Name: d.Path, Contents: &cdx.ComponentDataContents{Properties: &props}}}})
	}
	return all
}

func (c Card) bomPackages() []cdx.Component {
	if c.Environment == nil {
		return nil
	}
	var all []cdx.Component
	for i, p := range c.Environment.Packages {
		kind := "pypi"
		if p.Conda {
			kind = "conda"
		}
		lib := cdx.Component{BOMRef: "package:" + strconv.Itoa(i), Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version,
			PackageURL: fmt.Sprintf("pkg:%s/%s@%s", kind, url.PathEscape(p.Name), url.PathEscape(p.Version))}
		if p.Source != nil {
			lib.Properties = &[]cdx.Property{property("source", *p.Source)}
		}
		all = append(all, lib)
	}
	return all
}
