package run

import (
	"bufio"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampledGPUs bounds what one sample says.
const sampledGPUs = 64

// gpus is the use of the GPUs of the machine: as one nvidia-smi that keeps running tells it, or a rocm-smi that is started again and again,
// as it knows no other way. Without one of them there are none.
type gpus struct {
	now     func() time.Time
	environ []string // says which of them are meant

	cmd    *exec.Cmd
	cancel context.CancelFunc
	tried  bool

	mu     sync.Mutex
	news   bool // since the last sample
	last   [sampledGPUs]gpuUse
	meters map[int]*meter
	how    gpuMeter
	chosen *chosen
}

type gpuUse struct {
	known   bool
	percent float64
	memory  int64
	watts   float64 // below 0 is not known
}

// How often the programs are asked.
const (
	nvidiaEvery = 2 * time.Second
	amdEvery    = 10 * time.Second // it takes half a second of a processor each time
)

// begin starts the program, once.
func (g *gpus) begin() {
	if g.tried {
		return
	}
	g.tried = true
	if path, err := exec.LookPath("nvidia-smi"); err == nil {
		g.beginNvidia(path)
	} else if path, err := exec.LookPath("rocm-smi"); err == nil {
		g.beginAMD(path)
	}
}

func (g *gpus) beginNvidia(path string) {
	g.how = gpuMeter{nvidiaEvery, "nvidia-smi power.draw every 2 s, trapezoid"}
	g.chosen = chosenGPUs(g.environ, "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
	cmd := exec.Command(path, "--query-gpu=index,utilization.gpu,memory.used,power.draw,uuid", "--format=csv,noheader,nounits", "-l", "2")
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return // the use of GPUs stays unknown
	}
	g.cmd = cmd
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			g.hear(lines.Text())
		}
		_ = cmd.Wait() // however it ended, there is no more to hear
	}()
}

// hear takes a line: number, percent, MiB, watts, UUID. Words stand for what a GPU does not tell.
func (g *gpus) hear(line string) {
	words := strings.Split(line, ",")
	if len(words) != 5 {
		return
	}
	index, err := strconv.Atoi(strings.TrimSpace(words[0]))
	if err != nil || index < 0 || index >= sampledGPUs {
		return
	}
	watts := wattsOf(words[3])
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.chosen.has(index, strings.TrimSpace(words[4])) {
		g.meter(index).read(g.now(), watts, 0)
	}
	percent, errPercent := strconv.ParseUint(strings.TrimSpace(words[1]), 10, 16)
	mib, errMemory := strconv.ParseUint(strings.TrimSpace(words[2]), 10, 32)
	if errPercent != nil || errMemory != nil {
		return
	}
	g.last[index] = gpuUse{known: true, percent: float64(percent), memory: int64(mib) << 20, watts: watts}
	g.news = true
}

// meter is that of one GPU.
func (g *gpus) meter(index int) *meter {
	if g.meters == nil {
		g.meters = map[int]*meter{}
	}
	if g.meters[index] == nil {
		g.meters[index] = &meter{}
	}
	return g.meters[index]
}

// beginAMD asks the driver of AMD until the command has ended.
func (g *gpus) beginAMD(path string) {
	g.how = gpuMeter{amdEvery, "rocm-smi every 10 s, its energy counter where it has one, else power, trapezoid"}
	g.chosen = chosenGPUs(g.environ, "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	go func() {
		pause := time.NewTicker(amdEvery)
		defer pause.Stop()
		for ctx.Err() == nil {
			g.hearAMD(answer(ctx, path, "--showpower", "--showenergycounter", "--json"))
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
		}
	}()
}

// hearAMD takes the JSON of rocm-smi: an object for each card.
func (g *gpus) hearAMD(text []byte) {
	at := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for index, r := range parseAMDPower(text) {
		if g.chosen.has(index, "") {
			g.meter(index).read(at, r.watts, r.counter)
		}
	}
}

// append adds what was heard since the last sample.
func (g *gpus) append(line []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.news {
		return line
	}
	g.news = false
	for i, use := range g.last {
		if !use.known {
			continue
		}
		name := `,"system/gpu` + strconv.Itoa(i)
		line = strconv.AppendFloat(append(line, name+`_percent":`...), use.percent, 'f', -1, 64)
		line = strconv.AppendInt(append(line, name+`_memory_bytes":`...), use.memory, 10)
		if use.watts >= 0 {
			line = strconv.AppendFloat(append(line, name+`_watts":`...), use.watts, 'f', -1, 64)
		}
	}
	return line
}

// end stops the program.
func (g *gpus) end() {
	if g.cmd != nil {
		_ = g.cmd.Process.Kill() // it may have ended
	}
	if g.cancel != nil {
		g.cancel()
	}
}

// drawn is what the GPUs used between two moments.
func (g *gpus) drawn(began, ended time.Time) []Drawn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return drawnBy(g.meters, began, ended, g.how)
}
