package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// What a run may be told by mlx record, so that its last record has room for it.
const (
	maxRecordedFile = 16 << 20
	maxRecordedText = 32 << 10 // of parameters
	maxRecordedOuts = 128
)

const recordedName = "recorded.jsonl"

// Recording is what mlx record adds to a run.
type Recording struct {
	Metrics map[string]Number
	Step    *int64
	Params  map[string]any // as Param reads them
	Outs    []string       // below the repository root, with slashes
	Stored  []Stored       // folders that the store of the run has already, whole
}

// Stored is an output that is a version already.
type Stored struct {
	Path string        `json:"path"` // below the repository root, with slashes
	Root object.Digest `json:"root"`
}

// Metric reads one metric, NAME=NUMBER. NaN and the infinities are numbers here.
func Metric(s string) (name string, n Number, err error) {
	name, text, ok := strings.Cut(s, "=")
	switch {
	case !ok || name == "":
		return "", 0, fault.New(fault.Usage, "cannot record %q: it must be NAME=NUMBER", s)
	case len(name) > maxMetricName:
		return "", 0, fault.New(fault.Usage, "cannot record %.40q…: a name has at most %d bytes", name, maxMetricName)
	case strings.HasPrefix(name, systemPrefix):
		return "", 0, fault.New(fault.Usage, "cannot record %q: names that begin with %s are those of the machine", name, systemPrefix)
	case name == "step" || name == "time":
		return "", 0, fault.New(fault.Usage, "cannot record %q: %s is what a metric is recorded at", s, name).
			Hint("mlx record --step N NAME=NUMBER   # the time is that of the clock")
	}
	if n, ok := numberWord(text); ok {
		return name, n, nil
	}
	f, parseErr := strconv.ParseFloat(text, 64)
	if parseErr != nil || strings.ContainsAny(text, "xX_") || math.IsInf(f, 0) || math.IsNaN(f) {
		return "", 0, fault.New(fault.Usage, "cannot record %s: %q is not a number", name, text).
			Hint("mlx record -p %s=%s   # a parameter may be a word", name, text)
	}
	return name, Number(f), nil
}

// Record writes r into the folder of a run in progress, beside what many others write at the same time. metrics is the
// file that the run reads its metrics from. It is an error to give a parameter another value than it has.
func Record(dir, metrics string, at time.Time, r Recording) error {
	if err := r.agree(dir); err != nil {
		return err
	}
	if len(r.Metrics) > 0 {
		if err := appendLine(metrics, r.line(at)); err != nil {
			return err
		}
	}
	for _, line := range r.notes() {
		if err := appendLine(filepath.Join(dir, recordedName), line); err != nil {
			return err
		}
	}
	if len(r.Params) == 0 {
		return nil
	}
	return r.agree(dir) // another process may have been quicker: the first line counts
}

// line is the line of metrics.
func (r Recording) line(at time.Time) map[string]any {
	line := make(map[string]any, len(r.Metrics)+2)
	for name, n := range r.Metrics {
		line[name] = n.stored()
	}
	if r.Step != nil {
		line["step"] = *r.Step
	}
	line["time"] = json.Number(strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	return line
}

// recordedLine is a line of what was recorded beside metrics.
type recordedLine struct {
	Params map[string]any `json:"params,omitempty"`
	Out    string         `json:"out,omitempty"`
	Stored *Stored        `json:"stored,omitempty"`
}

func (r Recording) notes() []any {
	var all []any
	if len(r.Params) > 0 {
		all = append(all, recordedLine{Params: r.Params})
	}
	for _, out := range r.Outs {
		all = append(all, recordedLine{Out: out})
	}
	for i := range r.Stored {
		all = append(all, recordedLine{Stored: &r.Stored[i]})
	}
	return all
}

// appendLine appends one line in one write, so that lines of many processes are never mixed.
func appendLine(path string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Usage, "cannot record: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot record: %w", err).Hint("mlx record --run REF …   # if the run has ended")
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fault.New(fault.KindOf(err), "cannot record: %w", err)
	}
	return nil
}

// agree holds that no parameter has another value, and that all of them fit.
func (r Recording) agree(dir string) error {
	if len(r.Params)+len(r.Outs)+len(r.Stored) == 0 {
		return nil
	}
	given, err := givenParams(dir)
	if err != nil {
		return err
	}
	was, err := readRecorded(dir)
	if err != nil {
		return err
	}
	for name, value := range r.Params {
		for _, known := range []map[string]any{given, was.Params} {
			if old, ok := known[name]; ok && old != value {
				return fault.New(fault.Conflict, "cannot record parameter %s=%v: it was recorded as %v", name, value, old).
					Hint("mlx record -p %s.2=%v   # a parameter has one value in a run", name, value)
			}
		}
		was.Params[name] = value
	}
	for _, out := range r.Outs {
		was.out(out)
	}
	was.Stored = append(was.Stored, r.Stored...)
	return was.fits()
}

