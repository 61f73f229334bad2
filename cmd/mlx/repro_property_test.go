package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// TestReproAnyPipeline: over random pipelines and random edits of them, with real files, a real store and a real ledger,
// what stands there after a repro is what computing everything anew would give, and a state that was computed before is
// restored without executing anything. MLX_TEST_DAGS says over how many pipelines.
func TestReproAnyPipeline(t *testing.T) {
	n, _ := strconv.Atoi(cmp.Or(os.Getenv("MLX_TEST_DAGS"), "8"))
	executed, restored, states := 0, 0, 0
	for seed := range n {
		b := newReproBench(t, uint64(seed))
		for range 12 {
			b.edit()
			b.repro()
			states++
		}
		executed, restored = executed+b.executed, restored+b.restored
		b.app.close()
	}
	t.Logf("%d pipelines, %d states: %d stages executed, %d restored", n, states, executed, restored)
	if executed == 0 || restored == 0 {
		t.Fatal("nothing was tried")
	}
}

// reproBench is a pipeline in a project of its own, and a model of what it makes.
type reproBench struct {
	t   *testing.T
	r   *rand.Rand
	dir string
	app *app

	sources  map[string]string // files by path; a leading "x" of the content makes it executable
	stages   []pipeline.Stage
	past     []map[string]string    // of sources
	pastDefs [][]pipeline.Stage     // of stages, beside past
	seen     map[object.Digest]bool // states that were computed
	executed int
	restored int
	mu       sync.Mutex // guards executed and now
	now      int        // executions of the present repro
}

func newReproBench(t *testing.T, seed uint64) *reproBench {
	b := &reproBench{t: t, r: rand.New(rand.NewPCG(seed, 5)), dir: t.TempDir(), sources: map[string]string{}, seen: map[object.Digest]bool{}}
	b.file(".mlx/keep", "")
	b.file("mlx.yaml", "ledger: 7f3a90c2d15e4b68\n")
	b.app = newApp(nil, &cli.Streams{In: os.Stdin, Out: &strings.Builder{}, Err: &strings.Builder{}})
	b.app.at = b.dir
	for _, f := range []string{"a", "b", "src/c", "src/d", "src/sub/e"} {
		b.sources[f] = b.word()
	}
	var made []string // what a stage can read
	for i := range 2 + b.r.IntN(5) {
		s := pipeline.Stage{Name: fmt.Sprintf("s%d", i), Cmd: b.word(), Folder: "."}
		s.Params = []pipeline.Param{{File: "params.yaml", Key: "k", Value: float64(b.r.IntN(3))}}
		for _, dep := range append([]string{"a", "b", "src", "src/c", "src/sub"}, made...) {
			if b.r.IntN(3) == 0 {
				s.Deps = append(s.Deps, dep)
			}
		}
		for o := range 1 + b.r.IntN(2) {
			out := fmt.Sprintf("out/%d/%d", i, o)
			s.Outs = append(s.Outs, pipeline.Out{Path: out})
			made = append(made, out)
			if o == 0 {
				made = append(made, out+"/x") // a folder
			}
		}
		if b.r.IntN(2) == 0 {
			made = append(made, fmt.Sprintf("out/%d", i)) // holds outputs
		}
		b.stages = append(b.stages, s)
	}
	return b
}

func (b *reproBench) word() string {
	return string([]byte{"xyz"[b.r.IntN(3)], byte('a' + b.r.IntN(26))})
}

func (b *reproBench) file(name, content string) {
	b.t.Helper()
	file := filepath.Join(b.dir, filepath.FromSlash(name))
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(content, "x") {
		mode = 0o755
	}
	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = os.WriteFile(file, []byte(content), mode)
	}
	if err == nil {
		err = os.Chmod(file, mode)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// edit changes something at random, or goes back to what was.
func (b *reproBench) edit() {
	b.past = append(b.past, maps.Clone(b.sources))
	b.pastDefs = append(b.pastDefs, slices.Clone(b.stages))
	i := b.r.IntN(len(b.stages))
	names := slices.Sorted(maps.Keys(b.sources))
	switch b.r.IntN(9) {
	case 0, 1:
		b.sources[names[b.r.IntN(len(names))]] = b.word()
	case 2:
		b.sources["src/new"] = b.word()
	case 3:
		delete(b.sources, "src/new")
	case 4:
		b.stages[i].Params = []pipeline.Param{{File: "params.yaml", Key: "k", Value: float64(b.r.IntN(3))}}
	case 5:
		b.stages[i].Cmd = b.word()
	case 6:
		if out := filepath.Join(b.dir, b.stages[i].Outs[0].Path); b.r.IntN(2) == 0 {
			_ = os.RemoveAll(out) // it need not be there
		} else if _, err := os.Stat(out); err == nil {
			b.file(b.stages[i].Outs[0].Path+"/by-hand", b.word())
		}
	default:
		at := b.r.IntN(len(b.past))
		b.sources, b.stages = maps.Clone(b.past[at]), slices.Clone(b.pastDefs[at])
	}
	for name := range maps.Keys(b.sources) {
		b.file(name, b.sources[name])
	}
	if _, there := b.sources["src/new"]; !there {
		_ = os.Remove(filepath.Join(b.dir, "src/new"))
	}
}

// compute is what a stage makes of files: each output a folder x, y/… or a single file, from all that it reads.
func compute(s pipeline.Stage, files map[string]string) map[string]string {
	h := sha256.New()
	fmt.Fprintln(h, s.Cmd, s.Params)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if slices.ContainsFunc(s.Deps, func(d string) bool { return within(name, d) }) {
			fmt.Fprintln(h, name, files[name])
		}
	}
	sum := fmt.Sprintf("%x", h.Sum(nil))
	if len(sum)%2 == 0 && sum[0] < '8' { // half of all changes of inputs change only a part of the outputs
		sum = "x" + sum[1:]
	}
	made := map[string]string{}
	for i, o := range s.Outs {
		if i == 0 {
			made[o.Path+"/x"], made[o.Path+"/y/z"] = sum[:1], sum
			continue
		}
		made[o.Path] = sum[:2] + s.Name
	}
	return made
}

