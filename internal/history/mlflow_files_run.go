package history

import (
	"bufio"
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

const maxMetricLine = 4 << 10 // bytes

// run reads one run of a file store.
func (s *fileStore) run(_ context.Context, ref Ref) (*Run, error) {
	place := s.runs[ref.at]
	meta, err := readYAML(filepath.Join(place.dir, metaName))
	if err != nil {
		return nil, err
	}
	r := &Run{ID: ref.ID, Name: textOf(meta["run_name"]), Experiment: place.experiment.Name, User: textOf(meta["user_id"]),
		Started: msTime(numberOf(meta["start_time"])), Ended: msTime(numberOf(meta["end_time"]))}
	if r.Name == "" {
		r.Name = textOf(meta["name"]) // as MLflow 1 wrote it
	}
	r.setStatus(textOf(meta["status"]))
	if textOf(meta["lifecycle_stage"]) == "deleted" || place.experiment.Deleted {
		at := msTime(numberOf(meta["deleted_time"]))
		r.Deleted = &at
	}
	if r.Params, err = s.texts(filepath.Join(place.dir, "params")); err != nil {
		return nil, err
	}
	if r.Tags, err = s.texts(filepath.Join(place.dir, "tags")); err != nil {
		return nil, err
	}
	r.setTags()
	if name := textOf(meta["source_name"]); r.Command == nil && name != "" {
		r.Command = []string{name}
	}
	if r.Commit == "" {
		r.Commit = commitID(textOf(meta["source_version"]))
	}
	if r.Datasets, err = s.datasets(place); err != nil {
		return nil, err
	}
	r.Models = s.modelsOf(place.dir, ref.ID)
	r.Artifacts = s.artifacts(place.dir, textOf(meta["artifact_uri"]))
	r.Points = s.points(filepath.Join(place.dir, "metrics"))
	return r, nil
}

// artifacts are in the folder of the run, or where its meta.yaml says.
func (s *fileStore) artifacts(dir, location string) string {
	own := filepath.Join(dir, artifactsDir)
	if info, err := os.Lstat(own); err == nil && info.IsDir() {
		if real, err := filepath.EvalSymlinks(own); err == nil && s.places.holds(real) {
			return real
		}
	}
	if local, _ := localPath(location); location == "" || strings.HasSuffix(local, "/"+filepath.Base(dir)+"/"+artifactsDir) && s.ours(location) {
		return "" // none were logged
	}
	found, why := s.places.find(location)
	if why != "" {
		s.h.Left.Add("artifacts", location, why)
	}
	return found
}

// ours reports whether artifacts of a location would be in the store itself: it has been moved, or they were never there.
func (s *fileStore) ours(location string) bool {
	local, scheme := localPath(location)
	return scheme == "" && strings.Contains("/"+local, "/"+filepath.Base(s.root)+"/")
}

// datasets reads what the run says that it read.
func (s *fileStore) datasets(place fileRun) ([]Dataset, error) {
	inputs := filepath.Join(place.dir, "inputs")
	names, err := folders(inputs)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Dataset
	for _, name := range names {
		input, err := readYAML(filepath.Join(inputs, name, metaName))
		if err == nil && textOf(input["source_type"]) != "DATASET" {
			continue
		}
		var set Dataset
		if err == nil {
			set, err = readDataset(place.experiment.dir, textOf(input["source_id"]))
		}
		if err != nil {
			s.h.Left.Add("dataset", name, told(err))
			continue
		}
		set.Tags = textsOf(input["tags"])
		all = append(all, set)
	}
	return all, nil
}

func readDataset(experiment, id string) (Dataset, error) {
	if !filepath.IsLocal(id) || strings.ContainsAny(id, `/\`) {
		return Dataset{}, fault.New(fault.Usage, "%.60q is no name of a dataset", id)
	}
	m, err := readYAML(filepath.Join(experiment, "datasets", id, metaName))
	return Dataset{Name: textOf(m["name"]), Digest: textOf(m["digest"]), SourceType: textOf(m["source_type"]), Source: textOf(m["source"]),
		Schema: textOf(m["schema"]), Profile: textOf(m["profile"])}, err
}

func textsOf(v any) map[string]string {
	m, _ := v.(map[string]any)
	if len(m) == 0 {
		return nil
	}
	all := make(map[string]string, len(m))
	for key, value := range m {
		all[key] = textOf(value)
	}
	return all
}

// points yields the lines of all files of metrics: time, value and, since MLflow 1.0, step. Later versions add name and digest of a
// dataset.
func (s *fileStore) points(dir string) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		stopped := false
		err := walkKeys(dir, func(key, file string) error {
			if stopped {
				return nil
			}
			more, err := readMetric(key, file, yield)
			stopped = !more
			return err
		})
		if err != nil && !stopped {
			yield(Point{}, err)
		}
	}
}

// readMetric yields the points of a file. more is false once nobody wants another.
func readMetric(key, file string, yield func(Point, error) bool) (more bool, err error) {
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() {
		return true, err
	}
	f, err := os.Open(file)
	if err != nil {
		return true, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, maxMetricLine), maxMetricLine)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		p, ok := parseMetricLine(string(line))
		if !ok {
			return true, fault.New(fault.Usage, "line %d of %s: %.60q is no time, value and step", number, file, line).
				In(fault.Position{File: file, Line: number})
		}
		p.Name = key
		if !yield(p, nil) {
			return false, nil
		}
	}
	if err := lines.Err(); err != nil {
		return true, fault.New(fault.Usage, "line %d of %s: %w", number+1, file, err).In(fault.Position{File: file, Line: number + 1})
	}
	return true, nil
}

// parseMetricLine reads the line of a metric in any of its forms.
func parseMetricLine(line string) (p Point, ok bool) {
	parts := strings.Split(line, " ")
	if len(parts) != 2 && len(parts) != 3 && len(parts) != 5 {
		return p, false
	}
	var err error
	if p.MS, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return p, false
	}
	if p.Value, ok = pythonFloat(parts[1]); !ok {
		return p, false
	}
	if len(parts) > 2 {
		if p.Step, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
			return p, false
		}
	}
	if p.MS >= 1e9 && p.MS < 1e10 { // MLflow 0.x wrote seconds; as milliseconds it would be the spring of 1970
		p.MS *= 1000
	}
	return p, true
}

// pythonFloat reads what Python writes for a float, and nothing else that Go would take for one.
func pythonFloat(s string) (float64, bool) {
	if strings.ContainsAny(s, "xXpP_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}
