package tracking

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

// searched is what the searches of the registry send.
type searched struct {
	Filter  string `json:"filter"`
	Max     count  `json:"max_results"`
	OrderBy many   `json:"order_by"`
	Token   string `json:"page_token"`
}

// count is a number that a query writes as text.
type count int

func (n *count) UnmarshalJSON(b []byte) error {
	var v number
	if err := v.UnmarshalJSON(b); err != nil {
		return err
	}
	i, err := v.int()
	*n = count(i)
	if err != nil {
		*n = -1
	}
	return nil
}

// Limits of a page of the registry.
const (
	usualPage       = 100
	mostModels      = 1000
	mostVersions    = 200000
	usualVersions   = 10000
	usualLogged     = 100
	mostLogged      = 1000
	attributeEntity = "attribute"
	tagEntity       = "tag"
)

// modelsLike are the models that a filter on names can be about: one where it asks for one name, else all.
func (s *Server) modelsLike(ctx context.Context, filter []condition) ([]*registry.Model, error) {
	for _, c := range filter {
		if c.entity != attributeEntity || c.key != "name" || c.op != "=" {
			continue
		}
		m, err := s.o.Registry.Model(ctx, c.values[0])
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil
		}
		return []*registry.Model{m}, err
	}
	return s.cache.Models(ctx)
}

// tagged says whether tags pass. Models are no prompts unless a tag says so, which filters ask for in several ways.
func tagged(c condition, tags map[string]string) (bool, error) {
	if !slices.Contains([]string{"=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"}, c.op) {
		return false, failf(InvalidParameterValue, "Invalid comparator '%s' for tag '%s'", c.op, c.key)
	}
	v, ok := tags[c.key]
	if c.key == promptTag && !ok && len(c.values) == 1 {
		return c.op == "=" && c.values[0] == "false" || c.op == "!=" && c.values[0] == "true", nil
	}
	return c.text(v, ok), nil
}

// wantsPrompts says whether a filter is about prompts itself. Otherwise they are left out.
func wantsPrompts(filter []condition) bool {
	return slices.ContainsFunc(filter, func(c condition) bool { return c.entity == tagEntity && c.key == promptTag })
}

func isPrompt(tags map[string]string) bool { return strings.EqualFold(tags[promptTag], "true") }

func noAttribute(key string, valid ...string) error {
	return failf(InvalidParameterValue, "Invalid attribute key '%.100s' specified. Valid keys are '%s'", key, strings.Join(valid, "', '"))
}

func searchRegistered(s *Server, c *call) (any, error) {
	in, filter, limit, err := s.search(c, usualPage, mostModels)
	if err != nil {
		return nil, err
	}
	all, err := s.modelsLike(c.ctx, filter)
	if err != nil {
		return nil, err
	}
	var found []*registry.Model
	for _, m := range all {
		ok := wantsPrompts(filter) || !isPrompt(m.Tags)
		for i := 0; ok && i < len(filter); i++ {
			if ok, err = modelPasses(filter[i], m); err != nil {
				return nil, err
			}
		}
		if ok {
			found = append(found, m)
		}
	}
	if err := sortModels(found, in.OrderBy); err != nil {
		return nil, err
	}
	page, next, err := paged(found, in.Token, limit)
	if err != nil {
		return nil, err
	}
	out := registeredList{Next: next}
	for _, m := range page {
		out.Models = append(out.Models, registeredOut(m))
	}
	return out, nil
}

// search reads a call of a search.
func (s *Server) search(c *call, usual, most int) (in searched, filter []condition, limit int, err error) {
	if err = c.into(&in); err == nil {
		filter, err = parseConditions(in.Filter)
	}
	if err == nil {
		limit, err = pageSize(int(in.Max), usual, most)
	}
	return in, filter, limit, err
}

func modelPasses(c condition, m *registry.Model) (bool, error) {
	switch {
	case c.entity == tagEntity:
		return tagged(c, m.Tags)
	case c.entity != attributeEntity:
		return false, failf(InvalidParameterValue, "Invalid search expression type '%s'", c.entity)
	case c.key == "name":
		return c.text(m.Name, true), nil
	case c.key == "creation_timestamp":
		return c.number(float64(m.CreatedAt.UnixMilli()))
	case c.key == "last_updated_timestamp":
		return c.number(float64(m.UpdatedAt.UnixMilli()))
	}
	return false, noAttribute(c.key, "name", "creation_timestamp", "last_updated_timestamp")
}

// ordering is one key of an order.
type ordering struct {
	key  string
	down bool
}

