package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"mlx/internal/object"
)

// desk is a world in memory: files are words, and a run makes of its inputs what the test says.
type desk struct {
	mu    sync.Mutex
	t     *testing.T
	files map[string]string
	made  map[object.Digest][]Made
	past  map[string][]Past
	lost  map[object.Digest]bool // versions that the store has lost
	kept  map[object.Digest]string
	makes func(step Step, out string) string
	fails map[string]int // attempts that fail, by stage
	ran   []string
	asked int // how often made was asked
}

func newDesk(t *testing.T) *desk {
	return &desk{t: t, files: map[string]string{"in": "1"}, made: map[object.Digest][]Made{}, past: map[string][]Past{}, lost: map[object.Digest]bool{}, kept: map[object.Digest]string{},
		fails: map[string]int{}, makes: func(step Step, out string) string { return out + step.Key.Hex() }}
}

func (d *desk) identity(p string) Identity {
	sum := object.Sum([]byte(d.files[p]))
	return Identity{Root: sum, Digest: sum}
}

func (d *desk) world() World {
	return World{
		Identify: func(_ context.Context, paths []string) (map[string]Identity, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			all := map[string]Identity{}
			for _, p := range paths {
				if _, there := d.files[p]; there {
					all[p] = d.identity(p)
				}
			}
			return all, nil
		},
		Inside: func(_ context.Context, out MadeOut, inner string) (Identity, bool, error) {
			return Identity{Root: out.Root, Digest: out.Digest}, inner == "", nil
		},
		Made: func(_ context.Context, keys []object.Digest) (map[object.Digest][]Made, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.asked++
			all := map[object.Digest][]Made{}
			for _, k := range keys {
				all[k] = slices.Clone(d.made[k])
			}
			return all, nil
		},
		Newest:  func(context.Context, []string) (map[string][]Past, error) { return d.past, nil },
		Changes: func(context.Context, string, object.Digest) string { return "" },
		Missing: func(_ context.Context, s Stage, p string) error { return errors.New(s.Name + " lacks " + p) },
		Here: func(_ context.Context, m Made) (bool, error) {
			return !slices.ContainsFunc(m.Outs, func(o MadeOut) bool { return d.lost[o.Root] }), nil
		},
		Restore: func(_ context.Context, s Stage, m Made) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, o := range m.Outs {
				d.files[o.Path] = d.kept[o.Root]
			}
			return nil
		},
		Lock: func(context.Context, Stage, object.Digest) (Lock, error) { return Lock{Release: func() {}}, nil },
	}
}

// Execute implements Executor.
func (d *desk) Execute(_ context.Context, step Step) (Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ran = append(d.ran, step.Stage.Name)
	if d.fails[step.Stage.Name] >= step.Attempt {
		return Outcome{Run: object.Sum([]byte("failed")), State: "failed", Cause: "exit status 3"}, nil
	}
	m := Made{Run: object.Sum([]byte(step.Key.Hex() + "run" + strings.Join(d.ran, " ")))}
	for _, o := range step.Stage.Outs {
		d.files[o.Path] = d.makes(step, o.Path)
		sum := object.Sum([]byte(d.files[o.Path]))
		d.kept[sum] = d.files[o.Path]
		m.Outs = append(m.Outs, MadeOut{Path: o.Path, Root: sum, Digest: sum, Kind: "file"})
	}
	d.made[step.Key] = append([]Made{m}, d.made[step.Key]...)
	return Outcome{Run: m.Run, State: Succeeded, Outs: m.Outs}, nil
}

// repro brings all stages up to date and returns "name did" of each; it fails if the plan said otherwise.
func (d *desk) repro(stages []Stage, o Options, with ApplyOptions) string {
	d.t.Helper()
	g, err := NewGraph(stages)
	if err != nil {
		d.t.Fatal(err)
	}
	p, err := NewPlanner(d.t.Context(), g, d.world(), o, g.Order)
	if err != nil {
		d.t.Fatal(err)
	}
	with.Executor = d
	var all []string
	for _, r := range p.Apply(d.t.Context(), g.Order, with) {
		words := r.Stage.Name + " " + string(r.Did)
		if r.Did == Failed || r.Did == NotRun {
			words += " (" + r.Why + ")"
		}
		all = append(all, words)
	}
	return strings.Join(all, ", ")
}

