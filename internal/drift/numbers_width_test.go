package drift

import (
	"slices"
	"testing"
)

// TestWidthOfOneValue: a reference of one value has one edge, which is it, whatever a tenth of it is rounded to.
func TestWidthOfOneValue(t *testing.T) {
	for _, v := range []float64{0.1, -0.3, 1e-300, 7e22} {
		if edges := inside(linspace(v, v, 10)); !slices.Equal(edges, []float64{v}) {
			t.Errorf("%v: %v", v, edges)
		}
	}
}
