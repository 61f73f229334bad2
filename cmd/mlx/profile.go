package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

type profileOptions struct {
	tables  []string
	outs    []string
	save    string
	schema  string
	suggest string
	shard   string
	shards  shardsFlags

	divided     bool // among runs on a backend
	part, parts int  // of --shard: the part, from 0, and how many there are
}

func newProfile(a *app) *cobra.Command {
	var o profileOptions
	cmd := &cobra.Command{
		Use:   "profile TABLE…",
		Short: "Describe a table: types, missing, ranges, histograms",
		Long: `A TABLE is a file, a folder or a pattern in quotes of CSV, TSV, JSONL or Parquet, REF:PATH, a URL, or a profile that was kept with
-o FILE.prof or --save. It is read once, in bounded memory. Several tables must have the same columns; their profiles are merged.

While a column has few different values all of them are counted. Of more the number of different values, quantiles and the most frequent
values are estimates, whose error the profile states. Columns that mlx.yaml or --schema calls private show no values.

--shard 2/5 reads the second of five parts, so that five machines can share the work; their profiles merge into that of the table.
With --on and --shards mlx does that itself: so many runs on the backend read one part each, and the answer is that of one pass.

--suggest gate prints a first gate for mlx.yaml that this table passes.`,
		Example: `mlx profile data/flights
mlx profile data/flights -o flights.html
mlx profile data/flights --suggest gate
mlx profile data/flights --shard 1/2 -o a.prof
mlx profile data/flights --shard 2/2 -o b.prof
mlx profile a.prof b.prof -o all.prof
mlx profile data/flights --on local --shards 2`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tables, o.divided = args, cmd.Flags().Changed("shards")
			return profileRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completePaths,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&o.outs, "out", "o", nil, "also write `FILE`: .html, .json, .csv, or .prof, which can be merged; repeat it for more")
	flags.StringVar(&o.save, "save", "", "keep the profile under this `NAME`, which is then a reference")
	flags.StringVar(&o.schema, "schema", "", "fix types and what is private as `FILE` says")
	flags.StringVar(&o.suggest, "suggest", "", "print a first `gate` for this table instead")
	flags.StringVar(&o.shard, "shard", "", "read only part `I/N` of the table")
	completeFlag(cmd, "suggest", completeWords("gate"))
	o.shards.add(a, cmd)
	return cmd
}

// check finds mistakes in the flags before anything is read.
func (o *profileOptions) check() error {
	for _, out := range o.outs {
		if _, err := profileForm(out); err != nil {
			return err
		}
	}
	if o.suggest != "" && o.suggest != "gate" {
		return fault.New(fault.Usage, "cannot suggest %q", o.suggest).Hint("mlx profile %s --suggest gate", shellWord(o.tables[0]))
	}
	if o.save != "" {
		if _, err := parseTag(o.save); err != nil || strings.Contains(o.save, "=") {
			return fault.New(fault.Usage, "cannot save a profile as %q: that is no name", o.save)
		}
	}
	var err error
	if o.divided, err = o.shards.asked("profile "+shellWord(o.tables[0]), o.divided); err != nil {
		return err
	}
	o.parts = 1
	switch {
	case o.shard == "":
		return nil
	case o.divided:
		return fault.New(fault.Usage, "cannot use --shard with --shards: one reads a part, the other divides all")
	}
	o.part, o.parts, err = parseShard(o.shard, "mlx profile "+shellWord(o.tables[0])+" --shard 1/4   # the first of four")
	return err
}

// parseShard reads I/N: which part, from 0, of how many.
func parseShard(word, hint string) (part, parts int, err error) {
	first, last, ok := strings.Cut(word, "/")
	i, err := strconv.Atoi(first)
	n, also := strconv.Atoi(last)
	if !ok || err != nil || also != nil || i < 1 || n < i || n > 1<<20 {
		return 0, 0, fault.New(fault.Usage, "cannot read the part %q of a table", word).Hint("%s", hint)
	}
	return i - 1, n, nil
}

func profileRun(ctx context.Context, a *app, o profileOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	describe := a.profiles
	if o.divided {
		describe = a.profileInShards
	}
	p, err := describe(ctx, o)
	if err != nil {
		return err
	}
	v := profileViewOf(o.tables, p)
	if o.keeps() {
		p = p.Compact()
	}
	for _, out := range o.outs {
		form, err := profileForm(out)
		if err != nil {
			return err
		}
		text, err := renderProfile(form, v, p)
		if err != nil {
			return err
		}
		if err := writeReport(out, text); err != nil {
			return err
		}
	}
	if o.save != "" {
		if err := a.saveProfile(ctx, o.save, p); err != nil {
			return err
		}
	}
	if o.suggest != "" {
		s := suggestGate(o.tables[0], p)
		return a.streams.Emit(s, func(t *cli.Text) { t.Plain(s.Text) })
	}
	unicode := a.drawsUnicode() && run.Variable(a.environ, "TERM") != "dumb"
	screen := profileScreen{view: v, unicode: unicode, width: a.streams.Width}
	return a.streams.Emit(v, screen.text)
}

// keeps says whether the profile is kept so that it can be read again.
func (o *profileOptions) keeps() bool {
	prof := func(out string) bool { return strings.EqualFold(filepath.Ext(out), ".prof") }
	return o.save != "" || slices.ContainsFunc(o.outs, prof)
}

// profileForm is how a profile is written to a file, by the ending of its name.
func profileForm(name string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".html", ".json", ".csv", ".prof":
		return ext[1:], nil
	}
	return "", fault.New(fault.Usage, "cannot write %s: the form of a profile is known by .html, .json, .csv or .prof", name)
}

// saveProfile keeps a profile as a version of one file, which its name then tags. One that the name has already is not kept again.
func (a *app) saveProfile(ctx context.Context, name string, p *dataset.Profile) error {
	doc, err := p.Encode()
	if err != nil {
		return err
	}
	ledger, err := a.ledger()
	if err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlx-profile-")
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot save the profile %s: %w", name, err)
	}
	defer os.RemoveAll(dir)
	base := strings.ReplaceAll(name, "/", "-") + ".prof"
	file := filepath.Join(dir, base)
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		return fault.New(fault.KindOf(err), "cannot save the profile %s: %w", name, err)
	}
	kept, err := store.Save(ctx, snapshot.SaveOptions{Path: file, Once: true})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot save the profile %s: %w", name, err)
	}
	defer a.free([]func() error{kept.Release})
	target := tagTarget{Kind: refSnapshot, ID: kept.Root}
	for old, err := range currentTags(ctx, ledger, "name == "+strconv.Quote(name)) {
		if err != nil {
			return err
		}
		if !old.body.Deleted && old.body.Target == target {
			a.streams.Note("nothing changed: %s is snapshot %s", name, kept.Root.Short())
			return nil
		}
	}
	body := bodyOf("profiles/"+base, object.Digest{}, kept, "profile "+name)
	if _, err := snapshotSaved.Append(ctx, ledger, lineage.Entry[savedBody]{Body: body}); err != nil {
		return err
	}
	if err := a.tagAs(ctx, target.Kind, target.ID, name); err != nil {
		return err
	}
	a.streams.Note("saved %s  snapshot %s  %s", name, kept.Root.Short(), cli.FormatBytes(int64(len(doc))))
	return nil
}
