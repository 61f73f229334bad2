package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// Explained is one check of a gate in plain words, before anything is judged.
type Explained struct {
	Name     string         `json:"name"`
	Subject  string         `json:"subject"` // metric, measure, column, expr, command
	Is       string         `json:"is"`      // what is looked at
	Needs    string         `json:"needs"`   // its limits; empty where the subject has none
	Reads    []string       `json:"reads"`   // tables and files, as they are written
	From     *string        `json:"from"`    // the gate that it was included from
	Severity Severity       `json:"severity"`
	Waiver   *Waiver        `json:"waiver"`
	At       fault.Position `json:"at"`
}

// Explain says what the checks of a gate are. A gate that could not be judged as it is written is the same error as there: whoever
// asks what a gate says wants to know that it says nothing.
func Explain(s Spec) ([]Explained, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	all := make([]Explained, 0, len(s.Rules))
	for _, r := range s.Rules {
		e := Explained{
			Name: r.Called(), Subject: r.Kind, Is: r.means(), Needs: r.needsWords(s), Reads: s.readBy(r), Severity: cmp.Or(r.Severity, SeverityFail),
			Waiver: r.Waiver, At: r.At,
		}
		if r.From != "" {
			e.From = &r.From
		}
		all = append(all, e)
	}
	return all, nil
}

// means says what a rule looks at.
func (r Rule) means() string {
	words := ""
	switch r.Kind {
	case "metric":
		words = "what the run recorded as " + r.Name
	case "command":
		words = "what a command says: " + dataCut(r.Name)
	case "expr":
		words = "true of every row"
		if r.onRun() {
			words = "true of the run"
		}
		if r.Title != "" {
			words += ": " + dataCut(r.Name)
		}
	case "column":
		words = r.columnWords()
	default:
		words = explainMeasure(r.Name)
		if r.Name == "changed" && r.Stat == "mean" {
			words = "mean change of the score"
		} else if r.Stat != "" {
			words += " (" + r.Stat + ")"
		}
	}
	if r.Kind == "command" && r.Stat != "" {
		words += ", its metric " + r.Stat
	}
	for _, part := range []struct{ before, word string }{
		{"average", r.Average}, {"between the values of", r.Group}, {"of", r.columnsOf()}, {"where", r.Where}, {"under", r.underWords()}, {"at", r.loadWords()},
	} {
		if part.word != "" {
			words += ", " + part.before + " " + part.word
		}
	}
	return words
}

// columnsOf are the columns that a measure is about; those of a column's key stand with its limits.
func (r Rule) columnsOf() string {
	if r.Kind != "measure" || len(r.Columns) == 0 {
		return ""
	}
	return list(r.Columns)
}

func (r Rule) columnWords() string {
	what := "every value of " + r.Name
	if strings.ContainsAny(r.Name, "*?[") {
		what = "every value of each column like " + r.Name
	}
	if r.Stat == "" {
		return what
	}
	what = explainStat(r.Stat) + " of " + r.Name
	if r.Reference != "" {
		what += " from " + r.Reference
	}
	return what
}

func (r Rule) underWords() string {
	if r.Under == nil {
		return ""
	}
	u, words := r.Under, []string{}
	share := func(v float64) string { return strconv.FormatFloat(v*100, 'g', 6, 64) + "% " }
	if u.Noise != 0 {
		words = append(words, "noise of "+strconv.FormatFloat(u.Noise, 'g', 6, 64)+" standard deviations")
	}
	if u.Missing != 0 {
		words = append(words, share(u.Missing)+"missing values")
	}
	if u.Typos != 0 {
		words = append(words, share(u.Typos)+"typos")
	}
	if u.Swap != "" {
		words = append(words, "other values of "+u.Swap)
	}
	if u.Attack != "" {
		words = append(words, "an attack: "+dataCut(u.Attack))
	}
	return list(words)
}

func (r Rule) loadWords() string {
	if r.Load == nil {
		return ""
	}
	words := "full speed"
	if r.Load.Rate > 0 {
		words = strconv.FormatFloat(r.Load.Rate, 'g', 6, 64) + " requests a second"
	}
	if r.Load.Time > 0 {
		words += " for " + r.Load.Time.String()
	}
	if len(r.Load.Batch) > 0 {
		words += " in batches of " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(r.Load.Batch)), ", "), "[]")
	}
	return words
}

