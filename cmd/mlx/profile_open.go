package main

import (
	"context"
	"errors"
	"io"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// profiles describes every table of the command and merges what it finds.
func (a *app) profiles(ctx context.Context, o profileOptions) (*dataset.Profile, error) {
	meaning := func(typed string) (gate.Meaning, bool) { return a.tableMeaning(a.fromRoot(typed)) }
	if o.schema != "" {
		m, err := repo.ReadSchema(o.schema)
		if err != nil {
			return nil, err
		}
		fixed := meaningOf(*m)
		meaning = func(string) (gate.Meaning, bool) { return fixed, true }
	}
	var whole *dataset.Profile
	for i, where := range o.tables {
		p, err := a.profileOf(ctx, where, o, meaning)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = p
			continue
		}
		first := o.tables[0]
		if i > 1 {
			first += " and others"
		}
		if err := whole.Merge(p, [2]string{first, where}); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// profileOf describes a table, or reads the profile that stands in its place.
func (a *app) profileOf(ctx context.Context, where string, o profileOptions, meaning func(string) (gate.Meaning, bool)) (p *dataset.Profile, err error) {
	found, err := a.profiledFiles(ctx, where, o)
	if err != nil {
		return nil, err
	}
	if kept, err := readProfile(ctx, where, found.files); kept != nil || err != nil {
		if kept != nil && o.parts > 1 {
			err = fault.New(fault.Usage, "cannot read a part of %s: it is a profile already", where)
		}
		return kept, found.close(err)
	}
	opts, err := a.tableOptions(where, meaning)
	if err != nil {
		return nil, found.close(err)
	}
	opts.Temp = a.scratch()
	m, _ := meaning(where)
	t, err := found.open(ctx, opts, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	total, _ := t.Rows()
	progress := a.streams.Progress("profiling", "rows", total)
	defer progress.Done()
	table := t.Table
	if o.parts > 1 {
		if err := table.Settle(ctx); err != nil { // all parts must have the same types
			return nil, err
		}
		table = table.Shard(o.part, o.parts)
	}
	return dataset.ProfileOf(ctx, table, dataset.ProfileOptions{Private: privateColumns(m), Read: progress.Add})
}

// profiledFiles finds the files of a table. What comes on stdin needs no copy on disk if --schema says what its types are.
func (a *app) profiledFiles(ctx context.Context, where string, o profileOptions) (*tableFiles, error) {
	if where == "-" && o.schema != "" && o.parts == 1 {
		return &tableFiles{files: []dataset.File{dataset.FromStream("stdin", a.streams.In)}}, nil
	}
	return a.tableFiles(ctx, where)
}

// readProfile is the profile that stands where a table could. It is nil where a table stands.
func readProfile(ctx context.Context, where string, files []dataset.File) (*dataset.Profile, error) {
	if where == "-" || isTableURL(where) || len(files) != 1 || files[0].Size < 0 { // a pipe can be read only once
		return nil, nil
	}
	f, err := files[0].Open(ctx)
	if err != nil {
		return nil, nil // the table will say why
	}
	defer f.Close()
	head := make([]byte, 40)
	n, _ := io.ReadFull(f, head)
	if head = head[:n]; !dataset.IsProfile(head) {
		return nil, nil
	}
	if files[0].Size > dataset.MaxProfile {
		return nil, fault.New(fault.Usage, "cannot read %s: a profile of more than 512 MiB", where)
	}
	readCells(files[0])
	rest, err := io.ReadAll(io.LimitReader(f, dataset.MaxProfile))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", where, err)
	}
	p, err := dataset.DecodeProfile(append(head, rest...))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", where, err)
	}
	return p, nil
}
