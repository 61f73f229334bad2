package main

import (
	"fmt"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

// powerOf is what mlx.yaml says of the electricity of a backend.
func powerOf(p repo.Power) train.Power {
	return train.Power{GPUWatts: p.GPUWatts, CPUWatts: p.CPUWatts, PUE: p.PUE, Intensity: p.Intensity}
}

// recordedPower is the same as the record of a run keeps it: the node of a job has no mlx.yaml that counts.
func recordedPower(p repo.Power) *run.Power {
	if p == (repo.Power{}) {
		return nil
	}
	return &run.Power{GPUWatts: p.GPUWatts, CPUWatts: p.CPUWatts, PUE: p.PUE, Intensity: p.Intensity}
}

// consumed is what is known of the electricity of a run.
type consumed struct {
	attempts [][]run.Drawn
	nodes    int // of each attempt
	power    train.Power

	gpuSeconds, cpuSeconds float64
	assumed                bool // a part of these was not seen
}

// energy adds it up. nil: there is no meter, and nobody stated a power.
func (c consumed) energy() *run.Energy {
	d := train.Drawn{GPUSeconds: c.gpuSeconds, CPUSeconds: c.cpuSeconds, Assumed: c.assumed}
	var missing []string
	miss := func(text string) {
		if !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	for _, of := range []struct {
		kind, name string
		read       *train.Read
	}{{run.DrawnGPU, "GPU", &d.GPU}, {run.DrawnCPU, "CPU", &d.CPU}} {
		told := 0
		for _, attempt := range c.attempts {
			for _, one := range attempt {
				if one.Of != of.kind {
					continue
				}
				if one.Missing != "" {
					miss(one.Missing)
				}
				if one.Method != "" {
					told++
					of.read.Joules, of.read.Method = of.read.Joules+one.Joules, one.Method
				}
			}
		}
		if all := len(c.attempts) * c.nodes; told > 0 && told < all {
			miss(fmt.Sprintf("%s: %d of %d readings, of %s on %s", of.name, told, all,
				cli.FormatNum(int64(len(c.attempts)), "attempt"), cli.FormatNum(int64(c.nodes), "node")))
		}
	}
	e := c.power.Energy(d)
	if e == nil {
		if len(missing) == 0 {
			return nil
		}
		return &run.Energy{Missing: missing}
	}
	out := &run.Energy{KWh: &e.KWh, Basis: e.Basis, CO2: e.CO2, CO2Basis: e.CO2Basis, Method: e.Method, Missing: missing}
	for _, p := range e.Parts {
		out.Parts = append(out.Parts, run.EnergyPart{Of: p.Of, Joules: p.Joules, Basis: p.Basis, Method: p.Method})
	}
	return out
}

// energyHere notes what a run of this machine used, which is the backend called local.
func (a *app) energyHere(b *run.Body) {
	c := consumed{attempts: [][]run.Drawn{b.Drawn}, nodes: 1, cpuSeconds: b.CPUSeconds}
	if all, err := a.backends(); err == nil { // a file of backends that cannot be read says nothing
		local, _ := all.Get(localBackend)
		c.power = powerOf(local.Power)
	}
	if e := b.Environment; e != nil && len(e.GPUs) > 0 {
		c.gpuSeconds, c.assumed = float64(len(e.GPUs))*b.DurationS, true // nobody saw that it used them
	}
	b.Energy = c.energy()
}

// consumedBy is what follows of the electricity of a job from the time for which it had its places.
func consumedBy(on *run.Job, u train.Use) consumed {
	c := consumed{nodes: max(1, on.Nodes), assumed: u.Assumed}
	if p := on.Power; p != nil {
		c.power = train.Power{GPUWatts: p.GPUWatts, CPUWatts: p.CPUWatts, PUE: p.PUE, Intensity: p.Intensity}
	}
	c.gpuSeconds = float64(c.nodes*on.GPUs) * u.Lasted.Seconds()
	return c
}

// energyOfJob is what a run on a backend used, in all its attempts.
func energyOfJob(b *run.Body) *run.Energy {
	on := b.Job
	u := useOf(on, *b.EndedAt)
	c := consumedBy(on, u)
	for _, at := range on.Attempts {
		c.attempts = append(c.attempts, at.Drawn)
	}
	c.cpuSeconds = b.CPUSeconds
	if ranks := max(1, on.Nodes) * max(1, on.Ranks); b.DurationS > 0 && (ranks > 1 || len(on.Attempts) > 1) {
		c.cpuSeconds *= float64(ranks) * u.Lasted.Seconds() / b.DurationS // the others are taken to have worked as the one that is recorded
		c.assumed = true
	}
	return c.energy()
}

// closeJob adds to the record of a job what all its attempts together have used.
func closeJob(b *run.Body) {
	if b.Job == nil || b.EndedAt == nil {
		return
	}
	job := *b.Job
	b.Job = &job
	job.Cost = spent(&job, priceIn(job.Price), useOf(&job, *b.EndedAt))
	job.Energy = energyOfJob(b)
}

// energyText tells of it: what was used and how that is known. Why nothing is known is told to those who ask for more.
func energyText(v run.View, t *cli.Text, more bool) {
	e := v.Energy
	if e == nil {
		return
	}
	switch {
	case e.KWh == nil:
	case t.TTY():
		cells := []cli.Cell{cli.Fmt("%s %s", cli.Str(energyWords(*e.KWh)), cli.Shown(cli.RoleDim, e.Basis))}
		if e.CO2 != nil {
			cells = append(cells, cli.Fmt("%s g CO2e %s", cli.Float(*e.CO2), cli.Shown(cli.RoleDim, e.CO2Basis)))
		}
		t.KeyValue(2, "energy", append(cells, cli.Str(e.Method))...)
	default: // for programs: kWh, grams, each with its basis, and the method, in places of their own
		co2 := cli.None()
		if e.CO2 != nil {
			co2 = cli.Float(*e.CO2)
		}
		t.KeyValue(2, "energy", cli.Float(*e.KWh), cli.Str(e.Basis), co2, cli.Str(e.CO2Basis), cli.Str(e.Method))
	}
	if e.KWh != nil || more {
		for _, m := range e.Missing {
			t.KeyValue(2, "unread", cli.Str(m))
		}
	}
}

// energyWords writes an amount in the unit that people have of it.
func energyWords(kwh float64) string {
	switch joules := kwh * 3.6e6; {
	case joules < 10e3:
		return cli.FormatFloat(joules) + " J"
	case kwh < 1:
		return cli.FormatFloat(kwh*1000) + " Wh"
	}
	return cli.FormatFloat(kwh) + " kWh"
}
