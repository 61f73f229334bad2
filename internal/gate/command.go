package gate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Bounds of what a command answers.
const (
	commandMost    = 1 << 20          // bytes that it may print
	commandText    = 300              // characters of its text that are shown
	commandTime    = 10 * time.Minute // when the check names no limit
	commandMetrics = 1000
)

// commandCheck asks a command: its exit status is the verdict, or it prints JSON.
type commandCheck struct {
	session *session
	rule    Rule
}

func (s *session) command(r Rule) (Check, error) {
	if err := s.only(r, "min", "max", "stat", "timeout"); err != nil {
		return nil, err
	}
	if r.Stat != "" && r.Min == nil && r.Max == nil {
		return nil, s.wrong(r, "stat names the metric that min or max bound, and there is none")
	}
	return commandCheck{s, r}, nil
}

// Check runs the command. A status other than 0, 1 and 3 says that it could not judge.
func (c commandCheck) Check(ctx context.Context, s Subject) ([]Finding, error) {
	reply, err := c.session.call(ctx, s, c.rule, Call{Command: c.rule.Name, Timeout: c.rule.Timeout, Env: againstEnv(s)})
	if err != nil {
		return nil, err
	}
	if len(reply.Stdout) > commandMost {
		return nil, c.session.wrong(c.rule, "%s printed more than %d bytes", c.rule.quoted(), commandMost)
	}
	verdict, ok := statusVerdict(reply.Status)
	if !ok {
		return nil, c.session.wrong(c.rule, "%s", endedBadly(c.rule.quoted(), reply))
	}
	said, err := parseCommandReply(reply.Stdout)
	if err != nil {
		return nil, c.session.wrong(c.rule, "%s printed no answer: %v", c.rule.quoted(), err).
			Hint(`print one JSON object such as {"value": 0.93, "text": "…"}, or nothing`)
	}
	f, err := c.finding(reply, verdict, said)
	return []Finding{f}, err
}

// laidOut are the files of the gate that commands find by variables.
func (s *session) laidOut() map[string]string {
	files := map[string]string{}
	for name, where := range map[string]string{"MLX_GATE_PREDICTIONS": s.spec.Predictions, "MLX_GATE_TABLE": s.spec.Table, "MLX_GATE_LABELS": s.spec.Labels} {
		if where != "" {
			files[name] = where
		}
	}
	return files
}

func againstEnv(s Subject) []string {
	if s.Against == nil {
		return nil
	}
	return []string{"MLX_GATE_AGAINST=" + s.Against.For.ID.Hex()}
}

// call runs a command in the world, with the files of the gate. What kept it from answering at all is an error.
func (s *session) call(ctx context.Context, about Subject, r Rule, c Call) (Reply, error) {
	if about.World.Command == nil {
		return Reply{}, s.wrong(r, "commands cannot be run here")
	}
	c.File, c.Pinned, c.Files, c.Timeout = r.At.File, r.Pinned, s.laidOut(), cmp.Or(c.Timeout, commandTime)
	reply, err := about.World.Command(ctx, c)
	switch {
	case err != nil:
		return Reply{}, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	case reply.TimedOut:
		return Reply{}, s.wrong(r, "%q took longer than %s and was killed", c.Command, c.Timeout).Hint("timeout: 30m   # in %s", place(r.At))
	case reply.TooLong:
		return Reply{}, s.wrong(r, "%q printed more than %d bytes", c.Command, MaxReply)
	}
	return reply, nil
}

func statusVerdict(status int) (Verdict, bool) {
	switch status {
	case 0:
		return Pass, true
	case 1:
		return Fail, true
	case 3:
		return Inconclusive, true
	}
	return "", false
}

// endedBadly says how a command ended, with the end of what it said about that.
func endedBadly(what string, reply Reply) string {
	text := fmt.Sprintf("%s ended with status %d", what, reply.Status)
	if said := lastLines(reply.Stderr, 3); said != "" {
		text += ": " + said
	}
	return text
}

