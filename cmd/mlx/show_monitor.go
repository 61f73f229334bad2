package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// monitorShownView is the JSON of `mlx show monitor:NAME`: defined/v1, what the monitor says with all defaults, and its last answer.
type monitorShownView struct {
	definedShown
	Current     string           `json:"current"`
	Reference   string           `json:"reference"`
	Window      *string          `json:"window"`
	Step        *string          `json:"step"`
	Lag         *string          `json:"lag"`
	Compared    drift.Spec       `json:"compared"`
	Predictions *string          `json:"predictions"`
	Quality     int              `json:"quality"` // how many checks
	Model       *string          `json:"model"`
	Actions     []string         `json:"actions"`
	Cooldown    *string          `json:"cooldown"`
	Retire      *string          `json:"retire"`
	Schedule    *string          `json:"schedule"`
	Last        *driftAnswerView `json:"last"` // null: it has not been checked

	last    *driftTold
	monitor repo.Monitor
}

func (a *app) monitorShown(name string, m repo.Monitor) (monitorShownView, error) {
	v := monitorShownView{Current: cmp.Or(m.Current, m.Predictions.Table), Reference: m.Reference, Predictions: some(m.Predictions.Table),
		Quality: len(m.Quality), Model: some(m.Model), Actions: []string{}, Retire: some(m.Retire), Schedule: some(m.Schedule), monitor: m}
	r, err := a.repo()
	if err != nil {
		return v, err
	}
	text, err := os.ReadFile(r.Abs(repo.ConfigName))
	if err != nil {
		return v, fault.New(fault.KindOf(err), "cannot read %s: %w", repo.ConfigName, err)
	}
	v.definedShown = definedShown{Kind: "defined/v1", Section: "monitors", Name: name, Text: definition(string(text), "monitors", name)}
	if v.Compared, err = monitorSpec(m); err != nil {
		return v, err
	}
	span := func(d repo.Duration) *string {
		if d.Duration == 0 {
			return nil
		}
		return some(d.Text())
	}
	if v.Window, v.Step, v.Lag = span(m.Window.Duration), span(m.Step), span(m.Lag); m.Window.Rows > 0 {
		v.Window = some(cli.FormatNum(m.Window.Rows, "row"))
	}
	for _, action := range m.OnDrift.Actions() {
		v.Actions = append(v.Actions, action.Shown())
	}
	v.Cooldown = span(m.OnDrift.Cooldown)
	return v, nil
}

// text is a page for a person; a program gets the same lines.
func (v monitorShownView) text(t *cli.Text, check string) {
	t.Line(cli.Fmt("%s %s", cli.Str("monitor"), cli.Str(v.Name)), cli.Fmt("in %s", cli.Path(repo.ConfigName)))
	for _, line := range []struct{ key, said string }{
		{"watches", v.watches()}, {"against", v.against()}, {"columns", v.columns()}, {"measures", v.measures()}, {"drift", v.limits()},
		{"rows", v.rows()}, {"table", v.table()}, {"quality", v.quality()}, {"starts", v.starts()}, {"retire", v.monitor.Retire},
		{"schedule", v.monitor.Schedule},
	} {
		if line.said != "" && t.TTY() {
			t.Hanging(2, 10, cli.Str(fmt.Sprintf("%-8s", line.key)), cli.Str(line.said))
		} else if line.said != "" {
			t.Line(cli.Str(line.key), cli.Str(line.said))
		}
	}
	switch {
	case v.last == nil && t.TTY():
		t.Hanging(2, 10, cli.Str("last    "), cli.Str("not checked:"), cli.Word(cli.RoleBold, check))
	case v.last == nil:
		t.Line(cli.Str("last"), cli.None())
	case !t.TTY():
		t.Line(cli.Str("last"), driftCell(v.last.Answer.Verdict, driftWord(v.last.Answer.Verdict)), cli.Time(v.last.At), cli.ID(v.last.Record))
	default:
		t.Hanging(2, 10, cli.Str("last    "), v.last.found(), cli.Str(windowWords(v.last.Answer.Window)), cli.Time(v.last.At), cli.ID(v.last.Record))
	}
}

func (v monitorShownView) watches() string {
	said := cmp.Or(v.Current, "nothing")
	if v.Window == nil {
		return said + ", all of it"
	}
	said += ", in windows of " + *v.Window
	if v.Step != nil {
		said += ", one every " + *v.Step
	}
	if v.Lag != nil {
		said += ", judged " + *v.Lag + " after their end"
	}
	return said
}

