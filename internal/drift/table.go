package drift

import (
	"fmt"
	"math"
	"strings"
	"time"

	"mlx/internal/gate"
)

// checks judges the table as a whole.
func (j *judging) checks(a *Answer, asOf time.Time) {
	if j.Spec.Schema != SchemaIgnore {
		a.Checks = append(a.Checks, j.schemaCheck())
	}
	if j.Volume != nil {
		a.Checks = append(a.Checks, j.volumeCheck())
	}
	if j.Spec.Duplicates != nil {
		a.Checks = append(a.Checks, j.duplicatesCheck())
	}
	if j.Freshness > 0 {
		a.Checks = append(a.Checks, j.freshnessCheck(asOf))
	}
	if j.Classified != nil {
		a.Checks = append(a.Checks, *j.Classified)
	}
}

// foldChecks lets checks that are more than a warning decide with the columns.
func (j *judging) foldChecks(a *Answer) {
	for _, f := range a.Checks {
		if f.Severity == gate.SeverityWarn || f.Waiver != nil {
			continue
		}
		switch {
		case f.Verdict == Drift:
			a.Verdict, a.Why = Drift, ""
			return
		case f.Verdict != Stable && a.Verdict == Stable:
			a.Verdict, a.Why = CannotTell, f.Name+": "+f.Note
		}
	}
}

func tableFinding(name string) gate.Finding {
	return gate.Finding{Name: name, Subject: name, Verdict: Stable, Severity: gate.SeverityFail}
}

// schemaCheck fails for columns that are gone, new, renamed or of another type. A column of floating point that happens to hold whole
// numbers alone is no other type: text files say so every week.
func (j *judging) schemaCheck() gate.Finding {
	f := tableFinding("schema")
	if j.Spec.Schema == SchemaWarn {
		f.Severity = gate.SeverityWarn
	}
	var said []string
	for _, c := range j.Compared.Schema {
		if text := schemaText(c); text != "" {
			said = append(said, text)
		}
	}
	n := len(said)
	f.Needs = "as the reference"
	f.Value = known(float64(n))
	if f.Shown = "the same"; n == 0 {
		return f
	}
	f.Verdict = Drift
	const most = 5
	if n > most {
		said = append(said[:most:most], fmt.Sprintf("and %s more", thousandsText(n-most)))
	}
	f.Shown = strings.Join(said, "; ")
	return f
}

// schemaText is what changed of a column, in words; empty for what is no change of the data.
func schemaText(c SchemaChange) string {
	a, b := shownValue(c.Column), shownValue(c.Now)
	switch {
	case c.Column == "":
		return b + " is new"
	case c.Now == "":
		return a + " is gone"
	case c.Column != c.Now && strings.EqualFold(strings.TrimSpace(c.Column), strings.TrimSpace(c.Now)):
		return a + " is written " + shownValue(strings.TrimSpace(c.Now))
	case c.Renamed || c.Column != c.Now:
		return a + " is now called " + b
	case c.A == c.B, c.A == "null", c.B == "null", c.A == "float" && c.B == "int":
		return ""
	}
	text := a + " was " + c.A + " and is " + c.B
	if c.At != "" {
		text += " (" + shownValue(c.At) + ")"
	}
	return text
}

// volumeCheck compares rows per day, where both sides have times, else rows.
func (j *judging) volumeCheck() gate.Finding {
	f := tableFinding("volume")
	limit := *j.Volume
	f.Limit.Max, f.Needs = &limit, "less than "+shareText(limit)+" more or fewer"
	was, is, per := float64(j.Rows[0]), float64(j.Rows[1]), ""
	if j.Time != "" {
		f.Unit, per = "", " a day"
		was, is = was/j.days(0), is/j.days(1)
		if j.Rows[1] == 0 {
			is = 0
		}
	}
	if !(was > 0) || math.IsNaN(is) {
		f.Verdict, f.Shown, f.Note = CannotTell, "unknown", "the number of days is not known"
		return f
	}
	f.Value, f.Baseline, f.Difference = known(is), known(was), known(is-was)
	change := math.Abs(is-was) / was
	f.Verdict = verdictOf(change >= limit && change > 0)
	f.Shown = fmt.Sprintf("%s rows%s, %s in the reference", rowsText(is), per, rowsText(was))
	return f
}