// lastLines are the last lines of a text, on one line and cut.
func lastLines(text []byte, most int) string {
	lines := strings.FieldsFunc(strings.ToValidUTF8(string(text), "\ufffd"), func(r rune) bool { return r == '\n' || r == '\r' })
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	joined := strings.Join(lines[max(0, len(lines)-most):], " / ")
	if n := utf8.RuneCountInString(joined); n > commandText {
		joined = "…" + string([]rune(joined)[n-commandText:])
	}
	return joined
}

// commandReply is what a command prints: one JSON object. Every field may be missing.
type commandReply struct {
	Verdict  *Verdict                   `json:"verdict"`
	Value    json.RawMessage            `json:"value"`
	Text     string                     `json:"text"`
	Interval *[2]float64                `json:"interval"`
	Metrics  map[string]json.RawMessage `json:"metrics"`
}

// commandNumber reads a number that a command printed; null and the words NaN and Infinity, which programs print though JSON has no
// such words, tell nothing.
func commandNumber(text json.RawMessage) (float64, error) {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case nil:
		return math.NaN(), nil
	case float64:
		return v, nil
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%.40s is no number", text)
}

// parseCommandReply reads the one JSON object that a command printed. Output that does not begin like one is talk.
func parseCommandReply(out []byte) (commandReply, error) {
	var said commandReply
	out = bytes.TrimSpace(out)
	if len(out) == 0 || out[0] != '{' {
		return said, nil
	}
	d := json.NewDecoder(bytes.NewReader(object.QuoteWords(out)))
	if err := d.Decode(&said); err != nil {
		return said, err
	}
	if d.More() {
		return said, fmt.Errorf("something follows the JSON object")
	}
	if said.Verdict != nil {
		switch *said.Verdict {
		case Pass, Fail, Inconclusive:
		default:
			return said, fmt.Errorf("the verdict %q is none of pass, fail, inconclusive", *said.Verdict)
		}
	}
	if len(said.Metrics) > commandMetrics {
		return said, fmt.Errorf("it has more than %d metrics", commandMetrics)
	}
	if i := said.Interval; i != nil && i[0] > i[1] {
		return said, fmt.Errorf("the interval ends before it begins")
	}
	return said, nil
}

// finding joins what the status, the answer and the limits say: no beats cannot tell, which beats yes.
func (c commandCheck) finding(reply Reply, verdict Verdict, said commandReply) (Finding, error) {
	r := c.rule
	value, named, err := c.value(said)
	if err != nil {
		return Finding{}, err
	}
	f := r.finding()
	verdicts := []Verdict{verdict}
	f.Shown, f.Needs = fmt.Sprintf("exit status %d", reply.Status), "exit status 0"
	if named {
		f = r.judged(value)
		if r.Min != nil || r.Max != nil {
			verdicts = append(verdicts, f.Verdict)
		} else {
			f.Needs = "exit status 0"
		}
	}
	if said.Verdict != nil {
		verdicts = append(verdicts, *said.Verdict)
		f.Needs = strings.TrimSuffix("verdict pass, "+r.needs(), ", ")
		if !named {
			f.Shown = "verdict " + string(*said.Verdict)
		}
	}
	if text := lastLines([]byte(said.Text), math.MaxInt); text != "" {
		f.Shown = text
	}
	f.Verdict, f.Interval = worst(verdicts), said.Interval
	if f.Verdict != Pass {
		f.Note = lastLines(reply.Stderr, 2)
	}
	return f, nil
}

// value is the number that min and max bound.
func (c commandCheck) value(said commandReply) (value float64, named bool, err error) {
	r, text := c.rule, said.Value
	if r.Stat != "" {
		if text = said.Metrics[r.Stat]; text == nil {
			return 0, false, c.session.wrong(r, "%s printed no metric %q", r.quoted(), r.Stat)
		}
	}
	if text == nil {
		if r.Min != nil || r.Max != nil {
			return 0, false, c.session.wrong(r, "%s printed no value to compare with its limits", r.quoted()).
				Hint(`print {"value": 0.93} on stdout`)
		}
		return 0, false, nil
	}
	if value, err = commandNumber(text); err != nil {
		return 0, false, c.session.wrong(r, "%s printed a value that cannot be read: %v", r.quoted(), err)
	}
	return value, true, nil
}
