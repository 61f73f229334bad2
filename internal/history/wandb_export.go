package history

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

const maxExport = 256 << 20 // bytes of a file that people exported

// The columns of the table of runs that are neither configuration nor summary.
func knownColumn(name string) bool {
	return slices.Contains([]string{"Name", "ID", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "Group", "Job Type", "Project", "Entity",
		"Hostname", "Description", "Updated", "End Time", "GitHub", "Commit", "Host", "Parameters"}, name)
}

// csvExport is the table of runs as the page of a project exports it: a row a run.
type csvExport struct {
	h       *History
	f       *os.File
	size    int64
	header  []string
	offsets []int64
	ids     []string
}

func openWandbCSV(ctx context.Context, h *History, file string) error {
	f, err := openExport(file)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, f.Close)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	e := &csvExport{h: h, f: f, size: info.Size()}
	h.read = e.run
	in := csv.NewReader(f)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return badCSV(file, err)
	}
	e.header = slices.Clone(head)
	e.header[0] = strings.TrimPrefix(e.header[0], "\ufeff")
	if !slices.Contains(e.header, "Name") {
		return fault.New(fault.Usage, "it has no column Name: it is no table of runs").In(fault.Position{File: file, Line: 1}).
			Hint("export the table of runs, not a chart: Runs, then Export, then CSV")
	}
	seen := make(map[string]bool)
	for {
		at := in.InputOffset()
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return badCSV(file, err)
		}
		if len(e.offsets) == maxRuns {
			return fault.New(fault.Usage, "it has more than %d runs", maxRuns)
		}
		id := e.id(row)
		for n := 2; seen[id]; n++ { // the same table always gives the same ids
			id = e.id(row) + "#" + strconv.Itoa(n)
		}
		seen[id] = true
		h.Runs = append(h.Runs, Ref{ID: id, MS: wandbTime(e.cell(row, "Created")).UnixMilli(), at: len(e.offsets)})
		e.offsets, e.ids = append(e.offsets, at), append(e.ids, id)
	}
	if slices.ContainsFunc(e.header, func(name string) bool { return !knownColumn(name) }) && len(h.Runs) > 0 {
		h.Left.Add("kind of a column", "CSV", "it does not say what is a parameter and what a metric: numbers are kept as both")
	}
	return nil
}

func openExport(file string) (*os.File, error) {
	info, err := os.Stat(file)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxExport) {
		err = fault.New(fault.Usage, "it is no file of at most %d bytes", maxExport)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(file)
}

func badCSV(file string, err error) error {
	return fault.New(fault.KindOf(err), "%s: %w", file, fault.New(fault.Usage, "%w", err))
}

// cell is the value of a column; empty where the table has none of that name.
func (e *csvExport) cell(row []string, column string) string {
	if i := slices.Index(e.header, column); i >= 0 && i < len(row) {
		return row[i]
	}
	return ""
}

func (e *csvExport) id(row []string) string {
	if id := e.cell(row, "ID"); id != "" {
		return id
	}
	return e.cell(row, "Name") + "@" + e.cell(row, "Created")
}

func (e *csvExport) run(_ context.Context, ref Ref) (*Run, error) {
	at := e.offsets[ref.at]
	row, err := csv.NewReader(io.NewSectionReader(e.f, at, e.size-at)).Read()
	if err != nil {
		return nil, err
	}
	r := &Run{ID: ref.ID, Name: e.cell(row, "Name"), Experiment: e.cell(row, "Project"), User: e.cell(row, "User"), Started: wandbTime(e.cell(row, "Created")),
		Commit: commitID(e.cell(row, "Commit")), Params: map[string]string{}, Tags: map[string]string{}}
	r.Machine.Host = e.cell(row, "Hostname")
	r.setWandbState(e.cell(row, "State"))
	r.setRuntime(e.cell(row, "Runtime"))
	for _, name := range []string{"Notes", "Tags", "Sweep", "Group", "Job Type", "Entity"} {
		if v := e.cell(row, name); v != "" && v != "-" {
			r.Tags["wandb."+strings.ToLower(strings.ReplaceAll(name, " ", "_"))] = v
		}
	}
	values := make(map[string]float64)
	for i, name := range e.header {
		if knownColumn(name) || i >= len(row) || row[i] == "" || name == "" {
			continue
		}
		key, summary := strings.CutPrefix(name, "summary.")
		key, config := strings.CutPrefix(key, "config.")
		if !summary {
			r.Params[key] = row[i]
		}
		if f, ok := pythonFloat(row[i]); ok && !config {
			values[key] = f
		}
	}
	r.Points = finalPoints(values, r.Ended)
	return r, nil
}

// finalPoints yields values of which no history is known.
func finalPoints(values map[string]float64, at time.Time) func(func(Point, error) bool) {
	ms := msOf(at)
	return func(yield func(Point, error) bool) {
		for name, v := range values {
			if !yield(Point{Name: name, MS: ms, Value: v}, nil) {
				return
			}
		}
	}
}

// wandbTime reads the times that W&B and its exports write.
func wandbTime(text string) time.Time {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05.999999"} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC()
		}
	}
	return time.UnixMilli(0)
}

func (r *Run) setWandbState(word string) {
	r.Status = word
	switch strings.ToLower(word) {
	case "finished":
		r.State = Succeeded
	case "failed":
		r.State, r.Cause = Failed, "W&B says failed"
	case "killed":
		r.State, r.Cause = Killed, "W&B says killed"
	default:
		r.State, r.Cause = Lost, "W&B never heard of its end" // crashed: no word came any more
	}
}

func (r *Run) setRuntime(text string) {
	if r.Started.UnixMilli() <= 0 {
		r.Started = time.Time{}
	}
	seconds, ok := pythonFloat(text)
	if ok && seconds > 0 && seconds < 1<<31 && !r.Started.IsZero() {
		r.Ended = r.Started.Add(time.Duration(seconds * float64(time.Second)))
	}
}

// numberText is a number of JSON as it was written.
func numberText(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return ""
}
