package run

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
)

// Glance is what a run in progress does at this moment. What is not known is nil.
type Glance struct {
	CPUPercent  *float64 // 100 is one processor
	MemoryBytes *int64
	Metrics     map[string]Number // as last written
}

// glanceBytes is how much of the end of a file is looked at.
const glanceBytes = 64 << 10

// Glance looks at the ends of the files in the folder of a run.
func (l Live) Glance() Glance {
	var g Glance
	sample := lastNumbers(filepath.Join(l.Dir, resourcesName))
	if cpu, ok := sample["system/cpu_percent"]; ok && cpu.Finite() {
		percent := float64(cpu)
		g.CPUPercent = &percent
	}
	if memory, ok := sample["system/memory_bytes"]; ok && memory.Finite() {
		bytes := int64(memory)
		g.MemoryBytes = &bytes
	}
	g.Metrics = lastNumbers(filepath.Join(l.Dir, metricsName))
	for name, value := range lastTracked(filepath.Join(l.Dir, trackedName)) {
		if g.Metrics == nil {
			g.Metrics = map[string]Number{}
		}
		g.Metrics[name] = value
	}
	return g
}

// lastTracked returns what clients have told of metrics at the end of a journal: of each the newest value there.
func lastTracked(file string) map[string]Number {
	lines, whole := lastBytes(file)
	if !whole { // it begins in the middle of a line
		_, lines, _ = bytes.Cut(lines, []byte("\n"))
	}
	latest := map[string]TrackedMetric{}
	for line := range bytes.Lines(lines) {
		e, err := parseEntry(line)
		if err != nil {
			continue // half a line, as somebody writes it
		}
		for _, m := range e.Metrics {
			if old, known := latest[m.Key]; !known || m.later(old) {
				latest[m.Key] = m
			}
		}
	}
	all := make(map[string]Number, len(latest))
	for name, m := range latest {
		all[text(name)] = Number(m.Value)
	}
	return all
}

// lastBytes reads the end of a file. whole: it is all of it.
func lastBytes(file string) (end []byte, whole bool) {
	f, err := os.Open(file)
	if err != nil {
		return nil, true
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, true
	}
	end, err = io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-glanceBytes), glanceBytes))
	if err != nil {
		return nil, true
	}
	return end, info.Size() <= glanceBytes
}

// lastNumbers returns the numbers of the last whole line of a file of JSON lines, or those of the file where it holds
// one object.
func lastNumbers(file string) map[string]Number {
	text, whole := lastBytes(file)
	if whole {
		if all, ok := numbersIn(file, text); ok {
			return all
		}
	}
	for end := bytes.LastIndexByte(text, '\n'); end > 0; {
		from := bytes.LastIndexByte(text[:end], '\n') + 1
		if found, ok := numbersIn(file, text[from:end]); ok && len(found) > 0 {
			return found
		}
		end = from - 1
	}
	return nil
}

func numbersIn(file string, text []byte) (map[string]Number, bool) {
	t := newMetricsTable(nil)
	if _, err := t.read(file, bytes.NewReader(text), glanceBytes); err != nil {
		return nil, false
	}
	return t.all(), true
}
