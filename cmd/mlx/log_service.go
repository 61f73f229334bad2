package main

import (
	"context"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
)

// rolloutOf says which rollout of which service a record tells of.
func rolloutOf(rec lineage.Record) (service string, id object.Digest, err error) {
	switch {
	case deploy.Planned.Is(rec):
		b, err := deploy.Planned.Decode(rec)
		return b.Service, rec.ID, err
	case deploy.Moved.Is(rec):
		b, err := deploy.Moved.Decode(rec)
		return b.Service, b.Rollout, err
	case deploy.Asked.Is(rec):
		b, err := deploy.Asked.Decode(rec)
		return b.Service, b.Rollout, err
	case deploy.Observed.Is(rec):
		b, err := deploy.Observed.Decode(rec)
		return b.Service, b.Rollout, err
	case deploy.Restored.Is(rec):
		b, err := deploy.Restored.Decode(rec)
		return b.Service, rec.ID, err
	}
	return "", object.Digest{}, nil
}

// collectService adds what happened to a service: of each rollout the last record, which stands for all of it, and the runs that made what
// was rolled out.
func (a *app) collectService(ctx context.Context, name string, ids map[object.Digest]lineage.Record) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	told := map[object.Digest]bool{}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"deploy"}, Inputs: []object.Digest{deploy.Named(name).ID}, All: true}) {
		if err != nil {
			return err
		}
		_, id, err := rolloutOf(rec)
		if err != nil {
			return err
		}
		if !told[id] {
			told[id] = true
			ids[rec.ID] = rec
		}
	}
	known, err := deploy.Book{Ledger: l}.Service(ctx, name)
	if err != nil {
		return err
	}
	for _, r := range known.Rollouts {
		for _, part := range r.To.Parts() {
			if part.Run.IsZero() {
				continue
			}
			if rec, err := a.recordOfRun(ctx, part.Run); err == nil { // the run may be known to another clone only
				ids[rec.ID] = rec
			}
		}
	}
	return nil
}

// rolloutRow is a row of log about a rollout.
type rolloutRow struct {
	row
	Service string `json:"service"`
	Rollout string `json:"rollout"`
	State   string `json:"state"`
	To      string `json:"to"`
	Actor   string `json:"actor"`
}

// toldService is what the records say of a service, and how each of its rollouts is told.
type toldService struct {
	deploy.Service
	lines map[object.Digest]deploy.Line
}

// servicesOf reads what the records say of a service, once.
func (a *app) servicesOf(ctx context.Context) func(name string) (toldService, error) {
	read := map[string]toldService{}
	return func(name string) (toldService, error) {
		if known, ok := read[name]; ok {
			return known, nil
		}
		l, err := a.ledger()
		if err != nil {
			return toldService{}, err
		}
		s, err := deploy.Book{Ledger: l}.Service(ctx, name)
		if err != nil {
			return toldService{}, err
		}
		known := toldService{s, map[object.Digest]deploy.Line{}}
		for _, line := range s.Story() {
			known.lines[line.ID] = line
		}
		read[name] = known
		return known, nil
	}
}

// deployed tells a rollout by its last record: how far it is, or what became of it.
func (t *teller) deployed(e *event) error {
	name, id, err := rolloutOf(e.rec)
	if err != nil {
		return err
	}
	known, err := t.services(name)
	if err != nil {
		return err
	}
	r, found := known.Rollout(id)
	if !found {
		t.other(e)
		return nil
	}
	line := known.lines[id]
	e.what = []cli.Cell{cli.Str(name), cli.Str(line.Text), cli.Fmt("by %s", cli.Str(line.By))}
	e.text = cli.Sentence(e.what...)
	e.id = id
	e.value = rolloutRow{row: e.row("deploy/v1"), Service: name, Rollout: id.Hex(), State: string(r.State), To: r.To.Name(), Actor: line.By}
	return nil
}

// deployable says whether versions are deployed to what is asked about: a service, or an environment.
func deployable(t target) bool {
	return t.Kind == refConfig && (t.Section == "services" || t.Section == "envs")
}

// collectDeployed adds what was deployed to a service, or to all services of an environment.
func (a *app) collectDeployed(ctx context.Context, t target, ids map[object.Digest]lineage.Record) error {
	if t.Section == "services" {
		return a.collectService(ctx, t.Name, ids)
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	for _, name := range cfg.Services.Names() {
		if err := a.collectService(ctx, repo.InEnvironment(name, t.Name), ids); err != nil {
			return err
		}
	}
	return nil
}
