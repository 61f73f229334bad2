package history

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
)

// dvcMetrics are what the files of metrics of a commit say, and the series that DVCLive wrote beside them.
type dvcMetrics struct {
	store  *dvcStore
	commit string
	at     int64 // of the commit, in milliseconds
	final  map[string]float64
	files  []string // of metrics, that were read
	series []Point
}

// find reads the files of metrics that the dvc.yaml of a folder names.
func (m *dvcMetrics) find(ctx context.Context, dir string) error {
	b, err := m.store.git.blob(ctx, m.commit, path.Join(dir, "dvc.yaml"))
	if err != nil || b == nil {
		return err
	}
	doc, err := parseYAML(b)
	if err != nil {
		m.store.h.Left.Add("dvc.yaml", m.commit, told(err))
		return nil
	}
	names := metricPaths(doc["metrics"])
	stages, _ := doc["stages"].(map[string]any)
	for _, v := range stages {
		stage, _ := v.(map[string]any)
		if each, ok := stage["do"].(map[string]any); ok {
			stage = each
		}
		for _, name := range metricPaths(stage["metrics"]) {
			names = append(names, path.Join(textOf(stage["wdir"]), name))
		}
	}
	for _, name := range names {
		if err := m.file(ctx, path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// metricPaths are the names in a list of paths, or of mappings with a path as the key.
func metricPaths(v any) []string {
	var all []string
	list, _ := v.([]any)
	for _, one := range list {
		switch one := one.(type) {
		case string:
			all = append(all, one)
		case map[string]any:
			all = append(all, slices.Collect(maps.Keys(one))...)
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return strings.Contains(s, "${") })
}

func (m *dvcMetrics) file(ctx context.Context, name string) error {
	if slices.Contains(m.files, name) {
		return nil
	}
	b, err := m.store.git.blob(ctx, m.commit, name)
	if err != nil {
		return err
	}
	if b == nil {
		m.store.h.Left.Add("metrics", name, "git does not keep the file")
		return nil
	}
	m.files = append(m.files, name)
	var doc any
	if path.Ext(name) == ".json" {
		doc = jsonValue(b)
	} else if doc, err = parseYAML(b); err != nil {
		m.store.h.Left.Add("metrics", name, told(err))
		return nil
	}
	top, ok := doc.(map[string]any)
	if !ok {
		m.store.h.Left.Add("metrics", name, "it holds no numbers by name")
		return nil
	}
	for key, v := range top {
		numbers(key, typed(v, 0), 0, func(metric string, f float64) {
			if old, known := m.final[metric]; known && old != f {
				metric = name + ":" + metric
			}
			m.final[metric] = f
		})
	}
	return nil
}

// live reads the series that DVCLive writes: plots/metrics beside its file of metrics, a table a metric.
func (m *dvcMetrics) live(ctx context.Context) error {
	for _, file := range m.files {
		top := path.Join(path.Dir(file), "plots", "metrics")
		out, err := m.store.git.output(ctx, "ls-tree", "-r", "-z", "--name-only", "--full-tree", m.commit, top+"/")
		if err != nil {
			return err
		}
		for name := range strings.SplitSeq(string(out), "\x00") {
			if path.Ext(name) != ".tsv" {
				continue
			}
			b, err := m.store.git.blob(ctx, m.commit, name)
			if err != nil {
				return err
			}
			metric := strings.TrimSuffix(strings.TrimPrefix(name, top+"/"), ".tsv")
			points, ok := parseLive(metric, b)
			if !ok {
				m.store.h.Left.Add("series", name, "it is no table of steps and values")
			}
			m.series = append(m.series, points...)
		}
	}
	return nil
}

// parseLive reads a table of DVCLive: a column step, one of values and perhaps one of times.
func parseLive(metric string, b []byte) ([]Point, bool) {
	in := csv.NewReader(bytes.NewReader(b))
	in.Comma, in.LazyQuotes = '\t', true
	head, err := in.Read()
	if err != nil {
		return nil, false
	}
	step, times := slices.Index(head, "step"), slices.Index(head, "timestamp")
	value := slices.IndexFunc(head, func(s string) bool { return s != "step" && s != "timestamp" })
	if step < 0 || value < 0 {
		return nil, false
	}
	var all []Point
	for {
		row, err := in.Read()
		if err == io.EOF {
			return all, true
		}
		if err != nil {
			return all, false
		}
		p := Point{Name: metric, Step: numberOf(row[step])}
		var ok bool
		if p.Value, ok = pythonFloat(row[value]); !ok {
			return all, false
		}
		if times >= 0 {
			p.MS = numberOf(row[times])
		}
		all = append(all, p)
	}
}

// points yields the series, then what has none.
func (m *dvcMetrics) points() iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		known := make(map[string]bool)
		for _, p := range m.series {
			known[p.Name] = true
			if !yield(p, nil) {
				return
			}
		}
		for name, v := range m.final {
			if known[name] || known[strings.ReplaceAll(name, ".", "/")] {
				continue
			}
			if !yield(Point{Name: name, MS: m.at, Value: v}, nil) {
				return
			}
		}
	}
}
