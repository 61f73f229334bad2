package main

import (
	"context"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/repo"
)

// changeRecipients makes an encrypted remote be for others from now on: first its keyring, then mlx.yaml. If the remote
// cannot be changed, nothing is.
func (a *app) changeRecipients(ctx context.Context, name string, old repo.Remote, to []string) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	before, err := a.config()
	if err != nil {
		return err
	}
	rem, err := a.openRemote(ctx, name)
	if err != nil {
		return err
	}
	rem.For(to)
	if _, err := rem.Rekey(ctx); err != nil {
		return remoteTrouble(err, name)
	}
	changed := old
	changed.Encrypt = to
	if _, err := r.RemoveRemote(name); err != nil {
		return err
	}
	if _, err := r.AddRemote(name, changed, before.Default() == name); err != nil {
		return err
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	if err := t.Approve(repo.TrustItem{Kind: repo.TrustRemote, Name: name, Value: changed.TrustValue()}); err != nil {
		return err
	}
	v := remoteChange{remoteView: viewOfRemote(name, changed), Changed: true}
	v.Default, v.Trusted = before.Default() == name, true
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) {
		t.Line(cli.Str("changed"), cli.Str(name), cli.Str(v.URL), cli.Num(int64(len(to)), "recipient"))
	}); err != nil {
		return err
	}
	if slices.ContainsFunc(old.Encrypt, func(who string) bool { return !slices.Contains(to, who) }) {
		a.streams.Note("who was removed cannot read what is sent from now on, and still can read what was sent before")
	}
	return nil
}

func sameRecipients(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
