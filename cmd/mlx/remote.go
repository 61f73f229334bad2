package main

import (
	"iter"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/remote"
	"mlx/internal/repo"
)

func newRemote(a *app) *cobra.Command {
	return noun("remote", "List, add, forget or try places that share data and records",
		newRemoteList(a), newRemoteAdd(a), newRemoteRemove(a), newRemoteCheck(a))
}

// remoteView is a row of `mlx remote list`.
type remoteView struct {
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	URL       string     `json:"url"`
	Default   bool       `json:"default"`
	Region    *string    `json:"region"`
	Keep      *string    `json:"keep"`
	Encrypted bool       `json:"encrypted"`
	Trusted   bool       `json:"trusted"`
	SeenAt    *time.Time `json:"seen_at"` // when this clone last read the remote's log
}

// remoteChange is the JSON of what adds or removes a remote.
type remoteChange struct {
	remoteView
	Changed bool `json:"changed"`
}

func viewOfRemote(name string, r repo.Remote) remoteView {
	v := remoteView{Kind: "remote/v1", Name: name, URL: r.URL, Encrypted: len(r.Encrypt) > 0}
	if r.Region != "" {
		v.Region = &r.Region
	}
	if r.Keep.Duration != 0 {
		text := r.Keep.Text()
		v.Keep = &text
	}
	return v
}

func (v remoteView) cells() []cli.Cell {
	marked := func(on bool, yes, no string) cli.Cell {
		if on {
			return cli.Str(yes)
		}
		return cli.Str(no)
	}
	optional := func(s *string) cli.Cell {
		if s == nil {
			return cli.None()
		}
		return cli.Str(*s)
	}
	trusted := cli.Word(cli.RoleWarn, "not allowed")
	if v.Trusted {
		trusted = cli.Word(cli.RolePass, "allowed")
	}
	return []cli.Cell{cli.Str(v.Name), cli.Str(v.URL), marked(v.Default, "default", ""), optional(v.Region), optional(v.Keep),
		marked(v.Encrypted, "encrypted", "plain"), trusted}
}

func newRemoteList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List remotes, and whether you have allowed them here",
		Example: "mlx remote list",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			t, err := a.allowed()
			if err != nil {
				return err
			}
			if c.Remotes.Len() == 0 {
				a.streams.Hint("mlx remote add NAME URL", "file:///srv/share, s3://bucket/folder, gs://, azblob:// or git:origin")
			}
			_, usual, err := a.chosenRemote("")
			if err != nil {
				a.streams.Why("no default: %v", err)
			}
			header := []string{"NAME", "URL", "DEFAULT", "REGION", "KEEP", "BYTES", "HERE"}
			return a.streams.List(header, remoteRows(c, t, usual))
		},
	}
}

func remoteRows(c *repo.Config, t *repo.Trust, usual string) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		for name, r := range c.Remotes.All() {
			v := viewOfRemote(name, r)
			v.Default = name == usual
			v.Trusted = t.Approved(repo.TrustRemote, name, r.TrustValue())
			if !yield(cli.Item{Value: v, Cells: v.cells()}, nil) {
				return
			}
		}
	}
}

func newRemoteRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Forget a remote; what it holds stays there",
		Example:           "mlx remote remove team",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeRemote,
		RunE: func(_ *cobra.Command, args []string) error {
			return remoteRemoveRun(a, args[0])
		},
	}
}

func remoteRemoveRun(a *app, name string) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	removed, err := r.RemoveRemote(name)
	if err != nil {
		return err
	}
	if err := t.Forget(repo.TrustRemote, name); err != nil {
		return err
	}
	if err := remote.Forget(r.Remotes(), removed.URL); err != nil { // so that a place which is made anew can be added again
		return err
	}
	v := remoteChange{remoteView: viewOfRemote(name, removed), Changed: true}
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) { t.Line(cli.Str("removed"), cli.Str(name), cli.Str(v.URL)) }); err != nil {
		return err
	}
	a.streams.Note("what was sent to %s stays there", v.URL)
	return nil
}

// completeRemote offers the remotes of mlx.yaml as the only argument.
func (a *app) completeRemote(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeRemotes(cmd, args, typed)
}

// completeRemotes offers the remotes of mlx.yaml, as the value of a flag.
func (a *app) completeRemotes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := a.config()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for name, r := range c.Remotes.All() {
		all = append(all, name+"\t"+r.URL)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
