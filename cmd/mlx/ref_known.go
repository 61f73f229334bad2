package main

import (
	"context"
	"path/filepath"
	"strconv"

	"mlx/internal/lineage"
)

// knownNames lists what a mistyped reference of a kind may have meant; the empty kind is any.
func (a *app) knownNames(ctx context.Context, kind string) []string {
	var names []string
	if kind != "" {
		names = a.definedNames(ctx, kind)
	}
	if r, err := a.repo(); err == nil {
		if paths, err := r.Pointers(ctx); err == nil {
			for _, p := range paths {
				names = append(names, filepath.ToSlash(a.shown(p)))
			}
		}
	}
	l, err := a.ledger()
	if err != nil {
		return names
	}
	for t, err := range currentTags(ctx, l, "") {
		if err != nil {
			break
		}
		if !t.body.Deleted && !t.body.annotates() {
			names = append(names, t.body.Name)
		}
	}
	if r, err := a.registry(); err == nil {
		if models, err := r.Names(ctx); err == nil {
			for _, name := range models {
				if kind == refModel {
					name = refModel + ":" + name
				}
				names = append(names, name)
			}
		}
	}
	for v, err := range a.history(l).Views(ctx, lineage.Query{Where: "name != null", Limit: completed}) {
		if err != nil {
			break
		}
		names = append(names, *v.Name)
	}
	return names
}

// annotation reports whether a word only says something of things, as best in best=yes does.
func (a *app) annotation(ctx context.Context, word string) bool {
	l, err := a.ledger()
	if err != nil {
		return false
	}
	for t, err := range currentTags(ctx, l, "name == "+strconv.Quote(word)) {
		if err == nil && !t.body.Deleted && t.body.annotates() {
			return true
		}
	}
	return false
}
