package run

import (
	"slices"
	"strings"
	"testing"
)

// whats are the words of causes, in order.
func whats(causes []Cause) []string {
	var all []string
	for _, c := range causes {
		all = append(all, c.What)
	}
	return all
}

func TestCauses(t *testing.T) {
	one := func(auc Number) View { return ran(map[string]Number{"auc": auc}) }
	with := func(v View, change func(*View)) View { change(&v); return v }
	seeded := func(v *View) { v.Params = map[string]any{"train.seed": 1.0} }
	python := func(version string) func(*View) {
		return func(v *View) { v.Environment = &Environment{Python: &Python{Version: version}} }
	}
	cpu := func(name string) func(*View) {
		return func(v *View) { v.Machine = ViewMachine{OS: "linux", Arch: "amd64", CPU: name, CPUs: 8} }
	}
	variables := func(all map[string]string) func(*View) {
		return func(v *View) { v.Environment = &Environment{Variables: all} }
	}
	tests := []struct {
		name string
		e    Evidence
		want []string
	}{
		{"the same", Evidence{Original: one(1), Repeats: []View{one(1)}}, nil},
		{"no seed", Evidence{Original: one(1), Repeats: []View{one(2)}}, []string{"seed"}},
		{"no seed but the repeats agree", Evidence{Original: one(1), Repeats: []View{one(2), one(2)}}, []string{"unknown"}},
		{"no seed and the repeats differ", Evidence{Original: one(1), Repeats: []View{one(2), one(3)}, Packages: []PackageChange{{"numpy", "1", "2"}}},
			[]string{"seed", "package"}},
		{"a seed in the code", Evidence{Original: one(1), Repeats: []View{one(2)}, SeedInCode: true}, []string{"nondeterminism"}},
		{"a seed and the repeats differ", Evidence{Original: with(one(1), seeded), Repeats: []View{one(2), one(3)}}, []string{"nondeterminism"}},
		{"a package before a missing seed", Evidence{Original: one(1), Repeats: []View{one(2)}, Packages: []PackageChange{{"numpy", "1", ""}}},
			[]string{"package", "seed"}},
		{"a package, and the repeats agree", Evidence{Original: one(1), Repeats: []View{one(2), one(2)}, Packages: []PackageChange{{"numpy", "1", "2"}}},
			[]string{"package"}},
		{"python", Evidence{Original: with(with(one(1), seeded), python("3.12.1")), Repeats: []View{with(one(2), python("3.13.0"))}}, []string{"python"}},
		{"hardware", Evidence{Original: with(with(one(1), seeded), cpu("A")), Repeats: []View{with(one(2), cpu("B"))}}, []string{"hardware"}},
		{"a variable of the place is none", Evidence{Original: with(with(one(1), seeded), variables(map[string]string{"HOSTNAME": "a", "CI": "1"})),
			Repeats: []View{with(one(2), variables(nil))}}, []string{"nondeterminism"}},
		{"a variable", Evidence{Original: with(with(one(1), seeded), variables(map[string]string{"OMP_NUM_THREADS": "1"})),
			Repeats: []View{with(one(2), variables(nil))}}, []string{"environment"}},
		{"a lacking input", Evidence{Original: one(1), Repeats: []View{{State: Failed}},
			Inputs: []Undeclared{{Path: "cache/x.csv", By: "train.py", Why: "git ignores it", Absent: true}}}, []string{"input"}},
		{"an input that changed, before a package", Evidence{Original: with(one(1), seeded), Repeats: []View{one(2)}, Packages: []PackageChange{{"numpy", "1", "2"}},
			Inputs: []Undeclared{{Path: "/data/x.csv", By: "train.py", Why: "it is outside the repository", Changed: true}}}, []string{"input", "package"}},
		{"an input that did not change, after all", Evidence{Original: with(one(1), seeded), Repeats: []View{one(2)}, Packages: []PackageChange{{"numpy", "1", "2"}},
			Inputs: []Undeclared{{Path: "/data/x.csv", By: "train.py", Why: "it is outside the repository"}}}, []string{"package", "input"}},
		{"left out", Evidence{Original: with(with(one(1), seeded), func(v *View) { v.LeftOut = []LeftOut{{Path: "big.bin", Why: "above 100 MB"}} }),
			Repeats: []View{one(2)}}, []string{"uncaptured"}},
	}
	for _, tt := range tests {
		tt.e.Compared = Compare(tt.e.Original, tt.e.Repeats, Tolerance{Default: DefaultTolerance}, nil)
		got := Causes(tt.e)
		if !slices.Equal(whats(got), tt.want) {
			t.Errorf("%s: %v, want %v\n%+v", tt.name, whats(got), tt.want, got)
		}
		for _, c := range got {
			if c.Text == "" || strings.Contains(c.Text, "  ") {
				t.Errorf("%s: a cause without words: %+v", tt.name, c)
			}
		}
	}
}

func TestCausesAreFew(t *testing.T) {
	e := Evidence{Original: ran(map[string]Number{"auc": 1}), Repeats: []View{ran(map[string]Number{"auc": 2}), ran(map[string]Number{"auc": 2})}}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		e.Packages = append(e.Packages, PackageChange{name, "1", "2"})
	}
	e.Compared = Compare(e.Original, e.Repeats, Tolerance{Default: "0"}, nil)
	got := Causes(e)
	if len(got) != maxPackageCauses+1 || got[maxPackageCauses].Text != "2 more packages differ" || got[0].Command != "pip install a==1" {
		t.Errorf("got %+v", got)
	}
}
