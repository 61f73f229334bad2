package repo

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// validate checks what no single value shows: names that must exist elsewhere in the file, and subjects.
func (c *Config) validate(body ast.Node) error {
	if c.Ledger != "" && !validLedgerID(c.Ledger) {
		return fault.New(fault.Usage, "cannot read %s: ledger %q is not 16 hex digits", ConfigName, c.Ledger)
	}
	if err := c.validateRemotes(); err != nil {
		return err
	}
	for name, b := range c.Backends.All() {
		if err := b.check(name); err != nil {
			return err
		}
	}
	for name, stage := range c.Stages.All() {
		if _, ok := c.Backends.Get(stage.On); !ok && stage.On != "" && stage.On != "local" {
			return missing(stage.At, "stage "+name, "backend", stage.On, c.Backends.Names())
		}
	}
	if err := c.validateSamples(); err != nil {
		return err
	}
	for name, gate := range c.Gates.All() {
		for _, included := range gate.Include {
			if _, ok := c.Gates.Get(included.Gate); !ok && included.From == "" && included.File == "" {
				return missing(included.At, "gate "+name, "gate", included.Gate, c.Gates.Names())
			}
		}
		if err := checkSubjects(gate.Checks); err != nil {
			return err
		}
	}
	if err := c.validateServices(); err != nil {
		return err
	}
	if err := c.validateMonitors(body); err != nil {
		return err
	}
	return c.validatePolicy()
}

func (c *Config) validatePolicy() error {
	stages := []string{"experimenting", "staging", "production", "archived"}
	for stage, needs := range c.Policy.All() {
		// A policy that no move asks is one that its author believes in.
		if !slices.Contains(stages, stage) {
			err := fault.New(fault.Usage, "cannot read %s: policy names the unknown stage %q", ConfigName, stage)
			if len(needs) > 0 {
				err = failPosition(needs[0].At, "policy names the unknown stage %q", stage)
			}
			return err.Hint("%s", suggestion(stage, stages, "Stages are "+strings.Join(stages, ", ")))
		}
		for _, n := range needs {
			if count(n.Gate, n.Scan, n.SignOff) != 1 {
				return failPosition(n.At, "a need has exactly one subject: gate, scan or sign_off")
			}
			if _, ok := c.Gates.Get(n.Gate); !ok && n.Gate != "" {
				return missing(n.At, "policy for "+stage, "gate", n.Gate, c.Gates.Names())
			}
		}
	}
	return nil
}

// declares says whether the dotted path leads to a single value below n. A name may itself contain dots.
func declares(n ast.Node, path string, depth int) bool {
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	m, ok := n.(*ast.MappingNode)
	if !ok || depth > maxDepth {
		return false
	}
	for _, e := range m.Values {
		key, err := keyText(e.Key)
		if err != nil {
			continue
		}
		if key == path {
			_, err := scalarOf(e.Value)
			return err == nil
		}
		if rest, ok := strings.CutPrefix(path, key+"."); ok && declares(e.Value, rest, depth+1) {
			return true
		}
	}
	return false
}

func checkSubjects(checks []Check) error {
	for _, c := range checks {
		if count(c.Metric, c.Measure, c.Column, c.Expr, c.Command) != 1 || c.Query != "" || c.Monitor != "" {
			return failPosition(c.At, "a check has exactly one subject: metric, measure, column, expr or command")
		}
	}
	return nil
}

func count(subjects ...string) int {
	n := 0
	for _, s := range subjects {
		if s != "" {
			n++
		}
	}
	return n
}

func missing(at fault.Position, who, kind, name string, known []string) error {
	list := ConfigName + " defines no " + kind
	if len(known) > 0 {
		list = ConfigName + " has " + strings.Join(known, ", ")
	}
	return failPosition(at, "%s names the unknown %s %q", who, kind, name).Hint("%s", suggestion(name, known, list))
}

func failPosition(p fault.Position, format string, args ...any) *fault.Error {
	e := fault.New(fault.Usage, "cannot read %s: line %d, column %d: "+format, append([]any{ConfigName, p.Line, p.Column}, args...)...)
	return e.In(p)
}