// fits says what is too much for a record.
func (r *Recording) fits() error {
	size := 0
	for name, value := range r.Params {
		size += len(name) + len(fmt.Sprint(value)) + 8
	}
	if size > maxRecordedText {
		return fault.New(fault.Usage, "cannot record more than %d bytes of parameters in a run", maxRecordedText).
			Hint("mlx record -o FILE   # keeps a file of them")
	}
	if len(r.Outs)+len(r.Stored) > maxRecordedOuts {
		return fault.New(fault.Usage, "cannot record more than %d outputs in a run", maxRecordedOuts).
			Hint("mlx record -o FOLDER   # keeps all that is in it")
	}
	return nil
}

func (r *Recording) out(path string) {
	for _, known := range r.Outs {
		if known == path {
			return
		}
	}
	r.Outs = append(r.Outs, path)
}

// givenParams reads the parameters that the run was started with.
func givenParams(dir string) (map[string]any, error) {
	all := map[string]any{}
	f, err := os.Open(filepath.Join(dir, paramsName))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the parameters of the run: %w", err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxRecordedFile)).Decode(&all); err != nil {
		return nil, fault.New(fault.Usage, "cannot read the parameters of the run: %w", err)
	}
	return all, nil
}

// readRecorded reads what the folder of a run was told. Of a parameter with several values the first counts: whoever came
// later was told so. A line that cannot be read, as the last one of a process that was killed, counts for nothing.
func readRecorded(dir string) (Recording, error) {
	all := Recording{Params: map[string]any{}}
	f, err := os.Open(filepath.Join(dir, recordedName))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, fault.New(fault.KindOf(err), "cannot read what was recorded: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxRecordedFile))
	if err != nil {
		return all, fault.New(fault.KindOf(err), "cannot read what was recorded: %w", err)
	}
	for line := range bytes.Lines(content) {
		var l recordedLine
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		for name, value := range l.Params {
			if _, known := all.Params[name]; !known {
				keepParam(all.Params, name, value)
			}
		}
		if l.Out != "" && fs.ValidPath(l.Out) {
			all.out(l.Out)
		}
		if l.Stored != nil && fs.ValidPath(l.Stored.Path) {
			all.Stored = append(all.Stored, *l.Stored)
		}
	}
	return all, nil
}

// keepParam takes a parameter of a kind that a record can hold.
func keepParam(all map[string]any, name string, value any) {
	switch v := value.(type) {
	case string:
		all[text(name)] = text(v)
	case bool:
		all[text(name)] = v
	case float64:
		all[text(name)] = exactNumber(json.Number(strconv.FormatFloat(v, 'g', -1, 64)))
	}
}

// collectRecorded adds what mlx record told to body. The outputs are returned: they are saved with the declared ones. Of a
// run that nobody saw end none is saved: what is at their paths now may be somebody else's.
func collectRecorded(s Spec, body *Body, dir string) ([]Out, error) {
	was, err := readRecorded(dir)
	if err == nil {
		err = was.fits()
	}
	if err != nil {
		return s.Outs, err
	}
	for name, value := range was.Params {
		if _, given := body.Params[name]; !given {
			if body.Params == nil {
				body.Params = map[string]any{}
			}
			body.Params[name] = value
		}
	}
	outs := append([]Out{}, s.Outs...)
	root := rootOf(s)
	for _, path := range was.Outs {
		declared := false
		for _, o := range s.Outs {
			declared = declared || o.Path == path
		}
		if declared || slices.Contains(body.Outs, path) {
			continue
		}
		body.Outs = append(body.Outs, text(path))
		if root != "" {
			outs = append(outs, Out{Path: path, Abs: filepath.Join(root, filepath.FromSlash(path))})
		}
	}
	return outs, nil
}

// rootOf is the repository root: the working folder without its own path below it. Empty: it is not known.
func rootOf(s Spec) string {
	dir := s.Dir
	if dir == "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if s.Folder == "." || s.Folder == "" {
		return dir
	}
	return strings.TrimSuffix(dir, string(filepath.Separator)+filepath.FromSlash(s.Folder))
}
