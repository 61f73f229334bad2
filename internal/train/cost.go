package train

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The bases of a number that is told of a job.
const (
	BasisMeasured  = "measured"  // read from a meter
	BasisEstimated = "estimated" // of what was asked for or measured, and a price that somebody wrote down
	BasisAssumed   = "assumed"   // something was not known and taken to be usual
)

// Price is what a backend costs, in one currency.
type Price struct {
	Currency   string
	GPUHour    float64 // of one GPU
	CPUHour    float64 // of one processor
	MemoryHour float64 // of one GiB
	NodeHour   float64 // of one node, whatever it has
	Spot       float64 // share of the price that a spot machine costs, 0 to 1; 0 is not known
}

// Cost is an amount of money, and what it rests on.
type Cost struct {
	Amount   float64
	Currency string
	Basis    string
	How      string // the sum in words
}

// Known says whether anything has a price.
func (p Price) Known() bool { return p.GPUHour+p.CPUHour+p.MemoryHour+p.NodeHour > 0 }

// Of returns the cost of resources over a time: for each kind that has a price, its number on all nodes, times the hours,
// times the price of an hour. What has a price and was not asked for counts as one processor and as no GPU or memory, and
// makes the sum an assumed one. A spot machine whose share is not known costs the full price, likewise assumed.
func (p Price) Of(r Resources, spot bool, lasted time.Duration) Cost {
	c := Cost{Currency: p.Currency, Basis: BasisEstimated}
	nodes, hours := float64(max(1, r.Nodes)), lasted.Hours()
	var terms []string
	add := func(number, price float64, what string) {
		if price == 0 || number == 0 {
			return
		}
		c.Amount += number * hours * price
		terms = append(terms, fmt.Sprintf("%s %s x %s h x %s %s", short(number), what, short(hours), short(price), p.Currency))
	}
	cpus := float64(r.CPUs)
	if p.CPUHour > 0 && cpus == 0 {
		cpus, c.Basis = 1, BasisAssumed
	}
	if p.MemoryHour > 0 && r.Memory == 0 {
		c.Basis = BasisAssumed
	}
	add(nodes*float64(r.GPUs), p.GPUHour, "GPU")
	add(nodes*cpus, p.CPUHour, "CPU")
	add(nodes*float64(r.Memory)/(1<<30), p.MemoryHour, "GiB")
	add(nodes, p.NodeHour, "node")
	c.How = strings.Join(terms, " + ")
	switch {
	case spot && p.Spot > 0:
		c.Amount *= p.Spot
		c.How = "(" + c.How + ") x " + short(p.Spot) + " for spot"
	case spot:
		c.Basis, c.How = BasisAssumed, c.How+", spot at the full price"
	}
	return c
}

// Affords returns how long resources may be used for an amount: the time limit that keeps a job below it. 0: nothing has a
// price, so no time is too long.
func (p Price) Affords(r Resources, spot bool, amount float64) time.Duration {
	hour := p.Of(r, spot, time.Hour).Amount
	if hour <= 0 {
		return 0
	}
	return time.Duration(amount / hour * float64(time.Hour)).Truncate(time.Second)
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

// Power is what is known of a backend's use of electricity where no meter can be read.
type Power struct {
	GPUWatts  float64 // of one GPU under load
	CPUWatts  float64 // of one processor under load
	PUE       float64 // power usage effectiveness of the data centre; 0 is 1
	Intensity float64 // grams of CO2 for one kWh; 0 is not known
}

// Drawn is what was read of the use of a job: joules that meters counted, and the time over which processors were busy.
type Drawn struct {
	GPUJoules  float64 // integral of the power that the driver reports, of all GPUs of the job
	CPUJoules  float64 // of the energy counter of the processors (RAPL), whole sockets
	CPUSeconds float64 // processor time of the command
	GPUSeconds float64 // number of GPUs times time
}

// Energy is electricity that a job used.
type Energy struct {
	KWh    float64
	CO2    *float64 // grams
	Basis  string
	Method string
}

// Energy adds up what was read, and for what no meter was there the power that the backend states times the time. nil: nothing is known.
// Carbon follows as kWh x PUE x intensity (Lacoste et al. 2019, "Quantifying the Carbon Emissions of Machine Learning").
func (p Power) Energy(d Drawn) *Energy {
	e := Energy{Basis: BasisMeasured}
	var how []string
	joules := 0.0
	part := func(read, watts, seconds float64, meter, stated string) {
		switch {
		case read > 0:
			joules += read
			how = append(how, meter)
		case watts > 0 && seconds > 0:
			joules += watts * seconds
			e.Basis = BasisEstimated
			how = append(how, fmt.Sprintf("%s x %s W", stated, short(watts)))
		}
	}
	part(d.GPUJoules, p.GPUWatts, d.GPUSeconds, "GPU power as the driver reports it", "time of the GPUs")
	part(d.CPUJoules, p.CPUWatts, d.CPUSeconds, "energy counter of the processors", "processor time")
	if joules == 0 {
		return nil
	}
	if p.PUE > 0 {
		joules *= p.PUE
		how = append(how, "PUE "+short(p.PUE))
	}
	e.KWh = joules / 3.6e6
	if p.Intensity > 0 {
		grams := e.KWh * p.Intensity
		e.CO2, how = &grams, append(how, short(p.Intensity)+" g CO2 for one kWh")
	}
	e.Method = strings.Join(how, ", ")
	return &e
}
