package tracking

import (
	"regexp"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

// registeredRoutes are the calls about registered models.
func registeredRoutes() []route {
	return []route{
		{"POST", "registered-models/create", createRegistered},
		{"GET", "registered-models/get", getRegistered},
		{"PATCH", "registered-models/update", updateRegistered},
		{"DELETE", "registered-models/delete", deleteRegistered},
		{"POST", "registered-models/rename", renameRegistered},
		{"GET", "registered-models/search", searchRegistered},
		{"POST", "registered-models/search", searchRegistered},
		{"POST", "registered-models/set-tag", tagRegistered},
		{"DELETE", "registered-models/delete-tag", untagRegistered},
		{"GET", "registered-models/get-latest-versions", latestVersions},
		{"POST", "registered-models/get-latest-versions", latestVersions},
		{"GET", "registered-models/alias", getAlias},
		{"POST", "registered-models/alias", setAlias},
		{"DELETE", "registered-models/alias", deleteAlias},
	}
}

// aboutModel is what the calls about a registered model send.
type aboutModel struct {
	Name        string        `json:"name"`
	NewName     string        `json:"new_name"`
	Description *string       `json:"description"`
	Tags        []keyValue    `json:"tags"`
	Key         string        `json:"key"`
	Value       string        `json:"value"`
	Alias       string        `json:"alias"`
	Version     versionNumber `json:"version"`
	Stages      many          `json:"stages"`
}

func createRegistered(s *Server, c *call) (any, error) {
	var in aboutModel
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, invalid("Registered model name cannot be empty.")
	}
	if err := registry.CheckName(in.Name); err != nil {
		return nil, err
	}
	defer s.registering.lock(in.Name)()
	_, err := s.o.Registry.Model(c.ctx, in.Name)
	if err == nil {
		return nil, failf(ResourceAlreadyExists, "Registered Model (name=%s) already exists.", in.Name)
	}
	if fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	d := registry.Description{Model: in.Name, Created: true, Text: in.Description}
	if d.Tags, err = tagChanges(in.Tags); err != nil {
		return nil, err
	}
	return s.describeRegistered(c, d)
}

// tagChanges are tags as a description sets them.
func tagChanges(all []keyValue) (map[string]*string, error) {
	var tags map[string]string
	if err := addPairs(&tags, all); err != nil {
		return nil, err
	}
	out := map[string]*string{}
	for key, value := range tags {
		out[key] = &value
	}
	return out, nil
}

// describeRegistered records what is said of a model, and answers how it is then.
func (s *Server) describeRegistered(c *call, d registry.Description) (any, error) {
	if err := s.o.Registry.Describe(c.ctx, d); err != nil {
		return nil, err
	}
	name := d.Model
	if d.Renamed != "" {
		name = d.Renamed
	}
	m, err := s.registered(c.ctx, name)
	if err != nil {
		return nil, err
	}
	return registeredAnswer{registeredOut(m)}, nil
}

// existing reads a call about a model that must exist.
func (s *Server) existing(c *call) (in aboutModel, m *registry.Model, err error) {
	if err = c.into(&in); err == nil {
		m, err = s.registered(c.ctx, in.Name)
	}
	return in, m, err
}

func getRegistered(s *Server, c *call) (any, error) {
	_, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	return registeredAnswer{registeredOut(m)}, nil
}

func updateRegistered(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	if in.Description == nil {
		return registeredAnswer{registeredOut(m)}, nil
	}
	return s.describeRegistered(c, registry.Description{Model: m.Name, Text: in.Description})
}

func deleteRegistered(s *Server, c *call) (any, error) {
	_, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	return nil, s.o.Registry.Describe(c.ctx, registry.Description{Model: m.Name, Deleted: true})
}

func renameRegistered(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	if in.NewName == "" {
		return nil, invalid("Registered model name cannot be empty.")
	}
	if err := registry.CheckName(in.NewName); err != nil {
		return nil, err
	}
	if _, err := s.o.Registry.Model(c.ctx, in.NewName); err == nil {
		return nil, failf(ResourceAlreadyExists, "Registered Model (name=%s) already exists.", in.NewName)
	}
	return s.describeRegistered(c, registry.Description{Model: m.Name, Renamed: in.NewName})
}

func tagRegistered(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	tags, err := tagChanges([]keyValue{{in.Key, in.Value}})
	if err != nil {
		return nil, err
	}
	return nil, s.o.Registry.Describe(c.ctx, registry.Description{Model: m.Name, Tags: tags})
}

func untagRegistered(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	if _, ok := m.Tags[in.Key]; !ok {
		return nil, nil
	}
	return nil, s.o.Registry.Describe(c.ctx, registry.Description{Model: m.Name, Tags: map[string]*string{in.Key: nil}})
}

func latestVersions(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	var stages []registry.Stage
	for _, name := range in.Stages {
		stage, err := parseStage(name)
		if err != nil {
			return nil, err
		}
		stages = append(stages, stage)
	}
	var out versionsAnswer
	for _, v := range latest(m, stages) {
		out.Versions = append(out.Versions, versionOut(v))
	}
	return out, nil
}

// reservedAlias are many that name a version by themselves.
var reservedAlias = regexp.MustCompile(`^(?i:v?[0-9]+)$`)

func checkAlias(alias string) error {
	switch {
	case alias == "":
		return invalid("Registered model alias name cannot be empty.")
	case strings.EqualFold(alias, "latest"):
		return invalid("'latest' alias name (case insensitive) is reserved.")
	case reservedAlias.MatchString(alias):
		return invalid("Version alias name '%s' is reserved.", cut(alias, maxKey))
	}
	return registry.CheckAlias(alias)
}

func setAlias(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	if err := checkAlias(in.Alias); err != nil {
		return nil, err
	}
	v, err := s.version(c.ctx, m.Name, string(in.Version))
	if err != nil {
		return nil, err
	}
	_, err = s.o.Registry.SetAlias(c.ctx, registry.Alias{Model: m.Name, Alias: in.Alias, Version: v.Version})
	return nil, err
}

func deleteAlias(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	if err := checkAlias(in.Alias); err != nil {
		return nil, err
	}
	_, err = s.o.Registry.SetAlias(c.ctx, registry.Alias{Model: m.Name, Alias: in.Alias})
	return nil, err
}

func getAlias(s *Server, c *call) (any, error) {
	in, m, err := s.existing(c)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(in.Alias, "latest") {
		v := m.Latest()
		if v == nil {
			return nil, failf(ResourceDoesNotExist, "Latest version not found for model %s.", m.Name)
		}
		return versionAnswer{versionOut(v)}, nil
	}
	unknown := invalid("Registered model alias %s not found.", cut(in.Alias, maxKey))
	if checkAlias(in.Alias) != nil {
		return nil, unknown
	}
	for _, p := range m.Aliases {
		if p.Name != in.Alias || len(p.Versions) == 0 {
			continue
		}
		if p.Conflict() {
			_, err := m.Pick(in.Alias)
			return nil, err
		}
		v, err := m.Version(p.Versions[0])
		if err != nil {
			return nil, unknown
		}
		return versionAnswer{versionOut(v)}, nil
	}
	return nil, unknown
}
