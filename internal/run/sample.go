package run

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// usage is what a process tree uses at one moment. Counters begin with the processes; those that ended and were waited
// for count on.
type usage struct {
	cpu     time.Duration
	memory  int64 // resident, added up: a page that several processes share counts for each
	read    int64 // bytes from and to disks
	written int64
	files   int // that were read to find out
}

// sampler notes what a command uses while it runs, as lines of metrics in the file resources.jsonl.
type sampler struct {
	now  func() time.Time
	dir  string // empty: nothing is written
	tree tree
	gpus *gpus
	rapl *rapl // nil: nothing is recorded

	ticks   int
	owed    time.Duration // of the pause, where counters have to be read in between
	elapsed time.Duration // since the command began, as the pauses add up
	peak    int64         // of the memory
	began   time.Time
	lastAt  time.Time
	lastCPU time.Duration
	beat    time.Duration // when the folder was touched last
	file    *os.File
	failed  bool
	line    []byte
}

func newSampler(o order, pid int) *sampler {
	s := &sampler{now: o.now, dir: o.folder, tree: newTree(pid), gpus: &gpus{now: o.now, environ: o.base}}
	if s.dir != "" {
		s.began = s.now()
		s.lastAt = s.began
		s.rapl = openRAPL(cmp.Or(o.powercap, powercap))
	}
	return s
}

const (
	peeks    = 2           // a program that has only been loaded has no peak yet: look early, write nothing
	usual    = time.Second // between samples, at first
	ageShare = 1500        // a run of any length has some ten thousand samples: the pause is this part of its age
	longest  = 10 * time.Minute
	aFile    = time.Millisecond // of pause for each file that a sample read: less than 1 % of a core
	beats    = time.Minute
	loaded   = 100 << 10   // less memory than this has only a process whose program is just being loaded
	gpuSince = time.Second // a program that is over sooner is not worth asking for the use of GPUs
)

// first returns the time to the first look.
func (s *sampler) first() time.Duration { return s.advance(0) }

// advance returns the pause after tick number s.ticks, of which the last read some files.
func (s *sampler) advance(files int) time.Duration {
	pause := max(usual, s.elapsed/ageShare, time.Duration(files)*aFile)
	if early := []time.Duration{4, 12, 34, 200, 750}; s.ticks < len(early) { // at 4, 16, 50, 250 and 1000 ms
		pause = early[s.ticks] * time.Millisecond
	}
	pause = min(pause, longest)
	s.elapsed += pause
	s.ticks++
	return pause
}

// tick looks once and returns the time to the next look.
func (s *sampler) tick() time.Duration {
	if s.rapl == nil {
		return s.look()
	}
	s.rapl.read()
	if s.owed <= 0 {
		s.owed = s.look()
	}
	pause := s.owed
	if often := s.rapl.often(); often > 0 {
		pause = min(pause, often)
	}
	s.owed -= pause
	return pause
}

func (s *sampler) look() time.Duration {
	if s.ticks <= peeks || s.dir == "" {
		if seen := highWater(s.tree.root); seen >= loaded {
			s.peak = max(s.peak, seen)
		}
		return s.advance(0)
	}
	u, ok := s.tree.read()
	s.peak = max(s.peak, u.memory)
	if s.elapsed >= gpuSince {
		s.gpus.begin()
	}
	if s.elapsed-s.beat >= beats { // a sign of life, where nothing is sampled
		s.beat = s.elapsed
		at := s.now()
		_ = os.Chtimes(filepath.Join(s.dir, childName), at, at) // it would only be missed after a power failure
	}
	s.write(u, ok)
	return s.advance(u.files)
}

// write appends a line. What cannot be written is not tried again: the command goes on.
func (s *sampler) write(u usage, ok bool) {
	at := s.now()
	span := at.Sub(s.lastAt)
	s.line = strconv.AppendFloat(append(s.line[:0], `{"time":`...), float64(at.UnixMilli())/1000, 'f', 3, 64)
	empty := len(s.line)
	if ok && span > 0 {
		percent := 100 * max(0, u.cpu-s.lastCPU).Seconds() / span.Seconds()
		s.line = strconv.AppendFloat(append(s.line, `,"system/cpu_percent":`...), percent, 'f', 1, 64)
		s.lastAt, s.lastCPU = at, u.cpu
		s.line = strconv.AppendInt(append(s.line, `,"system/memory_bytes":`...), u.memory, 10)
		s.line = strconv.AppendInt(append(s.line, `,"system/disk_read_bytes":`...), u.read, 10)
		s.line = strconv.AppendInt(append(s.line, `,"system/disk_write_bytes":`...), u.written, 10)
	}
	s.line = s.gpus.append(s.line)
	if len(s.line) == empty || s.failed {
		return
	}
	s.line = append(s.line, '}', '\n')
	var err error
	if s.file == nil {
		s.file, err = os.OpenFile(filepath.Join(s.dir, resourcesName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	}
	if err == nil {
		_, err = s.file.Write(s.line)
	}
	s.failed = err != nil
}

// end frees what the sampler holds and returns the greatest memory that it saw, and what meters counted.
func (s *sampler) end() (peak int64, drawn []Drawn) {
	if s.rapl != nil {
		s.rapl.read()
	}
	s.gpus.end()
	if s.rapl != nil {
		drawn = append(s.gpus.drawn(s.began, s.now()), s.rapl.drawn()...)
	}
	if s.file != nil {
		_ = s.file.Close() // every line is written
	}
	return s.peak, drawn
}
