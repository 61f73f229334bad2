//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

const (
	group      = 128 // runs in progress at once
	unfinished = 12  // runs whose end nobody recorded
	perTag     = 50  // every so manieth run carries a tag
)

// tagBody is what mlx tag records.
type tagBody struct {
	Name   string    `json:"name"`
	Value  string    `json:"value,omitempty"`
	Target tagTarget `json:"target"`
}

type tagTarget struct {
	Kind string        `json:"kind"`
	ID   object.Digest `json:"id"`
}

// maker makes runs of one seed, one after another.
type maker struct {
	r     *rand.Rand
	clock time.Time
}

func (m *maker) now() time.Time { return m.clock }

// fill writes n runs into the ledger in dir as mlx would have: two records each, some tagged, the last never ended.
func fill(ctx context.Context, dir string, n int) error {
	m := &maker{r: rand.New(rand.NewPCG(1, 2)), clock: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	l, err := lineage.Open(lineage.Options{Dir: dir, Now: m.now, By: "ana", Host: "bench", PID: os.Getpid()})
	if err != nil {
		return err
	}
	for done := 0; done < n; done += group {
		size := min(group, n-done)
		bodies, drafts := make([]run.Body, size), make([]lineage.Draft, size)
		for i := range bodies {
			m.clock = m.clock.Add(time.Duration(m.r.IntN(1000)) * time.Millisecond)
			bodies[i] = m.body(done + i)
			drafts[i] = run.Started.Draft(lineage.Entry[run.Body]{Body: bodies[i], In: inputs(bodies[i])})
		}
		started, err := l.AppendAll(ctx, drafts...)
		if err != nil {
			return err
		}
		m.clock = m.clock.Add(time.Duration(10+m.r.IntN(300)) * time.Second)
		if err := m.finish(ctx, l, bodies, started, done+size == n); err != nil {
			return err
		}
	}
	return errors.Join(l.Seal(ctx), l.Close())
}

// finish ends the runs of a group, and tags some.
func (m *maker) finish(ctx context.Context, l *lineage.Ledger, bodies []run.Body, started []lineage.Record, last bool) error {
	var drafts []lineage.Draft
	for i, body := range bodies {
		if last && i >= len(bodies)-unfinished {
			break
		}
		m.end(&body, started[i].ID)
		drafts = append(drafts, run.Ended.Draft(lineage.Entry[run.Body]{Body: body, Prev: []object.Digest{started[i].ID}, In: inputs(body)}))
	}
	for i, rec := range started {
		if i%perTag == 0 {
			t := tagBody{Name: "sweep", Value: fmt.Sprint(m.r.IntN(40)), Target: tagTarget{Kind: "run", ID: rec.ID}}
			drafts = append(drafts, lineage.Define[tagBody]("tag.set/v1").Draft(
				lineage.Entry[tagBody]{Body: t, In: []lineage.Input{{Role: "target", ID: rec.ID}}}))
		}
	}
	_, err := l.AppendAll(ctx, drafts...)
	return err
}

func inputs(b run.Body) []lineage.Input {
	return []lineage.Input{{Role: "data", ID: b.Data[0].Root}, {Role: "patch", ID: *b.Code.Patch}}
}

func (m *maker) digest() (d object.Digest) {
	for i := range d {
		d[i] = byte(m.r.Uint32())
	}
	return d
}

// of is one of n digests that many runs share.
func (m *maker) of(what string, n int) object.Digest {
	return object.Sum(fmt.Appendf(nil, "%s %d", what, m.r.IntN(n)))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// body is a run that has just started: a sweep over a pipeline's stage, six to ten parameters, an environment.
func (m *maker) body(i int) run.Body {
	patch, lock := m.of("patch", 200), m.of("lock", 12)
	params := map[string]any{
		"depth": float64(2 + m.r.IntN(10)), "lr": math.Pow(10, -1-3*m.r.Float64()), "seed": float64(i),
		"optimizer.name": pick(m.r, "adam", "sgd", "lion"), "model.dropout": float64(m.r.IntN(6)) / 10, "early_stopping": m.r.IntN(2) == 0,
	}
	for k := range m.r.IntN(5) {
		params[fmt.Sprintf("augment.level_%d", k)] = float64(m.r.IntN(100))
	}
	return run.Body{
		State: run.Running, Command: []string{"python", "train.py", "--config", "conf/base.yaml"}, Folder: ".",
		Name: fmt.Sprintf("brave-run-%d", i), Experiment: fmt.Sprintf("experiment-%d", m.r.IntN(40)), StartedAt: m.clock,
		Code: run.Code{Commit: fmt.Sprintf("%040x", m.r.IntN(3000)), Branch: "main", Dirty: true, Patch: &patch,
			Untracked: []string{"notes.txt", "scratch/plot.py"}, UntrackedCount: 2, Remote: "https://git.example/acme/flights"},
		Data: []run.Data{{Path: "data/flights", Root: m.of("data", 50)}}, Params: params,
		Outs: []string{"work/model.pkl", "work/metrics.json"}, Attempt: 1,
		Machine:  run.Machine{Host: "gpu-07", OS: "linux", Arch: "amd64", CPU: "AMD EPYC 7763 64-Core Processor", CPUs: 16, MemoryBytes: 68719476736},
		Process:  run.Process{Host: "gpu-07", PID: 1000 + i%30000, Boot: m.of("boot", 30).Hex()[:36], Start: fmt.Sprint(m.r.IntN(1e8))},
		Worktree: "main",
		Environment: &run.Environment{
			Variables: map[string]string{"CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "8", "LANG": "C.UTF-8", "TZ": "UTC",
				"VIRTUAL_ENV": "/home/ana/flights/.venv", "PYTHONHASHSEED": "0"},
			Seeds:  map[string]string{"PYTHONHASHSEED": "0", "seed": fmt.Sprint(i)},
			Python: &run.Python{Executable: "/home/ana/flights/.venv/bin/python", Version: "3.13.5", Manager: "venv", Packages: 141, Lock: lock, List: lock},
			Locks:  []run.LockFile{{Path: "requirements.lock", Digest: lock}},
			GPUs:   []run.GPU{{Name: "NVIDIA A100-SXM4-40GB", UUID: "GPU-3f1c", MemoryBytes: 42949672960, Driver: "550.54", CUDA: "12.4"}},
		},
		Stage: &run.Stage{Name: "train", Key: m.digest(), Deps: []run.Dep{{Path: "train.py", Digest: m.of("code", 300)},
			{Path: "work/features.parquet", Digest: m.of("features", 400)}}},
	}
}

// end makes of a body that of the second record: eight metrics, two outputs, log and series.
func (m *maker) end(b *run.Body, id object.Digest) {
	at := m.clock
	b.Run, b.EndedAt, b.DurationS = &id, &at, at.Sub(b.StartedAt).Seconds()
	b.CPUSeconds, b.PeakMemoryBytes = b.DurationS*3.5, int64(m.r.IntN(1<<33))
	b.Log = &run.Log{Root: m.digest(), Digest: m.digest(), Bytes: int64(m.r.IntN(1 << 20))}
	if m.r.IntN(20) == 0 {
		status := 1
		b.State, b.ExitStatus, b.Cause = run.Failed, &status, "the command ended with status 1"
		return
	}
	status := 0
	b.State, b.ExitStatus = run.Succeeded, &status
	b.Metrics = map[string]any{"auc": 0.5 + 0.5*m.r.Float64(), "log_loss": m.r.Float64()}
	for _, name := range []string{"val.auc", "val.log_loss", "val.precision", "val.recall", "train.loss", "epoch_s"} {
		b.Metrics[name] = m.r.Float64()
	}
	b.Series = &run.Series{Root: m.digest(), Digest: m.digest(), Bytes: 41000, Points: 12000, Names: 14}
	for _, path := range b.Outs {
		b.Outputs = append(b.Outputs, run.Output{Path: path, Root: m.digest(), Digest: m.digest(), Kind: "file", Files: 1, Bytes: int64(m.r.IntN(1 << 24))})
	}
}
