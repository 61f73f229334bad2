package main

import (
	"context"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
)

// maxKeyFile bounds what is read as a public key.
const maxKeyFile = 64 << 10

func newKey(a *app) *cobra.Command {
	return noun("key", "List, trust or revoke signing keys", newKeyList(a), newKeyAdd(a), newKeyRevoke(a))
}

// keyView is a row of `mlx key list`, and the JSON of what changes a key.
type keyView struct {
	Kind        string     `json:"kind"`
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Fingerprint string     `json:"fingerprint"`
	Public      string     `json:"public"`
	State       string     `json:"state"` // trusted, revoked
	AddedAt     time.Time  `json:"added_at"`
	By          string     `json:"by"`
	RevokedAt   *time.Time `json:"revoked_at"`
	Reason      *string    `json:"reason"`
}

func viewOfKey(k lineage.Key) keyView {
	v := keyView{Kind: "key/v1", ID: k.ID.Hex(), Name: k.Name, Fingerprint: k.Fingerprint, Public: k.Public, State: "trusted",
		AddedAt: k.AddedAt.UTC(), By: k.By}
	if k.Revoked {
		v.State, v.RevokedAt, v.Reason = "revoked", &k.RevokedAt, &k.Reason
	}
	return v
}

func (v keyView) cells() []cli.Cell {
	role := cli.RolePass
	if v.State == "revoked" {
		role = cli.RoleFail
	}
	return []cli.Cell{cli.Word(role, v.State), cli.Hex(v.ID, 12), cli.Str(v.Name), cli.Str(v.Fingerprint), cli.Time(v.AddedAt)}
}

func newKeyList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys whose signatures count, and those revoked",
		Example: "mlx key list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.ledger()
			if err != nil {
				return err
			}
			keys, err := l.Keys(cmd.Context())
			if err != nil {
				return err
			}
			if len(keys) == 0 {
				a.streams.Hint("mlx key add FILE", "trust an SSH public key")
			}
			return a.streams.List([]string{"STATE", "ID", "NAME", "FINGERPRINT", "ADDED"}, keyRows(keys))
		},
	}
}

func keyRows(keys []lineage.Key) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		for _, k := range keys {
			v := viewOfKey(k)
			if !yield(cli.Item{Value: v, Cells: v.cells()}, nil) {
				return
			}
		}
	}
}

func newKeyAdd(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "add FILE",
		Short:   "Trust the SSH public key in FILE",
		Example: "mlx key add keys/ana.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return keyAddRun(cmd.Context(), a, args[0], name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the owner; default: the comment in the file")
	return cmd
}

func keyAddRun(ctx context.Context, a *app, file, name string) error {
	text, err := a.readFile(file, maxKeyFile)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot add the key: %w", err)
	}
	if len(text) > maxKeyFile {
		return fault.New(fault.Usage, "cannot add the key: %s is no public key, it has more than %s", file, cli.FormatBytes(maxKeyFile))
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	k, err := l.AddKey(ctx, text, name)
	if fault.KindOf(err) == fault.Usage && len(fault.Hints(err)) == 0 {
		return fault.New(fault.Usage, "%w", err).Hint("ssh-keygen -t ed25519 -f signing-key   # makes a pair; signing-key.pub is the public half")
	}
	if err != nil {
		return err
	}
	return a.emitKey(k)
}

func newKeyRevoke(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Stop trusting a key, by its id or fingerprint",
		Example: `mlx key revoke ana -m "laptop lost"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return keyRevokeRun(cmd.Context(), a, args[0], reason)
		},
	}
	cmd.Flags().StringVarP(&reason, "message", "m", "", "`REASON`")
	return cmd
}

// keyRevokeRun also takes the name of a key, when just one trusted key has it.
func keyRevokeRun(ctx context.Context, a *app, word, reason string) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	keys, err := l.Keys(ctx)
	if err != nil {
		return err
	}
	named := 0
	id := word
	for _, k := range keys {
		if k.Name == word && !k.Revoked {
			named++
			id = k.ID.Hex()
		}
	}
	if named > 1 {
		return fault.New(fault.Conflict, "cannot revoke %q: %d keys have this name", word, named).Hint("mlx key list")
	}
	k, err := l.RevokeKey(ctx, id, reason)
	if err != nil {
		return err
	}
	return a.emitKey(k)
}

func (a *app) emitKey(k lineage.Key) error {
	v := viewOfKey(k)
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { t.Line(v.cells()[:4]...) })
}
