package main

import (
	"context"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// judgeMove says whether the policy of mlx.yaml lets a version move to a stage. The bytes of the version are read whole and compared with
// the digest that all evidence is bound to: what they no longer fit is an error of the kind Integrity, whatever the evidence says. To be
// archived needs nothing.
func (a *app) judgeMove(ctx context.Context, v *registry.Version, to registry.Stage) (registry.Decision, error) {
	needs, err := a.needsOf(to)
	if err != nil {
		return registry.Decision{}, err
	}
	if len(needs) > 0 && !v.Root.IsZero() {
		if err := a.whole(ctx, bytesOf(v)); err != nil {
			return registry.Decision{}, err
		}
	}
	return a.judgeEvidence(ctx, v, to)
}

// judgeEvidence is judgeMove of a version whose bytes are compared elsewhere.
func (a *app) judgeEvidence(ctx context.Context, v *registry.Version, to registry.Stage) (registry.Decision, error) {
	needs, err := a.needsOf(to)
	if err != nil {
		return registry.Decision{}, err
	}
	proof, err := a.proofOf(ctx, v)
	if err != nil {
		return registry.Decision{}, err
	}
	d := proof.Judge(needs, a.now())
	d.Record, d.From, d.To = v.Record, v.Stage, to
	return d, nil
}

// needsOf is what mlx.yaml asks of a move to a stage.
func (a *app) needsOf(to registry.Stage) ([]registry.Need, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	list, _ := cfg.Policy.Get(string(to))
	needs := make([]registry.Need, 0, len(list))
	for _, n := range list {
		needs = append(needs, needOf(n))
	}
	return needs, nil
}

func needOf(n repo.Need) registry.Need {
	return registry.Need{Gate: n.Gate, Scan: n.Scan, SignOff: n.SignOff, By: n.By, MaxAge: n.MaxAge.Duration, AgeText: ageText(n.MaxAge.Duration)}
}

// ageText writes an age in the largest unit that fits whole, as mlx.yaml does.
func ageText(d time.Duration) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d >= unit.size && d%unit.size == 0 {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name
		}
	}
	return d.String()
}

// proofOf collects what is known about the bytes of a version.
func (a *app) proofOf(ctx context.Context, v *registry.Version) (registry.Proof, error) {
	ctx = lineage.Steady(ctx)
	p := registry.Proof{Version: v.Name(), Digest: v.Digest, Rules: scanRules()}
	r, err := a.registry()
	if err != nil {
		return p, err
	}
	if err := a.provenBy(ctx, r, v.Record, &p); err != nil {
		return p, err
	}
	if !v.Digest.IsZero() {
		if err := a.provenBy(ctx, r, v.Digest, &p); err != nil {
			return p, err
		}
	}
	if p.Signers, err = a.signers(ctx, r.Ledger); err != nil {
		return p, err
	}
	runID, err := a.makerOf(ctx, r.Ledger, v)
	if err != nil {
		return p, err
	}
	if !runID.IsZero() {
		p.Run = "run:" + runID.Short()
		err = a.provenBy(ctx, r, runID, &p)
	}
	return p, err
}

// provenBy adds what is said of a thing: of the bytes of the version what was found in them and who stands for them, of everything the
// verdicts.
func (a *app) provenBy(ctx context.Context, r registry.Registry, id object.Digest, p *registry.Proof) error {
	about, err := r.About(ctx, id)
	if err != nil {
		return err
	}
	if id == p.Digest {
		if p.Scans, err = registry.ScansIn(about, id); err != nil {
			return err
		}
		if p.SignOffs, err = registry.SignOffsIn(about, id); err != nil {
			return err
		}
	}
	return a.judged(ctx, about, id, p)
}

// makerOf is the run that wrote the bytes of a version: the one that its registration names, if that run says so itself. Zero: none.
func (a *app) makerOf(ctx context.Context, l *lineage.Ledger, v *registry.Version) (object.Digest, error) {
	if v.Run == nil || v.Digest.IsZero() {
		return object.Digest{}, nil
	}
	account, err := a.history(l).Account(ctx, *v.Run)
	if fault.KindOf(err) == fault.NotFound {
		a.streams.Why("run %s is not known here", v.Run.Short())
		return object.Digest{}, nil
	}
	if err != nil {
		return object.Digest{}, err
	}
	if !wrote(account.Body, v) {
		a.streams.Why("run %s did not write the bytes of %s", v.Run.Short(), v.Name())
		return object.Digest{}, nil
	}
	return account.RunID, nil
}

// wrote reports whether a run says that it wrote the bytes of a version.
func wrote(b run.Body, v *registry.Version) bool {
	for _, o := range b.Outputs {
		if o.Digest == v.Digest && o.Root == v.Root {
			return true
		}
	}
	for _, m := range b.Models {
		if m.Root == v.Root && v.Root == v.Digest {
			return true
		}
	}
	return false
}

// judged adds the verdicts on a thing, newest first, and what is said of it in a way that this version must not pass over.
func (a *app) judged(ctx context.Context, about []lineage.Record, id object.Digest, p *registry.Proof) error {
	for _, rec := range about {
		if isCritical(rec) {
			p.Unknown = append(p.Unknown, registry.Unknown{Kind: rec.Kind, Record: rec.ID})
		}
		if !gate.Judged.Is(rec) {
			continue
		}
		report, err := gate.Judged.Decode(rec)
		if err != nil {
			return err
		}
		now, err := a.sameChecks(ctx, report)
		if err != nil {
			return err
		}
		for _, g := range report.Gates {
			if g.For.ID == id {
				p.Gates = append(p.Gates, registry.GateProof{Gate: g.Name, Verdict: registry.Verdict(g.Verdict), Subject: id.Hex(), Record: rec.ID, At: rec.At, Now: now})
			}
		}
	}
	return nil
}

// sameChecks reports whether a judgement was made by the checks that its gates have in mlx.yaml now.
func (a *app) sameChecks(ctx context.Context, report gate.Report) (bool, error) {
	cfg, err := a.config()
	if err != nil {
		return false, err
	}
	names := make([]string, len(report.Gates))
	for i, g := range report.Gates {
		if _, ok := cfg.Gates.Get(g.Name); !ok {
			return false, nil
		}
		names[i] = g.Name
	}
	specs, err := a.specsOf(ctx, repo.ConfigName, cfg, names)
	if err != nil {
		return false, err
	}
	config, err := gate.ConfigOf(specs)
	return err == nil && len(specs) == len(names) && config == report.Config, err
}
