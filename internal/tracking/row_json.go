package tracking

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"mlx/internal/run"
)

// appendRun writes a run as clients read it. By hand: a search may answer thousands.
func appendRun(out []byte, r *row, p whereabouts) []byte {
	out = append(out, `{"info":`...)
	out = appendInfo(out, r, p)
	out = append(out, `,"data":{`...)
	start := len(out)
	if len(r.metrics) > 0 {
		out = append(out, `"metrics":[`...)
		for i := range r.metrics {
			out = appendMetric(comma(out, i), &r.metrics[i])
		}
		out = append(out, ']')
	}
	out = appendPairs(out, "params", r.params, start)
	out = appendPairs(out, "tags", r.tags, start)
	out = append(out, `},"inputs":`...)
	if r.more == nil {
		return append(out, `{}}`...)
	}
	out = append(out, marshal(inputsOf(r.more.Tracking))...)
	if len(r.more.Tracking.Outputs) > 0 {
		out = append(append(out, `,"outputs":`...), marshal(map[string]any{"model_outputs": modelIOs(r.more.Tracking.Outputs)})...)
	}
	return append(out, '}')
}

// appendInfo writes what a run is, without what it has.
func appendInfo(out []byte, r *row, p whereabouts) []byte {
	id := clientID(r.id)
	out = append(append(append(out, `{"run_uuid":"`...), id...), `","experiment_id":"`...)
	out = append(append(out, p.id...), `","run_name":`...)
	out = appendText(out, r.name)
	out = appendText(append(out, `,"user_id":`...), r.user)
	out = append(append(append(out, `,"status":"`...), r.status...), `","start_time":`...)
	out = strconv.AppendInt(out, r.start, 10)
	if r.end != 0 {
		out = strconv.AppendInt(append(out, `,"end_time":`...), r.end, 10)
	}
	out = appendText(append(out, `,"artifact_uri":`...), p.artifacts(id))
	stage := "active"
	if r.deleted || p.deleted {
		stage = "deleted"
	}
	out = append(append(append(out, `,"lifecycle_stage":"`...), stage...), `","run_id":"`...)
	return append(append(out, id...), `"}`...)
}

func comma(out []byte, i int) []byte {
	if i > 0 {
		return append(out, ',')
	}
	return out
}

func appendPairs(out []byte, name string, all []named, start int) []byte {
	if len(all) == 0 {
		return out
	}
	out = comma(out, len(out)-start)
	out = append(append(append(out, '"'), name...), `":[`...)
	for i := range all {
		out = appendText(append(comma(out, i), `{"key":`...), all[i].key)
		out = append(appendText(append(out, `,"value":`...), all[i].value), '}')
	}
	return append(out, ']')
}

func appendMetric(out []byte, m *measured) []byte {
	out = appendText(append(out, `{"key":`...), m.key)
	out = appendReal(append(out, `,"value":`...), m.value)
	out = strconv.AppendInt(append(out, `,"timestamp":`...), m.time, 10)
	out = strconv.AppendInt(append(out, `,"step":`...), m.step, 10)
	return append(out, '}')
}

// appendReal writes a double as clients read it: of NaN and the infinities the names, as text.
func appendReal(out []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(out, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(out, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(out, `"-Infinity"`...)
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.AppendFloat(out, f, 'f', 1, 64) // as Python writes it: 1.0
	}
	return strconv.AppendFloat(out, f, 'g', -1, 64)
}

// appendText writes a JSON string.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(out, marshal(s)...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

// marshal writes a value that always has a form: texts, numbers that JSON has, lists and maps of these.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return text
}

// inputsOf is what a run read, as clients know it.
func inputsOf(t *run.Tracking) map[string]any {
	all := map[string]any{}
	var data []any
	for _, d := range t.Datasets {
		set := map[string]string{"name": d.Name, "digest": d.Digest, "source_type": d.SourceType, "source": d.Source}
		if d.Schema != "" {
			set["schema"] = d.Schema
		}
		if d.Profile != "" {
			set["profile"] = d.Profile
		}
		input := map[string]any{"dataset": set}
		if len(d.Tags) > 0 {
			input["tags"] = keyValues(d.Tags)
		}
		data = append(data, input)
	}
	if data != nil {
		all["dataset_inputs"] = data
	}
	if len(t.Inputs) > 0 {
		all["model_inputs"] = modelIOs(t.Inputs)
	}
	return all
}

func modelIOs(models []run.TrackedModelIO) []any {
	all := make([]any, 0, len(models))
	for _, m := range models {
		all = append(all, map[string]any{"model_id": m.ID, "step": m.Step})
	}
	return all
}
