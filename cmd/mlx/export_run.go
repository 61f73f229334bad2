package main

import (
	"context"
	"io/fs"
	"path"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/pipeline/export"
	"mlx/internal/run"
)

// exportOfRuns writes one run, or a table of several.
func (a *app) exportOfRuns(ctx context.Context, o exportOptions, v *exportView) error {
	words, err := a.spelled(ctx, o.refs)
	if err != nil {
		return err
	}
	var all []run.Account
	for _, word := range words {
		account, err := a.accountOf(ctx, o.form, word)
		if err != nil {
			return err
		}
		all = append(all, account)
		v.Of = append(v.Of, refOf(refRun, account.ID, account.Body.Name))
	}
	var text []byte
	name := "run.json"
	switch {
	case o.form == "csv":
		name = "runs.csv"
		text, err = run.CSV(all)
	case len(all) != 1: // a list on stdin
		err = fault.New(fault.Usage, "cannot export %d runs as %s: it describes one", len(all), o.form)
	case o.form == "slsa":
		name = "provenance.json"
		text, err = a.exportSLSA(ctx, all[0])
	case o.form == "openlineage":
		name = "events.jsonl"
		text, err = all[0].OpenLineage()
	default:
		name = "prov.json"
		text, err = all[0].PROV()
	}
	v.Files = []export.File{{Name: name, Text: string(text)}}
	return err
}

// accountOf is what is known of the run that a word names.
func (a *app) accountOf(ctx context.Context, form, word string) (run.Account, error) {
	found, err := a.resolve(ctx, word)
	if err != nil {
		return run.Account{}, err
	}
	if found.Kind != refRun || found.Inner != "" {
		return run.Account{}, fault.New(fault.Usage, "cannot export %s as %s: it needs a run", found.short(), form).
			About(found.ref()).Hint("mlx export %s @last", form)
	}
	l, err := a.ledger()
	if err != nil {
		return run.Account{}, err
	}
	account, err := a.history(l).Account(ctx, found.ID)
	if err != nil {
		return account, err
	}
	known, err := tags(ctx, l)
	if err != nil {
		return account, err
	}
	account.Tags = event{tags: known[account.RunID]}.words()
	cfg, err := a.config()
	if err != nil {
		return account, err
	}
	account.Ledger = cfg.Ledger
	return account, nil
}

// exportSLSA reads the files of outputs that are folders, so that each of them has its digest in the statement.
func (a *app) exportSLSA(ctx context.Context, account run.Account) ([]byte, error) {
	account.Folders = make(map[string][]run.File)
	for _, out := range account.Body.Outputs {
		if out.Kind == "file" {
			continue
		}
		files, err := a.filesOf(ctx, out)
		if err != nil {
			return nil, a.notHere(ctx, err, out.Path, out.Root)
		}
		account.Folders[out.Path] = files
	}
	return account.SLSA()
}

// filesOf lists the regular files of an output that is a folder.
func (a *app) filesOf(ctx context.Context, out run.Output) ([]run.File, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	tree, err := store.FS(ctx, out.Root)
	if err != nil {
		return nil, err
	}
	var all []run.File
	err = eachFileOf(tree, func(name string, _ int64, digest object.Digest) {
		all = append(all, run.File{Path: path.Join(out.Path, name), Digest: digest})
	})
	return all, err
}

// eachFileOf visits the regular files of a version, in the order of their paths.
func eachFileOf(tree fs.FS, visit func(name string, size int64, digest object.Digest)) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		digest, ok := info.Sys().(object.Digest)
		if !ok {
			return fault.New(fault.Internal, "cannot list %s: its digest is unknown", name)
		}
		visit(name, info.Size(), digest)
		return nil
	})
}
