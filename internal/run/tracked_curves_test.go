//go:build unix

package run

import (
	"context"
	"fmt"
	"math"
	"testing"

	"mlx/internal/object"
)

// TestCurves holds that points come by time, step and value, NaN first, and that one whose file is not here is an error.
func TestCurves(t *testing.T) {
	ctx, b := context.Background(), newBench(t)
	tracked := b.track(t, TrackSpec{})
	for _, v := range []float64{1, math.NaN(), 0} {
		tell(t, tracked, Entry{Metrics: []TrackedMetric{{Key: "loss", Value: v, Time: 5, Step: 2}}})
	}
	tell(t, tracked, Entry{Metrics: []TrackedMetric{{Key: "loss", Value: 9, Time: 5, Step: 1}, {Key: "loss", Value: 8, Time: 4, Step: 3}}})
	curve, err := tracked.History(ctx, "loss")
	if err != nil || fmt.Sprint(curve.Values) != "[8 9 NaN 0 1]" {
		t.Errorf("%v, %v", curve.Values, err)
	}
	if err := tracked.Close(false); err != nil {
		t.Fatal(err)
	}
	if _, err := HistoryOf(ctx, b.runner.Store, &Body{Series: &Series{Root: object.Sum([]byte("elsewhere"))}}, "loss"); err == nil {
		t.Error("a file that is not here was read")
	}
}
