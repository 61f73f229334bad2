package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mlx/internal/dataset"
)

func disturbRows(n int) *askFrame {
	f := &askFrame{rows: n, at: make([]int64, n)}
	c := func(name string, t dataset.Type) *askColumn {
		f.columns = append(f.columns, askColumn{Field: dataset.Field{Name: name, Type: t}})
		k := &f.columns[len(f.columns)-1]
		for range n {
			k.grow()
		}
		return k
	}
	for i := range c("int", dataset.Int).ints {
		f.columns[0].ints[i] = int64(i % 11)
	}
	for i := range c("float", dataset.Float).floats {
		f.columns[1].floats[i] = float64(i%17) * 3
	}
	for i := range c("text", dataset.Text).texts {
		f.columns[2].texts[i] = fmt.Sprintf("Main Street %d", i)
	}
	for i := range c("bool", dataset.Bool).ints {
		f.columns[3].ints[i] = int64(i & 1)
	}
	return f
}

func disturbText(f *askFrame, column int) []string {
	all := make([]string, f.rows)
	for i := range all {
		all[i] = f.columns[column].text(i)
	}
	return all
}

// The same seed gives the same bytes, also with one column more; what was given is left as it was; noise and losses are as large as said.
func TestDisturb(t *testing.T) {
	const n = 20_000
	names := []string{"int", "float", "text", "bool"}
	rows := disturbRows(n)
	before := disturbText(rows, 1)
	u := Under{Noise: 0.5, Missing: 0.1, Typos: 0.2}
	one, two := u.disturb(rows, names, 1), u.disturb(rows, names[1:], 1)
	if !slices.Equal(disturbText(one, 2), disturbText(two, 2)) || !slices.Equal(disturbText(one, 1), disturbText(two, 1)) {
		t.Error("one column more changes the others")
	}
	if slices.Equal(disturbText(one, 2), disturbText(u.disturb(rows, names, 2), 2)) {
		t.Error("another seed changes nothing")
	}
	if !slices.Equal(before, disturbText(rows, 1)) {
		t.Error("the rows as they are were changed")
	}
	noisy := Under{Noise: 0.5}.disturb(rows, names, 1)
	for c := range 2 {
		sum := 0.0
		for i := range n {
			d := noisy.columns[c].number(i) - rows.columns[c].number(i)
			sum += d * d
		}
		got, want := math.Sqrt(sum/n), 0.5*rows.columns[c].std()
		if math.Abs(got/want-1) > 0.03 { // rounding adds 1/12 to the variance of whole numbers
			t.Errorf("%s: noise of %v, want %v", names[c], got, want)
		}
	}
	if !slices.Equal(disturbText(noisy, 2), disturbText(rows, 2)) {
		t.Error("noise changes texts")
	}
	for c := range names {
		lost := 0
		for _, m := range (Under{Missing: 0.1}).disturb(rows, names, 3).columns[c].missing {
			if m {
				lost++
			}
		}
		if math.Abs(float64(lost)/n-0.1) > 0.01 {
			t.Errorf("%s: %d of %d are lost", names[c], lost, n)
		}
	}
}

// Typos change what is typed and nothing else: without a share nothing, with all of it almost every character.
func TestTypos(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const text = "Größe of the Street 12"
	if typos(text, 0, random) != text {
		t.Error("typos without a share")
	}
	changed := 0
	for range 200 {
		got := typos(text, 0.05, random)
		if got != text {
			changed++
		}
		if d := len([]rune(got)) - len([]rune(text)); d < -12 || d > 12 {
			t.Errorf("%q", got)
		}
	}
	if changed < 80 || changed > 180 { // 1 - 0.95^22 is 0.68
		t.Errorf("%d of 200 texts are mistyped", changed)
	}
	if k := neighbour('G', random); !slices.Contains([]rune("FHTB"), k) {
		t.Errorf("%q is no neighbour of G", k)
	}
}

// A swap asks for every row with every value that it does not have.
func TestSwapRows(t *testing.T) {
	rows := disturbRows(110)
	got, origin, note, err := Under{Swap: "int"}.swapRows(rows, 1)
	if err != nil || len(origin) != 110*10 || got.rows != len(origin) || note != "" {
		t.Fatalf("%d rows %q %v", len(origin), note, err)
	}
	for i, o := range origin {
		if got.columns[0].text(i) == rows.columns[0].text(o) || got.columns[2].text(i) != rows.columns[2].text(o) {
			t.Fatalf("row %d", i)
		}
	}
	if _, origin, note, err = (Under{Swap: "text"}).swapRows(rows, 1); err != nil || note == "" || len(origin) != 110*swapMost-swapMost {
		t.Errorf("%d rows %q %v", len(origin), note, err)
	}
	if _, _, _, err = (Under{Swap: "bool", Values: []any{"x"}}).swapRows(rows, 1); err == nil {
		t.Error("x is no bool")
	}
}
