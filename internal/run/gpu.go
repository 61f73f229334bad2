package run

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of asking for accelerators.
const (
	maxGPUs     = 256
	maxGPUText  = 1 << 20
	gpuPatience = 5 * time.Second        // a driver that has to be loaded takes seconds
	gpuGrace    = 400 * time.Millisecond // how much longer a command that ended already may seem to take
)

// driverGPUs reads which accelerators the driver of NVIDIA has, without starting a program. Memory and CUDA are not
// known there.
func driverGPUs(system fs.FS) []GPU {
	const dir = "proc/driver/nvidia"
	entries, err := fs.ReadDir(system, dir+"/gpus")
	if err != nil {
		return nil
	}
	driver := regexp.MustCompile(`Kernel Module[^\n]*?\s([0-9]+\.[0-9.]+)\s`).FindStringSubmatch(systemFile(system, dir+"/version"))
	var all []GPU
	for _, e := range entries[:min(len(entries), maxGPUs)] {
		said := map[string]string{}
		for line := range strings.Lines(systemFile(system, path.Join(dir, "gpus", e.Name(), "information"))) {
			name, value, _ := strings.Cut(line, ":")
			said[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		if said["Model"] == "" {
			continue
		}
		g := GPU{Name: bounded(said["Model"]), UUID: bounded(said["GPU UUID"])}
		if driver != nil {
			g.Driver = driver[1]
		}
		all = append(all, g)
	}
	return all
}

// Asking is the programs of the drivers, at work beside a command.
type Asking struct {
	done chan struct{}
	gpus []GPU
}

// AskGPUs starts the program of each vendor's driver that is installed, and does not wait for it. It ends when ctx does.
func AskGPUs(ctx context.Context) *Asking {
	a := &Asking{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		ctx, cancel := context.WithTimeout(ctx, gpuPatience)
		defer cancel()
		if a.gpus = nvidiaGPUs(ctx); len(a.gpus) == 0 {
			a.gpus = amdGPUs(ctx)
		}
	}()
	return a
}

// Answer returns what the drivers said. It waits a little for those that have not answered yet; nil: nothing is known.
func (a *Asking) Answer() []GPU {
	limit := time.NewTimer(gpuGrace)
	defer limit.Stop()
	select {
	case <-a.done:
		return a.gpus
	case <-limit.C:
		return nil
	}
}

// output is what a program prints, or nothing when it is not there or fails.
func answer(ctx context.Context, name string, args ...string) []byte {
	file, err := exec.LookPath(name)
	if err != nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.WaitDelay = time.Second // for a pipe that what it started holds open
	var out limitedBuffer
	cmd.Stdout = &out
	if cmd.Run() != nil {
		return nil
	}
	return out.Bytes()
}

// limitedBuffer keeps the beginning of what is written.
type limitedBuffer struct{ bytes.Buffer }

// Write never fails: what is too much is dropped.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxGPUText - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func nvidiaGPUs(ctx context.Context) []GPU {
	const program = "nvidia-smi"
	var table, banner []byte
	var group sync.WaitGroup
	group.Go(func() {
		table = answer(ctx, program, "--query-gpu=name,uuid,memory.total,driver_version", "--format=csv,noheader,nounits")
	})
	group.Go(func() { banner = answer(ctx, program) }) // only its banner tells the version of CUDA
	group.Wait()
	return parseNvidia(table, banner)
}

// parseNvidia reads lines of name, uuid, memory in MiB, driver.
func parseNvidia(table, banner []byte) []GPU {
	lines := csv.NewReader(bytes.NewReader(table))
	lines.TrimLeadingSpace, lines.FieldsPerRecord, lines.LazyQuotes = true, -1, true
	cuda := ""
	if m := regexp.MustCompile(`CUDA[^:\n]{0,20}Version:\s*([0-9]+\.[0-9]+)`).FindSubmatch(banner); m != nil {
		cuda = string(m[1])
	}
	var all []GPU
	for len(all) < maxGPUs {
		fields, err := lines.Read()
		if err != nil {
			return all
		}
		if len(fields) != 4 || fields[0] == "" {
			continue
		}
		g := GPU{Name: bounded(fields[0]), UUID: bounded(fields[1]), Driver: bounded(strings.TrimSpace(fields[3])), CUDA: cuda}
		if mib, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64); err == nil && mib > 0 && mib < 1<<30 {
			g.MemoryBytes = mib << 20
		}
		all = append(all, g)
	}
	return all
}

func amdGPUs(ctx context.Context) []GPU {
	return parseAMD(answer(ctx, "rocm-smi", "--showproductname", "--showuniqueid", "--showmeminfo", "vram", "--showdriverversion", "--json"))
}

// amdPower is what rocm-smi tells of the electricity of a card.
type amdPower struct {
	watts   float64 // below 0 is not told
	counter float64 // joules since the driver was loaded; 0 is not told
}

// parseAMDPower reads its JSON. The names of the power differ by card and by version.
func parseAMDPower(text []byte) map[int]amdPower {
	var cards map[string]map[string]string
	if json.Unmarshal(text, &cards) != nil {
		return nil
	}
	all := map[int]amdPower{}
	for name, card := range cards {
		number, ok := strings.CutPrefix(name, "card")
		index, err := strconv.Atoi(number)
		if !ok || err != nil || index < 0 || index >= sampledGPUs {
			continue
		}
		p := amdPower{watts: -1}
		for key, value := range card {
			switch {
			case strings.HasSuffix(key, "Power (W)") && !strings.HasPrefix(key, "Max"):
				p.watts = max(p.watts, wattsOf(value))
			case key == "Accumulated Energy (uJ)":
				if micro, err := strconv.ParseFloat(value, 64); err == nil && micro > 0 && micro < 1e18 {
					p.counter = micro / 1e6
				}
			}
		}
		all[index] = p
	}
	return all
}

// parseAMD reads the JSON of rocm-smi: an object for each card, and one for the system.
func parseAMD(text []byte) []GPU {
	var cards map[string]map[string]string
	if json.Unmarshal(text, &cards) != nil {
		return nil
	}
	var names []string
	for name := range cards {
		if strings.HasPrefix(name, "card") && len(names) < maxGPUs {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) // card2 before card10
	var all []GPU
	for _, name := range names {
		card := cards[name]
		g := GPU{UUID: bounded(card["Unique ID"]), Driver: bounded(cards["system"]["Driver version"])}
		for _, key := range []string{"Card Series", "Card series", "Card Model", "Card model"} {
			if g.Name == "" {
				g.Name = bounded(card[key])
			}
		}
		if g.Name == "" {
			g.Name = "AMD " + name
		}
		if n, err := strconv.ParseInt(card["VRAM Total Memory (B)"], 10, 64); err == nil && n > 0 {
			g.MemoryBytes = min(n, 1<<52)
		}
		all = append(all, g)
	}
	return all
}
