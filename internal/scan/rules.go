package scan

import (
	_ "embed" // the list of names is data
	"regexp"
	"strings"
	"sync"

	"mlx/internal/fault"
)

// rulesText lists the names that a pickle may use, and how.
//
//go:embed rules.txt
var rulesText string

// mode says what may be done with a name on the list.
type mode uint8

const (
	modeName  mode = iota // it may be named
	modeNew               // and made by __new__ without arguments, then given its state
	modeCheck             // and called if its arguments pass a check
	modeCall              // and called with anything
)

// rule is one row of the list.
type rule struct {
	mode  mode
	check string // of modeCheck; "wrapper" also of modeNew
}

// ruleset is the parsed list.
type ruleset struct {
	exact map[string]*rule // by module and name, with a space between
	under []underRule
}

// underRule allows the classes of a module and of all modules under it, by the form of their names.
type underRule struct {
	module string
	rule   *rule
	except map[string]bool // modules under it that are not allowed
}

// className is how classes are named: no dots, no underscore at the end, no function.
var className = regexp.MustCompile(`^_?[A-Z][A-Za-z0-9]*$`)

// moduleName is a dotted path of plain words.
var moduleName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// theRules is the list that this program was built with, read once.
var theRules = sync.OnceValues(func() (*ruleset, error) { return parseRules(rulesText) })

// parseRules reads the list: "mode module name…", "classes module" and "except module", with comments after #.
func parseRules(text string) (*ruleset, error) {
	rs := &ruleset{exact: make(map[string]*rule)}
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := rs.row(words); err != nil {
			return nil, fault.New(fault.Internal, "the list of names is broken at %q: %w", line, err)
		}
	}
	return rs, nil
}

func (rs *ruleset) row(words []string) error {
	kind, check, _ := strings.Cut(words[0], ":")
	if len(words) < 2 {
		return fault.New(fault.Internal, "a row without a module")
	}
	switch kind {
	case "classes":
		rs.under = append(rs.under, underRule{module: words[1], rule: &rule{mode: modeNew}, except: make(map[string]bool)})
		return nil
	case "except":
		for i := range rs.under {
			rs.under[i].except[words[1]] = true
		}
		return nil
	}
	m, ok := map[string]mode{"name": modeName, "new": modeNew, "check": modeCheck, "call": modeCall}[kind]
	if !ok || len(words) < 3 {
		return fault.New(fault.Internal, "no row")
	}
	r := &rule{mode: m, check: check}
	for _, module := range strings.Split(words[1], ",") {
		for _, name := range words[2:] {
			rs.exact[module+" "+name] = r
		}
	}
	return nil
}

// lookup returns the row for a name, or nil: what is on no row is refused.
func (rs *ruleset) lookup(module, name string) *rule {
	if r, ok := rs.exact[module+" "+name]; ok {
		return r
	}
	if !className.MatchString(name) || !moduleName.MatchString(module) {
		return nil
	}
	for _, u := range rs.under {
		if module != u.module && !strings.HasPrefix(module, u.module+".") {
			continue
		}
		for m := module; m != ""; {
			if u.except[m] {
				return nil
			}
			i := strings.LastIndexByte(m, '.')
			m = m[:max(i, 0)]
		}
		return u.rule
	}
	return nil
}
