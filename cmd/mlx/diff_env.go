package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

const refEnvironment = "env"

// parityView is parity/v1: how two environments differ.
type parityView struct {
	Kind     string          `json:"kind"`
	Equal    bool            `json:"equal"` // the same is in service, and nothing differs that mlx.yaml does not declare
	A        fault.Ref       `json:"a"`
	B        fault.Ref       `json:"b"`
	Services []parityService `json:"services"`
	Values   []parityRow     `json:"values"` // declared ones that are no values of services
}

// parityService is how a service differs.
type parityService struct {
	Service  string        `json:"service"`
	Equal    bool          `json:"equal"`
	A        *parityServed `json:"a"` // what is in service; null: nothing
	B        *parityServed `json:"b"`
	Settings []parityRow   `json:"settings"` // of mlx.yaml
	Release  []parityRow   `json:"release"`  // of what is in service
}

// parityServed is what is in service in one of them.
type parityServed struct {
	Model   fault.Ref `json:"model"`
	Release string    `json:"release"`
	Digest  string    `json:"digest"`
	Rollout *string   `json:"rollout"` // the version that is being rolled out
}

// parityRow is one thing that differs.
type parityRow struct {
	Key      string `json:"key"`
	A        any    `json:"a"`
	B        any    `json:"b"`
	Declared bool   `json:"declared"` // by environments: of mlx.yaml
}

// ofEnvironments says whether a comparison is about environments.
func ofEnvironments(found []target) bool {
	return slices.ContainsFunc(found, func(t target) bool { return t.Kind == refConfig && t.Section == "envs" })
}

// diffEnvironments compares two environments.
func (a *app) diffEnvironments(ctx context.Context, found []target, o diffOptions) error {
	var names []string
	for _, t := range found {
		if ofEnvironments([]target{t}) {
			names = append(names, t.Name)
		}
	}
	if len(found) != 2 || len(names) != 2 {
		return fault.New(fault.Usage, "cannot compare: an environment is compared with one other environment").Hint("mlx diff env:staging env:production")
	}
	if o.format != "" || len(o.outs) > 0 || len(o.paths) > 0 {
		return fault.New(fault.Usage, "cannot compare environments by paths, or write that as a table: only runs have one").Hint("mlx diff env:%s env:%s --json", names[0], names[1])
	}
	p, err := a.parityOf(names)
	if err != nil {
		return err
	}
	v := parityView{Kind: "parity/v1", Equal: true, A: fault.Ref{Kind: refEnvironment, Name: names[0]}, B: fault.Ref{Kind: refEnvironment, Name: names[1]},
		Services: []parityService{}, Values: p.values()}
	for _, name := range p.a.Services.Names() {
		one, err := p.service(ctx, name)
		if err != nil {
			return err
		}
		v.Services = append(v.Services, one)
		v.Equal = v.Equal && one.Equal
	}
	return a.emitDiff(v, v.Equal, func(t *cli.Text) { v.text(t) })
}

// parity compares two environments.
type parity struct {
	book  deploy.Book
	cfg   *repo.Config
	names []string
	a, b  *repo.Config // mlx.yaml as it is in each
}

func (a *app) parityOf(names []string) (p parity, err error) {
	if p.cfg, err = a.config(); err != nil {
		return p, err
	}
	l, err := a.ledger()
	if err != nil {
		return p, err
	}
	p.book, p.names = deploy.Book{Ledger: l}, names
	if p.a, err = p.cfg.In(names[0]); err != nil {
		return p, err
	}
	p.b, err = p.cfg.In(names[1])
	return p, err
}

// declared says whether one of the environments has a value of its own for one of the paths.
func (p parity) declared(paths ...string) bool {
	return slices.ContainsFunc(paths, func(path string) bool { return p.cfg.Declares(p.names[0], path) || p.cfg.Declares(p.names[1], path) })
}

