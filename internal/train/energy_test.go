package train

import (
	"math"
	"testing"
)

func TestEnergy(t *testing.T) {
	gpu, cpu := Read{3.6e6, "power.draw"}, Read{1.8e6, "RAPL"}
	const none = -1.0
	for _, c := range []struct {
		name     string
		power    Power
		drawn    Drawn
		kwh, co2 float64
		basis    string
		co2Basis string
		method   string
	}{
		{"nothing is known", Power{}, Drawn{CPUSeconds: 100, GPUSeconds: 100}, none, none, "", "", ""},
		{"nothing is known but the grid", Power{PUE: 1.5, Intensity: 400}, Drawn{CPUSeconds: 100}, none, none, "", "", ""},
		{"both read", Power{}, Drawn{GPU: gpu, CPU: cpu}, 1.5, none, BasisMeasured, "", "GPU: power.draw; CPU: RAPL"},
		{"a reading of nothing is one", Power{CPUWatts: 10}, Drawn{CPU: Read{0, "RAPL"}, CPUSeconds: 100}, 0, none, BasisMeasured, "", "CPU: RAPL"},
		{"the grid is what somebody wrote down", Power{Intensity: 400}, Drawn{GPU: gpu}, 1, 400, BasisMeasured, BasisEstimated,
			"GPU: power.draw; 400 g CO2 for one kWh"},
		{"and so is the data centre", Power{PUE: 1.5, Intensity: 400}, Drawn{GPU: gpu}, 1.5, 600, BasisEstimated, BasisEstimated,
			"GPU: power.draw; PUE 1.5; 400 g CO2 for one kWh"},
		{"the processors by their power", Power{CPUWatts: 10, GPUWatts: 300}, Drawn{GPU: gpu, CPUSeconds: 360_000}, 2, none, BasisEstimated, "",
			"GPU: power.draw; CPU: 100 h x 10 W"},
		{"seconds that nobody saw", Power{GPUWatts: 300, Intensity: 100}, Drawn{GPUSeconds: 12_000, Assumed: true}, 1, 100, BasisAssumed, BasisAssumed,
			"GPU: 3.333 h x 300 W; 100 g CO2 for one kWh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.power.Energy(c.drawn)
			if e == nil {
				if c.kwh != none {
					t.Error("nothing is told")
				}
				return
			}
			co2 := none
			if e.CO2 != nil {
				co2 = *e.CO2
			}
			if math.Abs(e.KWh-c.kwh) > 1e-12 || math.Abs(co2-c.co2) > 1e-9 || e.Basis != c.basis || e.CO2Basis != c.co2Basis || e.Method != c.method {
				t.Errorf("%+v, %g g", *e, co2)
			}
		})
	}
}
