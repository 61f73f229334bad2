package deploy

import (
	"fmt"
	"strconv"
)

// Room is what a machine has for servers, and what they need of it, in bytes. 0: not known.
type Room struct {
	Memory       int64 // of the machine, that is free with Stable running
	GPU          int64 // of its GPUs, that is free with Stable running
	StableMemory int64 // that all servers of stable hold
	StableGPU    int64
	NeedMemory   int64 // of one server of the candidate
	NeedGPU      int64
	Replicas     int
}

// Fit says whether a candidate can run beside stable.
type Fit struct {
	Beside  bool   // both fit at the same time
	Alone   bool   // the candidate fits once stable is stopped
	Known   bool   // enough is known to say so
	Problem string // in words, why they do not fit
}

// NewFit weighs what there is. What is not known is taken to fit, and Known says so.
func NewFit(r Room) Fit {
	f := Fit{Beside: true, Alone: true, Known: true}
	check := func(what string, free, stable, each int64) {
		if each == 0 {
			return
		}
		need := each * int64(max(r.Replicas, 1))
		switch {
		case free == 0 && stable == 0:
			f.Known = false
		case need > free+stable:
			f.Beside, f.Alone = false, false
			f.Problem = fmt.Sprintf("it needs %s of %s, and there are %s", bytes(need), what, bytes(free+stable))
		case need > free:
			if f.Beside {
				f.Problem = fmt.Sprintf("it needs %s of %s, and beside what is in service there are %s", bytes(need), what, bytes(free))
			}
			f.Beside = false
		}
	}
	check("memory", r.Memory, r.StableMemory, r.NeedMemory)
	check("GPU memory", r.GPU, r.StableGPU, r.NeedGPU)
	if r.NeedMemory == 0 && r.NeedGPU == 0 {
		f.Known = false
	}
	return f
}

// bytes writes a size: 1.5 GiB.
func bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + units[u]
}