// repro brings everything up to date and compares it with the model.
func (b *reproBench) repro() {
	b.t.Helper()
	ctx := b.t.Context()
	g, err := pipeline.NewGraph(b.stages)
	if err != nil {
		b.t.Fatal(err)
	}
	want := maps.Clone(b.sources)
	for _, i := range g.Order {
		maps.Copy(want, compute(g.Stages[i], want))
	}
	w, err := b.app.reproWorld(ctx, g)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := pipeline.NewPlanner(ctx, g, w.world(), pipeline.Options{}, g.Order)
	if err != nil {
		b.t.Fatal(err)
	}
	plan, err := p.Plan(ctx, g.Order)
	if err != nil {
		b.t.Fatal(err)
	}
	b.now = 0
	results := p.Apply(ctx, g.Order, pipeline.ApplyOptions{Jobs: 1 + b.r.IntN(3), Executor: reproFake{b, w}})
	for k, r := range results {
		if r.Did == pipeline.Failed || r.Did == pipeline.NotRun {
			b.t.Fatalf("%s %s: %s", r.Stage.Name, r.Did, r.Why)
		}
		if r.Did == pipeline.Restored {
			b.restored++
		}
		if r.Did == pipeline.Ran && plan[k].Do != pipeline.Run || plan[k].Do == pipeline.Restore && r.Did != pipeline.Restored {
			b.t.Fatalf("planned to %s %s (%s), and it was %s (%s)", plan[k].Do, r.Stage.Name, plan[k].Why, r.Did, r.Why)
		}
	}
	state, err := object.Encode(map[string]any{"files": want, "stages": fmt.Sprint(b.stages)})
	if err != nil {
		b.t.Fatal(err)
	}
	if id := object.Sum(state); b.seen[id] && b.now > 0 {
		b.t.Fatalf("%d stages were executed in a state that was computed before", b.now)
	} else {
		b.seen[id] = true
	}
	if got := b.files(); !maps.Equal(got, want) {
		b.t.Fatalf("got %v\nwant %v", got, want)
	}
}

// files is what stands there, without what mlx keeps.
func (b *reproBench) files() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(b.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "mlx.yaml" {
			return err
		}
		if d.IsDir() {
			if name == ".mlx" {
				return fs.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		all[name] = string(text)
		if info, ierr := d.Info(); ierr == nil && (info.Mode()&0o111 != 0) != strings.HasPrefix(all[name], "x") {
			return fmt.Errorf("%s holds %q and has mode %v", name, all[name], info.Mode())
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// reproFake executes a stage in this process and records it as a run does.
type reproFake struct {
	b *reproBench
	w *reproWorld
}

func (x reproFake) Execute(ctx context.Context, step pipeline.Step) (pipeline.Outcome, error) {
	s := step.Stage
	body := run.Body{State: run.Running, Command: []string{"sh", "-c", s.Cmd}, Folder: ".", Attempt: 1, StartedAt: x.b.app.now().UTC(),
		Params: pipeline.ParamsOf(s), Stage: &run.Stage{Name: s.Name, Key: step.Key}}
	for _, d := range step.Deps {
		body.Stage.Deps = append(body.Stage.Deps, run.Dep{Path: d.Path, Digest: d.Digest, Executable: d.Executable})
	}
	started, err := run.Started.Append(ctx, x.w.ledger, lineage.Entry[run.Body]{Body: body})
	if err != nil {
		return pipeline.Outcome{}, err
	}
	for _, o := range s.Outs {
		body.Outs = append(body.Outs, o.Path)
		if err := x.w.makeRoom(s, o.Path, false); err != nil {
			return pipeline.Outcome{}, err
		}
	}
	made := compute(s, x.read(s))
	for _, name := range slices.Sorted(maps.Keys(made)) {
		x.b.file(name, made[name])
	}
	out := pipeline.Outcome{Run: started.ID, State: pipeline.Succeeded}
	for _, o := range s.Outs {
		saved, err := x.w.store.Save(ctx, snapshot.SaveOptions{Path: x.w.abs(o.Path)})
		if err != nil {
			return out, err
		}
		defer func() { _ = saved.Release() }()
		body.Outputs = append(body.Outputs, run.Output{Path: o.Path, Root: saved.Root, Digest: saved.Root, Kind: string(saved.Summary.Kind)})
	}
	body.State, body.Run = run.Succeeded, &started.ID
	_, err = run.Ended.Append(ctx, x.w.ledger, lineage.Entry[run.Body]{Body: body, Prev: []object.Digest{started.ID}})
	x.b.mu.Lock()
	defer x.b.mu.Unlock()
	x.b.executed++
	x.b.now++
	return out, err
}

// read is what a command of the stage would read.
func (x reproFake) read(s pipeline.Stage) map[string]string {
	files := map[string]string{}
	for _, dep := range s.Deps {
		_ = filepath.WalkDir(x.w.abs(dep), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			rel, _ := filepath.Rel(x.b.dir, file)
			files[path.Clean(filepath.ToSlash(rel))] = string(text)
			return err
		})
	}
	return files
}
