package repo

import (
	"fmt"
	"iter"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// InEnvironment is the name of a service in an environment: another service than the one of the same name without it.
func InEnvironment(service, environment string) string {
	if environment == "" {
		return service
	}
	return service + "@" + environment
}

// SplitService takes the name of a service apart: as mlx.yaml calls it, and the environment; empty: none.
func SplitService(name string) (service, environment string) {
	service, environment, _ = strings.Cut(name, "@")
	return service, environment
}

// In is the configuration with what an environment puts in place of values; without a name the configuration as it stands.
func (c *Config) In(environment string) (*Config, error) {
	if environment == "" {
		return c, nil
	}
	if _, ok := c.Environments.Get(environment); !ok {
		err := fault.New(fault.NotFound, "cannot find environment %q: %s has no such environment", environment, ConfigName)
		if near := fault.Nearest(environment, c.Environments.Names()); near != "" {
			return nil, err.Hint("did you mean %s?", near)
		}
		if c.Environments.Len() == 0 {
			return nil, err.Hint("edit %s   # environments: {staging: {services.NAME.replicas: 1}, production: {}}", ConfigName)
		}
		return nil, err.Hint("environments are %s", strings.Join(c.Environments.Names(), ", "))
	}
	if other, ok := c.in[environment]; ok {
		return other, nil
	}
	return c, nil
}

// Service is a service by its name, which may be one in an environment: flights@staging.
func (c *Config) Service(name string) (Service, bool) {
	service, environment := SplitService(name)
	in, err := c.In(environment)
	if err != nil || strings.HasSuffix(name, "@") {
		return Service{}, false
	}
	return in.Services.Get(service)
}

// Everywhere yields the services as they stand, and then those of each environment.
func (c *Config) Everywhere() iter.Seq2[string, Service] {
	return func(yield func(string, Service) bool) {
		for _, environment := range append([]string{""}, c.Environments.Names()...) {
			in, err := c.In(environment)
			if err != nil {
				return // it was among the names
			}
			for name, s := range in.Services.All() {
				if !yield(InEnvironment(name, environment), s) {
					return
				}
			}
		}
	}
}

// Declares says whether an environment declares a value of its own for a dotted path.
func (c *Config) Declares(environment, path string) bool {
	changes, _ := c.Environments.Get(environment)
	return changes.has(path)
}

// elsewhere is the configuration as it is in each environment that changes something.
func (c *Config) elsewhere() []*Config {
	var all []*Config
	for _, name := range c.Environments.Names() {
		if in, ok := c.in[name]; ok {
			all = append(all, in)
		}
	}
	return all
}

// overlay reads the whole file again for each environment, with its values in place of those that stand elsewhere. d has read it without.
func (c *Config) overlay(body ast.Node, d *decoder) error {
	section := valueAt(body, "environments")
	if section == nil {
		return nil
	}
	section, err := d.resolve(section)
	if err != nil {
		return err
	}
	d.path = ".environments"
	return d.entries(section, func(name string, key, value ast.Node) error {
		if !plainName(name) {
			return failAt(key, "environment %q has a name that is no folder: letters, digits, - _ and . are", name).Hint("environments: {staging: {…}}")
		}
		o := overlaid{name: name, key: key, values: map[string]ast.Node{}}
		if value, err = d.resolve(value); err != nil {
			return err
		}
		if err := d.entries(value, func(path string, key, value ast.Node) error {
			return o.change(d, body, declaredValue{path, key, value})
		}); err != nil {
			return err
		}
		if len(o.values) == 0 {
			return nil
		}
		in := new(Config)
		again := decoder{anchors: map[string]ast.Node{}, nodes: d.nodes, over: o.values}
		err := again.readBody(body, in)
		d.nodes = again.nodes
		if err != nil {
			return o.wrong(err)
		}
		if c.in == nil {
			c.in = map[string]*Config{}
		}
		c.in[name] = in
		return nil
	})
}

// overlaid is what an environment puts in place of values.
type overlaid struct {
	name   string
	key    ast.Node
	values map[string]ast.Node
}

// declaredValue is one of these values.
type declaredValue struct {
	path       string
	key, value ast.Node
}

// change takes one. It must stand elsewhere in the file, as a single value.
func (o overlaid) change(d *decoder, body ast.Node, c declaredValue) error {
	if strings.HasPrefix(c.path, "environments.") || !declares(body, c.path, 0) {
		return failAt(c.key, "environment %s changes %q, which is no value of this file", o.name, c.path)
	}
	value, err := d.resolve(c.value)
	o.values[c.path] = value
	return err
}

// wrong is what is not right with the file as it is in the environment: at the value that is not right by itself, or at the environment.
func (o overlaid) wrong(err error) error {
	at, message := positionOf(o.key), err.Error()
	if p := fault.At(err); p != nil {
		message = strings.TrimPrefix(message, fmt.Sprintf("cannot read %s: line %d, column %d: ", ConfigName, p.Line, p.Column))
		for _, value := range o.values {
			if positionOf(value) == *p {
				at = *p
			}
		}
	}
	e := failPosition(at, "environment %s: %s", o.name, strings.TrimPrefix(message, "cannot read "+ConfigName+": "))
	e.Hints = fault.Hints(err)
	return e
}

// Text is the value as people write it.
func (v Scalar) Text() string { return fmt.Sprint(v.Value) }
