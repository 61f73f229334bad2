package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// jsonExport is runs as people dump them with the API of W&B: a list of objects, an object a line, or one object.
type jsonExport struct {
	text []byte
	at   [][2]int64 // where each run begins and ends
}

func openWandbJSON(ctx context.Context, h *History, file string) error {
	f, err := openExport(file)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxExport))
	if err != nil {
		return err
	}
	e := &jsonExport{text: object.QuoteWords(text)}
	h.read = e.run
	dec := json.NewDecoder(bytes.NewReader(e.text))
	if first := bytes.TrimLeft(e.text, " \t\r\n"); len(first) > 0 && first[0] == '[' {
		if _, err := dec.Token(); err != nil {
			return badJSON(file, e.text, dec.InputOffset(), err)
		}
	}
	seen := make(map[string]bool)
	for dec.More() {
		if err := ctx.Err(); err != nil {
			return err
		}
		begin := dec.InputOffset()
		var head struct {
			ID        string `json:"id"`
			RunID     string `json:"run_id"`
			Name      string `json:"name"`
			Created   string `json:"created_at"`
			CreatedJS string `json:"createdAt"`
		}
		if err := dec.Decode(&head); err != nil {
			return badJSON(file, e.text, dec.InputOffset(), err)
		}
		id := cmp.Or(head.ID, head.RunID)
		if id == "" && head.Name != "" {
			id = head.Name + "@" + cmp.Or(head.Created, head.CreatedJS)
		}
		if id == "" || seen[id] {
			h.Left.Add("run", cmp.Or(id, head.Name), "it has no id, or that of another run")
			continue
		}
		seen[id] = true
		h.Runs = append(h.Runs, Ref{ID: id, MS: wandbTime(cmp.Or(head.Created, head.CreatedJS)).UnixMilli(), at: len(e.at)})
		e.at = append(e.at, [2]int64{begin, dec.InputOffset()})
	}
	if len(h.Runs) == 0 {
		return fault.New(fault.NotFound, "there are no runs in it").Hint(`write objects as in {"id": "…", "name": "…", "config": {…}, "summary": {…}}`)
	}
	return nil
}

func badJSON(file string, text []byte, at int64, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	line := 1 + bytes.Count(text[:min(max(at, 0), int64(len(text)))], []byte("\n"))
	return fault.New(fault.Usage, "line %d: %w", line, err).In(fault.Position{File: file, Line: line})
}

func (e *jsonExport) run(_ context.Context, ref Ref) (*Run, error) {
	span := e.at[ref.at]
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimLeft(e.text[span[0]:span[1]], ", \t\r\n")))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, fault.New(fault.Usage, "%w", err)
	}
	text := func(keys ...string) string {
		for _, key := range keys {
			if s, ok := m[key].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	r := &Run{ID: ref.ID, Name: text("display_name", "displayName", "name"), Experiment: text("project"), User: text("user", "username"),
		Started: wandbTime(text("created_at", "createdAt")), Commit: commitID(text("commit")), Tags: map[string]string{}}
	if user, ok := m["user"].(map[string]any); ok {
		r.User, _ = user["username"].(string)
	}
	r.setWandbState(text("state"))
	summary := inner(m, "summary", "summary_metrics", "summaryMetrics")
	r.setRuntime(cmp.Or(numberText(m["runtime"]), numberText(summary["_runtime"])))
	r.Document = inner(m, "config", "rawconfig")
	delete(r.Document, "_wandb")
	for _, name := range []string{"notes", "group", "job_type", "entity", "sweep", "url", "path"} {
		if v := text(name); v != "" {
			r.Tags["wandb."+name] = v
		}
	}
	if tags, ok := m["tags"].([]any); ok {
		for _, tag := range tags {
			r.Tags["wandb.tag."+textOf(tag)] = "true"
		}
	}
	if meta := inner(m, "metadata"); meta != nil {
		g := &wandbGathered{run: r}
		started := r.Started
		g.metadata(meta)
		r.Started = started
	}
	r.Points = exportedPoints(m["history"], summary, r.Ended)
	return r, nil
}

// inner is an object in another, also where it was written as a text.
func inner(m map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		switch v := m[key].(type) {
		case map[string]any:
			return v
		case string:
			if parsed, ok := jsonValue([]byte(v)).(map[string]any); ok {
				return parsed
			}
		}
	}
	return nil
}

// exportedPoints yields a history, which is a list of objects or an object of lists, then what only the summary has.
func exportedPoints(history any, summary map[string]any, ended time.Time) func(func(Point, error) bool) {
	return func(yield func(Point, error) bool) {
		last := make(map[string]float64)
		stopped := false
		emit := func(p Point) { stopped = stopped || !yield(p, nil) }
		for i, row := range historyRows(history) {
			step, ms := int64(i), int64(0)
			if n, ok := row["_step"].(json.Number); ok {
				step, _ = n.Int64()
			}
			if n, ok := row["_timestamp"].(json.Number); ok {
				if f, err := n.Float64(); err == nil && f > 0 && f < 4102444800 {
					ms = int64(f * 1000)
				}
			}
			for key, v := range row {
				if !strings.HasPrefix(key, "_") {
					numbers(key, v, 0, func(name string, f float64) {
						last[name] = f
						emit(Point{Name: name, Step: step, MS: ms, Value: f})
					})
				}
			}
			if stopped {
				return
			}
		}
		for p, err := range wandbPoints("", onlyNew(summary, last), ended) {
			if !yield(p, err) {
				return
			}
		}
	}
}

// onlyNew leaves out of a summary what its history has.
func onlyNew(summary map[string]any, last map[string]float64) document {
	left := document{}
	for key, v := range summary {
		if _, known := last[key]; !known {
			left[key] = v
		}
	}
	return left
}

func historyRows(history any) []map[string]any {
	var rows []map[string]any
	switch h := history.(type) {
	case []any:
		for _, v := range h {
			if row, ok := v.(map[string]any); ok {
				rows = append(rows, row)
			}
		}
	case map[string]any: // as a data frame writes itself
		for key, v := range h {
			column, _ := v.([]any)
			for i, value := range column {
				if i == len(rows) {
					rows = append(rows, map[string]any{})
				}
				rows[i][key] = value
			}
		}
	}
	return rows
}
