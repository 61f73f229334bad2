package drift

import (
	"strings"
	"testing"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// TestRefused: what cannot be done as it was asked for is an error of the usage, of tables and of profiles, and never an answer that says less.
func TestRefused(t *testing.T) {
	table := func() Source {
		return csvSource(t, "x,w\n"+strings.Repeat("1,a\n2,b\n", 50), dataset.Options{})
	}
	profile := profileSource(t, table(), 0)
	for name, c := range map[string]struct {
		ref  Source
		spec Spec
		says string
	}{
		"method of a column": {table(), Spec{Methods: map[string]Method{"x": Chi2}}, "cannot compare column x by chi2: its values are numbers"},
		"and of a profile":   {profile, Spec{Methods: map[string]Method{"w": KS}}, "cannot compare column w by ks: its values are categories"},
		"learning":           {profile, Spec{Learn: &Learn{Chunks: 10, Deviations: 3}}, "cannot learn thresholds"},
	} {
		_, err := Compare(t.Context(), c.ref, table(), c.spec, Options{Temp: t.TempDir()})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
