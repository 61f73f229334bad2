package drift

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/stats"
)

// GoldenJudged is the kind of record that keeps what a model was worth on the golden rows of a day.
var GoldenJudged = lineage.Define[GoldenDay]("drift.golden/v1")

// GoldenDay is what a version of a model was worth on the golden rows of one day of the zone of its monitor. It is the body of a record.
type GoldenDay struct {
	Monitor string        `json:"monitor"`
	Model   string        `json:"model"`   // "flights@v6"
	Version object.Digest `json:"version"` // its record
	Day     string        `json:"day"`     // 2026-11-20
	Measure string        `json:"measure"`
	Value   *float64      `json:"value,omitempty"` // absent: too few rows, or the measure is not defined for them
	Rows    int64         `json:"rows"`            // with a label
	Inputs  object.Digest `json:"inputs"`          // of all that the value depends on: what was judged is not judged again
}

// Retirement is when a model is withdrawn: its value on golden rows is below Limit on Days days that were judged, one after the other.
type Retirement struct {
	Limit float64
	Text  string // of the limit, as it was written
	Days  int
}

// maxRetireDays bounds how long a model may be bad.
const maxRetireDays = 365

// ParseRetirement reads "golden < 0.9 for 3 days"; the limit may be a share, such as 90%.
func ParseRetirement(text string) (Retirement, error) {
	words := strings.Fields(strings.ReplaceAll(text, "<", " < "))
	wrong := func(format string, args ...any) (Retirement, error) {
		return Retirement{}, errGrammar(text, format, args...).Hint("retire: golden < 0.9 for 3 days")
	}
	switch {
	case len(text) > 200:
		return wrong("it is longer than 200 letters")
	case len(words) == 0:
		return wrong("it is empty")
	case words[0] != "golden":
		return wrong("it begins with %q, and only golden rows retire a model", words[0])
	case len(words) < 2 || words[1] != "<":
		return wrong("golden is followed by <: a model is withdrawn when its value falls below a limit")
	case len(words) < 3:
		return wrong("a limit is missing behind <")
	}
	number, share := strings.CutSuffix(words[2], "%")
	limit, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(limit) || math.IsInf(limit, 0) {
		return wrong("%q is no number or share such as 0.9 or 90%%", words[2])
	}
	if share {
		limit /= 100
	}
	if len(words) != 6 || words[3] != "for" || words[5] != "days" && words[5] != "day" {
		return wrong("the limit is followed by for and a number of days")
	}
	days, err := strconv.Atoi(words[4])
	if err != nil || days < 1 || days > maxRetireDays {
		return wrong("%q is no number of days from 1 to %d", words[4], maxRetireDays)
	}
	return Retirement{Limit: limit, Text: words[2], Days: days}, nil
}

// Low are the last days that were judged, the newest first, if all that it takes were below the limit. days are asked for from the newest on,
// as long as they do not decide; one without a value neither counts nor breaks.
func (r Retirement) Low(days iter.Seq2[GoldenDay, error]) ([]GoldenDay, error) {
	var low []GoldenDay
	for d, err := range days {
		switch {
		case err != nil:
			return nil, err
		case d.Value == nil:
			continue
		case *d.Value >= r.Limit:
			return nil, nil
		}
		if low = append(low, d); len(low) == r.Days {
			return low, nil
		}
	}
	return nil, nil
}

// Better is how a version does against another on the same rows.
type Better struct {
	Model    string // that would take the place
	Value    float64
	Other    float64 // of the one that would be withdrawn
	Interval *[2]float64
	Rows     int64
	Days     int // that the rows are of
	DaysWon  int // on which the version did better; not counted where Clustered
	// Clustered says that days are the units of Interval: rows of one day are alike. It takes GoldenClusters of them.
	Clustered bool
}

// GoldenClusters is how many days it takes at least for an interval of which they are the units.
const GoldenClusters = stats.MinClusters

// Enough says whether the version may take the other's place: it is certainly better, that is the lower bound of the difference is above 0; or
// it is better on the rows and keeps the limit that the other breaks. With few golden rows nothing else could ever be certain. The bound has
// days as its units; of too few days for that it has rows, and then the version must be better on each of the days as well.
func (r Retirement) Enough(b Better) bool {
	if b.Interval != nil && b.Interval[0] > 0 && (b.Clustered || b.DaysWon == b.Days) {
		return true
	}
	return b.Value > b.Other && b.Value >= r.Limit
}

// Words tells how both do: "flights@v5 has 0.95 on the same 120 rows, and this one 0.71".
func (b Better) Words() string {
	text := fmt.Sprintf("%s has %s on the same %s, and this one %s", b.Model, valueWords(b.Value), plural(int(b.Rows), "row"), valueWords(b.Other))
	if b.Interval != nil {
		text += fmt.Sprintf(" (difference, 95%%: %s to %s", valueWords(b.Interval[0]), valueWords(b.Interval[1]))
		if !b.Clustered {
			text += fmt.Sprintf(" if rows were independent; better on %d of %s", b.DaysWon, plural(b.Days, "day"))
		}
		text += ")"
	}
	return text
}

// LowWords tells the days: "golden accuracy was 0.71, 0.7 and 0.69 on 2026-11-20, 2026-11-21 and 2026-11-22".
func (r Retirement) LowWords(low []GoldenDay) string {
	var values, days []string
	for i := range low {
		d := low[len(low)-1-i]
		values, days = append(values, valueWords(*d.Value)), append(days, d.Day)
	}
	if len(low) > 7 {
		return fmt.Sprintf("golden %s was below %s on %d judged days, the last of them %s", low[0].Measure, r.Text, len(low), low[0].Day)
	}
	return fmt.Sprintf("golden %s was %s on %s, and the limit is %s", low[0].Measure, enumerate(values), enumerate(days), r.Text)
}

func valueWords(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// RetireKey names the withdrawal of a version: it happens once.
func RetireKey(monitor, model string) object.Digest {
	return object.Sum([]byte(strconv.Quote(monitor) + strconv.Quote("retire "+model)))
}

// Before is a day so many days earlier.
func (d Day) Before(days int) Day { return dayOf(d.midnight().AddDate(0, 0, -days)) }

// DayAt is the day of a time in a zone.
func DayAt(t time.Time, zone *time.Location) Day { return dayOf(t.In(zone)) }
