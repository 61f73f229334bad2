package main

import (
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// snapshotShardKind is that of the report of one shard.
const snapshotShardKind = "snapshot-shard/v1"

// snapshotShard is what one shard of mlx snapshot has kept, for the mlx that divided the work.
type snapshotShard struct {
	Kind   string        `json:"kind"`
	Root   object.Digest `json:"root"` // all folders, and the files that fall to the shard
	Files  int64         `json:"files"`
	Bytes  int64         `json:"bytes"`
	Stored int64         `json:"bytes_stored"`

	All   int64         `json:"all_files"` // that it saw, whoever reads them
	Names object.Digest `json:"names"`     // of all that it saw: the shards must have looked at the same
	Pins  []source.Pin  `json:"pins,omitempty"`
}

// maxSnapshotShard bounds what is read of one report: pins of a bucket are most of it.
const maxSnapshotShard = 256 << 20

// saveShard keeps the part of a folder that falls to one shard, and writes the report to a file. No record and no pointer is made: the
// mlx that divided the work does that.
func (a *app) saveShard(ctx context.Context, o snapshotOptions) error {
	part, parts, err := parseShard(o.shard, "mlx snapshot PATH --shard 1/4 -o FILE")
	if err != nil {
		return err
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	rel, err := r.Rel(o.paths[0])
	if err != nil {
		return err
	}
	d := shardData{rel: rel, place: o.from}
	if o.from == "" {
		d.place = r.Abs(rel)
	}
	own := ""
	if o.ownRules {
		own = o.from
	}
	if d.ignore, err = r.MatcherAt(rel, own); err != nil {
		return err
	}
	s := shardSaver{app: a, repo: r, data: d, shard: snapshot.Shard{I: part, N: parts}}
	report, release, err := s.save(ctx)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot snapshot part %s of %s: %w", o.shard, d.shown(), err)
	}
	defer a.free([]func() error{release})
	if _, metrics := a.ownRun(); metrics != "" {
		told := run.Recording{Stored: []run.Stored{{Path: rel, Root: report.Root}}}
		if err := run.Record(filepath.Dir(metrics), metrics, a.now(), told); err != nil {
			return err
		}
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	return writeReport(o.out, append(text, '\n'))
}

// shardSaver keeps one part.
type shardSaver struct {
	app   *app
	repo  *repo.Repo
	data  shardData
	shard snapshot.Shard
}

func (s shardSaver) save(ctx context.Context) (snapshotShard, func() error, error) {
	report := snapshotShard{Kind: snapshotShardKind}
	src, err := s.data.bucket()
	if err != nil {
		return report, nil, err
	}
	if src != nil {
		return s.saveBucket(ctx, *src, report)
	}
	dir, err := filepath.EvalSymlinks(s.data.place)
	if err != nil {
		return report, nil, fault.New(fault.KindOf(err), "%s does not see it: %w", s.app.host(), err).
			Hint("mlx snapshot PATH   # reads it on the machine that does")
	}
	seen, err := lookAtFolder(ctx, dir, s.data.ignore)
	if err != nil {
		return report, nil, err
	}
	report.All, report.Names = int64(len(seen.files)), seen.names
	kept, err := s.keep(ctx, dir, func(rel string, isDir bool) bool {
		return s.data.ignore != nil && s.data.ignore(rel, isDir) || !isDir && !s.shard.HasPath(rel)
	})
	return report.with(kept), kept.Release, err
}

// keep makes the part a version.
func (s shardSaver) keep(ctx context.Context, dir string, ignore snapshot.Ignore) (snapshot.Saved, error) {
	store, err := s.app.store()
	if err != nil {
		return snapshot.Saved{}, err
	}
	before, _, err := s.app.pointerAt(s.repo, s.data.rel)
	if err != nil {
		return snapshot.Saved{}, err
	}
	progress := s.app.streams.Progress("reading", "bytes", 0)
	defer progress.Done()
	return store.Save(ctx, snapshot.SaveOptions{Path: dir, Previous: before.Root, Ignore: ignore, Once: true, Progress: progress})
}

func (r snapshotShard) with(kept snapshot.Saved) snapshotShard {
	r.Root, r.Files, r.Bytes, r.Stored = kept.Root, kept.Summary.Files, kept.Summary.Bytes, kept.Stored
	return r
}

// saveBucket brings what falls to the shard of the objects of a bucket.
func (s shardSaver) saveBucket(ctx context.Context, src source.Source, report snapshotShard) (snapshotShard, func() error, error) {
	if err := os.MkdirAll(s.repo.Tmp(), 0o755); err != nil {
		return report, nil, err
	}
	stage, err := newStage(s.repo.Tmp(), s.app.host())
	if err != nil {
		return report, nil, err
	}
	defer os.RemoveAll(stage)
	m := &meter{to: s.app.streams.Progress("fetching", "bytes", 0)}
	fetcher := source.New(source.Options{Dir: s.repo.Root, Tmp: s.repo.Tmp(), Environ: s.app.environ,
		Buckets: bucket.Options{Now: s.app.now, Note: s.app.streams.Why}, Progress: m})
	seen, err := lookAtBucket(ctx, fetcher, src, s.data.ignore)
	if err != nil {
		return report, nil, err
	}
	report.All, report.Names = int64(len(seen.files)), seen.names
	dest := filepath.Join(stage, path.Base(s.data.rel))
	got, err := fetcher.Fetch(ctx, source.Request{Source: src, Dest: dest, Only: func(name string) bool {
		return !ignoredBelow(s.data.ignore, name) && s.shard.HasPath(name)
	}})
	m.to.Done()
	if err == nil && !got.Folder {
		err = notDivisible()
	}
	if err == nil {
		err = os.MkdirAll(dest, 0o777)
	}
	if err != nil {
		return report, nil, err
	}
	report.Pins = got.Pins
	kept, err := s.keep(ctx, dest, nil)
	return report.with(kept), kept.Release, err
}
