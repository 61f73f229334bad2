package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/registry"
	"mlx/internal/repo"
)

type modelSignOptions struct {
	ref      string
	kind     string
	key      string
	message  string
	out      string
	withdraw bool
}

func newModelSign(a *app) *cobra.Command {
	var o modelSignOptions
	cmd := &cobra.Command{
		Use:   "sign REF",
		Short: "Sign off exactly these bytes",
		Long: `Records that you stand for the bytes of a version: signed with your SSH key, dated, and bound to their digest, so that it says
nothing about any other version. REF is a version of a model, an output of a run or other data that is kept. The key must be one that
is trusted here: mlx key add, or trusted_keys of mlx.yaml. Without --key it is the one that git signs with (gpg.format ssh). A .pub
file means the key in your ssh-agent.

With -o the signature of OpenSSF model signing is written as well, which the tool model-signing and mlx verify --signature check; it
needs an ECDSA key in a file. --withdraw takes back what was signed off as this kind.`,
		Example: `mlx model sign flights@v1 --kind security -m "threat model reviewed"
mlx model sign flights@v1 --kind security --key release-key -o model.sig
mlx model sign flights@v1 --kind security --withdraw -m "the review missed a dependency"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return modelSignRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.kind, "kind", "", "what you stand for: security, ethics, legal, or another `WORD`")
	flags.StringVar(&o.key, "key", "", "sign with the SSH key in `FILE`; of a .pub file, with the ssh-agent's")
	flags.StringVarP(&o.message, "message", "m", "", "`TEXT` to go with it; to withdraw, the reason")
	flags.StringVarP(&o.out, "out", "o", "", "also write the OpenSSF signature to `FILE`")
	flags.BoolVar(&o.withdraw, "withdraw", false, "take back what was signed off")
	completeFlag(cmd, "kind", a.completeSignOffKinds)
	return cmd
}

// check finds mistakes in the flags before anything is read.
func (o modelSignOptions) check() error {
	switch {
	case o.kind == "":
		return fault.New(fault.Usage, "cannot sign off %s: what do you stand for?", o.ref).Hint("mlx model sign %s --kind security", shellWord(o.ref))
	case o.withdraw && o.message == "":
		return fault.New(fault.Usage, "cannot withdraw without a reason").
			Hint("mlx model sign %s --kind %s --withdraw -m WHY", shellWord(o.ref), shellWord(o.kind))
	case o.withdraw && o.out != "":
		return fault.New(fault.Usage, "cannot withdraw an OpenSSF signature: it is a file, and whoever has it can show it")
	}
	return registry.CheckSignOffKind(o.kind)
}

func modelSignRun(ctx context.Context, a *app, o modelSignOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	b, err := a.exactly(ctx, o.ref)
	if err != nil {
		return err
	}
	if b.digest.IsZero() {
		return fault.New(fault.NotFound, "cannot sign off %s: mlx does not have its bytes, and a sign-off is for exact bytes", b.name)
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	signer, err := a.signer(ctx, o.key)
	if err != nil {
		return err
	}
	known, err := a.signers(ctx, r.Ledger)
	if err != nil {
		return err
	}
	if !counts(known, signer.Fingerprint()) {
		public := "FILE.pub"
		if o.key != "" {
			public = shellWord(strings.TrimSuffix(o.key, ".pub") + ".pub")
		}
		return fault.New(fault.Denied, "cannot sign off: key %s is not trusted here, so that nobody would believe it", signer.Fingerprint()).
			Hint("mlx key add %s   # the public half", public)
	}
	signature, err := a.openSSF(ctx, o, b, signer)
	if err != nil {
		return err
	}
	s := registry.SignOff{Kind: o.kind, Digest: b.digest, Root: b.root, SignedAt: a.now(), Message: o.message, Withdrawn: o.withdraw}
	if b.version != nil {
		s.Model, s.Version = b.version.Model, b.version.Version
	}
	if s, err = s.Sign(signer); err != nil {
		return err
	}
	rec, err := r.SignOff(ctx, s, b.version)
	if err != nil {
		return err
	}
	v := viewOfSignOff(rec, s)
	if signature != nil {
		if err := repo.WriteFile(o.out, signature, 0o666); err != nil {
			return fault.New(fault.KindOf(err), "cannot write %s: %w", o.out, err)
		}
		v.Out = &o.out
	}
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { signOffText(v, t) })
}

// openSSF makes the OpenSSF signature that -o asks for, nil without it. It reads the bytes whole.
func (a *app) openSSF(ctx context.Context, o modelSignOptions, b exactBytes, signer lineage.Signer) ([]byte, error) {
	if o.out == "" {
		return nil, nil
	}
	key := signer.ECDSA()
	if key == nil {
		return nil, fault.New(fault.Usage, "cannot write %s: OpenSSF signatures need an ECDSA key in a file, and this key is another", o.out).
			Hint("ssh-keygen -t ecdsa -b 256 -f release-key   # then mlx key add release-key.pub and --key release-key")
	}
	if err := a.whole(ctx, b); err != nil {
		return nil, err
	}
	m, err := a.model(ctx, b)
	if err != nil {
		return nil, err
	}
	return registry.SignModel(ctx, m, key)
}

// signedView is sign-off/v1.
type signedView struct {
	row
	SignOff     string     `json:"sign_off"` // security, ethics, …
	Digest      string     `json:"digest"`
	Model       *fault.Ref `json:"model"` // as it was named; null where something else was signed
	SignedAt    time.Time  `json:"signed_at"`
	Message     *string    `json:"message"`
	Fingerprint string     `json:"fingerprint"`
	Signature   string     `json:"signature"`
	Signed      string     `json:"signed"` // the text that the signature is of
	Withdrawn   bool       `json:"withdrawn"`
	Out         *string    `json:"out"` // where the OpenSSF signature was written
}

func viewOfSignOff(rec lineage.Record, s registry.SignOff) signedView {
	e := event{rec: rec, id: rec.ID}
	e.text = cli.Sentence(signOffWords(s)...)
	v := signedView{row: e.row("sign-off/v1"), SignOff: s.Kind, Digest: s.Digest.Hex(), SignedAt: s.SignedAt, Message: some(s.Message),
		Fingerprint: s.Fingerprint, Signature: s.Signature, Signed: string(s.Text()), Withdrawn: s.Withdrawn}
	if s.Model != "" {
		ref := refOf(refModel, "", signedName(s))
		for _, in := range rec.In {
			if in.Role == "version" {
				ref.ID = in.ID.Hex()
			}
		}
		v.Model = &ref
	}
	return v
}

func signOffText(v signedView, t *cli.Text) {
	word := "signed off"
	if v.Withdrawn {
		word = "withdrawn"
	}
	cells := []cli.Cell{cli.Fmt("%s %s", cli.Str(word), cli.Hex(v.ID, 12)), cli.Str(v.SignOff)}
	if v.Model != nil {
		cells = append(cells, cli.Str(v.Model.Name))
	}
	t.Line(append(cells, cli.Hex(v.Digest, 12), cli.Str(v.Fingerprint))...)
	if v.Out != nil {
		t.Line(cli.Str("wrote"), cli.Path(*v.Out))
	}
}