// service compares a service: what mlx.yaml says, and what is in service by the records.
func (p parity) service(ctx context.Context, name string) (parityService, error) {
	v := parityService{Service: name, Equal: true, Settings: []parityRow{}, Release: []parityRow{}}
	x, _ := p.a.Services.Get(name)
	y, _ := p.b.Services.Get(name)
	v.Settings = p.settings(name, x, y)
	one, err := p.book.Service(ctx, repo.InEnvironment(name, p.names[0]))
	if err != nil {
		return v, err
	}
	other, err := p.book.Service(ctx, repo.InEnvironment(name, p.names[1]))
	if err != nil {
		return v, err
	}
	v.A, v.B = parityServedOf(one), parityServedOf(other)
	v.Release = p.release(name, sideOf{one.Current, x}, sideOf{other.Current, y})
	undeclared := func(r parityRow) bool { return !r.Declared }
	v.Equal = !slices.ContainsFunc(v.Settings, undeclared) && !slices.ContainsFunc(v.Release, undeclared)
	return v, nil
}

func parityServedOf(s deploy.Service) *parityServed {
	if s.Current == nil {
		return nil
	}
	v := &parityServed{Model: fault.Ref{Kind: refModel, ID: s.Current.Record.Hex(), Name: s.Current.Name()}, Release: s.Current.Key, Digest: s.Current.Digest.Hex()}
	if r, busy := s.Progress(); busy {
		v.Rollout = some(r.To.Name())
	}
	return v
}

