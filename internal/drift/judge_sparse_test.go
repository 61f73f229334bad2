package drift

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestSparseCategories: a large reference of many rare categories and a small window of the same raise no alarm, whatever the method. Pearson's
// p on all of them is below 5% in a third of such windows.
func TestSparseCategories(t *testing.T) {
	t.Parallel()
	const sets = 40
	r := rand.New(rand.NewPCG(5, 5))
	zipf := rand.NewZipf(r, 1.2, 3, 2000)
	side := func(n int) Source {
		return madeSource(t, "c", n, func(int) string { return fmt.Sprintf("k%d", zipf.Uint64()) })
	}
	for _, judge := range []string{JudgeP, JudgeBoth} {
		spec, err := Spec{Methods: map[string]Method{"categories": Chi2}, Judge: judge}.Complete()
		if err != nil {
			t.Fatal(err)
		}
		alarms := 0
		for range sets {
			c, err := Compare(t.Context(), side(10_000), side(150), spec, Options{Temp: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if c.Judge(spec, time.Time{}).Verdict == Drift {
				alarms++
			}
		}
		if alarms > 6 {
			t.Errorf("%s: %d alarms of %d", judge, alarms, sets)
		}
	}
}
