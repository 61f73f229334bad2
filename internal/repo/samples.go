package repo

import (
	"slices"
	"strings"

	"mlx/internal/fault"
)

// TrustSample is the kind of a command that makes a sample.
const TrustSample = "sample"

// Sample is what stands in for an input of the pipeline. It has exactly one subject: Path, Cmd or Rows.
type Sample struct {
	Path string `yaml:"path" group:"Subjects" doc:"A file or folder of the project that is taken instead."`
	Cmd  string `yaml:"cmd" group:"Subjects" doc:"A command that makes it, at the path in $MLX_SAMPLE."`
	Rows int    `yaml:"rows" group:"Subjects" doc:"The first rows of every table in it: CSV, TSV or JSON lines."`

	At fault.Position `yaml:"-"`
}

// validateSamples checks what the file alone shows.
func (c *Config) validateSamples() error {
	for name, s := range c.Samples.All() {
		n := count(s.Path, s.Cmd)
		if s.Rows > 0 {
			n++
		}
		if n != 1 {
			return failPosition(s.At, "a sample has exactly one subject: path, cmd or rows (at least 1)")
		}
		if p, err := projectPath(".", name); err != nil || p != name {
			return failPosition(s.At, "the sample %q must name an input by its path from the root, as the stages do", name)
		}
		if s.Path == "" {
			continue
		}
		if _, err := projectPath(".", s.Path); err != nil {
			return failPosition(s.At, "%w", err)
		}
	}
	return nil
}

// Samples returns what stands in for the inputs of the pipeline, by their paths. Each must be what a stage reads and no stage writes.
func (p *Pipeline) Samples() (map[string]Sample, error) {
	all := make(map[string]Sample, p.samples.Len())
	if p.samples.Len() == 0 {
		return all, nil
	}
	read := map[string]bool{}
	for i := range p.Steps {
		for _, dep := range p.Steps[i].Deps {
			read[dep.Path] = true
		}
	}
	for name, s := range p.samples.All() {
		if makers := p.Makers(name); len(makers) > 0 {
			return nil, failIn(s.At, "%s is made by stage %s and needs no sample", name, p.Steps[makers[0]].Name).
				Hint("edit %s   # samples stand in for what no stage makes", ConfigName)
		}
		if !read[name] {
			var inputs []string
			for dep := range read {
				if len(p.Makers(dep)) == 0 {
					inputs = append(inputs, dep)
				}
			}
			slices.Sort(inputs)
			return nil, failIn(s.At, "the sample %s stands in for nothing: no stage reads it", name).
				Hint("%s", suggestion(name, inputs, "inputs are "+strings.Join(append(inputs, "none")[:max(1, min(20, len(inputs)))], ", ")))
		}
		s.Path = strings.TrimSuffix(s.Path, "/")
		all[name] = s
	}
	return all, nil
}

// TrustItem is what a sample of an input needs allowed; its value is empty when it runs nothing.
func (s *Sample) TrustItem(input string) TrustItem {
	return TrustItem{Kind: TrustSample, Name: input, Value: s.Cmd}
}
