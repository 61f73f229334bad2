package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

// named makes stages of lines "name: dep dep -> out out".
func named(t *testing.T, lines ...string) []Stage {
	t.Helper()
	all := make([]Stage, len(lines))
	for i, line := range lines {
		name, rest, ok := strings.Cut(line, ":")
		deps, outs, arrow := strings.Cut(rest, "->")
		if !ok || !arrow {
			t.Fatalf("bad line %q", line)
		}
		all[i] = Stage{Name: name, Cmd: name, Folder: ".", Deps: strings.Fields(deps), At: fault.Position{File: "mlx.yaml", Line: i + 1}}
		for _, out := range strings.Fields(outs) {
			all[i].Outs = append(all[i].Outs, Out{Path: out})
		}
	}
	return all
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		stages []string
		want   string
		needs  map[string]string
	}{
		{[]string{"a: ->x", "b: ->y", "c: ->z"}, "a b c", nil},
		{[]string{"a: y -> x", "b: -> y"}, "b a", map[string]string{"a": "b"}},
		{[]string{"a: dir/inside -> x", "b: -> dir"}, "b a", map[string]string{"a": "b"}},
		{[]string{"a: dir -> x", "b: -> dir/one", "c: -> dir/two", "d: -> dirt"}, "b c a d", map[string]string{"a": "b c"}},
		{[]string{"a: . -> ", "b: -> p/q", "c: p -> r"}, "b c a", map[string]string{"a": "b c", "c": "b"}},
		{[]string{"last: b.out a.out ->", "b: in -> b.out", "a: in -> a.out", "free: -> f"}, "b a last free", map[string]string{"last": "b a"}},
	} {
		g, err := NewGraph(named(t, c.stages...))
		if err != nil {
			t.Errorf("%v: %v", c.stages, err)
			continue
		}
		var got []string
		for _, i := range g.Order {
			got = append(got, g.Stages[i].Name)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%v: %s", c.stages, diff)
		}
		for name, want := range c.needs {
			if got := strings.Join(g.Needs(name), " "); got != want {
				t.Errorf("%v: %s needs %q, want %q", c.stages, name, got, want)
			}
		}
	}
}

func TestGraphMistakes(t *testing.T) {
	for want, stages := range map[string][]string{
		"its stages need each other: ":               {"a: x -> y", "b: y -> z", "c: z -> x", "free: -> f"},
		"stages a and b both write x":                {"a: -> x", "b: -> x"},
		"x/y, an output of stage b, lies in x":       {"a: -> x", "b: -> x/y"},
		"stage a reads what it writes":               {"a: x -> x/y"},
		"there are two stages a":                     {"a: -> x", "a: -> y"},
		"the output of stage a is the whole project": {"a: -> ."},
	} {
		_, err := NewGraph(named(t, stages...))
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%v: %v", stages, err)
		}
		if at := fault.At(err); at == nil || at.Line == 0 {
			t.Errorf("%v: no position", stages)
		}
	}
	_, err := NewGraph(named(t, "a: x -> y", "b: y -> z", "c: z -> x"))
	if !strings.HasSuffix(err.Error(), "a -> b -> c -> a") {
		t.Errorf("the cycle is told as %v", err)
	}
}

func TestSelect(t *testing.T) {
	g, err := NewGraph(named(t, "a: -> x", "b: x -> y", "c: x -> z", "d: y z ->"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names string
		only  bool
		want  string
	}{{"", false, "a b c d"}, {"b", false, "a b"}, {"d", false, "a b c d"}, {"d b", true, "b d"}, {"c", true, "c"}} {
		sel, err := g.Select(strings.Fields(c.names), c.only)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range sel {
			got = append(got, g.Stages[i].Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q only %t: %v, want %s", c.names, c.only, got, c.want)
		}
	}
	if _, err := g.Select([]string{"e"}, false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown stage: %v", err)
	}
}

// TestManyStages: the work grows with the edges, not with the square of the stages: this ends at once or not at all.
func TestManyStages(t *testing.T) {
	var all []Stage
	for i := range 50_000 {
		s := Stage{Name: fmt.Sprint(i), Deps: []string{"code", fmt.Sprintf("in/%d", i)}, Outs: []Out{{Path: fmt.Sprintf("out/%d/x", i)}}}
		if i%10 > 0 {
			s.Deps = append(s.Deps, fmt.Sprintf("out/%d", i-1))
		}
		all = append(all, s)
	}
	g, err := NewGraph(all)
	if err != nil || len(g.Order) != len(all) {
		t.Fatal(err)
	}
}
