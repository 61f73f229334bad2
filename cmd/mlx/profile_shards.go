package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// profileInShards describes tables by runs on a backend, each of which reads a part of them. The parts make the profile of one pass.
func (a *app) profileInShards(ctx context.Context, o profileOptions) (*dataset.Profile, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	w := shardWork{flags: o.shards, what: "profile " + strings.Join(o.tables, " "), ending: ".prof", most: dataset.MaxProfile}
	var tables, paths []string
	for _, table := range o.tables {
		name, data, err := a.shardTable(r, table)
		if err == nil {
			err = a.allTravel(ctx, r, table, data)
		}
		if err != nil {
			return nil, err
		}
		if tables = append(tables, asArgument(name)); !slices.Contains(paths, data) {
			paths = append(paths, data)
		}
	}
	var flags []string
	if o.schema != "" {
		rel, err := r.Rel(o.schema)
		if err != nil {
			return nil, fault.New(fault.Usage, "cannot profile on %s: the schema %s is outside of the project and cannot be sent", o.shards.on, o.schema)
		}
		flags, paths = []string{"--schema", rel}, append(paths, o.schema)
	}
	data, free, err := a.dataFor(ctx, paths, onAsk{Backend: o.shards.on})
	if err != nil {
		return nil, err
	}
	defer free()
	w.data = data
	w.command = func(i int, out string) []string {
		words := append([]string{"mlx", "profile"}, tables...)
		return append(append(words, "--shard", fmt.Sprintf("%d/%d", i+1, o.shards.n), "-o", out), flags...)
	}
	parts, err := a.inShards(ctx, w)
	if err != nil {
		return nil, err
	}
	var whole *dataset.Profile
	for i, text := range parts {
		p, err := dataset.DecodeProfile(text)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read the profile of shard %d: %w", i+1, err)
		}
		if whole == nil {
			whole = p
			continue
		}
		if err := whole.Merge(p, [2]string{"shard 1", fmt.Sprintf("shard %d", i+1)}); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// shardTable is a table as a command at the root of the project names it, and the path that has to be laid out for it.
func (a *app) shardTable(r *repo.Repo, table string) (name, data string, err error) {
	refuse := func(why string) (string, string, error) {
		return "", "", fault.New(fault.Usage, "cannot profile %s in shards: %s", table, why).Hint("mlx profile %s", shellWord(table))
	}
	word := strings.TrimPrefix(table, refPath+":")
	switch {
	case table == "-":
		return refuse("what comes on stdin is read here")
	case isTableURL(table):
		return refuse("what is behind a URL is read where it is asked for")
	case strings.HasSuffix(strings.ToLower(word), ".prof"):
		return refuse("it is a profile already")
	}
	rel, err := r.Rel(a.wherever(word))
	if err != nil {
		return refuse("it is outside of the project and cannot be sent")
	}
	folder := rel
	for strings.ContainsAny(folder, "*?[") {
		folder = path.Dir(folder)
	}
	if folder == "." {
		return refuse("data at the root of the project cannot be told from code; name a folder")
	}
	if _, _, err := a.pointerAt(r, folder); err != nil {
		return "", "", err
	}
	return rel, r.Abs(folder), nil
}

// allTravel refuses a table of files some of which .mlxignore leaves out of data: one pass reads them here, and no node gets them.
func (a *app) allTravel(ctx context.Context, r *repo.Repo, table, data string) error {
	if _, err := os.Lstat(data); err != nil {
		return nil // what lies in the store alone holds nothing of the kind
	}
	top, err := r.Rel(data)
	if err != nil {
		return err
	}
	ignored, err := r.Matcher(top)
	if err != nil || ignored == nil {
		return err
	}
	found, err := a.tableFiles(ctx, table)
	if err != nil {
		return err
	}
	for _, f := range found.files {
		rel, err := r.Rel(a.wherever(f.Name))
		if err != nil || !within(rel, top) {
			continue
		}
		if ignoredBelow(ignored, cmp.Or(strings.TrimPrefix(strings.TrimPrefix(rel, top), "/"), ".")) {
			return found.close(fault.New(fault.Usage, "cannot profile %s in shards: .mlxignore leaves out %s, so that no node would get it", table, a.shown(rel)).
				Hint("mlx profile %s   # reads it here", shellWord(table)))
		}
	}
	return found.close(nil)
}
