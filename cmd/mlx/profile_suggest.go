package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"mlx/internal/cli"
	"mlx/internal/dataset"
)

// suggestedGate is the JSON of `mlx profile --suggest gate`.
type suggestedGate struct {
	Kind   string           `json:"kind"` // "suggested_gate/v1"
	Name   string           `json:"name"`
	For    string           `json:"for"`
	Checks []suggestedCheck `json:"checks"`
	Text   string           `json:"text"` // for mlx.yaml
}

type suggestedCheck struct {
	Measure string            `json:"measure,omitempty"`
	Column  string            `json:"column,omitempty"`
	Type    string            `json:"type,omitempty"`
	Nulls   string            `json:"nulls,omitempty"` // a share such as 5%
	Min     json.Number       `json:"min,omitempty"`
	Max     json.Number       `json:"max,omitempty"`
	In      []json.RawMessage `json:"in,omitempty"`
	Unique  bool              `json:"unique,omitempty"`
	Seen    string            `json:"seen"` // what was there
}

// suggestGate proposes what a table like this one should keep: with head room, and so that this table passes.
func suggestGate(where string, p *dataset.Profile) suggestedGate {
	s := suggestedGate{Kind: "suggested_gate/v1", Name: gateName(where), For: where, Checks: []suggestedCheck{}}
	s.Checks = append(s.Checks, suggestedCheck{Measure: "rows", Min: json.Number(strconv.FormatInt(lowerRound(p.Rows()/2), 10)),
		Seen: cli.FormatNum(p.Rows(), "row")})
	for _, c := range p.Columns() {
		if p.Rows() == 0 { // no gate can tell anything of a column without rows
			break
		}
		s.Checks = append(s.Checks, suggestCheck(c))
	}
	s.Text = s.yaml()
	return s
}

