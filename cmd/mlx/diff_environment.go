package main

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/run"
)

// packageKey begins the key of a package in environment.
const packageKey = "package."

// surroundings is how the environments of two runs differ.
type surroundings struct {
	machine  []valueChange
	settings []valueChange // python, variables, seeds, locks, container, accelerators
	packages []valueChange
	known    bool // both runs recorded one
	listed   bool // the packages of both are known
}

func (s surroundings) all() []valueChange { return slices.Concat(s.machine, s.settings, s.packages) }

// compareSurroundings compares where two runs executed, and with what.
func (a *app) compareSurroundings(ctx context.Context, x, y run.View) (surroundings, error) {
	s := surroundings{machine: machineChanges(x, y), known: x.Environment != nil && y.Environment != nil}
	if !s.known {
		return s, nil
	}
	for _, c := range run.CompareEnvironment(x.Environment, y.Environment) {
		s.settings = append(s.settings, valueChange{Key: c.Key, A: wordOrNull(c.A), B: wordOrNull(c.B)})
	}
	p, q := x.Environment.Python, y.Environment.Python
	if p == nil || q == nil || p.Lock == q.Lock {
		s.listed = (p == nil) == (q == nil)
		return s, nil
	}
	store, err := a.store()
	if err != nil {
		return s, err
	}
	left, err := run.PackagesOf(ctx, store, p)
	if err == nil {
		var right []string
		if right, err = run.PackagesOf(ctx, store, q); err == nil {
			s.listed = true
			for _, c := range run.ComparePackages(left, right) {
				s.packages = append(s.packages, valueChange{Key: packageKey + c.Name, A: wordOrNull(c.A), B: wordOrNull(c.B)})
			}
		}
	}
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	if err != nil {
		a.streams.Why("packages: %v", err)
	}
	return s, nil
}

func wordOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func machineChanges(x, y run.View) []valueChange {
	describe := func(m run.ViewMachine) map[string]any {
		all := map[string]any{"host": m.Host, "os": m.OS, "arch": m.Arch, "cpu": m.CPU, "cpus": float64(m.CPUs)}
		if m.MemoryBytes != nil {
			all["memory_bytes"] = float64(*m.MemoryBytes)
		}
		return all
	}
	return valueChanges(describe(x.Machine), describe(y.Machine))
}

// surroundingRows adds what differs around the command. With packages listed one by one their number and digest say
// nothing more.
func (c *comparison) surroundingRows(s surroundings) {
	for _, e := range s.settings {
		if e.Key == "python.packages" && len(s.packages) > 0 && c.t.TTY() {
			continue
		}
		c.add("environment", e.Key, cellOrNone(e.A), cellOrNone(e.B))
	}
	for i, e := range s.packages {
		name := strings.TrimPrefix(e.Key, packageKey)
		if c.t.TTY() && i == maxFilesShown && len(s.packages) > maxFilesShown+1 {
			c.add("packages", "and "+cli.FormatNum(int64(len(s.packages)-i), "more package"))
			break
		}
		c.add("packages", name, cellOrNone(e.A), cellOrNone(e.B))
	}
	for _, e := range s.machine {
		if bytes, ok := e.A.(float64); ok && e.Key == "memory_bytes" && c.t.TTY() {
			other, _ := e.B.(float64)
			c.add("machine", "memory", cli.Memory(int64(bytes)), cli.Memory(int64(other)))
			continue
		}
		c.add("machine", e.Key, cellOrNone(e.A), cellOrNone(e.B))
	}
}