func TestApply(t *testing.T) {
	d := newDesk(t)
	stages := named(t, "a: in -> x", "b: x -> y", "c: y in -> z")
	steps := []struct {
		what   string
		change func()
		want   string
	}{
		{"the first time", func() {}, "a ran, b ran, c ran"},
		{"again", func() {}, "a skipped, b skipped, c skipped"},
		{"an input", func() { d.files["in"] = "2" }, "a ran, b ran, c ran"},
		{"and back", func() { d.files["in"] = "1" }, "a restored, b restored, c restored"},
		{"an output is gone", func() { delete(d.files, "y") }, "a skipped, b restored, c skipped"},
		{"an output is changed", func() { d.files["y"] = "by hand" }, "a skipped, b restored, c skipped"},
		{"and not in the store", func() { delete(d.files, "y"); d.lost[d.made[keyOf(d, stages[1])][0].Outs[0].Root] = true }, "a skipped, b ran, c skipped"},
		{"the command", func() { stages[0].Cmd = "other" }, "a ran, b ran, c ran"},
		{"what comes out stays the same", func() {
			d.makes = func(step Step, out string) string { return "constant " + out }
			stages[0].Cmd = "third"
		}, "a ran, b ran, c ran"},
		{"then nothing after it runs", func() { stages[0].Cmd = "fourth" }, "a ran, b skipped, c skipped"},
		{"always", func() { stages[1].Always = true }, "a skipped, b ran, c skipped"},
		{"frozen", func() { stages[1].Always, stages[1].Frozen = false, true; stages[1].Cmd = "new" }, "a skipped, b skipped, c skipped"},
	}
	for _, s := range steps {
		s.change()
		if got := d.repro(stages, Options{}, ApplyOptions{Jobs: 1}); got != s.want {
			t.Errorf("%s: %s, want %s", s.what, got, s.want)
		}
	}
	stages[1].Frozen = false
	if got := d.repro(stages, Options{Fresh: map[string]string{"c": "--fresh"}}, ApplyOptions{Jobs: 1}); got != "a skipped, b ran, c ran" {
		t.Errorf("fresh: %s", got)
	}
}

// keyOf is the key of a stage as things are.
func keyOf(d *desk, s Stage) object.Digest {
	d.t.Helper()
	var deps []Dep
	for _, p := range s.Deps {
		deps = append(deps, Dep{Path: p, Digest: d.identity(p).Digest})
	}
	k, err := Key(s, deps)
	if err != nil {
		d.t.Fatal(err)
	}
	return k
}

// TestNondeterminism: of several results of the same inputs, what stands there is as good as any; else the newest counts.
func TestNondeterminism(t *testing.T) {
	d := newDesk(t)
	n := 0
	d.makes = func(Step, string) string { n++; return strings.Repeat("x", n) }
	stages := named(t, "a: in -> x")
	fresh := Options{Fresh: map[string]string{"a": "--fresh"}}
	d.repro(stages, fresh, ApplyOptions{})
	d.repro(stages, fresh, ApplyOptions{})
	for _, older := range []string{"x", "xx"} {
		d.files["x"] = older
		if got := d.repro(stages, Options{}, ApplyOptions{}); got != "a skipped" || d.files["x"] != older {
			t.Errorf("%s: %s, and it is %s", older, got, d.files["x"])
		}
	}
	delete(d.files, "x")
	if got := d.repro(stages, Options{}, ApplyOptions{}); got != "a restored" || d.files["x"] != "xx" {
		t.Errorf("%s: %s", got, d.files["x"])
	}
}

func TestFailures(t *testing.T) {
	stages := named(t, "bad: in -> x", "needs: x -> y", "free: in -> z", "last: y ->")
	for _, c := range []struct {
		options ApplyOptions
		fails   int
		retries int
		want    string
		ran     int
	}{
		{ApplyOptions{}, 1, 0, "bad failed (exit status 3), needs not run (needs bad), free not run (stopped because bad failed), last not run (needs needs)", 1},
		{ApplyOptions{KeepGoing: true}, 1, 0, "bad failed (exit status 3), needs not run (needs bad), free ran, last not run (needs needs)", 2},
		{ApplyOptions{KeepGoing: true, Jobs: 4}, 3, 2, "bad failed (exit status 3), needs not run (needs bad), free ran, last not run (needs needs)", 4},
		{ApplyOptions{}, 2, 2, "bad ran, needs ran, free ran, last ran", 6},
	} {
		d := newDesk(t)
		d.fails["bad"] = c.fails
		stages[0].Retries = c.retries
		if got := d.repro(stages, Options{}, c.options); got != c.want || len(d.ran) != c.ran {
			t.Errorf("%+v: %s, %d attempts", c, got, len(d.ran))
		}
	}
}

// TestNothingToDoAsksOnce: however many stages there are, the ledger is asked once.
func TestNothingToDoAsksOnce(t *testing.T) {
	d := newDesk(t)
	var lines []string
	for i := range 200 {
		dep := "in"
		if i%20 > 0 {
			dep = fmt.Sprint("o", i-1)
		}
		lines = append(lines, fmt.Sprintf("s%d: %s -> o%d", i, dep, i))
	}
	stages := named(t, lines...)
	d.repro(stages, Options{}, ApplyOptions{})
	d.asked = 0
	if got := d.repro(stages, Options{}, ApplyOptions{}); strings.Contains(got, "ran") || strings.Contains(got, "restored") {
		t.Fatal(got)
	}
	if d.asked != 1 {
		t.Errorf("asked %d times", d.asked)
	}
}

// TestInterrupted: a context that ends starts nothing any more, and what did not run says so.
func TestInterrupted(t *testing.T) {
	d := newDesk(t)
	ctx, stop := context.WithCancel(t.Context())
	d.makes = func(_ Step, out string) string { stop(); return out }
	g, err := NewGraph(named(t, "a: in -> x", "b: x -> y", "c: in -> z"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlanner(ctx, g, d.world(), Options{}, g.Order)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.Apply(ctx, g.Order, ApplyOptions{Executor: d}) {
		got = append(got, r.Stage.Name+" "+string(r.Did))
	}
	if strings.Join(got, ", ") != "a ran, b not run, c not run" {
		t.Error(got)
	}
}
