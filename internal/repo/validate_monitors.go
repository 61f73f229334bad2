package repo

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// validateMonitors checks what no single value of a monitor shows.
func (c *Config) validateMonitors(body ast.Node) error {
	for name, m := range c.Monitors.All() {
		w := writtenMonitor{m, valueAt(valueAt(body, "monitors"), name)}
		for _, check := range []func(writtenMonitor) *fault.Error{
			writtenMonitor.checkTables, writtenMonitor.checkWindow, writtenMonitor.checkWords, writtenMonitor.checkModel, writtenMonitor.checkNeeds,
		} {
			if err := check(w); err != nil {
				return err
			}
		}
		for _, service := range []struct {
			of string
			at fault.Position
		}{{m.Predictions.Table, m.Predictions.At}, {m.Current, m.At}} {
			word, is := strings.CutPrefix(service.of, "service:")
			if _, known := c.Service(word); is && !known {
				return missing(service.at, "monitor "+name, "service", word, c.Services.Names())
			}
		}
		if err := checkSubjects(m.Quality); err != nil {
			return err
		}
	}
	return nil
}

// writtenMonitor is a monitor and where it is written.
type writtenMonitor struct {
	Monitor
	node ast.Node
}

// wrong is an error at a key of the monitor; where it lacks the key, at the monitor.
func (m writtenMonitor) wrong(key, format string, args ...any) *fault.Error {
	at := m.At
	if n := valueAt(m.node, key); n != nil {
		at = positionOf(n)
	}
	return failPosition(at, format, args...)
}

// valueAt is the value of a key of a mapping; nil where there is none.
func valueAt(n ast.Node, key string) ast.Node {
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, e := range m.Values {
		if text, err := keyText(e.Key); err == nil && text == key {
			return e.Value
		}
	}
	return nil
}

// table is what the window is cut from.
func (m writtenMonitor) table() string {
	if m.Current == "" {
		return m.Predictions.Table
	}
	return m.Current
}

// datePart finds what stands for a part of a date, well spelt or not.
func datePart() *regexp.Regexp { return regexp.MustCompile(`\{[A-Za-z_]*\}`) }

func (m writtenMonitor) checkTables() *fault.Error {
	if m.table() == "" {
		return m.wrong("", "a monitor needs current or predictions")
	}
	words := []string{"{date}", "{year}", "{month}", "{day}"}
	for key, table := range map[string]string{"current": m.Current, "predictions": m.Predictions.Table, "golden": m.Golden.Table, "labels": m.Labels} {
		for _, part := range datePart().FindAllString(table, -1) {
			if !slices.Contains(words, part) {
				return m.wrong(key, "%s in %q stands for nothing", part, table).Hint("%s", suggestion(part, words, "Known are "+strings.Join(words, ", ")))
			}
		}
	}
	if m.Reference != "" && datePart().MatchString(m.Reference) {
		return m.wrong("reference", "reference %q has no dates", m.Reference).Hint(`reference: "-365d"   # the same data a year before`)
	}
	return nil
}

// byDay says how a table is named by days: not at all, with months alone, or with each day.
func byDay(table string) (parts, whole bool) {
	whole = strings.Contains(table, "{date}") || strings.Contains(table, "{day}")
	return whole || strings.Contains(table, "{year}") || strings.Contains(table, "{month}"), whole
}

func (m writtenMonitor) checkWindow() *fault.Error {
	length := m.Window.Duration.Duration
	parts, whole := byDay(m.table())
	if strings.HasPrefix(m.table(), "service:") {
		m.Time = cmp.Or(m.Time, "at") // the log knows when each was
	}
	switch {
	case parts && length == 0:
		return m.wrong("current", "%q needs a window of time, such as window: 1d", m.table())
	case length > 0 && !whole && m.Time == "":
		return m.wrong("window", "window %s needs {date} in current, or time: the column that says when a row was", m.Window.Text()).Hint("time: COLUMN")
	case length > 0 && length < day && m.Time == "":
		return m.wrong("window", "window %s needs time: the column that says when a row was", m.Window.Text()).Hint("time: COLUMN")
	case length == 0 && (m.Step.Duration > 0 || m.Lag.Duration > 0):
		return m.wrong("step", "step and lag need a window of time, such as window: 7d")
	}
	for _, span := range []struct {
		key    string
		length time.Duration
	}{{"window", length}, {"step", m.Step.Duration}} {
		if span.length >= day && span.length%day != 0 || span.length > 0 && span.length < day && day%span.length != 0 {
			return m.wrong(span.key, "%s is %s: what is longer than a day is whole days, what is shorter divides the day", span.key, Duration{span.length}.Text())
		}
	}
	if length >= day && m.Step.Duration > 0 && m.Step.Duration < day {
		return m.wrong("step", "step %s is shorter than a day, and windows are whole days", m.Step.Text())
	}
	if length > 0 && length < day && m.Step.Duration >= day {
		return m.wrong("step", "step %s is a day or more, and windows are shorter", m.Step.Text())
	}
	return nil
}

