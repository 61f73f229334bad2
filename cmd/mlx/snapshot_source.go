package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// shardData is a folder that is saved in shards: where its pointer is, and where nodes find its bytes.
type shardData struct {
	rel    string // from the root of the project
	place  string // absolute path, or URL of a bucket
	ignore snapshot.Ignore
}

func (d shardData) shown() string {
	if src, err := d.bucket(); err == nil && src != nil {
		return src.Shown
	}
	return d.place
}

// bucket is the source where the data lies in a bucket; nil where it lies in a folder.
func (d shardData) bucket() (*source.Source, error) {
	if filepath.IsAbs(d.place) {
		return nil, nil
	}
	src, err := source.Parse(d.place, "/")
	switch {
	case err != nil:
		return nil, err
	case src.Kind == source.Bucket && src.Withheld:
		return nil, fault.New(fault.Usage, "cannot give nodes a URL that holds credentials: it would be recorded").
			Hint("mlx snapshot PATH --from URL …   # nodes take credentials from their environment: secrets: of the backend")
	case src.Kind == source.Bucket:
		return &src, nil
	case src.Kind == source.Local && !strings.Contains(d.place, ":"):
		return nil, fault.New(fault.Usage, "cannot say where nodes find %s: only an absolute path means the same to them", d.place).
			Hint("mlx snapshot PATH --from /DIR …")
	}
	return nil, fault.New(fault.Usage, "cannot divide %s among nodes: only a folder or a bucket can be", src.Shown).
		Hint("mlx import %s PATH   # reads it here", shellWord(src.Shown))
}

// seenFile is a file that was looked at and not read.
type seenFile struct {
	name  string
	bytes int64
}

// seenData is what lies at a place, as far as names and sizes tell.
type seenData struct {
	files []seenFile
	names object.Digest // of all names, those of folders too
	state object.Digest // of names, sizes and times
}

// lookAtFolder lists a folder as a snapshot of it would.
func lookAtFolder(ctx context.Context, dir string, ignore snapshot.Ignore) (seenData, error) {
	var seen seenData
	names, state := sha256.New(), sha256.New()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return firstError(ctx.Err(), err)
		}
		rel, err := filepath.Rel(dir, p)
		switch {
		case err != nil:
			return err
		case rel == "." && !d.IsDir():
			return notDivisible()
		case rel == ".":
			return nil
		}
		rel = filepath.ToSlash(rel)
		if ignore != nil && ignore(rel, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		names.Write([]byte(rel + "\x00"))
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		state.Write(binary.BigEndian.AppendUint64(nil, uint64(info.ModTime().UnixNano())))  //nolint:gosec // any number will do
		state.Write(binary.BigEndian.AppendUint64([]byte(rel+"\x00"), uint64(info.Size()))) //nolint:gosec // a size
		seen.files = append(seen.files, seenFile{rel, info.Size()})
		return nil
	})
	seen.names, seen.state = object.Digest(names.Sum(nil)), object.Digest(state.Sum(nil))
	return seen, err
}

// lookAtBucket lists what lies below a prefix.
func lookAtBucket(ctx context.Context, f *source.Fetcher, src source.Source, ignore snapshot.Ignore) (seenData, error) {
	var seen seenData
	pins, err := f.Look(ctx, src)
	if err != nil {
		return seen, err
	}
	slices.SortFunc(pins, func(a, b source.Pin) int { return strings.Compare(a.Name, b.Name) })
	names, state := sha256.New(), sha256.New()
	for _, p := range pins {
		if p.Name == "" {
			return seen, notDivisible()
		}
		if ignoredBelow(ignore, p.Name) {
			continue
		}
		names.Write([]byte(p.Name + "\x00"))
		state.Write([]byte(p.Name + "\x00" + p.ETag + "\x00" + p.Modified + "\x00"))
		seen.files = append(seen.files, seenFile{p.Name, p.Bytes})
	}
	seen.names, seen.state = object.Digest(names.Sum(nil)), object.Digest(state.Sum(nil))
	return seen, nil
}

func notDivisible() error {
	return fault.New(fault.Usage, "it is a single file, and only folders are divided by their files").Hint("mlx snapshot PATH   # reads it at once")
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// shardSizes are the files and bytes that fall to each of n shards.
func (d seenData) shardSizes(n int) []seenShard {
	all := make([]seenShard, n)
	for _, f := range d.files {
		for i := range all {
			if (snapshot.Shard{I: i, N: n}).HasPath(f.name) {
				all[i].files++
				all[i].bytes += f.bytes
				break
			}
		}
	}
	return all
}

type seenShard struct{ files, bytes int64 }
