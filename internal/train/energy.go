package train

import (
	"fmt"
	"strings"
)

// Power is what is known of a backend's use of electricity where no meter can be read.
type Power struct {
	GPUWatts  float64 // of one GPU under load
	CPUWatts  float64 // of one processor under load
	PUE       float64 // power usage effectiveness of the data centre; 0 is 1
	Intensity float64 // grams of CO2 for one kWh; 0 is not known
}

// Drawn is what was read of the use of a job: joules that meters counted, and the time over which processors were busy.
type Drawn struct {
	GPU, CPU   Read
	CPUSeconds float64 // processor time of the command
	GPUSeconds float64 // number of GPUs times time
	Assumed    bool    // a part of these seconds was not seen
}

// Read is what meters counted: of whole devices, whoever used them.
type Read struct {
	Joules float64
	Method string // empty: there is no reading
}

// Energy is electricity that a job used.
type Energy struct {
	KWh      float64
	Basis    string
	CO2      *float64 // grams
	CO2Basis string
	Method   string
	Parts    []EnergyPart
}

// EnergyPart is that of the GPUs or of the processors.
type EnergyPart struct {
	Of     string // gpu or cpu
	Joules float64
	Basis  string
	Method string
}

// Energy adds up what was read, and for what no meter was there the power that the backend states times the time. nil: nothing is known.
// Carbon follows as kWh x PUE x intensity (Lacoste et al. 2019, "Quantifying the Carbon Emissions of Machine Learning"). PUE and intensity
// are what somebody wrote down, so that what follows from them is never measured.
func (p Power) Energy(d Drawn) *Energy {
	var e Energy
	joules := 0.0
	var how []string
	part := func(of, name string, read Read, watts, seconds float64) {
		one := EnergyPart{Of: of, Joules: read.Joules, Basis: BasisMeasured, Method: read.Method}
		if read.Method == "" {
			if watts <= 0 || seconds <= 0 {
				return
			}
			one.Joules, one.Basis = watts*seconds, BasisEstimated
			one.Method = fmt.Sprintf("%s h x %s W", short(seconds/3600), short(watts))
			if seconds < 3600 {
				one.Method = fmt.Sprintf("%s s x %s W", short(seconds), short(watts))
			}
			if d.Assumed {
				one.Basis = BasisAssumed
			}
		}
		joules += one.Joules
		e.Basis = worse(e.Basis, one.Basis)
		e.Parts, how = append(e.Parts, one), append(how, name+": "+one.Method)
	}
	part("gpu", "GPU", d.GPU, p.GPUWatts, d.GPUSeconds)
	part("cpu", "CPU", d.CPU, p.CPUWatts, d.CPUSeconds)
	if len(e.Parts) == 0 {
		return nil
	}
	if p.PUE > 0 {
		joules *= p.PUE
		e.Basis, how = worse(e.Basis, BasisEstimated), append(how, "PUE "+short(p.PUE))
	}
	e.KWh = joules / 3.6e6
	if p.Intensity > 0 {
		grams := e.KWh * p.Intensity
		e.CO2, e.CO2Basis, how = &grams, worse(e.Basis, BasisEstimated), append(how, short(p.Intensity)+" g CO2 for one kWh")
	}
	e.Method = strings.Join(how, "; ")
	return &e
}
