package main

import (
	"context"
	"fmt"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/registry"
)

// signOff tells a sign-off, or that one was taken back.
func (t *teller) signOff(e *event) error {
	s, err := registry.Signed.Decode(e.rec)
	if err != nil {
		return err
	}
	e.what = signOffWords(s)
	e.text = cli.Sentence(e.what...)
	v := viewOfSignOff(e.rec, s)
	v.row = e.row("sign-off/v1")
	e.value = v
	return nil
}

// signOffWords tell a sign-off in one line.
func signOffWords(s registry.SignOff) []cli.Cell {
	cells := []cli.Cell{cli.Str(s.Kind)}
	if s.Withdrawn {
		cells = []cli.Cell{cli.Word(cli.RoleWarn, "withdrawn"), cli.Str(s.Kind)}
	}
	if s.Model != "" {
		cells = append(cells, cli.Str(signedName(s)))
	}
	cells = append(cells, cli.ID(s.Digest))
	if s.Message != "" {
		cells = append(cells, cli.Quoted(s.Message))
	}
	return cells
}

// signedName is the version that a sign-off names, as a person types it.
func signedName(s registry.SignOff) string { return fmt.Sprintf("%s@v%d", s.Model, s.Version) }

// signOffShown is the JSON of `mlx show` of a sign-off: sign-off/v1, and whether it counts now.
type signOffShown struct {
	signedView
	Counts bool   `json:"counts"`
	Why    string `json:"why"` // it does not; empty where it does
	signer string
}

// showSignOff shows a sign-off with the text that was signed.
func (a *app) showSignOff(ctx context.Context, rec lineage.Record) error {
	s, err := registry.Signed.Decode(rec)
	if err != nil {
		return err
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	all, err := r.SignOffs(ctx, s.Digest)
	if err != nil {
		return err
	}
	signers, err := a.signers(ctx, r.Ledger)
	if err != nil {
		return err
	}
	v := signOffShown{signedView: viewOfSignOff(rec, s)}
	p := registry.Proof{Version: signedName(s), Digest: s.Digest, Signers: signers}
	if name := p.NameOf(s.Fingerprint); name != s.Fingerprint {
		v.signer = name
	}
	at := slices.IndexFunc(all, func(o registry.SignedOff) bool { return o.Record == rec.ID })
	if at >= 0 {
		p.SignOffs = all[at : at+1]
		answer := p.Judge([]registry.Need{{SignOff: s.Kind}}, a.now()).Needs[0]
		if v.Counts = answer.Verdict == registry.Pass; !v.Counts {
			v.Why = cli.Sentence(cli.Str(answer.Said), cli.Str(answer.More))
		}
	}
	if s.Withdrawn {
		v.Why = "it takes back the sign-offs that it follows"
	}
	return a.streams.Emit(v, func(t *cli.Text) { signOffShownText(v, t) })
}

func signOffShownText(v signOffShown, t *cli.Text) {
	word := cli.Word(cli.RolePass, "counts")
	if !v.Counts {
		word = cli.Word(cli.RoleWarn, "does not count")
	}
	t.Line(cli.Fmt("sign-off %s", cli.Hex(v.ID, 12)), cli.Str(v.SignOff), word, cli.Str(v.Why), cli.Time(v.At), cli.Fmt("by %s", cli.Str(v.By)))
	if v.Model != nil {
		t.KeyValue(2, "model", cli.Str(v.Model.Name))
	}
	t.KeyValue(2, "bytes", cli.Hex(v.Digest, 12))
	t.KeyValue(2, "signed", cli.Time(v.SignedAt))
	t.KeyValue(2, "key", cli.Str(v.Fingerprint), cli.Str(v.signer))
	if v.Message != nil {
		t.KeyValue(2, "message", cli.Quoted(*v.Message))
	}
	for _, p := range v.Prev {
		t.KeyValue(2, "follows", cli.Hex(p, 12))
	}
}
