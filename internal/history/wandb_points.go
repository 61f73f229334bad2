package history

import (
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
)

// wandbPoints yields the history of a log, then what only the summary has. A value of the summary that is not the last one of its
// history gets a name of its own.
func wandbPoints(log string, summary document, ended time.Time) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		last := make(map[string]float64)
		stopped := false
		emit := func(p Point) {
			stopped = stopped || !yield(p, nil)
		}
		if log != "" {
			samples := make(map[string]int64)
			for record, err := range logFile(log) {
				if err == nil {
					err = fields(record, func(f field) error { return pointsOf(f, last, samples, emit) })
				}
				if err != nil {
					yield(Point{}, unreadable(log, err))
					return
				}
				if stopped {
					return
				}
			}
		}
		summaryPoints(summary, last, ended, func(p Point) {
			if !stopped {
				emit(p)
			}
		})
	}
}

// summaryPoints emits what only the summary has.
func summaryPoints(summary document, last map[string]float64, ended time.Time, emit func(Point)) {
	ms := msOf(ended)
	for key, v := range summary {
		if strings.HasPrefix(key, "_") {
			continue
		}
		numbers(key, v, 0, func(name string, f float64) {
			old, known := last[name]
			if known && (old == f || math.IsNaN(old) && math.IsNaN(f)) {
				return
			}
			if known {
				name += ".summary"
			}
			emit(Point{Name: name, MS: ms, Value: f})
		})
	}
}

// pointsOf emits the values of a record of history, or of a sample of the machine.
func pointsOf(f field, last map[string]float64, samples map[string]int64, emit func(Point)) error {
	switch f.number {
	case recordHistory:
		return historyPoints(f.bytes, last, emit)
	case recordStats:
		var at time.Time
		return fields(f.bytes, func(f field) (err error) {
			switch f.number {
			case statsTime:
				at, err = moment(f.bytes)
			case statsItem:
				it, err := itemOf(f.bytes)
				if err != nil {
					return err
				}
				numbers("system/"+it.path[0], jsonValue(it.json), 0, func(name string, v float64) {
					emit(Point{Name: name, Step: samples[name], MS: msOf(at), Value: v})
					samples[name]++
				})
			}
			return err
		})
	}
	return nil
}

func historyPoints(message []byte, last map[string]float64, emit func(Point)) error {
	var all []item
	step, ms := int64(0), int64(0)
	err := fields(message, func(f field) error {
		switch f.number {
		case historyStep:
			return fields(f.bytes, func(f field) error {
				if f.number == 1 {
					step = int64(f.value)
				}
				return nil
			})
		case historyItem:
			it, err := itemOf(f.bytes)
			if err != nil {
				return err
			}
			if it.path[0] == "_timestamp" {
				seconds, _ := strconv.ParseFloat(string(it.json), 64)
				if seconds > 0 && seconds < 4102444800 {
					ms = int64(math.Round(seconds * 1000))
				}
			}
			if !strings.HasPrefix(it.path[0], "_") {
				all = append(all, it)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, it := range all {
		numbers(strings.Join(it.path, "."), jsonValue(it.json), 0, func(name string, v float64) {
			last[name] = v
			emit(Point{Name: name, Step: step, MS: ms, Value: v})
		})
	}
	return nil
}