func rowsText(v float64) string {
	if v >= 100 || v == math.Trunc(v) {
		return thousandsText(int(min(math.Round(v), 1e15)))
	}
	return shortNumber(v)
}

// days is how many days of the zone a side spans, those without rows counted. NaN when its times are not known.
func (j *judging) days(side int) float64 {
	first, last := j.Span[side][0], j.Span[side][1]
	if !isNumber(first) || !isNumber(last) || math.Abs(first) > 1e14 || math.Abs(last) > 1e14 {
		return math.NaN()
	}
	zone, err := time.LoadLocation(j.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	day := func(v float64) int64 {
		at := time.Unix(int64(math.Floor(v)), 0).In(zone)
		return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86_400
	}
	return float64(day(last) - day(first) + 1)
}

func (j *judging) duplicatesCheck() gate.Finding {
	f := tableFinding("duplicates")
	limit := *j.Spec.Duplicates
	f.Limit.Max, f.Unit, f.Needs = &limit, "share", "below "+shareText(limit)
	if limit == 0 {
		f.Needs = "none"
	}
	if j.Compared.Duplicates[1] < 0 || j.Rows[1] == 0 {
		f.Verdict, f.Shown, f.Note = CannotTell, "unknown", "duplicate rows were not counted"
		return f
	}
	share := float64(j.Compared.Duplicates[1]) / float64(j.Rows[1])
	f.Value = known(share)
	if n := j.Compared.Duplicates[0]; n >= 0 && j.Rows[0] > 0 {
		f.Baseline = known(float64(n) / float64(j.Rows[0]))
	}
	f.Verdict = verdictOf(share >= limit && share > 0)
	f.Shown = fmt.Sprintf("%s of %s rows stood there before", thousandsText(int(j.Compared.Duplicates[1])), thousandsText(int(j.Rows[1])))
	f.Rows = &j.Rows[1]
	return f
}

// freshnessCheck judges how old the newest row is, and tells of days without rows.
func (j *judging) freshnessCheck(asOf time.Time) gate.Finding {
	f := tableFinding("freshness")
	limit := j.Freshness
	f.Limit.Max, f.Unit, f.Needs = &limit, "s", "at most "+ageText(limit)
	newest := j.Span[1][1]
	switch {
	case j.Rows[1] == 0:
		f.Verdict, f.Shown = Drift, "no row at all"
		return f
	case !isNumber(newest):
		f.Verdict, f.Shown, f.Note = CannotTell, "unknown", "the times of rows are not known"
		return f
	}
	age := float64(asOf.UnixNano())/1e9 - newest
	f.Value = known(age)
	f.Verdict = verdictOf(age > limit)
	f.Shown = "the newest row is " + ageText(max(age, 0)) + " old"
	if age < 0 {
		f.Shown = "the newest row is of the future, by " + ageText(-age)
	}
	return f
}

// gaps says how many days between the first and the last one have no rows; empty when none, or when days were not counted.
func (j *judging) gaps() string {
	if j.grouped() != "day" || j.Clusters[1] == 0 {
		return ""
	}
	days := j.days(1)
	gone := days - float64(j.Clusters[1])
	switch {
	case !(gone > 0) || days > 1e6:
		return ""
	case gone == 1:
		return fmt.Sprintf("1 of the %s from the first row to the last has no rows", clustersText(int(days), "day"))
	}
	return fmt.Sprintf("%s of the %s from the first row to the last have no rows", thousandsText(int(gone)), clustersText(int(days), "day"))
}

// ageText is a length of time: "3 d", "2.5 h".
func ageText(seconds float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{86_400, "d"}, {3600, "h"}, {60, "min"}} {
		if seconds >= u.size {
			v := seconds / u.size
			if v >= 10 {
				return thousandsText(int(min(math.Round(v), 1e15))) + " " + u.name
			}
			return twoDigits(v) + " " + u.name
		}
	}
	return twoDigits(seconds) + " s"
}
