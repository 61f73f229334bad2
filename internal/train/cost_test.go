package train

import (
	"math"
	"testing"
	"time"
)

func TestCost(t *testing.T) {
	gpu := Price{Currency: "EUR", GPUHour: 2.10}
	for _, c := range []struct {
		name   string
		price  Price
		r      Resources
		spot   bool
		lasted time.Duration
		amount float64
		basis  string
		how    string
	}{
		{"two GPUs, half an hour", gpu, Resources{GPUs: 2}, false, 30 * time.Minute, 2.10, BasisEstimated, "2 GPU x 0.5 h x 2.1 EUR"},
		{"on three nodes", gpu, Resources{GPUs: 2, Nodes: 3}, false, time.Hour, 12.60, BasisEstimated, "6 GPU x 1 h x 2.1 EUR"},
		{"no GPU asked for", gpu, Resources{}, false, time.Hour, 0, BasisEstimated, ""},
		{"a processor is assumed", Price{Currency: "USD", CPUHour: 0.04}, Resources{}, false, time.Hour, 0.04, BasisAssumed, "1 CPU x 1 h x 0.04 USD"},
		{"all kinds", Price{Currency: "USD", CPUHour: 0.04, MemoryHour: 0.005, NodeHour: 1}, Resources{CPUs: 8, Memory: 32 << 30, Nodes: 2}, false, time.Hour,
			2*8*0.04 + 2*32*0.005 + 2, BasisEstimated, "16 CPU x 1 h x 0.04 USD + 64 GiB x 1 h x 0.005 USD + 2 node x 1 h x 1 USD"},
		{"spot", Price{Currency: "EUR", GPUHour: 2, Spot: 0.3}, Resources{GPUs: 1}, true, time.Hour, 0.6, BasisEstimated, "(1 GPU x 1 h x 2 EUR) x 0.3 for spot"},
		{"spot of unknown share", Price{Currency: "EUR", GPUHour: 2}, Resources{GPUs: 1}, true, time.Hour, 2, BasisAssumed, "1 GPU x 1 h x 2 EUR, spot at the full price"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.price.Of(c.r, c.spot, c.lasted)
			if math.Abs(got.Amount-c.amount) > 1e-9 || got.Basis != c.basis || got.How != c.how {
				t.Errorf("got %+v, want %v %s %q", got, c.amount, c.basis, c.how)
			}
		})
	}
	if got := gpu.Affords(Resources{GPUs: 4}, false, 8.40); got != time.Hour {
		t.Errorf("8.40 EUR afford %v of 4 GPUs, want 1h", got)
	}
	if got := gpu.Affords(Resources{}, false, 1); got != 0 {
		t.Errorf("what costs nothing is limited to %v", got)
	}
}

func TestEnergy(t *testing.T) {
	if e := (Power{}).Energy(Drawn{CPUSeconds: 100}); e != nil {
		t.Errorf("nothing is known, but %+v is told", e)
	}
	e := Power{PUE: 1.5, Intensity: 400}.Energy(Drawn{GPUJoules: 3.6e6, CPUSeconds: 100})
	if e == nil || math.Abs(e.KWh-1.5) > 1e-12 || e.CO2 == nil || math.Abs(*e.CO2-600) > 1e-9 || e.Basis != BasisMeasured {
		t.Errorf("1 kWh of a GPU with PUE 1.5: %+v", e)
	}
	e = Power{CPUWatts: 10, GPUWatts: 300}.Energy(Drawn{GPUJoules: 3.6e6, CPUSeconds: 360_000})
	if e == nil || math.Abs(e.KWh-2) > 1e-12 || e.CO2 != nil || e.Basis != BasisEstimated {
		t.Errorf("a GPU that was read and processors that were not: %+v", e)
	}
}
