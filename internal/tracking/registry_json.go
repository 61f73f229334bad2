package tracking

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

// registeredJSON is a registered model as MLflow writes it.
type registeredJSON struct {
	Name        string        `json:"name"`
	Created     int64         `json:"creation_timestamp"`
	Updated     int64         `json:"last_updated_timestamp"`
	Description string        `json:"description,omitempty"`
	Latest      []versionJSON `json:"latest_versions,omitempty"`
	Tags        []keyValue    `json:"tags,omitempty"`
	Aliases     []aliasJSON   `json:"aliases,omitempty"`
}

type aliasJSON struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

// versionJSON is a version as MLflow writes it.
type versionJSON struct {
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	Created     int64      `json:"creation_timestamp"`
	Updated     int64      `json:"last_updated_timestamp"`
	Stage       string     `json:"current_stage"`
	Description string     `json:"description"`
	Source      string     `json:"source"`
	Run         string     `json:"run_id"`
	Status      string     `json:"status"`
	Tags        []keyValue `json:"tags,omitempty"`
	RunLink     string     `json:"run_link"`
	Aliases     []string   `json:"aliases,omitempty"`
}

type (
	registeredAnswer struct {
		Model registeredJSON `json:"registered_model"`
	}
	versionAnswer struct {
		Version versionJSON `json:"model_version"`
	}
	versionsAnswer struct {
		Versions []versionJSON `json:"model_versions,omitempty"`
		Next     string        `json:"next_page_token,omitempty"`
	}
	registeredList struct {
		Models []registeredJSON `json:"registered_models,omitempty"`
		Next   string           `json:"next_page_token,omitempty"`
	}
)

// stageNames are the stages as MLflow calls them, in its order.
func stageNames() []string { return []string{"None", "Staging", "Production", "Archived"} }

// stageName is what MLflow calls a stage.
func stageName(s registry.Stage) string {
	switch s {
	case registry.Staging:
		return "Staging"
	case registry.Production:
		return "Production"
	case registry.Archived:
		return "Archived"
	case registry.Experimenting:
	}
	return "None"
}

// parseStage reads a stage of MLflow, in whatever case.
func parseStage(s string) (registry.Stage, error) {
	switch strings.ToLower(s) {
	case "none":
		return registry.Experimenting, nil
	case "staging":
		return registry.Staging, nil
	case "production":
		return registry.Production, nil
	case "archived":
		return registry.Archived, nil
	}
	return "", invalid("Invalid Model Version stage: %.100s. Value must be one of %s.", s, strings.Join(stageNames(), ", "))
}

func versionOut(v *registry.Version) versionJSON {
	out := versionJSON{Name: v.Model, Version: strconv.Itoa(v.Version), Created: v.At.UnixMilli(), Updated: v.UpdatedAt.UnixMilli(),
		Stage: stageName(v.Stage), Description: v.Description, Source: v.Source, Status: "READY", Tags: keyValues(v.Tags), RunLink: v.RunLink, Aliases: v.Aliases}
	if out.Source == "" {
		out.Source = versionURI(v.Record)
	}
	if v.Run != nil {
		out.Run = clientID(*v.Run)
	}
	return out
}

func registeredOut(m *registry.Model) registeredJSON {
	out := registeredJSON{Name: m.Name, Created: m.CreatedAt.UnixMilli(), Updated: m.UpdatedAt.UnixMilli(), Description: m.Description, Tags: keyValues(m.Tags)}
	for _, v := range latest(m, nil) {
		out.Latest = append(out.Latest, versionOut(v))
	}
	for _, p := range m.Aliases {
		if len(p.Versions) == 1 && p.Versions[0] != 0 {
			if v, err := m.Version(p.Versions[0]); err == nil {
				out.Aliases = append(out.Aliases, aliasJSON{p.Name, strconv.Itoa(v.Version)})
			}
		}
	}
	return out
}

// latest returns the highest version in each stage that has one, in the order of stages; no stages: in all of them.
func latest(m *registry.Model, stages []registry.Stage) []*registry.Version {
	if len(stages) == 0 {
		stages = registry.Stages()
	}
	live := m.Live()
	var all []*registry.Version
	for _, stage := range stages {
		for i := len(live) - 1; i >= 0; i-- {
			if live[i].Stage == stage {
				all = append(all, live[i])
				break
			}
		}
	}
	return all
}

// versionNumber is the number of a version, which clients send as text.
type versionNumber string

func (n *versionNumber) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*n = versionNumber(s)
	return nil
}

func (n versionNumber) int() (int, error) {
	v, err := strconv.Atoi(string(n))
	if err != nil || v < 0 || v > 1<<31-1 {
		return 0, invalid("Parameter 'version' must be an integer, got '%.100s'", string(n))
	}
	return v, nil
}

// registered is the model of a name.
func (s *Server) registered(ctx context.Context, name string) (*registry.Model, error) {
	if name == "" {
		return nil, invalid("Registered model name cannot be empty.")
	}
	m, err := s.o.Registry.Model(ctx, name)
	if fault.KindOf(err) == fault.NotFound {
		return nil, failf(ResourceDoesNotExist, "Registered Model with name=%.250s not found", name)
	}
	return m, err
}

// version is a version by its name and number, as clients send them.
func (s *Server) version(ctx context.Context, name, version string) (*registry.Version, error) {
	n, err := versionNumber(version).int()
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, invalid("Registered model name cannot be empty.")
	}
	m, err := s.o.Registry.Model(ctx, name)
	var v *registry.Version
	if err == nil {
		v, err = m.Version(n)
	}
	if fault.KindOf(err) == fault.NotFound {
		return nil, failf(ResourceDoesNotExist, "Model Version (name=%.250s, version=%d) not found", name, n)
	}
	return v, err
}