func (v monitorShownView) against() string {
	switch {
	case v.Reference == "model":
		return "the training data of the model that made the predictions"
	case strings.HasPrefix(v.Reference, "-"):
		return "the same data " + strings.TrimPrefix(v.Reference, "-") + " before"
	}
	return v.Reference
}

func (v monitorShownView) columns() string {
	s := v.Compared
	said := "all that both sides have"
	if len(s.Columns) > 0 {
		said = strings.Join(s.Columns, ", ")
	}
	if len(s.Ignore) > 0 {
		said += ", but not " + strings.Join(s.Ignore, ", ")
	}
	return said
}

func (v monitorShownView) measures() string {
	s := v.Compared
	method := func(kind drift.Kind) string { return methodWord(cmp.Or(s.Methods[string(kind)], drift.PSI)) }
	said := method(drift.Numbers)
	if categories := method(drift.Categories); categories != said {
		said += " of numbers, " + categories + " of categories"
	}
	for _, name := range sortedKeys(s.Methods) {
		if name != string(drift.Numbers) && name != string(drift.Categories) {
			said += ", " + methodWord(s.Methods[name]) + " of " + name
		}
	}
	return said + "; " + string(s.Binning) + ", " + cli.FormatNum(int64(s.Bins), "bin")
}

// limits say from where a column has drifted.
func (v monitorShownView) limits() string {
	s := v.Compared
	said := "from an effect of 0.1"
	switch {
	case s.Learn != nil:
		said = fmt.Sprintf("from thresholds learnt of %d parts of the reference", s.Learn.Chunks)
	case s.Threshold != nil:
		said = "from an effect of " + strconv.FormatFloat(*s.Threshold, 'g', 4, 64)
	}
	for _, name := range sortedKeys(s.Thresholds) {
		said += ", " + name + " from " + strconv.FormatFloat(s.Thresholds[name], 'g', 4, 64)
	}
	chance := "p below " + shareWords(s.Level) + " (" + s.Correction + ")"
	switch s.Judge {
	case drift.JudgeEffect:
	case drift.JudgeP:
		said = chance
	default:
		said += " with " + chance
	}
	if s.MaxDrifted > 0 {
		return said + "; at most " + shareWords(s.MaxDrifted) + " of the columns"
	}
	return said + "; in any column"
}

func (v monitorShownView) rows() string {
	s := v.Compared
	said := groupedWords(cmp.Or(s.Cluster, map[bool]string{true: "day"}[s.Time != ""]))
	switch {
	case s.Time != "":
		said += ", days of " + s.Time + " in " + cmp.Or(s.TimeZone, "UTC")
	case s.TimeZone != "":
		said += ", days of " + s.TimeZone
	}
	return said + "; fewer than " + cli.FormatNum(s.MinRows, "row") + " cannot be judged"
}

// table is what else is judged of the table.
func (v monitorShownView) table() string {
	s := v.Compared
	all := []string{"missing values (" + shareWords(s.MissingLimit) + ")", "new values (" + shareWords(s.UnseenLimit) + ")"}
	if s.Schema != drift.SchemaIgnore {
		all = append(all, "schema ("+s.Schema+")")
	}
	if s.Volume != nil {
		all = append(all, "volume ("+shareWords(*s.Volume)+")")
	}
	if s.Duplicates != nil {
		all = append(all, "duplicates ("+shareWords(*s.Duplicates)+")")
	}
	if s.Freshness > 0 {
		all = append(all, "freshness ("+cli.FormatDuration(time.Duration(s.Freshness*float64(time.Second)))+")")
	}
	if s.Classifier != nil {
		all = append(all, "a classifier that tells the sides apart")
	}
	return strings.Join(all, ", ")
}

func (v monitorShownView) quality() string {
	m := v.monitor
	var all []string
	if m.Predictions.Table != "" {
		all = append(all, "of "+m.Predictions.Table)
	}
	if len(m.Quality) > 0 {
		all = append(all, cli.FormatNum(int64(len(m.Quality)), "check"))
	}
	if m.Unlabelled {
		all = append(all, "estimated without labels")
	}
	if m.Stream.Method != "" {
		all = append(all, m.Stream.Method)
	}
	return strings.Join(all, ", ")
}

func (v monitorShownView) starts() string {
	said := strings.Join(v.Actions, ", ")
	if said == "" {
		return ""
	}
	if v.Cooldown != nil {
		said += ", not again within " + *v.Cooldown
	}
	if most := v.monitor.OnDrift.MaxCost; most.Currency != "" {
		said += ", at most " + strconv.FormatFloat(most.Amount, 'f', -1, 64) + " " + most.Currency
	}
	return said
}
