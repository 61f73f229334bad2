package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
)

type tagOptions struct {
	ref    string
	words  []string
	note   string
	remove bool
}

func newTag(a *app) *cobra.Command {
	var o tagOptions
	cmd := &cobra.Command{
		Use:   "tag REF NAME[=VALUE]…",
		Short: "Name or annotate anything; `hidden` leaves it out of log",
		Long: `A NAME alone names one thing: it is a reference from then on, and moves when it is given again. NAME=VALUE, and the word
hidden, say something of a thing: many things may carry them.`,
		Example: `mlx tag @last baseline
mlx tag baseline reviewed=ana -m "looked at the residuals"
mlx tag @last~1 hidden
mlx tag baseline reviewed --delete`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref, o.words = args[0], args[1:]
			return tagRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeRefs,
	}
	cmd.Flags().StringVarP(&o.note, "message", "m", "", "`NOTE` that says why")
	cmd.Flags().BoolVar(&o.remove, "delete", false, "take the tags away")
	return cmd
}

// tagView is the JSON of `mlx tag`.
type tagView struct {
	Kind    string    `json:"kind"`
	Target  fault.Ref `json:"target"`
	Tags    []string  `json:"tags"`
	Changed bool      `json:"changed"`
	Deleted bool      `json:"deleted"`
}

func tagRun(ctx context.Context, a *app, o tagOptions) error {
	tags := make([]tagBody, 0, len(o.words))
	for _, w := range o.words {
		t, err := parseTag(w)
		if err != nil {
			return err
		}
		t.Note, t.Deleted = o.note, o.remove
		tags = append(tags, t)
	}
	found, err := a.resolve(ctx, o.ref)
	if err == nil {
		found, err = a.tracked(ctx, found)
	}
	if err != nil {
		return err
	}
	if found.ID.IsZero() {
		return fault.New(fault.Usage, "cannot tag %s: only what has a record or a snapshot can be tagged", found.short()).
			Hint("mlx log   # shows what can")
	}
	v := tagView{Kind: "tagged/v1", Target: found.ref(), Tags: []string{}, Deleted: o.remove}
	for _, t := range tags {
		t.Target = tagTarget{Kind: found.Kind, ID: found.ID}
		changed, err := a.setTag(ctx, t)
		if err != nil {
			return err
		}
		v.Changed = v.Changed || changed
		v.Tags = append(v.Tags, t.shown())
	}
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) { tagText(v, found, t) })
}

func tagText(v tagView, found target, t *cli.Text) {
	word := "tagged"
	switch {
	case !v.Changed:
		t.Line(cli.Fmt("nothing changed: %s %s %s", cli.Str(found.Kind), cli.ID(found.ID), cli.Str(strings.Join(v.Tags, " "))))
		return
	case v.Deleted:
		word = "untagged"
	}
	t.Line(cli.Fmt("%s %s %s", cli.Shown(cli.RolePlain, word), cli.Str(found.Kind), cli.ID(found.ID)), cli.Str(strings.Join(v.Tags, " ")))
}

// parseTag reads NAME or NAME=VALUE.
func parseTag(word string) (tagBody, error) {
	name, value, valued := strings.Cut(word, "=")
	bad := func(why string) (tagBody, error) {
		return tagBody{}, fault.New(fault.Usage, "cannot tag with %q: %s", word, why)
	}
	switch {
	case name == "":
		return bad("the name is empty")
	case valued && value == "":
		return bad("the value is empty")
	case len(name) > 200 || len(value) > 4000:
		return bad("it is too long")
	case strings.ContainsAny(name, ":@~^\\ \t\n") || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "."):
		return bad("a name has no space, : @ ~ ^ or \\ in it and does not begin with - or .")
	case !valued && name != hiddenTag && looksLikeDigest(name):
		return bad("it reads like the beginning of a digest")
	}
	return tagBody{Name: name, Value: value}, nil
}

// looksLikeDigest refuses names that would be taken for a prefix of a digest.
func looksLikeDigest(name string) bool {
	_, err := object.ParsePrefix(name)
	return err == nil && strings.ContainsAny(name, "0123456789")
}

func (a *app) setTag(ctx context.Context, t tagBody) (bool, error) {
	l, err := a.ledger()
	if err != nil {
		return false, err
	}
	return setTag(ctx, l, t)
}

// tagRun tags a run as --tag NAME[=VALUE] says.
func (a *app) tagRun(ctx context.Context, id object.Digest, word string) error {
	return a.tagAs(ctx, refRun, id, word)
}

// tagAs tags a thing as --tag NAME[=VALUE] says.
func (a *app) tagAs(ctx context.Context, kind string, id object.Digest, word string) error {
	t, err := parseTag(word)
	if err != nil {
		return err
	}
	t.Target = tagTarget{Kind: kind, ID: id}
	_, err = a.setTag(ctx, t)
	return err
}
