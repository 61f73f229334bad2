package gate

import (
	"slices"
	"strings"
)

// ExplainTable says what a check of a table is and what it needs, one sentence each; empty for a check of another sort.
func (r Rule) ExplainTable() string {
	about := ""
	switch {
	case r.Kind == "column" && r.Stat != "":
		about = r.explainStat()
	case r.Kind == "column":
		about = r.explainColumn()
	case r.Kind == "expr":
		about = "The expression is true of every row for which everything that decides it is there; without a table, of the metrics and parameters of the run."
	case r.Kind == "measure":
		about = explainMeasure(r.Name)
	}
	if about == "" {
		return ""
	}
	if r.Where != "" {
		about += " Only rows where " + r.Where + " are judged."
	}
	if r.Mostly != nil {
		about += " It is enough that " + dataShare(*r.Mostly) + " of the judged rows keep it."
	}
	if r.MinRows > 0 {
		about += " Fewer rows than " + dataNumber(r.MinRows) + " are inconclusive."
	}
	return about
}

// explainColumn says each limit of a column in words.
func (r Rule) explainColumn() string {
	var words []string
	say := func(set bool, text string) {
		if set {
			words = append(words, text)
		}
	}
	say(r.Type != "", "is of type "+r.Type)
	if r.Nulls != nil {
		say(true, "is missing in at most "+dataShare(*r.Nulls)+" of the rows")
	}
	say(r.Min != nil || r.Max != nil, "is "+r.needs())
	say(r.In != nil, "is one of "+dataList(r.In))
	say(r.NotIn != nil, "is none of "+dataList(r.NotIn))
	say(r.Regex != "", "is as a whole like "+dataCut(r.Regex))
	say(r.NotRegex != "", "has nothing like "+dataCut(r.NotRegex)+" in it")
	say(r.MinLength != nil || r.MaxLength != nil, "is "+Rule{Min: r.MinLength, Max: r.MaxLength}.needs()+" characters long")
	say(r.Order != "", "is "+dataOrders(r.Order)+" from row to row")
	switch key := strings.Join(append([]string{r.Name}, r.Columns...), ", "); {
	case r.Unique && len(r.Columns) > 0:
		say(true, "makes with "+strings.Join(r.Columns, ", ")+" a key that no two rows share")
	default:
		say(r.Unique, "appears once")
		say(r.References != "", "appears in "+r.References+" (by "+key+")")
	}
	return "Every value of " + r.Name + " " + strings.Join(words, "; ") + ". Missing values are judged by nulls: alone."
}

func (r Rule) explainStat() string {
	text := "The " + r.Stat + " of " + r.Name + " is " + r.needs() + "."
	switch statKind(r.Stat) {
	case "distance":
		text += " It compares the column with the one of the same name in " + r.Reference + ", missing values among what is compared."
	case "keys":
		text += " Different values are counted exactly."
	case "quantile":
		text += " It is exact, interpolated as numpy does."
	case "moments":
		text += " Missing, NaN and infinite values are left out."
	}
	return text
}

func explainMeasure(name string) string {
	if !slices.Contains(append(dataMeasures(), leakMeasures()...), name) {
		return ""
	}
	return map[string]string{
		"rows":          "The number of rows; with reference: its ratio to the number of rows there.",
		"columns":       "The number of columns.",
		"freshness":     "How long ago the newest time of the table is; a time that has not come yet fails unless min: allows it.",
		"duplicates":    "The rows that repeat an earlier row, whole or in columns:; as a number, or as a share when the limit is one.",
		"schema":        "The names and types of the columns, and their order when another table says it, are those that were promised.",
		"null_rows":     "The rows in which everything is missing, or all of columns:.",
		"shared_rows":   "The rows that the training has as well, by columns:, by the key of the table, or by all features.",
		"shared_groups": "The groups, such as users, of which both the training and this table have rows.",
		"shared_days":   "The days, in the zone of the table, of which both the training and this table have rows.",
		"time_overlap":  "The training ends before the first row that is judged.",
		"available_at":  "Every feature is known when the prediction is made, by what tables: in mlx.yaml declares. A score that is too good would not show one that is not.",
	}[name]
}
