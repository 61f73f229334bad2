package drift

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/gate"
)

// uniform is a generator that is easily written in any language: 0 to 1, 53 bits of a linear congruential generator.
type uniform struct{ state uint64 }

func (u *uniform) next() float64 {
	u.state = u.state*6364136223846793005 + 1442695040888963407
	return float64(u.state>>11) / (1 << 53)
}

// streamErrors are 4000 errors whose rate rises from 15 to 35 percent in the middle.
func streamErrors(seed uint64) []float64 {
	u, values := uniform{seed}, make([]float64, 4000)
	for i := range values {
		rate := 0.15
		if i >= 2000 {
			rate = 0.35
		}
		if u.next() < rate {
			values[i] = 1
		}
	}
	return values
}

// streamNumbers are 4000 numbers whose mean rises by one and a half deviations in the middle.
func streamNumbers(seed uint64) []float64 {
	u, values := uniform{seed + 100}, make([]float64, 4000)
	for i := range values {
		for range 12 {
			values[i] += u.next()
		}
		values[i] -= 6
		if i >= 2000 {
			values[i] += 1.5
		}
	}
	return values
}

func found(s Stream, values []float64, both bool) []int {
	changes, _ := s.follow(values, both)
	all := make([]int, len(changes))
	for i, c := range changes {
		all[i] = c.found
	}
	return all
}

// TestDetectorsAgainstRiver holds every detection to what river 0.26.1 found in the same values (streams_interop_test.go asks it anew).
// River forgets all of ADWIN's window after a change; its inner AdaptiveWindowing goes on with the newer part, as the paper has it.
func TestDetectorsAgainstRiver(t *testing.T) {
	for _, c := range []struct {
		method string
		both   bool
		values func(uint64) []float64
		want   [4][]int
	}{
		{"adwin", true, streamErrors, [4][]int{{2143, 2175, 2303, 3359}, {2143, 2175, 2207, 2239, 2271, 2783}, {2111, 2143, 2271, 2687}, {2175, 2239, 2367}}},
		{"page_hinkley", false, streamErrors, [4][]int{{2169}, {2129}, {2231}, {2219}}},
		{"ddm", false, streamErrors, [4][]int{{83, 2298}, {1443, 2141}, {38, 85, 308, 368, 627, 2120}, {2164}}},
		{"adwin", true, streamNumbers, [4][]int{{2015, 2047}, {2047, 2079}, {2047, 2079}, {2047}}},
		{"page_hinkley", true, streamNumbers, [4][]int{{1461, 2010, 2693}, {2039, 2938}, {1291, 2017, 2566, 3749}, {2029, 3386}}},
	} {
		for k, want := range c.want {
			if got := found(Stream{Method: c.method}, c.values(uint64(k+1)), c.both); !slices.Equal(got, want) {
				t.Errorf("%s of seed %d: %v, river %v", c.method, k+1, got, want)
			}
		}
	}
}

// TestChangeIsPlaced: where a change began is near the row at which it did.
func TestChangeIsPlaced(t *testing.T) {
	for _, method := range []string{"adwin", "page_hinkley"} {
		for seed := uint64(1); seed < 5; seed++ {
			changes, _ := Stream{Method: method}.follow(streamErrors(seed), false)
			i := slices.IndexFunc(changes, func(c streamed) bool { return c.found >= 2000 })
			if i < 0 || changes[i].began < 1900 || changes[i].began > 2100 {
				t.Errorf("%s of seed %d: %+v", method, seed, changes)
			}
		}
	}
}

// TestADWINWindow: the histogram holds what the values after the last cut hold, in few buckets.
func TestADWINWindow(t *testing.T) {
	a := newADWIN(0.002, 30)
	values := streamNumbers(1)
	for i, x := range values {
		a.add(x)
		kept := values[i+1-a.width : i+1]
		sum, squares := 0.0, 0.0
		for _, v := range kept {
			sum += v
		}
		for _, v := range kept {
			squares += (v - sum/float64(len(kept))) * (v - sum/float64(len(kept)))
		}
		if d := a.total - sum; d > 1e-6 || d < -1e-6 {
			t.Fatalf("total %v, sum %v", a.total, sum)
		}
		if d := a.variance - squares; d > 1e-6*squares+1e-6 || d < -1e-6*squares-1e-6 {
			t.Fatalf("after %d: variance %v, squares %v", i, a.variance, squares)
		}
		buckets := 0
		for _, row := range a.rows {
			buckets += len(row)
		}
		if buckets > 6*13 {
			t.Fatalf("%d buckets", buckets)
		}
	}
}

// wrongFrom are predictions by the hour that are right until one of them.
func wrongFrom(t *testing.T, rows, from int, shuffled bool) *Labelled {
	t.Helper()
	lines := make([]string, rows)
	u := uniform{5}
	for i := range lines {
		rate, label := 0.1, 0
		if i >= from {
			rate = 0.5
		}
		if u.next() < rate {
			label = 1
		}
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
		lines[i] = fmt.Sprintf("%d,0.2,%d,%s\n", i, label, at.Format(time.RFC3339))
	}
	if shuffled {
		slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[1:], b[1:]) })
	}
	p := Predictions{Source: Source{Name: "p.csv", Table: csvTable(t, "p.csv", "id,score,label,at\n"+strings.Join(lines, ""))},
		ID: "id", Score: "score", Label: "label", Time: "at"}
	l, err := p.Labelled(context.Background(), nil, nil, LabelOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestStreamFinding(t *testing.T) {
	ctx := context.Background()
	for _, method := range []string{"ddm", "adwin", "page_hinkley"} {
		q := quality(wrongFrom(t, 1200, 600, false), nil)
		f, err := q.Stream(ctx, Stream{Method: method, Lambda: 20, Warmup: 200})
		if err != nil {
			t.Fatal(err)
		}
		if f.Verdict != gate.Fail || !strings.Contains(f.Shown, "of 2026-03-2") || !strings.Contains(f.Shown, "mean 0.1") {
			t.Errorf("%s: %+v", method, f)
		}
		again, err := quality(wrongFrom(t, 1200, 600, true), nil).Stream(ctx, Stream{Method: method, Lambda: 20, Warmup: 200})
		if err != nil {
			t.Fatal(err)
		}
		when := func(f gate.Finding) string {
			return f.Shown[strings.Index(f.Shown, " of "):strings.Index(f.Shown, ",")]
		}
		if when(f) != when(again) {
			t.Errorf("%s: in another order of the file %s, before %s", method, again.Shown, f.Shown)
		}
		still, err := quality(wrongFrom(t, 600, 600, false), nil).Stream(ctx, Stream{Method: method, Warmup: 200})
		if err != nil || still.Verdict != gate.Pass {
			t.Errorf("%s: %+v %v", method, still, err)
		}
	}
	better, err := quality(wrongFrom(t, 400, 400, false), wrongFrom(t, 1200, 0, false)).Stream(ctx, Stream{Method: "adwin"})
	if err != nil || better.Verdict != gate.Pass || !strings.Contains(better.Note, "for the better") {
		t.Errorf("%+v %v", better, err)
	}
	few, err := quality(wrongFrom(t, 20, 20, false), nil).Stream(ctx, Stream{Method: "ddm"})
	if err != nil || few.Verdict != gate.Inconclusive {
		t.Errorf("%+v %v", few, err)
	}
	if _, err := quality(wrongFrom(t, 100, 50, false), nil).Stream(ctx, Stream{Method: "ddm", Of: "score"}); err == nil {
		t.Error("ddm of scores")
	}
}