// gateName is a name made of that of a table.
func gateName(where string) string {
	name := path.Base(strings.ReplaceAll(where, ":", "/"))
	name, _, _ = strings.Cut(name, ".")
	name = strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_]+`).ReplaceAllString(name, "_"), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "data"
	}
	return name
}

// suggestedValues is how many different texts a list names.
const suggestedValues = 30

func suggestCheck(c *dataset.ProfileColumn) suggestedCheck {
	k := suggestedCheck{Column: c.Name, Nulls: nullsRoom(c)}
	if c.Type != dataset.Null {
		k.Type = c.Type.String()
	}
	seen := []string{}
	if c.Missing > 0 {
		seen = append(seen, profileShare(c.Missing, c.Rows)+" missing")
	}
	if low, high, ok := c.Range(); ok && c.Type.Ordered() {
		seen = append(seen, plainWord(low.Text)+" to "+plainWord(high.Text))
	}
	if n := c.NaN + c.PlusInf + c.MinusInf; n > 0 {
		seen = append(seen, cli.FormatCount(n)+" NaN or infinite")
	}
	if !c.Private && c.Missing == 0 && c.Rows > 1 && (c.Type == dataset.Int || c.Type == dataset.Uint || c.Type == dataset.Text) {
		k.Unique = c.Unique && c.UniqueCertain
		if c.Unique && !k.Unique {
			seen = append(seen, "hardly any value twice: unique?")
		}
	}
	if !k.Unique {
		seen = append(seen, distinctSeen(c))
		k.Min, k.Max = boundsRoom(c)
		k.In = listed(c)
	}
	k.Seen = strings.Join(seen, ", ")
	return k
}

func distinctSeen(c *dataset.ProfileColumn) string {
	about := ""
	if !c.DistinctExact {
		about = "about "
	}
	return about + cli.FormatCount(c.Distinct) + " distinct"
}

// nullsRoom is half as much again as is missing, in whole percents; nothing may be where nothing is.
func nullsRoom(c *dataset.ProfileColumn) string {
	if c.Missing == 0 {
		return "0%"
	}
	return strconv.Itoa(min(100, int(math.Ceil(150*float64(c.Missing)/float64(c.Rows))))) + "%"
}

// boundsRoom is the range and a quarter of it on both sides, in round numbers. What is not negative stays so.
func boundsRoom(c *dataset.ProfileColumn) (low, high json.Number) {
	if c.Private || c.Count == 0 || c.NaN+c.PlusInf+c.MinusInf > 0 || c.Type < dataset.Int || c.Type > dataset.Decimal {
		return "", ""
	}
	from, to := c.Quantile(0), c.Quantile(1)
	room := (to - from) / 4
	if room == 0 {
		room = math.Abs(to) / 100
	}
	if math.IsInf(room, 0) || math.Abs(from) > 1e15 || math.Abs(to) > 1e15 {
		return "", ""
	}
	digits := math.Pow(10, math.Floor(math.Log10(max(room, 1e-12))))
	bottom, top := math.Floor((from-room)/digits)*digits, math.Ceil((to+room)/digits)*digits
	if from >= 0 {
		bottom = max(bottom, 0)
		if from < to/4 {
			bottom = 0
		}
	}
	if to <= 0 {
		top = min(top, 0)
	}
	return jsonBound(min(bottom, from), from), jsonBound(max(top, to), to)
}

// jsonBound writes a bound of a value in few digits, unless they would put it on the other side of the value.
func jsonBound(v, value float64) json.Number {
	text := strconv.FormatFloat(v, 'g', 12, 64)
	short, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(short-v) > math.Abs(v)*1e-9 || (v <= value) != (short <= value) || (v >= value) != (short >= value) {
		text = strconv.FormatFloat(v, 'g', -1, 64)
	}
	if math.Abs(v) < 1e15 && v == math.Trunc(v) {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	return json.Number(text)
}

// listed names every value of a column of texts that has few, each often.
func listed(c *dataset.ProfileColumn) []json.RawMessage {
	if c.Type != dataset.Text || !c.DistinctExact || c.Distinct > suggestedValues || c.Count < 5*c.Distinct || c.Longest > 60 {
		return nil
	}
	values, _ := c.Values()
	var all []json.RawMessage
	for _, v := range values {
		all = append(all, profileJSON(c, v.ProfileValue))
	}
	return all
}

// lowerRound keeps the first digit.
func lowerRound(n int64) int64 {
	unit := int64(1)
	for n/unit >= 10 {
		unit *= 10
	}
	return n / unit * unit
}

func (s suggestedGate) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "gates:\n  %s:\n    for: %s\n    checks:\n", s.Name, yamlWord(s.For))
	for _, k := range s.Checks {
		var keys []string
		add := func(key, value string) {
			if value != "" {
				keys = append(keys, key+": "+value)
			}
		}
		add("measure", k.Measure)
		if k.Column != "" {
			add("column", yamlWord(k.Column))
		}
		add("type", k.Type)
		add("nulls", k.Nulls)
		add("min", string(k.Min))
		add("max", string(k.Max))
		if k.In != nil {
			words := make([]string, len(k.In))
			for i, w := range k.In {
				words[i] = yamlJSON(w)
			}
			add("in", "["+strings.Join(words, ", ")+"]")
		}
		if k.Unique {
			add("unique", "true")
		}
		fmt.Fprintf(&b, "      - {%s}   # %s\n", strings.Join(keys, ", "), plainWord(k.Seen))
	}
	return b.String()
}

// yamlWord is text as a word of YAML, in quotes unless it is plain.
func yamlWord(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return yamlJSON(text)
}

// Words that need no quotes, and those of them that YAML takes for something else.
var (
	yamlPlain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`) })
	yamlTaken = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`) })
)

func yamlJSON(text json.RawMessage) string {
	var s string
	if json.Unmarshal(text, &s) != nil {
		return string(text)
	}
	if yamlPlain().MatchString(s) && !yamlTaken().MatchString(s) {
		return s
	}
	return string(text)
}
