package tracking

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

// Limits of a page.
const (
	usualPage     = 100
	mostModels    = 1000
	usualVersions = 10000
	mostVersions  = 200000
)

// The kinds of entity that filters know here.
const (
	attributeKind = "attribute"
	tagKind       = "tag"
)

func registryGrammar(fields map[string]valueKind, lists ...string) *grammar {
	return &grammar{
		kinds:  map[string]string{"": attributeKind, "attribute": attributeKind, "attributes": attributeKind, "attr": attributeKind, "tag": tagKind, "tags": tagKind},
		fields: map[string]map[string]valueKind{attributeKind: fields},
		lists:  func(kind, key string) bool { return kind == attributeKind && slices.Contains(lists, key) },
		nulls:  map[string]bool{tagKind: true},
		alias:  map[string]string{"timestamp": "last_updated_timestamp", "version": "version_number", "source": "source_path"},
	}
}

func registeredGrammar() *grammar {
	return registryGrammar(map[string]valueKind{
		"name": textValue, "creation_timestamp": numberValue, "last_updated_timestamp": numberValue, "timestamp": numberValue,
	}, "name")
}

func versionGrammar() *grammar {
	return registryGrammar(map[string]valueKind{
		"name": textValue, "run_id": textValue, "source_path": textValue, "source": textValue, "version_number": numberValue, "version": numberValue,
		"creation_timestamp": numberValue, "last_updated_timestamp": numberValue, "timestamp": numberValue,
	}, "name", "run_id")
}

// modelsLike are the models that a filter can be about: one where it asks for one name, else all.
func (s *Server) modelsLike(ctx context.Context, filter []comparison) ([]*registry.Model, error) {
	for _, c := range filter {
		if c.kind != attributeKind || c.key != "name" || c.op != "=" {
			continue
		}
		m, err := s.o.Registry.Model(ctx, c.text)
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil
		}
		return []*registry.Model{m}, err
	}
	return s.cache.Models(ctx)
}

// tagOf is a tag of a model or a version. What has no tag of prompts is none, and filters may ask for that.
func tagOf(tags map[string]string, key string) field {
	f := entry(tags, key)
	if key == promptTag && !f.known {
		return textField("false")
	}
	return f
}

// wantsPrompts says whether a filter is about prompts itself. Otherwise they are left out.
func wantsPrompts(filter []comparison) bool {
	return slices.ContainsFunc(filter, func(c comparison) bool { return c.kind == tagKind && c.key == promptTag })
}

func isPrompt(tags map[string]string) bool { return strings.EqualFold(tags[promptTag], "true") }

func modelField(m *registry.Model, kind, key string) field {
	switch {
	case kind == tagKind:
		return tagOf(m.Tags, key)
	case key == "creation_timestamp":
		return numberField(float64(m.CreatedAt.UnixMilli()))
	case key == "last_updated_timestamp":
		return numberField(float64(m.UpdatedAt.UnixMilli()))
	}
	return textField(m.Name)
}

func searchRegistered(s *Server, c *call) (any, error) {
	q, err := ask(c, registeredGrammar(), usualPage, mostModels)
	if err != nil {
		return nil, err
	}
	all, err := s.modelsLike(c.ctx, q.filter)
	if err != nil {
		return nil, err
	}
	if !wantsPrompts(q.filter) {
		all = slices.DeleteFunc(slices.Clone(all), func(m *registry.Model) bool { return isPrompt(m.Tags) })
	}
	models := found(all, q.filter, modelField) // they are in the order of their names
	arrange(models, q.order, modelField)
	page, next, err := paged(models, q.Token, q.limit)
	out := registeredList{Next: next}
	for _, m := range page {
		out.Models = append(out.Models, registeredOut(m))
	}
	return out, err
}

func versionField(v *registry.Version, kind, key string) field {
	if kind == tagKind {
		return tagOf(v.Tags, key)
	}
	switch key {
	case "run_id":
		if v.Run == nil {
			return textField("")
		}
		return textField(clientID(*v.Run))
	case "source_path":
		return textField(versionOut(v).Source)
	case "version_number":
		return numberField(float64(v.Version))
	case "creation_timestamp":
		return numberField(float64(v.At.UnixMilli()))
	case "last_updated_timestamp":
		return numberField(float64(v.UpdatedAt.UnixMilli()))
	}
	return textField(v.Model)
}

func searchVersions(s *Server, c *call) (any, error) {
	q, err := ask(c, versionGrammar(), usualVersions, mostVersions)
	if err != nil {
		return nil, err
	}
	models, err := s.modelsLike(c.ctx, q.filter)
	if err != nil {
		return nil, err
	}
	var all []*registry.Version
	for _, m := range models {
		if wantsPrompts(q.filter) || !isPrompt(m.Tags) {
			all = append(all, m.Live()...)
		}
	}
	versions := found(all, q.filter, versionField)
	slices.SortFunc(versions, func(a, b *registry.Version) int {
		return cmp.Or(cmp.Compare(b.UpdatedAt.UnixMilli(), a.UpdatedAt.UnixMilli()), strings.Compare(a.Model, b.Model), cmp.Compare(b.Version, a.Version))
	})
	arrange(versions, q.order, versionField)
	page, next, err := paged(versions, q.Token, q.limit)
	out := versionsAnswer{Next: next}
	for _, v := range page {
		out.Versions = append(out.Versions, versionOut(v))
	}
	return out, err
}
