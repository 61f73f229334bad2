package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"mlx/internal/cli"
	"mlx/internal/drift"
)

// columns are the rows of an answer: those that drifted, those that cannot be judged, and how many others there are.
func (d driftTold) columns(t *cli.Text, detail driftDetail) {
	all := driftOrder(d.Answer.Columns)
	var open, rest []drift.Column
	for _, c := range all {
		if c.Verdict == drift.Stable && detail == driftNews {
			rest = append(rest, c)
		} else {
			open = append(open, c)
		}
	}
	var untold []drift.Column
	if detail == driftNews {
		open, untold = untoldAlike(open)
	}
	if !t.TTY() {
		t.Rows(2, driftRows(open))
		if len(untold) > 0 {
			t.Line(driftCell(drift.CannotTell, driftWord(drift.CannotTell)), cli.Num(int64(len(untold)), "column"), cli.Str(untold[0].Why))
		}
		if len(rest) > 0 {
			t.Line(cli.Str("others"), cli.Count(int64(len(rest))))
		}
		return
	}
	page := driftPage{text: t, word: driftWordWidth(all), name: nameWidth(all)}
	for _, c := range open {
		if c.Verdict != drift.CannotTell {
			page.said = max(page.said, utf8.RuneCountInString(driftSaid(c)))
		}
	}
	page.said = min(page.said, 32)
	for _, c := range open {
		page.column(c, detail == driftAll)
	}
	if len(untold) > 0 {
		page.text.Hanging(2, page.word+2, driftCell(drift.CannotTell, fmt.Sprintf("%-*s", page.word, driftWord(drift.CannotTell))), cli.Str(untoldWords(untold)))
	}
	if len(rest) > 0 {
		page.others(rest, len(open)+len(untold) > 0)
	}
}

// mostUntold is how many columns are told one by one that cannot be judged for one reason.
const mostUntold = 5

// untoldAlike takes the columns out that cannot be told for the same reason, if they are many or all that there is.
func untoldAlike(open []drift.Column) (others, alike []drift.Column) {
	count := make(map[string]int)
	for _, c := range open {
		if c.Verdict == drift.CannotTell {
			count[c.Why]++
		}
	}
	why, most := "", 0
	for _, c := range open {
		if c.Verdict == drift.CannotTell && count[c.Why] > most {
			why, most = c.Why, count[c.Why]
		}
	}
	if most <= mostUntold && (most < 2 || most < len(open)) {
		return open, nil
	}
	for _, c := range open {
		if c.Verdict == drift.CannotTell && c.Why == why {
			alike = append(alike, c)
		} else {
			others = append(others, c)
		}
	}
	return others, alike
}

func untoldWords(alike []drift.Column) string {
	return cli.FormatNum(int64(len(alike)), "column") + ": " + alike[0].Why
}

// driftRows are columns for a program: word, name, method, value, threshold, p as it was judged, and all in words.
func driftRows(columns []drift.Column) [][]cli.Cell {
	number := func(v *float64) cli.Cell {
		if v == nil {
			return cli.None()
		}
		return cli.Float(*v)
	}
	var rows [][]cli.Cell
	for _, c := range columns {
		said := c.Text
		if c.Why != "" {
			said = c.Why
		}
		rows = append(rows, []cli.Cell{driftCell(c.Verdict, driftWord(c.Verdict)), cli.Str(c.Name), cli.Str(string(c.Method)), number(c.Value),
			number(c.Threshold), number(judgedP(c.P, c.PAdjusted)), cli.Str(said)})
	}
	return rows
}

// driftWordWidth is as wide as the longest of the verdicts.
func driftWordWidth(columns []drift.Column) int {
	width := 0
	for _, c := range columns {
		width = max(width, len(driftWord(c.Verdict)))
	}
	return width
}

// driftPage writes columns for a person, each in its place.
type driftPage struct {
	text             *cli.Text
	word, name, said int // widths
}

func (p driftPage) column(c drift.Column, whole bool) {
	word := driftCell(c.Verdict, fmt.Sprintf("%-*s", p.word, driftWord(c.Verdict)))
	name := cli.Str(padded(c.Name, p.name))
	hang := p.word + 2 + p.name + 2
	if c.Verdict != drift.Drift && c.Verdict != drift.Stable {
		p.text.Hanging(2, hang, word, name, cli.Str(cmp.Or(c.Why, c.Text)))
	} else {
		said, effect, chance := driftSaid(c), columnEffect(c), chanceWords(judgedP(c.P, c.PAdjusted))
		if width := p.text.Width(); width == 0 || 2+hang+p.said+2+utf8.RuneCountInString(effect)+2+len(chance) <= width {
			said = padded(said, p.said)
		}
		p.text.Hanging(2, hang, word, name, cli.Str(said), cli.Str(effect), cli.Word(cli.RoleDim, chance))
	}
	if whole {
		p.measures(c)
	}
}

