package main

import (
	"context"
	"path"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// remoteVerifiedView is the part of verify/v1 that tells of a remote.
type remoteVerifiedView struct {
	Name         string             `json:"name"`
	Entries      uint64             `json:"entries"`
	Records      uint64             `json:"records"`
	Packs        int                `json:"packs"`
	Bytes        int64              `json:"bytes"` // read
	SampledShare float64            `json:"sampled_share"`
	Repaired     int                `json:"repaired"`
	Damage       []remoteDamageView `json:"damage"`
}

type remoteDamageView struct {
	damageView
	Repaired bool `json:"repaired"`
}

// verifyRemote reads a remote, and with repair sends again what is damaged there and whole here.
func (a *app) verifyRemote(ctx context.Context, v *verifyView, o verifyOptions) error {
	var how remote.VerifyOptions
	var err error
	if how.Sample, err = a.sampleOf(o); err != nil {
		return err
	}
	if o.divided {
		place, _, err := a.trustedRemote(ctx, o.remote)
		if err == nil {
			err = a.mayRead(place, o)
		}
		if err != nil {
			return err
		}
		how.Elsewhere = a.remoteInShards(o, place)
	}
	rem, err := a.openRemote(ctx, o.remote)
	if err != nil {
		return err
	}
	report, err := rem.Verify(ctx, how)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot verify %s: %w", rem.Describe(), remoteTrouble(err, rem.Name()))
	}
	if o.repair {
		if err := rem.Repair(ctx, report); err != nil {
			return err
		}
	}
	view := &remoteVerifiedView{Name: rem.Name(), Entries: report.Entries, Records: report.Records, Packs: report.Packs, Bytes: report.Bytes,
		SampledShare: report.Share, Repaired: report.Repaired, Damage: []remoteDamageView{}}
	for _, d := range report.Damage {
		one := remoteDamageView{damageView: damageView{Object: d.Object, Cause: d.Cause, Hurts: []hurtView{}}, Repaired: d.Repaired}
		for _, h := range d.Hurts {
			hex := ""
			if !h.Root.Root.IsZero() {
				hex = h.Root.Root.Hex()
			}
			one.Hurts = append(one.Hurts, hurtView{hex, path.Join(h.Root.Path, h.Path), h.Root.Root})
		}
		view.Damage = append(view.Damage, one)
	}
	v.Remote = view
	v.Clean = v.Clean && report.Clean()
	return nil
}

func (a *app) remoteVerifiedText(v *remoteVerifiedView, t *cli.Text) {
	left := 0
	for _, d := range v.Damage {
		word := cli.Word(cli.RoleFail, "damaged")
		if d.Repaired {
			word = cli.Word(cli.RolePass, "repaired")
		} else {
			left++
		}
		t.Line(word, cli.Str(d.Object), cli.Str(d.Cause))
		for _, h := range d.Hurts {
			if h.root == (object.Digest{}) {
				t.Indented(2, cli.Str("hurts"), cli.Str(h.Path))
				continue
			}
			t.Indented(2, cli.Str("hurts"), cli.ID(h.root), cli.Path(a.shown(h.Path)))
		}
	}
	cells := []cli.Cell{verifiedWord(left), cli.Str(v.Name), cli.Fmt("%s, %s", cli.Num(int64(v.Entries), "entry"), cli.Num(int64(v.Records), "record")), //nolint:gosec // counts
		cli.Num(int64(v.Packs), "pack"), cli.Fmt("%s read", cli.Bytes(v.Bytes))}
	if v.SampledShare < 1 {
		cells = append(cells, cli.Fmt("%s%% of the packs", cli.Str(cli.FormatFloat(100*v.SampledShare))))
	}
	t.Line(cells...)
}

// repairStore brings good copies of what is damaged here from the remotes that the user has allowed, until one has all.
func (a *app) repairStore(ctx context.Context, damage snapshot.Report) (repaired int, err error) {
	c, err := a.config()
	if err != nil {
		return 0, err
	}
	var last error
	for _, name := range c.Remotes.Names() {
		rem, err := a.openRemote(ctx, name)
		if err == nil {
			_, err = rem.Sync(ctx)
		}
		if err != nil {
			a.streams.Note("remote %s is no help: %v", name, err)
			continue
		}
		n, err := rem.RepairStore(ctx, damage)
		repaired += n
		if err == nil {
			return repaired, nil
		}
		if fault.KindOf(err) != fault.NotFound {
			return repaired, err
		}
		last = err
	}
	if last == nil {
		last = fault.New(fault.NotFound, "cannot repair: there is no remote that can be asked").Hint("mlx remote list")
	}
	a.streams.Note("%v", last)
	return repaired, nil
}
