//go:build interop

package drift

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mlx/internal/dataset"
)

// What the peers do that is held to be wrong, and therefore compared with nothing:
//   - Evidently's Mann-Whitney is one-sided; its G-test raises for samples of two sizes; its chi-square is one of goodness of fit, whose p is 0 for any
//     category that is new; its K-S is scipy's, which is compared directly.
//   - Evidently's bins for Hellinger are those of the different values: with ties they are not the bins of its other methods. Without ties it is compared.
//   - Evidently stops at an empty column, and so does NannyML: of one, mlx has no value, and the others are compared.
//   - NannyML's K-S and Wasserstein of 10,000 rows and more are those of 10,000 bins, .0035 off on a heavy tail: its exact way is compared.
//   - numpy makes no bins of one value so large that half more is the same number: mlx makes one.
//   - scipy's asymptotic K-S of one row against one is NaN.

// A saying is one number of one peer, and how mlx is told the convention.
type saying struct {
	Case, Column string
	Method       Method
	Of           string
	Spec         json.RawMessage
	Want         *float64
	By           string
	Within       float64
}

// TestInteropDriftOracle holds every method against scipy, Evidently and NannyML, in both formats, on made data and on the flights.
func TestInteropDriftOracle(t *testing.T) {
	python := os.Getenv("MLX_TEST_DRIFT")
	if python == "" {
		t.Fatal("MLX_TEST_DRIFT is not set: export MLX_TEST_DRIFT=$(.ci/python cmd/mlx/testdata/python/drift.txt)")
	}
	dir := t.TempDir()
	cmd := exec.Command(python, filepath.Join("testdata", "oracle.py"), dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []saying
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	asked := map[string]*Compared{}
	for _, s := range all {
		for _, format := range []string{"parquet", "csv"} {
			key := s.Case + format + string(s.Spec)
			if asked[key] == nil {
				asked[key] = comparedFiles(t, filepath.Join(dir, s.Case), format, s.Spec)
			}
			s.hold(t, asked[key], format, compared)
		}
	}
	t.Log(compared)
	for _, by := range []string{"scipy", "numpy", "statsmodels", "evidently", "nannyml"} {
		for _, of := range []string{"missing", "ks", "psi", "js"} {
			if by == map[string]string{"missing": "statsmodels", "ks": "scipy", "psi": "evidently", "js": "nannyml"}[of] && compared[by+" "+of] < 20 {
				t.Errorf("%s of %s was compared %d times", of, by, compared[by+" "+of])
			}
		}
	}
}

func comparedFiles(t *testing.T, dir, format string, how json.RawMessage) *Compared {
	t.Helper()
	var sides [2]Source
	for i, name := range []string{"ref", "cur"} {
		f, err := dataset.FromFS(os.DirFS(dir), name+"."+format, name)
		if err != nil {
			t.Fatal(err)
		}
		table, err := dataset.Open(t.Context(), []dataset.File{f}, dataset.Options{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		sides[i] = Source{Name: name, Table: table}
		defer func() { _ = table.Close() }()
	}
	var spec Spec
	if err := json.Unmarshal(how, &spec); err != nil {
		t.Fatal(err)
	}
	c, err := Compare(t.Context(), sides[0], sides[1], spec, Options{Temp: t.TempDir()})
	if err != nil {
		t.Fatalf("%s, %s, %s: %v", dir, format, how, err)
	}
	return c
}

// hold compares one number.
func (s saying) hold(t *testing.T, c *Compared, format string, compared map[string]int) {
	t.Helper()
	got, ok := s.ours(c)
	name := fmt.Sprintf("%s %s %s: %s %s of %s in %s as %s", s.Case, s.Column, format, s.Method, s.Of, s.By, s.Spec, s.By)
	switch {
	case !ok:
		t.Errorf("%s: mlx has none", name)
		return
	case s.Want == nil: // theirs is not defined
		return
	case math.IsNaN(got), math.Abs(got-*s.Want) > s.Within*max(1, math.Abs(*s.Want)):
		t.Errorf("%s: %v, theirs %v", name, got, *s.Want)
	}
	compared[s.By+" "+string(s.Method)]++
}

// ours is the same number of mlx.
func (s saying) ours(c *Compared) (float64, bool) {
	for _, m := range c.Columns {
		if m.Name != s.Column {
			continue
		}
		switch {
		case s.Method == Missing && s.Of == "value":
			return m.MissingShare - m.ReferenceMissing, true
		case s.Method == Missing:
			return shareP(missingOf(m.Reference), m.Reference.Rows, missingOf(m.Current), m.Current.Rows), true
		case s.Method == Unseen:
			cur := m.Current
			return float64(m.Unseen) / float64(cur.Rows-cur.Missing-cur.NaN-cur.PlusInf-cur.MinusInf), true
		}
		e, ok := m.Distances[s.Method]
		if s.Of == "p" {
			return e.P, ok
		}
		return e.Value, ok
	}
	return 0, false
}
