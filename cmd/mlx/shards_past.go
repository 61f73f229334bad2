package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// shardsNote is what is kept of a work in shards until it is done: the run of each. Whoever gives the same command again, after the first
// one was killed or a shard failed, goes on with what there is.
type shardsNote struct {
	Began time.Time       `json:"began"`
	Runs  []object.Digest `json:"runs"`
}

// shardsPast finds and keeps the note of one work.
type shardsPast struct {
	app       *app
	dir, name string
	note      shardsNote
	taken     int
}

// openPast reads the note of this work. It is named by all that the parts depend on: other commands, data or code are other work.
func (s *shardSet) openPast(r *repo.Repo, tree object.Digest) (shardsPast, error) {
	commands := make([][]string, s.flags.n)
	for i := range commands {
		commands[i] = s.command(i, s.out(i))
	}
	text, err := object.Encode(struct {
		On       string          `json:"on"`
		Commands [][]string      `json:"commands"`
		Data     []run.Data      `json:"data"`
		Versions []object.Digest `json:"versions"`
		Tree     object.Digest   `json:"tree"`
		Source   string          `json:"source"`
	}{s.flags.on, commands, append([]run.Data{}, s.data...), append([]object.Digest{}, s.versions...), tree, s.source})
	if err != nil {
		return shardsPast{}, err
	}
	p := shardsPast{app: s.app, dir: filepath.Join(r.Home, "shards"), name: object.Sum(text).Hex() + ".json"}
	note, ok := readNote[shardsNote](p.dir, p.name)
	if !ok || s.fresh || len(note.Runs) != s.flags.n {
		note = shardsNote{Began: s.began.UTC(), Runs: make([]object.Digest, s.flags.n)}
	}
	p.note = note
	return p, nil
}

// of returns the run that was begun for a shard, if it may still give its part or has done so. like is a job of the same work.
func (p *shardsPast) of(ctx context.Context, i int, like *onJob) (*onJob, run.View, error) {
	id := p.note.Runs[i]
	if id.IsZero() {
		return nil, run.View{}, nil
	}
	l, err := p.app.ledger()
	if err != nil {
		return nil, run.View{}, err
	}
	v, err := p.app.history(l).Get(ctx, id)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil, run.View{}, nil
	}
	if err != nil {
		return nil, run.View{}, err
	}
	if v.EndedAt != nil && (v.State != run.Succeeded || len(v.Outputs) == 0) || v.Job == nil {
		return nil, run.View{}, nil
	}
	j, err := p.app.reopenJob(ctx, v)
	if err != nil {
		return nil, run.View{}, err
	}
	j.secrets, j.seat, j.apart, j.stays = like.secrets, like.seat, like.apart, like.stays
	if v.EndedAt == nil && hasNote(j.folderOf(), cancelNote) {
		return nil, run.View{}, nil // it is about to end
	}
	p.taken++
	return j, v, nil
}

// keep remembers the run of a shard.
func (p *shardsPast) keep(i int, id object.Digest) error {
	p.note.Runs[i] = id
	if err := writeNote(p.dir, p.name, p.note); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what is known of the shards: %w", err)
	}
	return nil
}

// tell says how much of the work was begun before.
func (p *shardsPast) tell(s *shardSet) {
	if p.taken == 0 {
		return
	}
	s.app.streams.Note("goes on with %s of an earlier command, which began %s", cli.FormatNum(int64(p.taken), "shard"), p.note.Began.Format(time.RFC3339))
}

// forget removes the note: the work is done.
func (p *shardsPast) forget() error {
	if err := os.Remove(filepath.Join(p.dir, p.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.KindOf(err), "cannot forget the shards: %w", err)
	}
	return nil
}