func (m writtenMonitor) checkWords() *fault.Error {
	if _, err := time.LoadLocation(m.TimeZone); err != nil || strings.EqualFold(m.TimeZone, "local") {
		zones := []string{"UTC", "Europe/Berlin", "Europe/London", "Europe/Paris", "America/New_York", "America/Chicago", "America/Los_Angeles",
			"Asia/Tokyo", "Asia/Kolkata", "Asia/Shanghai", "Australia/Sydney"}
		return m.wrong("time_zone", "time_zone %q is unknown", m.TimeZone).Hint("%s", suggestion(m.TimeZone, zones, "It is named as Europe/Berlin or America/New_York"))
	}
	methods := []string{"psi", "ks", "wasserstein", "js", "hellinger", "chi2", "tvd", "linf"}
	for columns, word := range m.Methods.All() {
		if !slices.Contains(methods, word) {
			return m.wrong("methods", "%q of methods is none: %q", columns, word).Hint("%s", suggestion(word, methods, "Methods are "+strings.Join(methods, ", ")))
		}
	}
	for key, of := range map[string]Map[Limit]{"thresholds": m.Thresholds, "weights": m.Weights.Of} {
		for _, l := range of.All() {
			if !l.positive() {
				return m.wrong(key, "%q is no number of 0 or more", l.Text)
			}
		}
	}
	if !m.Threshold.positive() {
		return m.wrong("threshold", "%q is no number of 0 or more", m.Threshold.Text)
	}
	if err := CheckSchedule(m.Schedule); m.Schedule != "" && err != nil {
		return m.wrong("schedule", "schedule %q: %w", m.Schedule, err).Hint(`schedule: "15 3 * * *"   # minute, hour, day, month, weekday`)
	}
	return nil
}

func (m writtenMonitor) checkModel() *fault.Error {
	switch {
	case m.Reference == "model" && m.Model == "":
		return m.wrong("reference", "reference: model needs model, such as model: flights@production")
	case m.Weights.Importance && m.Model == "":
		return m.wrong("weights", "weights: importance needs model, such as model: flights@production")
	case m.Retire != "" && m.Golden.Table == "":
		return m.wrong("retire", "retire needs golden: rows with certain labels")
	case m.Retire != "" && m.Model == "":
		return m.wrong("retire", "retire needs model, such as model: flights@production")
	case m.Retire == "" && m.Golden.Table != "":
		return m.wrong("golden", "golden needs retire, such as retire: golden < 0.9 for 3 days")
	case m.Retire != "" && m.Golden.Model.URL != "":
		return failPosition(m.Golden.Model.At, "golden: url answers for one version only, and retire asks the version to return to as well").
			Hint("model: {command: ...}   # or serve: COMMAND; either gets MLX_MODEL")
	case m.Window.Duration.Duration == 0 && isSeason(m.Reference):
		return m.wrong("reference", "reference %q is some time before the window, and there is no window of time", m.Reference)
	}
	return nil
}

// checkNeeds finds keys that would do nothing without another.
func (m writtenMonitor) checkNeeds() *fault.Error {
	if m.Predictions.Table == "" {
		for _, of := range []struct {
			key string
			set bool
		}{{"quality", len(m.Quality) > 0}, {"labels", m.Labels != ""}, {"stream", m.Stream.Method != ""}, {"unlabelled", m.Unlabelled}} {
			if of.set {
				return m.wrong(of.key, "%s needs predictions: the table that holds what the model said", of.key).
					Hint(`predictions: {table: "log/{date}.csv", id: id, score: score}`)
			}
		}
	}
	if o := m.OnDrift; o.At.Line > 0 && o.Repro == "" && o.Run == "" && o.Command == "" && o.Webhook == "" && o.GitHubIssue == "" {
		return m.wrong("on_drift", "on_drift starts nothing").Hint("on_drift: {repro: STAGE}   # or run, command, webhook, github_issue")
	}
	return nil
}

// positive says whether a limit is a plain number or a share, and not below zero.
func (l Limit) positive() bool { return !l.Set || (l.Unit == "" || l.Unit == "share") && l.Value >= 0 }

func isSeason(reference string) bool {
	return regexp.MustCompile(`^-[0-9]+[dy]$`).MatchString(reference)
}

// CheckSchedule checks the five fields of a line of cron.
func CheckSchedule(text string) error {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return fmt.Errorf("it has %d fields and not five", len(fields))
	}
	for i, kind := range []struct {
		name        string
		first, last int
		names       []string
	}{
		{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"weekday", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	} {
		number := func(word string) (int, bool) {
			if at := slices.Index(kind.names, strings.ToLower(word)); at >= 0 {
				return kind.first + at, true
			}
			n, err := strconv.Atoi(word)
			return n, err == nil && len(word) <= 2 && n >= kind.first && n <= kind.last
		}
		for part := range strings.SplitSeq(fields[i], ",") {
			if !soundField(part, number) {
				return fmt.Errorf("%q is no %s", part, kind.name)
			}
		}
	}
	return nil
}

// soundField says whether a part of a field is *, a number or a range, with a step or without.
func soundField(part string, number func(string) (int, bool)) bool {
	span, step, stepped := strings.Cut(part, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > 59) {
		return false
	}
	if span == "*" {
		return true
	}
	from, to, ranged := strings.Cut(span, "-")
	a, ok := number(from)
	if !ranged {
		return ok
	}
	b, also := number(to)
	return ok && also && a <= b
}
