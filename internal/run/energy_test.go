package run

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(a), math.Abs(b)) }

func TestMeter(t *testing.T) {
	type reading struct {
		at             float64 // seconds after the command began
		watts, counter float64
	}
	for _, tt := range []struct {
		name          string
		readings      []reading
		lasted        float64
		joules, known float64 // and the seconds that they are of
	}{
		{"nothing", nil, 100, 0, 0},
		{"constant", []reading{{2, 100, 0}, {4, 100, 0}, {6, 100, 0}}, 8, 800, 8},
		{"a trapezoid", []reading{{0, 100, 0}, {2, 300, 0}}, 2, 400, 2},
		{"one reading", []reading{{2, 50, 0}}, 3, 150, 3},
		{"one reading stands for no more than the edge", []reading{{50, 50, 0}}, 100, 400, 8},
		{"no word, no reading", []reading{{0, -1, 0}, {2, -1, 0}}, 2, 0, 0},
		{"no word in between", []reading{{0, 100, 0}, {2, -1, 0}, {4, 100, 0}}, 4, 400, 4},
		{"what lies between two that are far apart is not known", []reading{{0, 100, 0}, {2, 100, 0}, {1002, 100, 0}}, 1004, 400, 4},
		{"a counter", []reading{{0, 100, 5000}, {10, 900, 7000}, {20, 1, 7100}}, 20, 2100, 20},
		{"a counter over an hour", []reading{{0, 100, 5000}, {3600, 100, 6000}}, 3600, 1000, 3600},
		{"a counter that began anew", []reading{{0, 100, 5000}, {10, 100, 20}}, 10, 1000, 10},
		{"a counter alone", []reading{{0, -1, 5000}, {10, -1, 5500}}, 10, 500, 10},
		{"no such power", []reading{{0, 1e9, 0}, {2, 100, 0}, {4, 100, 0}}, 4, 400, 4},
		{"back in time", []reading{{4, 100, 0}, {2, 100, 0}, {6, 100, 0}}, 6, 600, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m meter
			after := func(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }
			for _, r := range tt.readings {
				m.read(after(r.at), r.watts, r.counter)
			}
			joules, known := m.total(noon, after(tt.lasted), 4*time.Second)
			if !near(joules, tt.joules) || !near(known.Seconds(), tt.known) {
				t.Errorf("%g J of %v, want %g of %g s", joules, known, tt.joules, tt.known)
			}
		})
	}
}