// settings are the values of a service that differ.
func (p parity) settings(name string, x, y repo.Service) []parityRow {
	rows := []parityRow{}
	values := func(s repo.Service) (paths []string, texts map[string]any) {
		texts = map[string]any{}
		for _, v := range s.Values() {
			paths, texts[v.Path] = append(paths, v.Path), v.Text
		}
		return paths, texts
	}
	paths, here := values(x)
	more, there := values(y)
	for _, path := range more {
		if _, known := here[path]; !known {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		if here[path] != there[path] {
			rows = append(rows, parityRow{Key: path, A: here[path], B: there[path], Declared: p.declared("services." + name + "." + path)})
		}
	}
	return rows
}

// sideOf is what is in service in an environment, and what mlx.yaml says of the service there.
type sideOf struct {
	release *deploy.Release
	cfg     repo.Service
}

// release is how two releases differ. Of how it is served that is declared where each is served as mlx.yaml says for its environment, and one of
// them has a value of its own; else one of them still serves as it was said before.
func (p parity) release(name string, x, y sideOf) []parityRow {
	rows := []parityRow{}
	switch {
	case x.release == nil && y.release == nil:
		return rows
	case x.release == nil:
		return append(rows, parityRow{Key: "model", B: y.release.Name()})
	case y.release == nil:
		return append(rows, parityRow{Key: "model", A: x.release.Name()})
	}
	here, there := partsOf(*x.release), partsOf(*y.release)
	said, saidThere := serveParts(serveOf(x.cfg)), serveParts(serveOf(y.cfg))
	otherModel := x.release.Model != y.release.Model && x.release.Model == x.cfg.Model && y.release.Model == y.cfg.Model && p.declared("services."+name+".model")
	for i, part := range here {
		if part.value == there[i].value {
			continue
		}
		row := parityRow{Key: part.key, A: nullOrText(part.value), B: nullOrText(there[i].value)}
		if of, ofServing := said[part.key]; ofServing {
			row.Declared = part.value == of && there[i].value == saidThere[part.key] && p.declaredServing(name, part.key)
		} else {
			row.Declared = otherModel && part.key != "code"
		}
		rows = append(rows, row)
	}
	return rows
}

// declaredServing says whether what a part of a release says comes of a value that an environment has of its own.
func (p parity) declaredServing(name, part string) bool {
	at := "services." + name + "."
	if part == "env" {
		for _, environment := range p.names {
			changes, _ := p.cfg.Environments.Get(environment)
			if slices.ContainsFunc(changes.Names(), func(path string) bool { return strings.HasPrefix(path, at+"env.") }) {
				return true
			}
		}
		return false
	}
	if part == "start_timeout" || part == "stop_timeout" || part == "idempotent" {
		return p.declared(at + part)
	}
	return p.declared(at+part, at+"server", at+"model") // a server that mlx starts has its command, its protocol and its path by the model
}

// releasePart is one thing that a release consists of.
type releasePart struct{ key, value string }

// partsOf is a release taken apart.
func partsOf(r deploy.Release) []releasePart {
	digest := func(hex string, none bool) string {
		if none {
			return ""
		}
		return hex
	}
	s := serveParts(r.Serve)
	all := []releasePart{{"model", r.Name()}, {"digest", r.Digest.Hex()}, {"image", r.Image}, {"code", digest(r.Code.Hex(), r.Code.IsZero())},
		{"data", strings.Join(r.Data, " ")}, {"run", digest(r.Run.Hex(), r.Run.IsZero())}, {"commit", r.Commit}, {"stages", stagesWord(r)}}
	for _, key := range []string{"cmd", "env", "ready", "protocol", "start_timeout", "stop_timeout", "idempotent"} {
		all = append(all, releasePart{key, s[key]})
	}
	return all
}

// serveParts is how a release is served, by the keys of mlx.yaml.
func serveParts(s deploy.Serve) map[string]string {
	return map[string]string{"cmd": s.Command, "env": strings.Join(s.Env, " "), "ready": s.Ready, "protocol": s.Protocol,
		"start_timeout": repo.Duration{Duration: s.Start}.Text(), "stop_timeout": repo.Duration{Duration: s.Stop}.Text(), "idempotent": strconv.FormatBool(s.Idempotent)}
}

// nullOrText makes null of what is not there.
func nullOrText(value string) any {
	if value == "" {
		return nil
	}
	return value
}

// values are those that the environments declare beside the values of services.
func (p parity) values() []parityRow {
	rows := []parityRow{}
	x, _ := p.cfg.Environments.Get(p.names[0])
	y, _ := p.cfg.Environments.Get(p.names[1])
	paths := slices.Concat(x.Names(), y.Names())
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		here, hasHere := x.Get(path)
		there, hasThere := y.Get(path)
		if strings.HasPrefix(path, "services.") || hasHere && hasThere && here == there {
			continue
		}
		row := parityRow{Key: path, Declared: true}
		if hasHere {
			row.A = here.Text()
		}
		if hasThere {
			row.B = there.Text()
		}
		rows = append(rows, row)
	}
	return rows
}

// text prints what differs, and in one line what it comes to.
func (v parityView) text(t *cli.Text) {
	c := newComparison(t)
	c.head = append(c.head, cli.Str(v.A.Name), cli.Str(v.B.Name), cli.Str(""))
	add := func(section string, rows []parityRow) {
		for _, r := range rows {
			word := "not declared"
			if r.Declared {
				word = "declared"
			}
			c.add(section, r.Key, parityCell(r.Key, r.A), parityCell(r.Key, r.B), cli.Str(word))
		}
	}
	var others []string
	for _, s := range v.Services {
		add(s.Service, s.Settings)
		add(s.Service+" in service", s.Release)
		if !s.Equal {
			others = append(others, s.Service)
		}
	}
	add("other values", v.Values)
	c.write()
	if v.Equal {
		t.Line(cli.Str("parity"), cli.Str(cli.FormatNum(int64(len(v.Services)), "service")+", only declared values differ"))
		return
	}
	t.Line(cli.Str("no parity"), cli.Str(strings.Join(others, ", ")))
}

func parityCell(key string, v any) cli.Cell {
	switch key {
	case "digest", "code", "run", "commit":
		if text, ok := v.(string); ok {
			return cli.Hex(text, 12)
		}
	}
	return cellOrNone(v)
}
