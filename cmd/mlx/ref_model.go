package main

import (
	"context"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

// refModel is a registered model as a whole, or with an ID, that of the record that registered it, one version.
const refModel = "model"

// registry reads and writes what is registered here.
func (a *app) registry() (registry.Registry, error) {
	l, err := a.ledger()
	if err != nil {
		return registry.Registry{}, err
	}
	return registry.Registry{Ledger: l, Now: a.now, Lock: func(ctx context.Context, model string) (func(), error) {
		r, err := a.repo()
		if err != nil {
			return nil, err
		}
		return r.Lock(ctx, []string{"model " + model}, func() { a.streams.Why("another mlx changes model %s: waiting for it", model) })
	}}, nil
}

// versionTarget is a version as what a reference names.
func versionTarget(v *registry.Version) target {
	return target{Kind: refModel, ID: v.Record, Name: v.Name(), Version: v}
}

// model finds a registered model, or with @ one of its versions. Whether the name is that of a model says if the word can
// mean one; what then is wrong with the rest of it is told only when nothing else has this name.
func (f *finder) model() {
	l := f.ledger()
	name, selector, picked := splitModel(f.r.word)
	if l == nil || registry.CheckName(name) != nil {
		return
	}
	r, err := f.app.registry()
	if err != nil {
		f.err = err
		return
	}
	m, err := r.Model(f.ctx, name)
	if fault.KindOf(err) == fault.NotFound {
		return
	}
	if err != nil {
		f.err = err
		return
	}
	if !picked {
		f.add(target{Kind: refModel, Name: m.Name, Model: m})
		return
	}
	v, err := m.Pick(selector)
	if err != nil {
		f.wrong = err
		return
	}
	t := versionTarget(v)
	t.Model = m
	f.add(t)
}

// splitModel takes NAME@SELECTOR apart.
func splitModel(word string) (name, selector string, picked bool) {
	at := strings.LastIndexByte(word, '@')
	if at <= 0 {
		return word, "", false
	}
	return word[:at], word[at+1:], true
}

// modelVersion is the version that a target of the kind refModel names: of a whole model the newest.
func (a *app) modelVersion(ctx context.Context, t target) (*registry.Model, *registry.Version, error) {
	r, err := a.registry()
	if err != nil {
		return nil, nil, err
	}
	if t.Model == nil {
		if t.ID.IsZero() {
			return r.Resolve(ctx, t.Name)
		}
		name, err := a.registeredName(ctx, r, t)
		if err != nil {
			return nil, nil, err
		}
		if t.Model, err = r.Model(ctx, name); err != nil {
			return nil, nil, err
		}
	}
	if t.ID.IsZero() {
		v, err := t.Model.Pick("")
		return t.Model, v, err
	}
	for _, v := range t.Model.Versions {
		if v.Record == t.ID {
			return t.Model, v, nil
		}
	}
	return nil, nil, fault.New(fault.NotFound, "cannot find %s: it is registered no longer", t.short()).Hint("mlx show model:%s", t.Model.Name)
}

// registeredName is the name that a model has now of which one version was registered by the record t.ID.
func (a *app) registeredName(ctx context.Context, r registry.Registry, t target) (string, error) {
	rec := t.Record
	if rec.ID.IsZero() {
		var err error
		if rec, err = r.Ledger.Get(ctx, t.ID); err != nil {
			return "", err
		}
	}
	body, err := registry.Registered.Decode(rec)
	if err != nil {
		return "", err
	}
	return r.NameNow(ctx, body.Model, rec.LC)
}

// versionBytes is a version of a model as the snapshot that keeps its bytes. What is no model stays as it is.
func (a *app) versionBytes(ctx context.Context, t target) (target, error) {
	if t.Kind != refModel {
		return t, nil
	}
	_, v, err := a.modelVersion(ctx, t)
	if err != nil {
		return t, err
	}
	if v.Root.IsZero() {
		return t, fault.New(fault.NotFound, "cannot read %s: its bytes are not kept here, only that it exists", v.Name()).Hint("mlx show %s", shellWord(v.Name()))
	}
	inner := t.Inner
	if v.Kind == "file" && (inner == v.Path || inner == baseName(v.Path)) {
		inner = ""
	}
	return target{Kind: refSnapshot, ID: v.Root, Name: v.Path, Inner: inner, Version: v}, nil
}

func baseName(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// runOfVersion is the run that wrote a version, as what a reference names. What is no model stays as it is.
func (a *app) runOfVersion(ctx context.Context, t target, doing string) (target, error) {
	if t.Kind != refModel {
		return t, nil
	}
	_, v, err := a.modelVersion(ctx, t)
	if err != nil {
		return t, err
	}
	if v.Run == nil {
		return t, fault.New(fault.NotFound, "cannot %s %s: no run is recorded that made it", doing, v.Name()).Hint("mlx show %s", shellWord(v.Name()))
	}
	return target{Kind: refRun, ID: *v.Run, Version: v}, nil
}
