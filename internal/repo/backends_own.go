package repo

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// BackendsName is the name of a user's own file of backends, beside the settings: in the configuration folder of the user,
// and in the shared state folder of the project. It has the form of backends: in mlx.yaml, and any key may be left out.
const BackendsName = "backends.yaml"

// OwnBackends are the backends of mlx.yaml with the user's own files laid over them, key by key: those of userDir (the
// user's configuration folder, or empty), then those of this project. A backend that only they name is the user's own.
func (r *Repo) OwnBackends(c *Config, userDir string) (Map[Backend], error) {
	all := Map[Backend]{names: slices.Clone(c.Backends.names), values: make(map[string]Backend, c.Backends.Len())}
	for name, b := range c.Backends.All() {
		all.values[name] = b
	}
	files := []string{filepath.Join(r.Shared, BackendsName)}
	if userDir != "" {
		files = slices.Insert(files, 0, filepath.Join(userDir, "mlx", BackendsName))
	}
	for _, file := range files {
		text, err := readSmall(file, maxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return all, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
		}
		if err := all.layBackends(text); err != nil {
			return all, naming(file, err)
		}
	}
	for name, b := range all.All() {
		if err := b.check(name); err != nil {
			return all, err
		}
	}
	return all, nil
}

// layBackends lays the backends of a text over those that are there.
func (m *Map[T]) layBackends(text []byte) error {
	body, err := parseYAML(text)
	if err != nil || body == nil {
		return err
	}
	d := decoder{anchors: map[string]ast.Node{}}
	return d.entries(body, func(name string, at, value ast.Node) error {
		item := m.fresh().(*T)
		known := m.has(name)
		if known {
			*item = m.values[name]
		}
		if err := d.overlay(value, reflect.ValueOf(item).Elem()); err != nil {
			return err
		}
		if b, ok := any(*item).(Backend); ok && b.Type == "" {
			return failAt(at, "backend %s has no type, and %s does not name it", name, ConfigName)
		}
		if known {
			m.values[name] = *item
		} else {
			m.put(name, item)
		}
		return nil
	})
}

// overlay is structure for a value that is there already: keys that n has replace it, groups of keys key by key.
func (d *decoder) overlay(n ast.Node, v reflect.Value) error {
	n, err := d.resolve(n)
	if err != nil {
		return err
	}
	fields := fieldsOf(v.Type())
	return d.entries(n, func(key string, at, value ast.Node) error {
		f := find(fields, key)
		if f == nil {
			return unknownKey(at, key, fields)
		}
		field := v.FieldByIndex(f.index)
		if group(field) {
			return d.overlay(value, field)
		}
		field.SetZero()
		if err := d.value(value, field); err != nil {
			return err
		}
		return checkEnum(value, f, field)
	})
}

// group says whether a value is a group of keys that mlx knows.
func group(v reflect.Value) bool {
	switch v.Addr().Interface().(type) {
	case scalarTarget, mapTarget, nodeTarget:
		return false
	}
	return v.Kind() == reflect.Struct
}

// check refuses what no backend of a type can do with, and one that says too little.
func (b Backend) check(name string) error {
	bad := func(format string, args ...any) *fault.Error {
		if b.At.Line == 0 {
			return fault.New(fault.Usage, "cannot use backend %s: "+format, append([]any{name}, args...)...)
		}
		return failPosition(b.At, "backend %s: "+format, append([]any{name}, args...)...)
	}
	keys := b.keysOf()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		types := keys[key]
		if !slices.Contains(types, b.Type) {
			return bad("%s is nothing that %s has: it belongs to %s", key, b.Type, strings.Join(types, ", "))
		}
	}
	switch {
	case b.Type == "ssh" && b.Host == "" && len(b.Hosts) == 0:
		return bad("no host").Hint("host: NAME   # as in your ssh configuration")
	case b.Type == "ray" && b.URL == "":
		return bad("no url").Hint("url: http://127.0.0.1:8265   # the address of the dashboard")
	case b.Resources.Nodes > len(b.Hosts) && b.Type == "ssh" && b.Resources.Nodes > 1:
		return bad("%d nodes, and %d hosts", b.Resources.Nodes, len(b.Hosts)).Hint("hosts: [NAME, NAME]")
	}
	currency := ""
	for _, m := range []Money{b.Price.GPUHour, b.Price.CPUHour, b.Price.MemoryHour, b.Price.NodeHour} {
		if m.Currency != "" && currency != "" && m.Currency != currency {
			return bad("prices in %s and in %s cannot be added up", currency, m.Currency)
		}
		currency = max(currency, m.Currency)
	}
	switch w := b.Power; {
	case w.GPUWatts < 0 || w.CPUWatts < 0 || w.Intensity < 0:
		return bad("power is nothing below zero")
	case w.PUE != 0 && w.PUE < 1:
		return bad("pue is what the data centre uses for each kWh of its machines: 1 or more")
	}
	for _, name := range b.Secrets {
		if name == "" || strings.ContainsAny(name, "= \x00") {
			return bad("secrets are names of variables, not %q", name)
		}
	}
	return nil
}

// Gives refuses what backends of a type never have and a run asks one for: an image, a queue, a machine that may be taken away. Without that
// it would be executed outside of its image, and nobody would see why.
func (b Backend) Gives(name string, asked Backend) error {
	asked.Type = b.Type
	keys := asked.keysOf()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if types := keys[key]; !slices.Contains(types, b.Type) {
			return fault.New(fault.Usage, "cannot run on %s: %s is nothing that %s has", name, key, b.Type).
				Hint("mlx backend list   # %s belongs to %s", key, strings.Join(types, ", "))
		}
	}
	return nil
}

// keysOf are the keys that stand there and that not every type has, with the types that do.
func (b Backend) keysOf() map[string][]string {
	all := map[string][]string{}
	add := func(there bool, key string, types ...string) {
		if there {
			all[key] = types
		}
	}
	add(b.Host != "", "host", "ssh", "slurm")
	add(len(b.Hosts) > 0, "hosts", "ssh")
	add(b.URL != "", "url", "ray")
	add(b.Context != "", "context", "kubernetes")
	add(b.Namespace != "", "namespace", "kubernetes")
	add(b.Pod.tree != nil, "pod", "kubernetes")
	add(b.Image != "", "image", "kubernetes", "slurm", "sky")
	add(b.Queue != "", "queue", "slurm", "kubernetes")
	add(len(b.Options) > 0, "options", "slurm", "sky")
	add(b.Spot, "spot", "kubernetes", "sky", "slurm")
	return all
}
