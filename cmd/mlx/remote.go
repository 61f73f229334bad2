package main

import (
	"context"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
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

type remoteAddOptions struct {
	isDefault bool
	region    string
	keep      string
	encrypt   []string
}

func newRemoteAdd(a *app) *cobra.Command {
	var o remoteAddOptions
	cmd := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Add a remote to mlx.yaml",
		Long: `URL is a folder (/srv/share, ../share or file:///srv/share), s3://bucket/folder, gs://bucket/folder or azblob://container/folder;
git:NAME, with a remote of git or its address, shares records only. A relative folder is written as the whole path, so
that it means the same to every clone on this machine. The first remote is the default. Keys are never part of a URL: each
cloud's own configuration has them. What you type here needs no mlx trust; a colleague who pulls mlx.yaml is asked once.`,
		Example: `mlx remote add share ../share
mlx remote add team s3://acme-ml/flights --region eu --keep 7y --default
mlx remote add vault gs://acme-vault --encrypt age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
mlx remote add records git:origin`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeRemoteURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return remoteAddRun(cmd.Context(), a, args[0], args[1], o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.isDefault, "default", false, "use it where no remote is named")
	flags.StringVar(&o.region, "region", "", "`REGION` of the data: push refuses data tagged with another")
	flags.StringVar(&o.keep, "keep", "", "how long the remote keeps what nothing needs, a `TIME` such as 7y")
	flags.StringArrayVar(&o.encrypt, "encrypt", nil, "encrypt what is sent for this `RECIPIENT`, an age or SSH public key")
	return cmd
}

func remoteAddRun(ctx context.Context, a *app, name, typed string, o remoteAddOptions) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	remote := repo.Remote{Region: o.region, Encrypt: o.encrypt}
	if o.keep != "" {
		if remote.Keep.Duration, err = cli.ParseDuration(o.keep); err != nil {
			return err
		}
	}
	dir, err := a.cwd()
	if err != nil {
		return err
	}
	remote.URL = remoteURL(dir, typed)
	before, err := a.config()
	if err != nil {
		return err
	}
	typedValue := remote.TrustValue()
	old, known := before.Remotes.Get(name)
	if known && old.URL == remote.URL && o.region == "" && o.keep == "" && len(o.encrypt) == 0 {
		remote = old // it is named, not described anew
	}
	changed, err := r.AddRemote(name, remote, o.isDefault)
	if err != nil {
		return err
	}
	t, err := a.allowed()
	if err != nil {
		return err
	}
	if typedValue == remote.TrustValue() { // recipients that stood there were not typed: mlx trust asks
		if err := t.Approve(repo.TrustItem{Kind: repo.TrustRemote, Name: name, Value: typedValue}); err != nil {
			return err
		}
	}
	after, err := r.Config()
	if err != nil {
		return err
	}
	v := remoteChange{remoteView: viewOfRemote(name, remote), Changed: changed}
	v.Default, v.Trusted = after.Default() == name, t.Approved(repo.TrustRemote, name, remote.TrustValue())
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) { remoteAddText(v, known, t) }); err != nil {
		return err
	}
	if changed && ctx.Err() == nil {
		a.streams.Hint("mlx remote check "+name, "tries everything mlx needs of it")
	}
	return nil
}

func remoteAddText(v remoteChange, known bool, t *cli.Text) {
	switch {
	case !v.Changed:
		t.Line(cli.Str("nothing changed"), cli.Str(v.Name), cli.Str(v.URL))
	case known:
		t.Line(cli.Str("default"), cli.Str(v.Name), cli.Str(v.URL))
	default:
		cells := []cli.Cell{cli.Str("added"), cli.Str(v.Name), cli.Str(v.URL)}
		if v.Default {
			cells = append(cells, cli.Str("default"))
		}
		t.Line(cells...)
	}
}

// remoteURL makes the URL of what was typed: a path becomes file:// and whole, everything else stays as it is.
func remoteURL(dir, typed string) string {
	whole := func(path string) string {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return filepath.ToSlash(filepath.Clean(path))
	}
	scheme, rest, hasScheme := strings.Cut(typed, ":")
	switch {
	case scheme == "git" && hasScheme && (strings.HasPrefix(rest, "./") || strings.HasPrefix(rest, "../")):
		return "git:" + whole(rest)
	case scheme == "file" && hasScheme && !strings.HasPrefix(rest, "//"):
		typed = rest
	case hasScheme && len(scheme) > 1: // one letter is a drive of Windows
		return typed
	case !strings.ContainsAny(typed, `/\`) && !isFolder(filepath.Join(dir, typed)):
		return typed // a word that is no folder: an error says what a URL is
	}
	path := whole(typed)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func newRemoteRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Forget a remote; what it holds stays there",
		Example:           "mlx remote remove team",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeRemotes,
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
	v := remoteChange{remoteView: viewOfRemote(name, removed), Changed: true}
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) { t.Line(cli.Str("removed"), cli.Str(name), cli.Str(v.URL)) }); err != nil {
		return err
	}
	a.streams.Note("what was sent to %s stays there", v.URL)
	return nil
}

// completeRemotes offers the remotes of mlx.yaml, for the first argument and for -r.
func (a *app) completeRemotes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := a.config()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for name, r := range c.Remotes.All() {
		all = append(all, name+"\t"+r.URL)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeRemoteURL offers what a URL begins with, or a folder.
func completeRemoteURL(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 || strings.ContainsAny(typed, "/.") {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	var all []string
	for _, scheme := range repo.Schemes() {
		all = append(all, scheme+map[bool]string{true: ":", false: "://"}[scheme == "git"])
	}
	return all, cobra.ShellCompDirectiveNoSpace
}