// measures is everything that was computed of a column, behind what decided.
func (p driftPage) measures(c drift.Column) {
	var words []string
	for _, m := range c.Measures {
		if m.Method == c.Method || m.Value == nil {
			continue
		}
		said := methodWord(m.Method) + " " + measureWord(m.Method, *m.Value, nil)
		if m.Method == drift.Missing {
			said = "missing " + shareWords(c.ReferenceMissing) + " -> " + shareWords(c.MissingShare)
		}
		if chance := chanceWords(judgedP(m.P, m.PAdjusted)); chance != "" {
			said += " " + chance
		}
		words = append(words, said)
	}
	if len(words) > 0 {
		p.text.Hanging(2+p.word+2+p.name+2, 0, cli.Word(cli.RoleDim, strings.Join(words, "; ")))
	}
}

// others counts the columns that did not drift, and names some of them.
func (p driftPage) others(rest []drift.Column, more bool) {
	noun := "column"
	if more {
		noun = "other"
	}
	said := cli.FormatNum(int64(len(rest)), noun) + ":"
	room := 60
	if width := p.text.Width(); width > 0 {
		room = max(24, min(room, width-2-p.word-2-1))
	}
	for i, c := range rest {
		name := cli.Sentence(cli.Str(c.Name))
		if utf8.RuneCountInString(said)+1+utf8.RuneCountInString(name)+len(", ...") > room && i > 0 {
			said += " ..."
			break
		}
		said += " " + name
		if i < len(rest)-1 {
			said += ","
		}
	}
	p.text.Hanging(2, p.word+2, driftCell(drift.Stable, fmt.Sprintf("%-*s", p.word, driftWord(drift.Stable))), cli.Str(said))
}

// padded fills a text up to a width.
func padded(s string, width int) string {
	s = cli.Sentence(cli.Str(s))
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// judgedP is the p that decided: corrected for the other columns, where it was.
func judgedP(p, adjusted *float64) *float64 {
	if adjusted != nil {
		return adjusted
	}
	return p
}

// driftSaid is what became of the values, without the effect at its end, which stands in a column of its own.
func driftSaid(c drift.Column) string {
	said, last := c.Text, strings.LastIndex(c.Text, ", ")
	if last < 0 || c.Value == nil {
		return said
	}
	for _, m := range append([]drift.Measure{{Method: c.Method}}, c.Measures...) {
		if strings.HasPrefix(said[last:], ", "+methodWord(m.Method)+" ") {
			return said[:last]
		}
	}
	return said
}

// methodWord is how people call a method.
func methodWord(m drift.Method) string {
	words := map[drift.Method]string{drift.PSI: "PSI", drift.KS: "K-S", drift.Wasserstein: "W1", drift.JensenShannon: "JS", drift.Hellinger: "Hellinger",
		drift.Chi2: "Cramér's V", drift.TVD: "TVD", drift.LInfinity: "L-infinity"}
	return cmp.Or(words[m], string(m))
}

// columnEffect is what decided about a column: "PSI 8.2". That a unit changed says why, and how far that is says the measure after it.
func columnEffect(c drift.Column) string {
	if c.Method == drift.Unit && len(c.Measures) > 1 {
		m := c.Measures[1]
		return effectWords(m.Method, m.Value, m.Threshold)
	}
	return effectWords(c.Method, c.Value, c.Threshold)
}

// tableWords are the cells of a column in a report: what became of it, its effect, from where that counts, and how likely it is by chance.
func tableWords(c drift.Column) (said, effect, threshold, chance string) {
	if c.Value != nil {
		effect = columnEffect(c)
	}
	if c.Threshold != nil {
		threshold = measureWord(c.Method, *c.Threshold, nil)
	}
	return cmp.Or(c.Why, driftSaid(c)), effect, threshold, chanceOnly(c.P, c.PAdjusted)
}

// chanceOnly is the p that decided, in words below a heading that says it is one.
func chanceOnly(p, adjusted *float64) string {
	return strings.TrimPrefix(chanceWords(judgedP(p, adjusted)), "p ")
}

// effectWords is a method and its value: "PSI 8.2".
func effectWords(m drift.Method, value, threshold *float64) string {
	if value == nil {
		return methodWord(m)
	}
	if m == drift.Missing {
		return "by " + shareWords(math.Abs(*value))
	}
	if m == drift.Unseen {
		return shareWords(*value) + " new"
	}
	return methodWord(m) + " " + effectWord(*value, threshold)
}

// effectWord has two digits that matter, and more where fewer would hide on which side of the threshold it is.
func effectWord(v float64, threshold *float64) string {
	word := strconv.FormatFloat(v, 'g', 2, 64)
	if math.Abs(v) >= 99.5 {
		word = strconv.FormatFloat(v, 'f', 0, 64)
	}
	if threshold == nil || v == *threshold {
		return word
	}
	for digits := 3; digits < 17; digits++ {
		if shown, err := strconv.ParseFloat(word, 64); err != nil || (shown < *threshold) == (v < *threshold) && shown != *threshold {
			return word
		}
		word = strconv.FormatFloat(v, 'g', digits, 64)
	}
	return word
}

// chanceWords is a p in words; empty where there is none.
func chanceWords(p *float64) string {
	if p == nil || math.IsNaN(*p) {
		return ""
	}
	return drift.PText(*p)
}
