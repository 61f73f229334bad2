package main

import (
	"context"
	"maps"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// modelShown is the JSON of `mlx show NAME@v3`: model/v1, and what is known of the version.
type modelShown struct {
	modelView
	Params    map[string]any        `json:"params"`
	Metrics   map[string]run.Number `json:"metrics"`
	Data      []fault.Ref           `json:"data"` // that its run read
	Commit    *string               `json:"commit"`
	Derived   *derivation           `json:"derived"` // null for a first version that names no parent
	Scan      *scanView             `json:"scan"`    // the newest of these bytes
	SignOffs  []heldSignOff         `json:"sign_offs"`
	Judged    []judgement           `json:"judged"`
	Converted *convertedView        `json:"converted"` // how it differs from what it was converted from; null: it was not
	Packages  []packageView         `json:"packages"`  // newest first, each place of each
	Policy    *policyView           `json:"policy"`    // of the next stage that mlx.yaml has a policy for
	AsOf      *time.Time            `json:"as_of"`     // with --at

	version *registry.Version
	made    *run.View
	next    *registry.Decision
}

type scanView struct {
	Verdict  string    `json:"verdict"`
	Findings int       `json:"findings"`
	At       time.Time `json:"at"`
	Record   string    `json:"record"`
}

type heldSignOff struct {
	Kind        string    `json:"kind"`
	By          string    `json:"by"` // name of the key, or its fingerprint
	Fingerprint string    `json:"fingerprint"`
	SignedAt    time.Time `json:"signed_at"`
	Message     *string   `json:"message"`
	Stands      bool      `json:"stands"` // it was neither taken back nor followed by another
	Record      string    `json:"record"`
}

// showModel shows a model, or one version of it; at limits it to what was known then.
func (a *app) showModel(ctx context.Context, t target, o showOptions) error {
	ctx = lineage.Steady(ctx)
	m, v, err := a.modelAt(ctx, t, o)
	if err != nil {
		return err
	}
	if v == nil {
		return a.streams.Emit(viewOfModel(m), func(t *cli.Text) { modelText(m, t) })
	}
	if o.then.IsZero() {
		if v, err = a.tagged(ctx, v); err != nil {
			return err
		}
	}
	shown, err := a.versionShown(ctx, m, v)
	if err != nil {
		return err
	}
	if !o.then.IsZero() {
		at := o.then.UTC()
		shown.AsOf = &at
	}
	return a.streams.Emit(shown, func(t *cli.Text) { shown.text(a, t) })
}

// tagged is a version with what mlx tag says of it, which wins over what an MLflow client said.
func (a *app) tagged(ctx context.Context, v *registry.Version) (*registry.Version, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	found, err := tagsOf(ctx, l, v.Record)
	if err != nil || len(found) == 0 {
		return v, err
	}
	with := *v
	if with.Tags = maps.Clone(v.Tags); with.Tags == nil {
		with.Tags = map[string]string{}
	}
	for _, said := range found[v.Record] {
		with.Tags[said.Name] = said.Value
	}
	return &with, nil
}

// showThen shows a model as it was.
func (a *app) showThen(ctx context.Context, o showOptions) error {
	var err error
	if o.then, err = cli.ParseTime(o.at); err != nil {
		return fault.New(fault.Usage, "cannot read time %q", o.at).Hint("--at 2026-05-01 or 2026-05-01T13:00:00Z")
	}
	if o.format != "" || len(o.outs) > 0 || o.rows > 0 || len(o.columns) > 0 {
		return fault.New(fault.Usage, "--at shows a model, which has no other forms").Hint("mlx show %s --at %s --json", shellWord(o.ref), o.at)
	}
	return a.showModel(ctx, target{}, o)
}

// modelAt is the model that a target names and, if it names one, the version.
func (a *app) modelAt(ctx context.Context, t target, o showOptions) (*registry.Model, *registry.Version, error) {
	if !o.then.IsZero() {
		return a.modelThen(ctx, o)
	}
	if t.ID.IsZero() {
		return t.Model, nil, nil
	}
	return a.modelVersion(ctx, t)
}

// modelThen is modelAt with what was known at a time.
func (a *app) modelThen(ctx context.Context, o showOptions) (*registry.Model, *registry.Version, error) {
	r, err := a.registry()
	if err != nil {
		return nil, nil, err
	}
	name, selector, picked := splitModel(strings.TrimPrefix(o.ref, refModel+":"))
	m, err := r.At(ctx, name, o.then)
	if err != nil {
		return nil, nil, err
	}
	if !picked {
		return m, nil, nil
	}
	v, err := m.Pick(selector)
	if err != nil {
		return nil, nil, fault.New(fault.KindOf(err), "%w (as of %s)", err, o.then.UTC().Format(time.RFC3339)).Hint("mlx log model:%s   # says who was where when", name)
	}
	return m, v, nil
}

// versionShown collects what is known of a version.
func (a *app) versionShown(ctx context.Context, m *registry.Model, v *registry.Version) (modelShown, error) {
	s := modelShown{modelView: viewOfVersion(v), Params: map[string]any{}, Metrics: map[string]run.Number{}, Data: []fault.Ref{},
		SignOffs: []heldSignOff{}, Judged: []judgement{}, Packages: []packageView{}, version: v}
	var err error
	if s.made, err = a.viewOfMaker(ctx, v); err != nil {
		return s, err
	}
	if s.made != nil {
		s.Params, s.Metrics, s.Data, s.Commit = s.made.Params, s.made.Metrics, s.made.Data, s.made.Commit
	}
	if s.Derived, err = a.derivationOf(ctx, m, v, s.made); err != nil {
		return s, err
	}
	proof, err := a.proofOf(ctx, v)
	if err != nil {
		return s, err
	}
	s.evidence(proof)
	if s.Converted, err = a.conversionOf(ctx, v); err != nil {
		return s, err
	}
	packages, err := a.packagesOf(ctx, v)
	if err != nil {
		return s, err
	}
	for _, p := range packages {
		s.Packages = append(s.Packages, p.view())
	}
	return s, a.nextPolicy(proof, &s)
}

// viewOfMaker is the run that made a version; nil when none is named, or it is not known here.
func (a *app) viewOfMaker(ctx context.Context, v *registry.Version) (*run.View, error) {
	if v.Run == nil {
		return nil, nil
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	view, err := a.history(l).Get(ctx, *v.Run)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // its records are on another machine
	}
	return &view, err
}

// evidence shows what was found, signed and judged.
func (s *modelShown) evidence(p registry.Proof) {
	if len(p.Scans) > 0 {
		n := p.Scans[0]
		s.Scan = &scanView{Verdict: n.Verdict, Findings: n.Count, At: n.At.UTC(), Record: n.Record.Hex()}
	}
	for _, o := range p.SignOffs {
		if o.Withdrawn {
			continue
		}
		v := heldSignOff{Kind: o.Kind, By: p.NameOf(o.Fingerprint), Fingerprint: o.Fingerprint, SignedAt: o.SignedAt.UTC(), Message: some(o.Message), Stands: o.Over == nil,
			Record: o.Record.Hex()}
		s.SignOffs = append(s.SignOffs, v)
	}
	for _, g := range p.Gates {
		s.Judged = append(s.Judged, judgement{ID: g.Record.Hex(), Verdict: gateVerdict(g.Verdict), Gates: []string{g.Gate}, At: g.At.UTC()})
	}
}

// nextPolicy judges a move to the next stage for which there is a policy.
func (a *app) nextPolicy(p registry.Proof, s *modelShown) error {
	ahead := false
	for _, stage := range []registry.Stage{registry.Experimenting, registry.Staging, registry.Production} {
		if stage == s.version.Stage {
			ahead = true
			continue
		}
		if !ahead && s.version.Stage != registry.Archived {
			continue
		}
		needs, err := a.needsOf(stage)
		if err != nil {
			return err
		}
		if len(needs) == 0 {
			continue
		}
		d := p.Judge(needs, a.now())
		d.Record, d.From, d.To = s.version.Record, s.version.Stage, stage
		view := viewOfDecision(d)
		s.Policy, s.next = &view, &d
		return nil
	}
	return nil
}

// addModels adds the versions of models that were made of what a run wrote.
func (v *runShown) addModels(ctx context.Context, l *lineage.Ledger) error {
	for rec, err := range l.Referring(ctx, v.RunID) {
		if err != nil {
			return err
		}
		if b, err := registry.Registered.Decode(rec); err == nil && b.Run != nil && *b.Run == v.RunID {
			v.Versions = append(v.Versions, refOf(refModel, rec.ID.Hex(), b.Name()))
		}
	}
	return nil
}
