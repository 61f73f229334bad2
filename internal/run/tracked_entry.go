package run

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Entry is one thing that a client tells of a run. What is empty is left as it was. It is one line of the journal of the run.
type Entry struct {
	Params   []TrackedParam   `json:"p,omitempty"`
	Metrics  []TrackedMetric  `json:"-"` // "m", written by hand: there may be many
	Tags     []TrackedTag     `json:"g,omitempty"`
	Name     string           `json:"n,omitempty"`
	User     string           `json:"u,omitempty"` // counts where none is known
	Status   string           `json:"s,omitempty"` // RUNNING FINISHED FAILED KILLED SCHEDULED
	EndedAt  *time.Time       `json:"e,omitempty"`
	Deleted  *time.Time       `json:"d,omitempty"` // put into the bin
	Restored bool             `json:"r,omitempty"` // and taken out again
	Datasets []Dataset        `json:"ds,omitempty"`
	Models   []LoggedModel    `json:"lm,omitempty"` // that it wrote; the same id again replaces what was said
	Used     []UsedModel      `json:"um,omitempty"`
	Moved    *string          `json:"x,omitempty"` // name of the experiment that it belongs to from here on
	Refused  []ChangedParam   `json:"f,omitempty"`
	Inputs   []TrackedModelIO `json:"in,omitempty"`  // logged models that it read
	Outputs  []TrackedModelIO `json:"out,omitempty"` // logged models that it says to have written
}

// TrackedParam is a parameter as a client writes it: text.
type TrackedParam struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

// TrackedTag is a tag; without a value it is taken away.
type TrackedTag struct {
	Key   string  `json:"k"`
	Value *string `json:"v,omitempty"`
}

// TrackedModelIO names a logged model.
type TrackedModelIO struct {
	ID   string `json:"id"` // "m-…"
	Step int64  `json:"step,omitempty"`
}

// TrackedMetric is one point. Time is in milliseconds since 1970.
type TrackedMetric struct {
	Key     string
	Value   float64
	Time    int64
	Step    int64
	Model   string // id of the logged model that it was measured on
	Dataset string // name and digest of the data that it was measured on
	Digest  string
}

func (e *Entry) tag(key string, value *string) { e.Tags = append(e.Tags, TrackedTag{key, value}) }

// journalMetric is a point as a line of the journal has it.
type journalMetric struct {
	Key     string      `json:"k"`
	Value   journalReal `json:"v"`
	Time    int64       `json:"t"`
	Step    int64       `json:"s"`
	Model   string      `json:"m,omitempty"`
	Dataset string      `json:"d,omitempty"`
	Digest  string      `json:"g,omitempty"`
}

// journalReal is a float that may be no number.
type journalReal float64

func (n *journalReal) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' {
		f, err := strconv.ParseFloat(string(b[1:len(b)-1]), 64)
		*n = journalReal(f)
		return err
	}
	return json.Unmarshal(b, (*float64)(n))
}

// line writes the entry as JSON, with its end of line.
func (e Entry) line() []byte {
	rest, err := json.Marshal(e)
	if err != nil { // strings and numbers only
		rest = []byte("{}")
	}
	if len(e.Metrics) == 0 {
		return append(rest, '\n')
	}
	out := make([]byte, 0, len(rest)+64*len(e.Metrics))
	out = append(out, `{"m":[`...)
	for i, m := range e.Metrics {
		if i > 0 {
			out = append(out, ',')
		}
		out = m.append(out)
	}
	out = append(out, ']')
	if len(rest) > 2 {
		out = append(append(out, ','), rest[1:len(rest)-1]...)
	}
	return append(out, '}', '\n')
}

func (m TrackedMetric) append(out []byte) []byte {
	out = appendText(append(out, `{"k":`...), m.Key)
	out = append(out, `,"v":`...)
	if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
		out = append(append(append(out, '"'), strconv.FormatFloat(m.Value, 'g', -1, 64)...), '"')
	} else {
		out = strconv.AppendFloat(out, m.Value, 'g', -1, 64)
	}
	out = strconv.AppendInt(append(out, `,"t":`...), m.Time, 10)
	out = strconv.AppendInt(append(out, `,"s":`...), m.Step, 10)
	for _, more := range [...]struct{ name, value string }{{`,"m":`, m.Model}, {`,"d":`, m.Dataset}, {`,"g":`, m.Digest}} {
		if more.value != "" {
			out = appendText(append(out, more.name...), more.value)
		}
	}
	return append(out, '}')
}

// appendText writes a JSON string.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always has a form
				quoted = []byte(`""`)
			}
			return append(out, quoted...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

// parseEntry reads a line of the journal.
func parseEntry(line []byte) (Entry, error) {
	var in struct {
		Entry
		Metrics []journalMetric `json:"m"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return Entry{}, err
	}
	e := in.Entry
	for _, m := range in.Metrics {
		e.Metrics = append(e.Metrics, TrackedMetric{m.Key, float64(m.Value), m.Time, m.Step, m.Model, m.Dataset, m.Digest})
	}
	return e, nil
}
