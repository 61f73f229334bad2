package main

import (
	"context"

	"mlx/internal/deploy"
	"mlx/internal/lineage"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

// pinned yields the model and the code of each release that a service needs: what is in service, both sides of a rollout, and where a
// rollback goes.
func pinned(ctx context.Context, ledger *lineage.Ledger, of string, yield func(snapshot.Root) error) error {
	book, seen := deploy.Book{Ledger: ledger}, map[string]bool{}
	for rec, err := range ledger.Select(ctx, lineage.Query{Nouns: []string{"deploy"}, All: true}) {
		if err != nil {
			return err
		}
		name, _, err := rolloutOf(rec)
		if err != nil {
			return err
		}
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		known, err := book.Service(ctx, name)
		if err != nil {
			return err
		}
		for _, r := range known.Pinned() {
			if err := pinnedRelease(ctx, ledger, r, " of service "+name+of, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// codeOfReleases is the code that a record of a rollout names: of what is to be served, and of what was in service before.
func codeOfReleases(rec lineage.Record) []dataAt {
	if !deploy.Planned.Is(rec) {
		return nil
	}
	body, err := deploy.Planned.Decode(rec)
	if err != nil {
		return nil // of a damaged record others tell
	}
	var all []dataAt
	path := "services/" + body.Service + "/code"
	for _, r := range []*deploy.Release{body.From, &body.To} {
		if r != nil && !r.Code.IsZero() {
			all = append(all, dataAt{path, r.Code})
		}
	}
	return all
}

// explainRelease finds the code of a release; false for what is none.
func explainRelease(m lineage.Match) (target, bool) {
	for _, code := range codeOfReleases(m.Record) {
		if code.Root == m.ID {
			return target{Kind: refSnapshot, ID: m.ID, Name: code.Path, Record: m.Record}, true
		}
	}
	return target{}, false
}

func pinnedRelease(ctx context.Context, ledger *lineage.Ledger, r deploy.Release, of string, yield func(snapshot.Root) error) error {
	if !r.Code.IsZero() {
		if err := yield(snapshot.Root{Digest: r.Code, Why: "code of a release" + of}); err != nil {
			return err
		}
	}
	for _, part := range r.Parts() {
		v, err := registry.Registry{Ledger: ledger}.VersionOf(ctx, part.Record)
		if err != nil {
			return err
		}
		if v.Root.IsZero() {
			continue
		}
		if err := yield(snapshot.Root{Digest: v.Root, Why: "model of a release" + of}); err != nil {
			return err
		}
	}
	for _, stage := range r.Stages {
		if stage.List == nil || stage.List.Root.IsZero() {
			continue
		}
		if err := yield(snapshot.Root{Digest: stage.List.Root, Why: "hashes of a release" + of}); err != nil {
			return err
		}
	}
	return nil
}