// However a constant power is read, and whenever, it is that power times the time that the readings are of.
func TestMeterConstant(t *testing.T) {
	if err := quick.Check(func(watts uint16, pauses []uint16) bool {
		var m meter
		at := noon
		for _, p := range pauses {
			m.read(at, float64(watts), 0)
			at = at.Add(time.Duration(p) * 2 * time.Millisecond)
		}
		joules, known := m.total(noon, at, time.Second)
		return near(joules, float64(watts)*known.Seconds()) && known <= at.Sub(noon)
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestChosenGPUs(t *testing.T) {
	const uuid = "GPU-5f2a3c1e-0000-1111-2222-333344445555"
	for _, tt := range []struct {
		environ string
		want    []bool // of the GPUs 0, 1, 2; 1 has the UUID
	}{
		{"A=1", []bool{true, true, true}},
		{"CUDA_VISIBLE_DEVICES=2,0", []bool{true, false, true}},
		{"CUDA_VISIBLE_DEVICES=GPU-5f2a", []bool{false, true, false}},
		{"CUDA_VISIBLE_DEVICES=0,-1,1", []bool{true, false, false}},
		{"CUDA_VISIBLE_DEVICES=-1", []bool{false, false, false}},
		{"CUDA_VISIBLE_DEVICES=MIG-abc", []bool{true, true, true}},
		{"NVIDIA_VISIBLE_DEVICES=all", []bool{true, true, true}},
		{"NVIDIA_VISIBLE_DEVICES=" + uuid, []bool{false, true, false}},
	} {
		c := chosenGPUs([]string{tt.environ}, "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
		for i, want := range tt.want {
			if got := c.has(i, []string{"GPU-1", uuid, ""}[i]); got != want {
				t.Errorf("%s: GPU %d is %v", tt.environ, i, got)
			}
		}
	}
}

// recordedGPUs are samples of nvidia-smi 550 on a machine with an A100 under load and one at rest, then with one in MIG mode, whose use is not
// told but whose power is.
const recordedGPUs = `0, 98, 40536, 398.71, GPU-5f2a3c1e-0000-1111-2222-333344445555
1, 0, 4, 61.05, GPU-6f2a3c1e-0000-1111-2222-333344445555
2, [N/A], [N/A], 120.00, GPU-7f2a3c1e-0000-1111-2222-333344445555
3, 0, 1, [N/A], GPU-8f2a3c1e-0000-1111-2222-333344445555
4, 0, 1, [Unknown Error], GPU-9f2a3c1e-0000-1111-2222-333344445555
No devices were found
5, 1
`

func TestGPUPower(t *testing.T) {
	at := noon
	hear := func(environ ...string) []Drawn {
		at = noon
		g := &gpus{now: func() time.Time { return at }, how: gpuMeter{nvidiaEvery, "words"}, chosen: chosenGPUs(environ, "CUDA_VISIBLE_DEVICES")}
		for range 4 {
			for line := range strings.Lines(recordedGPUs) {
				g.hear(strings.TrimSuffix(line, "\n"))
			}
			at = at.Add(2 * time.Second)
		}
		return g.drawn(noon, at)
	}
	all := hear()
	if len(all) != 1 || !near(all[0].Joules, 8*(398.71+61.05+120)) || all[0].Of != DrawnGPU || all[0].Method != "words" || all[0].Missing != "" {
		t.Errorf("%+v", all)
	}
	if one := hear("CUDA_VISIBLE_DEVICES=1"); len(one) != 1 || !near(one[0].Joules, 8*61.05) {
		t.Errorf("%+v", one)
	}
	if none := hear("CUDA_VISIBLE_DEVICES=3"); none != nil {
		t.Errorf("nothing was read, and %+v is told", none)
	}
	at = noon
	g := &gpus{now: func() time.Time { return at }, how: gpuMeter{nvidiaEvery, "words"}}
	g.hear("0, 98, 40536, 100, GPU-5")
	if d := g.drawn(noon, noon.Add(time.Hour)); len(d) != 1 || !near(d[0].Joules, 400) || d[0].Missing != "GPU: read for 4s of 1h0m0s only" {
		t.Errorf("a program that ended early: %+v", d)
	}
}

// recordedAMD is what rocm-smi 6 says of two cards: of the second, a part of the same module, it has no power of its own. recordedAMDOld is an
// older one, without the counter.
const (
	recordedAMD = `{"card0": {"Current Socket Graphics Package Power (W)": "133.0", "Energy counter": "62929744071539", "Accumulated Energy (uJ)": "962825096297442.9"},
"card1": {"Current Socket Graphics Package Power (W)": "N/A", "Energy counter": "0", "Accumulated Energy (uJ)": "0.0"}, "system": {"Driver version": "6.2.4"}}`
	recordedAMDOld = `{"card0": {"Average Graphics Package Power (W)": "35.0", "Max Graphics Package Power (W)": "203.0"}}`
)

func TestAMDPower(t *testing.T) {
	at := noon
	g := &gpus{now: func() time.Time { return at }, how: gpuMeter{amdEvery, "words"}}
	g.hearAMD([]byte(recordedAMD))
	at = at.Add(10 * time.Second)
	g.hearAMD([]byte(strings.Replace(recordedAMD, "962825096297442.9", "962826096297442.9", 1))) // 1 kJ more
	if d := g.drawn(noon, at); len(d) != 1 || !near(d[0].Joules, 1000) {
		t.Errorf("%+v", d)
	}
	old := parseAMDPower([]byte(recordedAMDOld))
	if len(old) != 1 || old[0] != (amdPower{watts: 35}) {
		t.Errorf("%+v", old)
	}
	if got := parseAMDPower([]byte("WARNING: no card")); got != nil {
		t.Errorf("%+v", got)
	}
}

func FuzzGPUPower(f *testing.F) {
	f.Add(recordedGPUs)
	f.Add(recordedAMD)
	f.Add(recordedAMDOld)
	f.Fuzz(func(t *testing.T, text string) {
		at := noon
		g := &gpus{now: func() time.Time { at = at.Add(time.Second); return at }}
		for line := range strings.Lines(text) {
			g.hear(line)
		}
		for range 2 {
			g.hearAMD([]byte(text))
		}
		ended := at.Add(time.Second)
		for _, d := range g.drawn(noon, ended) {
			if most := float64(2*sampledGPUs) * maxWatts * ended.Sub(noon).Seconds(); !(d.Joules >= 0) || d.Joules > most {
				t.Errorf("%g J", d.Joules)
			}
		}
	})
}

// counters makes a tree as Linux has it below /sys/class/powercap.
type counters struct {
	t    *testing.T
	root string
}

func (c counters) write(name string, v string) {
	c.t.Helper()
	file := filepath.Join(c.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(v+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func twoPackages(t *testing.T) counters {
	c := counters{t, t.TempDir()}
	for i, name := range []string{"package-0", "package-1", "psys"} {
		c.write("intel-rapl:"+strconv.Itoa(i)+"/name", name)
		c.write("intel-rapl:"+strconv.Itoa(i)+"/energy_uj", "5000000")
		c.write("intel-rapl:"+strconv.Itoa(i)+"/max_energy_range_uj", "262143328850")
	}
	c.write("intel-rapl:0:0/name", "core")
	c.write("intel-rapl:0:0/energy_uj", "5000000")
	c.write("intel-rapl-mmio:0/name", "package-0")
	c.write("intel-rapl-mmio:0/energy_uj", "5000000")
	c.write("dtpm/name", "package")
	return c
}

func TestRAPL(t *testing.T) {
	c := twoPackages(t)
	r := openRAPL(c.root)
	c.write("intel-rapl:0/energy_uj", "8000000")
	c.write("intel-rapl:2/energy_uj", "80000000")
	r.read()
	c.write("intel-rapl:0/energy_uj", "9000000")
	c.write("intel-rapl:1/energy_uj", "6500000")
	r.read()
	if d := r.drawn(); len(d) != 1 || !near(d[0].Joules, 5.5) || d[0].Method != "RAPL, the whole of 2 packages" || d[0].Of != DrawnCPU {
		t.Errorf("%+v", d)
	}
	// 262 kJ at a kilowatt take 262 seconds: it is read before.
	if often := r.often(); often != 262143328*time.Microsecond {
		t.Errorf("%v", often)
	}
	if r := openRAPL(filepath.Join(c.root, "none")); r.drawn() != nil || r.often() != 0 {
		t.Errorf("%+v", r.drawn())
	}
}

// A counter begins anew at its range, again and again.
func TestRAPLWraps(t *testing.T) {
	c := twoPackages(t)
	c.write("intel-rapl:0/energy_uj", "262143328000")
	r := openRAPL(c.root)
	for range 3 {
		c.write("intel-rapl:0/energy_uj", "150")
		r.read()
		c.write("intel-rapl:0/energy_uj", "262143328000")
		r.read()
	}
	want := (3*(850+150) + 3*(262143328000-150)) / 1e6
	if d := r.drawn(); len(d) != 1 || !near(d[0].Joules, want) {
		t.Errorf("%+v, want %g", d, want)
	}
	c.write("intel-rapl:0/max_energy_range_uj", "nonsense")
	r = openRAPL(c.root)
	c.write("intel-rapl:0/energy_uj", "150")
	r.read()
	if d := r.drawn(); len(d) != 1 || d[0].Joules != 0 || !strings.Contains(d[0].Missing, "could not be read throughout") {
		t.Errorf("nobody knows the range, and %+v is told", d)
	}
}

// Counters are read often enough also where samples have become rare, and there are no more samples for it.
func TestSampleReadsCounters(t *testing.T) {
	c := twoPackages(t)
	for _, name := range []string{"intel-rapl:0", "intel-rapl:1"} {
		c.write(name+"/max_energy_range_uj", "65532610987") // 65 s at a kilowatt
	}
	s := &sampler{ticks: peeks + 1, elapsed: 5 * 24 * time.Hour, rapl: openRAPL(c.root)}
	looks, pause := s.ticks, time.Duration(0)
	for range 40 {
		if pause = s.tick(); pause > 66*time.Second || pause <= 0 {
			t.Fatalf("the counters are read after %v", pause)
		}
	}
	if n := s.ticks - looks; n < 6 || n > 12 { // every five minutes
		t.Errorf("%d samples", n)
	}
}
