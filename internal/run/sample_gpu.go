package run

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// sampledGPUs bounds what one sample says.
const sampledGPUs = 64

// gpus is the use of the GPUs of the machine, as one nvidia-smi that keeps running tells it. Without one there are none.
type gpus struct {
	cmd *exec.Cmd

	tried bool
	mu    sync.Mutex
	news  bool // since the last sample
	last  [sampledGPUs]gpuUse
}

type gpuUse struct {
	known   bool
	percent float64
	memory  int64
}

// begin starts the program, once.
func (g *gpus) begin() {
	if g.tried {
		return
	}
	g.tried = true
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return
	}
	cmd := exec.Command(path, "--query-gpu=index,utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-l", "2")
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

// hear takes a line: number, percent, MiB. Words stand for what a GPU does not tell.
func (g *gpus) hear(line string) {
	words := strings.Split(line, ",")
	if len(words) != 3 {
		return
	}
	index, err := strconv.Atoi(strings.TrimSpace(words[0]))
	if err != nil || index < 0 || index >= sampledGPUs {
		return
	}
	percent, errPercent := strconv.ParseUint(strings.TrimSpace(words[1]), 10, 16)
	mib, errMemory := strconv.ParseUint(strings.TrimSpace(words[2]), 10, 32)
	if errPercent != nil || errMemory != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last[index] = gpuUse{known: true, percent: float64(percent), memory: int64(mib) << 20}
	g.news = true
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
	}
	return line
}

// end stops the program.
func (g *gpus) end() {
	if g.cmd != nil {
		_ = g.cmd.Process.Kill() // it may have ended
	}
}
