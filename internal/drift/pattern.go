package drift

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// dayWords stand in the name of a table for the days of a window.
func dayWords() []string { return []string{"{date}", "{year}", "{month}", "{day}"} }

// ByDay says whether the name of a table stands for one of each day.
func ByDay(pattern string) bool {
	for _, w := range dayWords() {
		if strings.Contains(pattern, w) {
			return true
		}
	}
	return false
}

// OnDay is the name of the table of a day: {date} is 2026-11-09, {year} 2026, {month} 11, {day} 09.
func OnDay(pattern string, d Day) string {
	month, day := fmt.Sprintf("%02d", int(d.Month)), fmt.Sprintf("%02d", d.Day)
	return strings.NewReplacer("{date}", d.String(), "{year}", fmt.Sprintf("%04d", d.Year), "{month}", month, "{day}", day).Replace(pattern)
}

// maxBack bounds how long ago a season may be.
const maxBack = 100 * 366

// Season reads a reference that is the same data some time before, such as -365d or -1y. ok is false for any other word.
func Season(word string) (years, days int, ok bool) {
	m := regexp.MustCompile(`^-([0-9]{1,6})([dy])$`).FindStringSubmatch(word)
	if m == nil {
		return 0, 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 || n > maxBack || m[2] == "y" && n > 100 {
		return 0, 0, false
	}
	if m[2] == "y" {
		return n, 0, true
	}
	return 0, n, true
}

// Zone is the time zone of a name; UTC without one.
func Zone(name string) (*time.Location, error) {
	if strings.EqualFold(name, "local") {
		return nil, fault.New(fault.Usage, "there is no time zone %q: a monitor means the same on every machine", name)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, fault.New(fault.Usage, "there is no time zone %q", name)
	}
	return z, nil
}

// WholeDays says whether each table that a pattern names holds one day: of those of a month rows must be picked by their time.
func WholeDays(pattern string) bool {
	return strings.Contains(pattern, "{date}") || strings.Contains(pattern, "{day}")
}
