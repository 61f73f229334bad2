package run

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGlanceAtMetrics: of a run in progress the newest metrics are seen, whether a file or a client has told them, and however long that is.
func TestGlanceAtMetrics(t *testing.T) {
	loss := func(step int, value float64) string {
		return string(Entry{Metrics: []TrackedMetric{{Key: "loss", Value: value, Time: 1, Step: int64(step)}}}.line())
	}
	var long strings.Builder
	for step := range 3000 {
		long.WriteString(loss(step, float64(step)/4))
	}
	for name, c := range map[string]struct {
		file, tracked string
		want          map[string]Number
	}{
		"nothing":                 {"", "", nil},
		"a file":                  {`{"accuracy": 0.5}`, "", map[string]Number{"accuracy": 0.5}},
		"a client":                {"", loss(0, 2) + loss(1, 1), map[string]Number{"loss": 1}},
		"an earlier step later":   {"", loss(1, 1) + loss(0, 2), map[string]Number{"loss": 1}},
		"both":                    {`{"accuracy": 0.5}`, loss(0, 2), map[string]Number{"accuracy": 0.5, "loss": 2}},
		"half a line":             {"", loss(0, 2) + `{"m":[{"k":"lo`, map[string]Number{"loss": 2}},
		"no metrics":              {"", string(Entry{Name: "forest"}.line()), nil},
		"more than is looked at":  {"", long.String(), map[string]Number{"loss": 2999. / 4}},
		"a line that is too long": {"", fmt.Sprintf(`{"n":%q}`, strings.Repeat("x", 2*glanceBytes)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{metricsName: c.file, trackedName: c.tracked} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if got := (Live{Dir: dir}).Glance().Metrics; !maps.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