// needsWords are the limits of a rule and what softens or sharpens them.
func (r Rule) needsWords(s Spec) string {
	all := r.limitWords(s)
	if r.Kind == "column" && r.Stat == "" {
		all = r.columnNeeds()
	}
	if r.Mostly != nil {
		all = append(all, "in "+explainShare(*r.Mostly)+" of the rows")
	}
	if len(r.Slices) > 0 {
		all = append(all, "in every "+list(r.Slices))
	}
	if r.MinRows > 0 {
		all = append(all, "with "+thousands(r.MinRows)+" rows or more")
	}
	if r.MinSamples > 0 {
		all = append(all, "with "+thousands(r.MinSamples)+" answers or more")
	}
	return strings.Join(all, ", ")
}

func (r Rule) limitWords(s Spec) []string {
	var all []string
	if limits := r.needs(); limits != "" {
		all = append(all, limits)
	}
	switch {
	case r.Margin != nil && r.Under != nil:
		all = append(all, "at most "+r.Margin.Text+" worse than undisturbed")
	case r.Margin != nil:
		all = append(all, "at most "+r.Margin.Text+" worse than "+cmp.Or(s.Against, "what --against names"))
	}
	if len(all) > 0 {
		return all
	}
	switch {
	case r.Kind == "command":
		return []string{"status 0"}
	case r.Name == "scan":
		return []string{"nothing that runs on loading"}
	case r.Name == "schema" && r.Schema != "":
		return []string{"that of " + r.Schema}
	case r.Name == "rows":
		return []string{"as many as " + r.Reference}
	case r.Kind == "measure" && r.Name != "schema":
		return []string{"none"}
	}
	return nil
}

// columnNeeds are the limits of the values of a column.
func (r Rule) columnNeeds() []string {
	var all []string
	add := func(set bool, words string) {
		if set {
			all = append(all, words)
		}
	}
	add(r.Type != "", r.Type)
	if r.Nulls != nil {
		add(*r.Nulls == 0, "never missing")
		add(*r.Nulls != 0, "at most "+explainShare(*r.Nulls)+" missing")
	}
	add(r.needs() != "", r.needs())
	add(r.In != nil, "one of "+dataList(r.In))
	add(r.NotIn != nil, "none of "+dataList(r.NotIn))
	add(r.Regex != "", "matches "+dataCut(r.Regex))
	add(r.NotRegex != "", "contains nothing like "+dataCut(r.NotRegex))
	if lengths := (Rule{Min: r.MinLength, Max: r.MaxLength}).needs(); lengths != "" {
		all = append(all, lengths+" characters")
	}
	add(r.Order != "", strings.ReplaceAll(r.Order, "_", " "))
	together := ""
	if len(r.Columns) > 0 {
		together = " together with " + list(r.Columns)
	}
	add(r.Unique, "unique"+together)
	add(r.References != "", "in "+r.References)
	return all
}

func explainShare(v float64) string { return strconv.FormatFloat(v*100, 'g', 6, 64) + "%" }

// readBy are the tables and files that a rule reads, each once.
func (s Spec) readBy(r Rule) []string {
	all := []string{}
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	table := cmp.Or(r.Table, s.Table, s.For)
	if r.Table == "" && r.onRun() {
		return all
	}
	_, quality := measureOf(r.Name)
	switch {
	case r.Kind == "measure" && slices.Contains(leakMeasures(), r.Name):
		add(cmp.Or(r.Table, s.Table, s.Predictions), cmp.Or(r.Reference, s.Train))
	case TakesTable(r):
		other, _ := r.referenced()
		add(table, r.Reference, other, r.Schema)
	case r.Under != nil || r.Name == "changed" || slices.Contains(loadMeasures(), r.Name) || r.Name == "cost":
		add(cmp.Or(r.Table, s.Table))
	case r.Kind == "measure" && quality:
		add(cmp.Or(r.Table, s.Predictions, s.Table, s.For), s.Labels)
	}
	return all
}