// parseOrder reads NAME, NAME ASC and NAME DESC.
func parseOrder(all []string, valid ...string) ([]ordering, error) {
	var out []ordering
	for _, text := range all {
		fields := strings.Fields(text)
		o := ordering{}
		if n := len(fields); n == 2 && (strings.EqualFold(fields[1], "asc") || strings.EqualFold(fields[1], "desc")) {
			o.down = strings.EqualFold(fields[1], "desc")
		} else if n != 1 {
			return nil, failf(InvalidParameterValue, "Invalid order_by clause '%.200s'", text)
		}
		o.key = strings.TrimPrefix(strings.Trim(fields[0], "`\""), "attribute.")
		if o.key == "timestamp" {
			o.key = "last_updated_timestamp"
		}
		if !slices.Contains(valid, o.key) {
			return nil, noAttribute(o.key, valid...)
		}
		out = append(out, o)
	}
	return out, nil
}

// ordered turns a comparison round where it must be.
func (o ordering) ordered(n int) int {
	if o.down {
		return -n
	}
	return n
}

func sortModels(all []*registry.Model, by []string) error {
	keys, err := parseOrder(by, "name", "creation_timestamp", "last_updated_timestamp")
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *registry.Model) int {
		for _, o := range keys {
			n := 0
			switch o.key {
			case "name":
				n = strings.Compare(a.Name, b.Name)
			case "creation_timestamp":
				n = cmp.Compare(a.CreatedAt.UnixMilli(), b.CreatedAt.UnixMilli())
			case "last_updated_timestamp":
				n = cmp.Compare(a.UpdatedAt.UnixMilli(), b.UpdatedAt.UnixMilli())
			}
			if n != 0 {
				return o.ordered(n)
			}
		}
		return strings.Compare(a.Name, b.Name)
	})
	return nil
}

func searchVersions(s *Server, c *call) (any, error) {
	in, filter, limit, err := s.search(c, usualVersions, mostVersions)
	if err != nil {
		return nil, err
	}
	all, err := s.modelsLike(c.ctx, filter)
	if err != nil {
		return nil, err
	}
	var found []*registry.Version
	for _, m := range all {
		if !wantsPrompts(filter) && isPrompt(m.Tags) {
			continue
		}
		for _, v := range m.Live() {
			ok := true
			for i := 0; ok && i < len(filter); i++ {
				if ok, err = versionPasses(filter[i], v); err != nil {
					return nil, err
				}
			}
			if ok {
				found = append(found, v)
			}
		}
	}
	if err := sortVersions(found, in.OrderBy); err != nil {
		return nil, err
	}
	page, next, err := paged(found, in.Token, limit)
	if err != nil {
		return nil, err
	}
	out := versionsAnswer{Next: next}
	for _, v := range page {
		out.Versions = append(out.Versions, versionOut(v))
	}
	return out, nil
}

func versionPasses(c condition, v *registry.Version) (bool, error) {
	switch {
	case c.entity == tagEntity:
		return tagged(c, v.Tags)
	case c.entity != attributeEntity:
		return false, failf(InvalidParameterValue, "Invalid search expression type '%s'", c.entity)
	}
	switch c.key {
	case "name":
		return c.text(v.Model, true), nil
	case "run_id":
		id := ""
		if v.Run != nil {
			id = clientID(*v.Run)
		}
		return c.text(id, true), nil
	case "source_path", "source":
		return c.text(versionOut(v).Source, true), nil
	case "version_number", "version":
		return c.number(float64(v.Version))
	case "creation_timestamp":
		return c.number(float64(v.At.UnixMilli()))
	case "last_updated_timestamp":
		return c.number(float64(v.UpdatedAt.UnixMilli()))
	}
	return false, noAttribute(c.key, "name", "run_id", "source_path", "version_number", "creation_timestamp", "last_updated_timestamp")
}

func sortVersions(all []*registry.Version, by []string) error {
	keys, err := parseOrder(by, "name", "version_number", "creation_timestamp", "last_updated_timestamp")
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		keys = []ordering{{"last_updated_timestamp", true}}
	}
	slices.SortStableFunc(all, func(a, b *registry.Version) int {
		for _, o := range keys {
			n := 0
			switch o.key {
			case "name":
				n = strings.Compare(a.Model, b.Model)
			case "version_number":
				n = cmp.Compare(a.Version, b.Version)
			case "creation_timestamp":
				n = cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli())
			case "last_updated_timestamp":
				n = cmp.Compare(a.UpdatedAt.UnixMilli(), b.UpdatedAt.UnixMilli())
			}
			if n != 0 {
				return o.ordered(n)
			}
		}
		return cmp.Or(strings.Compare(a.Model, b.Model), cmp.Compare(b.Version, a.Version))
	})
	return nil
}
