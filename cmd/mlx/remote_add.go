package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

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
cloud's own configuration has them. What you type here needs no mlx trust; a colleague who pulls mlx.yaml is asked once.
An encrypted remote that is added again with other recipients is for these from then on: whoever is new reads all of it,
whoever is left out reads nothing that is sent later.`,
		Example: `mlx remote add share ../share
mlx remote add team s3://acme-ml/flights --region eu --keep 7y --default
mlx remote add safe gs://acme-safe --encrypt keys/ana.pub
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
	flags.StringArrayVar(&o.encrypt, "encrypt", nil, "encrypt what is sent for this `RECIPIENT`: an age or SSH public key, or a file of them")
	return cmd
}

func remoteAddRun(ctx context.Context, a *app, name, typed string, o remoteAddOptions) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	remote := repo.Remote{Region: o.region}
	if remote.Encrypt, err = a.recipients(o.encrypt); err != nil {
		return err
	}
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
	if known && old.URL == remote.URL && len(old.Encrypt) > 0 && len(remote.Encrypt) > 0 && !sameRecipients(old.Encrypt, remote.Encrypt) {
		return a.changeRecipients(ctx, name, old, remote.Encrypt)
	}
	changed, err := r.AddRemote(name, remote, o.isDefault)
	if err != nil {
		return err
	}
	a.makeFolder(remote)
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

// makeFolder makes the folder of a remote that was just named, if only its last part is missing. A push never makes one:
// the folder may be on a disk that is not mounted.
func (a *app) makeFolder(remote repo.Remote) {
	u, err := url.Parse(remote.URL)
	if err != nil || u.Scheme != "file" {
		return
	}
	if err := os.Mkdir(filepath.FromSlash(u.Path), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		a.streams.Note("cannot make the folder of the remote: %v", err)
	}
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

// recipients are the public keys that --encrypt names: as they are, or one a line in a file.
func (a *app) recipients(words []string) ([]string, error) {
	var all []string
	for _, word := range words {
		if repo.CheckRecipient(word) == nil || !isRegular(word) {
			all = append(all, word) // what is wrong with it is said when it is added
			continue
		}
		text, err := a.readFile(word, maxKeyFile)
		if err != nil || len(text) > maxKeyFile {
			return nil, fault.New(fault.Usage, "cannot read recipients: %s is no file of public keys", word).Hint("--encrypt age1… or a file such as keys/ana.pub")
		}
		found := len(all)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
		if len(all) == found {
			return nil, fault.New(fault.Usage, "cannot read recipients: %s holds no public key", word).Hint("--encrypt age1… or a file such as keys/ana.pub")
		}
	}
	return all, nil
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
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
