package run

import (
	"bufio"
	"cmp"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/run/internal/series"
)

// pointWriter writes the points of each run of a group into a file of series, in a folder of its own.
type pointWriter struct {
	tmp string
	dir string // made when it is needed
}

// reset makes room for the next group.
func (p *pointWriter) reset() error {
	err := p.close()
	p.dir = ""
	return err
}

// toldPoints is what points became.
type toldPoints struct {
	file     string
	summary  series.Summary
	values   map[string]any // as a record keeps them
	latest   map[string]Point
	points   int64
	troubles []error
}

// curve is what is known of one name while points come.
type curve struct {
	number int
	first  ForeignPoint // held back until there is a second one
	last   ForeignPoint
	count  int64
}

func (p *pointWriter) close() error {
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// write writes points to a file. Names of one point are not in it. Of several values the one with the highest step counts, then
// the latest, then the greatest, as in MLflow.
func (p *pointWriter) write(number int, points iter.Seq2[ForeignPoint, error]) (told toldPoints, err error) {
	sink := &pointSink{writer: p, number: number, curves: make(map[string]*curve)}
	defer func() {
		if closeErr := sink.close(&told); err == nil && closeErr != nil {
			err = ownDisk(closeErr)
		}
	}()
	for point, err := range points {
		if err != nil {
			return told, err
		}
		if err := sink.add(point, &told); err != nil {
			return told, err
		}
	}
	told.values, told.latest = make(map[string]any), make(map[string]Point)
	size := 0
	for name, c := range sink.curves {
		if system(name) {
			continue
		}
		if size += len(name) + 24; size > maxMetricsText || len(told.values) == maxMetrics {
			told.troubles = append(told.troubles, fault.New(fault.Usage, "metrics: more than %d, or than %d bytes of them", maxMetrics, maxMetricsText))
			break
		}
		told.values[name] = Number(c.last.Value).stored()
		if c.last.Step != 0 || c.count == 1 && c.last.MS != 0 {
			told.latest[name] = Point{Step: c.last.Step, MS: c.last.MS}
		}
	}
	return told, nil
}

// pointSink opens its file once a name has two points: most runs have none.
type pointSink struct {
	writer  *pointWriter
	number  int // of the run
	curves  map[string]*curve
	file    *os.File
	buffer  *bufio.Writer
	series  *series.Writer
	refused map[string]bool
}

func (s *pointSink) add(p ForeignPoint, told *toldPoints) error {
	p.Name = text(p.Name)
	c := s.curves[p.Name]
	if problem := s.problem(p, c, told.points); problem != "" {
		if !s.refused[problem] {
			if s.refused == nil {
				s.refused = make(map[string]bool)
			}
			s.refused[problem] = true
			told.troubles = append(told.troubles, fault.New(fault.Usage, "metric %.60q: %s", p.Name, problem))
		}
		return nil
	}
	told.points++
	if c == nil {
		s.curves[p.Name] = &curve{first: p, last: p, count: 1}
		return nil
	}
	if c.count++; c.count == 2 {
		if err := s.open(told); err != nil {
			return ownDisk(err)
		}
		var err error
		if c.number, err = s.series.Name(p.Name); err != nil {
			return err
		}
		if err := s.series.Add(c.number, c.first.Step, c.first.MS, c.first.Value); err != nil {
			return err
		}
	}
	if cmp.Or(cmp.Compare(p.Step, c.last.Step), cmp.Compare(p.MS, c.last.MS), cmp.Compare(p.Value, c.last.Value)) > 0 {
		c.last = p
	}
	if err := s.series.Add(c.number, p.Step, p.MS, p.Value); err != nil {
		return ownDisk(err)
	}
	return nil
}

// ownDisk is an error of the folder for temporary files: it says nothing about the run, so that the run must not be given up for it.
func ownDisk(err error) error {
	return fault.New(fault.Unavailable, "cannot keep the metrics: %w", err)
}

// problem says why a point cannot be kept.
func (s *pointSink) problem(p ForeignPoint, c *curve, points int64) string {
	const whole = series.MaxWhole
	switch {
	case p.Name == "" || len(p.Name) > maxMetricName:
		return "a name has 1 to 250 bytes"
	case p.Step > whole || p.Step < -whole || p.MS > whole || p.MS < -whole:
		return "its step or time is out of range"
	case c == nil && len(s.curves) == series.MaxNames:
		return "a run has at most 10000 names"
	case points == series.MaxPoints:
		return "more points than a run keeps"
	}
	return ""
}

func (s *pointSink) open(told *toldPoints) (err error) {
	if s.file != nil {
		return nil
	}
	if s.writer.dir == "" {
		if s.writer.dir, err = os.MkdirTemp(s.writer.tmp, importedTemp); err != nil {
			return err
		}
	}
	told.file = filepath.Join(s.writer.dir, strconv.Itoa(s.number), seriesName)
	if err := os.MkdirAll(filepath.Dir(told.file), 0o755); err != nil {
		return err
	}
	if s.file, err = os.Create(told.file); err != nil {
		return err
	}
	s.buffer = bufio.NewWriter(s.file)
	s.series, err = series.NewWriter(s.buffer)
	return err
}

func (s *pointSink) close(told *toldPoints) error {
	if s.file == nil {
		return nil
	}
	var err error
	if s.series != nil {
		told.summary, err = s.series.Close()
	}
	return errors.Join(err, s.buffer.Flush(), s.file.Close())
}
