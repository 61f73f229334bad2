package image

import (
	"encoding/json"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The types of the model format of the CNCF (github.com/modelpack/model-spec, v1).
const (
	typeModelPack = "application/vnd.cncf.model.manifest.v1+json"

	mediaModel   types.MediaType = "application/vnd.cncf.model.config.v1+json"
	mediaWeights types.MediaType = "application/vnd.cncf.model.weight.v1.tar"
	mediaCode    types.MediaType = "application/vnd.cncf.model.code.v1.tar"

	// annotationFilePath says where the content of a layer belongs: "." is the folder of the model.
	annotationFilePath = "org.cncf.model.filepath"
)

// modelConfig is the config of such an artifact: docs/config.md and schema/config-schema.json there. What is not known is left out.
type modelConfig struct {
	Descriptor modelDescriptor `json:"descriptor"`
	Config     modelFacts      `json:"config"`
	ModelFS    modelFS         `json:"modelfs"`
}

type modelDescriptor struct {
	Name      string   `json:"name"`
	Version   string   `json:"version,omitempty"`
	SourceURL string   `json:"sourceURL,omitempty"`
	Revision  string   `json:"revision,omitempty"`
	Licences  []string `json:"licenses,omitempty"`
}

type modelFacts struct {
	Format string `json:"format,omitempty"`
}

type modelFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diffIds"`
}

// modelPack writes the config and the manifest of an artifact of the form modelpack.
func (r Recipe) modelPack(s stack) (*packed, error) {
	c := modelConfig{
		Descriptor: modelDescriptor{Name: r.Name, Version: r.Version, SourceURL: r.Labels[LabelSource], Revision: r.Labels[LabelRevision]},
		Config:     modelFacts{Format: r.Format}, ModelFS: modelFS{Type: "layers"},
	}
	if r.Licence != "" {
		c.Descriptor.Licences = []string{r.Licence}
	}
	m := v1.Manifest{ArtifactType: typeModelPack, Annotations: maps.Clone(r.Labels)}
	for _, diff := range s.diffs {
		c.ModelFS.DiffIDs = append(c.ModelFS.DiffIDs, diff.String())
		m.Layers = append(m.Layers, v1.Descriptor{Annotations: map[string]string{annotationFilePath: "."}})
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return pack(m, text, mediaModel, s)
}
