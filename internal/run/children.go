package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Limits of a file of children.
const (
	maxChildrenBytes = 256 << 20
	maxChildren      = 100_000
	maxChildBytes    = 256 << 10
)

// childrenName is the file that a command names its children in: runs that happened inside it, as the trials of a
// study do that is one process. A child that is a process of its own is started with mlx run instead.
const childrenName = "children.jsonl"

// child is one line of that file. Times are seconds since 1970.
type child struct {
	Name    string         `json:"name"`
	Params  map[string]any `json:"params"`
	Metrics map[string]any `json:"metrics"`
	State   State          `json:"state"` // succeeded when absent
	Cause   string         `json:"cause"`
	Started float64        `json:"started"`
	Ended   float64        `json:"ended"`

	numbers map[string]Number
}

// readChildren reads the children that a command named. A bad line is an error that names it; the lines before it count.
func readChildren(path string) ([]child, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the child runs: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the child runs: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxChildrenBytes {
		return nil, fault.New(fault.Usage, "cannot read the child runs: %s is no file of at most %d bytes", path, maxChildrenBytes)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxChildrenBytes))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the child runs: %w", err)
	}
	return parseChildren(path, text)
}

func parseChildren(path string, text []byte) ([]child, error) {
	var all []child
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		c, err := parseChild(line)
		if err == nil && len(all) == maxChildren {
			err = fmt.Errorf("more than %d child runs", maxChildren)
		}
		if err != nil {
			return all, fault.New(fault.Usage, "cannot read the child runs: line %d of %s: %w", number, path, err).
				In(fault.Position{File: path, Line: number}).
				Hint(`write one JSON object a line to $MLX_CHILDREN, as in {"name": "trial-1", "params": {"depth": 6}, "metrics": {"auc": 0.741}}`)
		}
		all = append(all, c)
	}
	return all, nil
}

func parseChild(line []byte) (child, error) {
	var c child
	switch {
	case len(line) > maxChildBytes:
		return c, fmt.Errorf("more than %d bytes", maxChildBytes)
	case !utf8.Valid(line):
		return c, errors.New("not UTF-8 text")
	}
	dec := json.NewDecoder(bytes.NewReader(object.QuoteWords(line)))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, err
	}
	switch c.State {
	case "":
		c.State = Succeeded
	case Succeeded, Failed, Cancelled:
	default:
		return c, fmt.Errorf("state %q is none of succeeded, failed, cancelled", c.State)
	}
	var err error
	if c.Params, err = Flatten(c.Params); err != nil {
		return c, err
	}
	c.numbers = make(map[string]Number, len(c.Metrics))
	for name, value := range c.Metrics {
		n, ok := childNumber(value)
		if !ok || name == "" || len(name) > maxMetricName {
			return c, fmt.Errorf("metric %.80q is not a number with a name of 1 to %d bytes", name, maxMetricName)
		}
		c.numbers[name] = n
	}
	return c, nil
}

func childNumber(value any) (Number, bool) {
	switch v := value.(type) {
	case json.Number:
		f, _ := v.Float64() // beyond the range of floats it is infinite
		return Number(f), true
	case string:
		return numberWord(v)
	case nil:
		return numberWord("NaN")
	}
	return 0, false
}

// collectChildren records what the command told of runs inside it, once its own end is recorded.
func (r Runner) collectChildren(ctx context.Context, parent Body, dir string, c *collected) {
	all, err := readChildren(filepath.Join(dir, childrenName))
	if err := errors.Join(r.recordChildren(ctx, parent, all), err); err != nil {
		c.badMetrics, c.troubles = true, append(c.troubles, err)
	}
}

// recordChildren writes down the runs that happened inside a run that has ended, each as two records like any other.
func (r Runner) recordChildren(ctx context.Context, parent Body, all []child) error {
	for i, c := range all {
		body := Body{
			State: Running, Command: parent.Command, Folder: parent.Folder, Name: c.Name, Experiment: parent.Experiment,
			StartedAt: r.childTime(c.Started, parent.StartedAt), Code: parent.Code, Data: parent.Data, Params: c.Params, Attempt: 1,
			Parent: parent.Run.Hex(), Machine: parent.Machine, Process: parent.Process, Worktree: parent.Worktree, Inside: true,
		}
		err := body.fit()
		r.Mask().body(&body)
		var rec lineage.Record
		if err == nil {
			rec, err = Started.Append(ctx, r.Ledger, lineage.Entry[Body]{Body: body, In: inputs(body)})
		}
		if err == nil {
			body.Run, body.State, body.Cause = &rec.ID, c.State, text(c.Cause)
			ended := r.childTime(c.Ended, *parent.EndedAt)
			body.EndedAt, body.DurationS = &ended, max(0, ended.Sub(body.StartedAt).Seconds())
			if len(c.numbers) > 0 {
				body.Metrics = make(map[string]any, len(c.numbers))
			}
			for name, n := range c.numbers {
				body.Metrics[text(name)] = n.stored()
			}
			r.Mask().body(&body)
			_, err = Ended.Append(ctx, r.Ledger, lineage.Entry[Body]{Body: body, Prev: []object.Digest{rec.ID}, In: inputs(body)})
		}
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot record child %d of %d, %q: %w", i+1, len(all), c.Name, err)
		}
	}
	return nil
}

// childTime turns seconds since 1970 into a time. What is no time of this century is otherwise.
func (r Runner) childTime(seconds float64, otherwise time.Time) time.Time {
	if !(seconds > 946684800 && seconds < 4102444800) {
		return otherwise
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC().Truncate(time.Microsecond)
}
