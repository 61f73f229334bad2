package run

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Drawn is electricity that a meter counted while a command ran: that of the whole device, whoever used it. One with Missing
// is a meter that is there and could not be read.
type Drawn struct {
	Of      string  `json:"of"` // gpu or cpu
	Host    string  `json:"host,omitempty"`
	Joules  float64 `json:"joules,omitempty"`
	Method  string  `json:"method,omitempty"`
	Missing string  `json:"missing,omitempty"` // why there is no reading, or of what
}

// What a meter counts.
const (
	DrawnGPU = "gpu"
	DrawnCPU = "cpu"
)

// Energy is what a run used of electricity, as far as it is known.
type Energy struct {
	KWh      *float64     `json:"kwh,omitempty"`   // nil: no meter could be read, and nobody stated a power
	Basis    string       `json:"basis,omitempty"` // measured, estimated or assumed
	CO2      *float64     `json:"co2_g,omitempty"` // grams, where the intensity of the grid is known
	CO2Basis string       `json:"co2_basis,omitempty"`
	Method   string       `json:"method,omitempty"`
	Parts    []EnergyPart `json:"parts,omitempty"`
	Missing  []string     `json:"missing,omitempty"` // what could not be read, and why
}

// EnergyPart is the share of the GPUs or of the processors, without what the data centre adds to it.
type EnergyPart struct {
	Of     string  `json:"of"` // gpu or cpu
	Joules float64 `json:"joules"`
	Basis  string  `json:"basis"`
	Method string  `json:"method"`
}

// energy is that of the run, wherever it was executed.
func (b Body) energy() *Energy {
	if b.Job != nil {
		return b.Job.Energy
	}
	return b.Energy
}

// shownEnergy is Energy as a view shows it.
type shownEnergy struct {
	KWh      *float64     `json:"kwh"`
	Basis    *string      `json:"basis"`
	CO2      *float64     `json:"co2_g"`
	CO2Basis *string      `json:"co2_basis"`
	Method   *string      `json:"method"`
	Parts    []EnergyPart `json:"parts"`
	Missing  []string     `json:"missing"`
}

func (e *Energy) shown() *shownEnergy {
	if e == nil {
		return nil
	}
	return &shownEnergy{KWh: e.KWh, Basis: some(e.Basis), CO2: e.CO2, CO2Basis: some(e.CO2Basis), Method: some(e.Method),
		Parts: append([]EnergyPart{}, e.Parts...), Missing: append([]string{}, e.Missing...)}
}

// meter adds up the readings of one device: of a counter of joules where there is one, else of its power.
type meter struct {
	first, last time.Time
	firstWatts  float64
	watts       float64 // of the last reading
	joules      float64
	counter     float64 // last reading in joules; 0 where there is none
	gaps        time.Duration
}

// maxStep is how far apart two readings may be: what lies between others is not known.
const maxStep = time.Minute

// read takes a reading. watts below 0 and a counter of 0 are those that the device does not tell.
func (m *meter) read(at time.Time, watts, counter float64) {
	if watts < 0 && counter <= 0 || watts > maxWatts {
		return
	}
	watts = max(0, watts)
	if m.first.IsZero() {
		m.first, m.last, m.firstWatts, m.watts, m.counter = at, at, watts, watts, counter
		return
	}
	step := at.Sub(m.last)
	switch {
	case step <= 0:
		return
	case counter > 0 && m.counter > 0 && counter >= m.counter && counter-m.counter <= maxWatts*step.Seconds():
		m.joules += counter - m.counter
	case step > maxStep:
		m.gaps += step
	default:
		m.joules += (m.watts + watts) / 2 * step.Seconds()
	}
	m.last, m.watts, m.counter = at, watts, counter
}

// maxWatts is more than any one device draws: a reading above it is none.
const maxWatts = 100e3

// total returns the joules from began to ended, and of what part of that time they are. The first and the last reading stand for the time
// before and after them, for as long as edge.
func (m *meter) total(began, ended time.Time, edge time.Duration) (joules float64, covered time.Duration) {
	if m.first.IsZero() {
		return 0, 0
	}
	before := min(max(0, m.first.Sub(began)), edge)
	after := min(max(0, ended.Sub(m.last)), edge)
	joules = m.joules + m.firstWatts*before.Seconds() + m.watts*after.Seconds()
	return joules, before + m.last.Sub(m.first) - m.gaps + after
}

// chosen says which GPUs of a machine a program may use, as the variable of its driver lists them: numbers, or beginnings of UUIDs.
type chosen struct{ words []string }

// chosenGPUs reads the variables by which schedulers and people give GPUs to a program. The first that is set counts. nil: all.
func chosenGPUs(environ []string, names ...string) *chosen {
	for _, name := range names {
		v := Variable(environ, name)
		if v == "" || strings.EqualFold(v, "all") {
			continue
		}
		var c chosen
		for word := range strings.SplitSeq(v, ",") {
			word = strings.TrimSpace(word)
			if strings.HasPrefix(word, "MIG") {
				return nil // a part of a GPU: only of the whole is the power told
			}
			if word == "-1" { // what follows is not seen
				break
			}
			c.words = append(c.words, word)
		}
		return &c
	}
	return nil
}

// has says whether a GPU is one of them.
func (c *chosen) has(index int, uuid string) bool {
	if c == nil {
		return true
	}
	for _, word := range c.words {
		if word == strconv.Itoa(index) || word != "" && uuid != "" && strings.HasPrefix(word, "GPU-") && strings.HasPrefix(uuid, word) {
			return true
		}
	}
	return false
}

// drawnBy adds up the meters of the GPUs. They are told apart by their numbers.
func drawnBy(meters map[int]*meter, began, ended time.Time, how gpuMeter) []Drawn {
	joules, told, least := 0.0, 0, ended.Sub(began)
	for _, m := range meters {
		j, covered := m.total(began, ended, 2*how.every)
		if covered <= 0 {
			continue
		}
		told++
		joules += j
		least = min(least, covered)
	}
	if told == 0 {
		return nil
	}
	d := Drawn{Of: DrawnGPU, Joules: joules, Method: how.words}
	if whole := ended.Sub(began); least < whole-whole/20 {
		d.Missing = fmt.Sprintf("GPU: read for %s of %s only", least.Round(time.Second), whole.Round(time.Second))
	}
	return []Drawn{d}
}

// gpuMeter is how the power of GPUs is read.
type gpuMeter struct {
	every time.Duration
	words string
}

// wattsOf reads a power; below 0 is a word that stands for one that is not told.
func wattsOf(word string) float64 {
	w, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
	if err != nil || !(w >= 0) || w > maxWatts {
		return -1
	}
	return w
}
