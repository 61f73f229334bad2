package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// cron is a schedule: the values of each of its five fields.
type cron struct {
	text   string // as cron, GitHub and Kubernetes all read it
	fields [5]cronField
}

// cronField are the values of one field. Any is what begins with a star: such a day restricts nothing by itself.
type cronField struct {
	values []int
	any    bool
	all    bool
}

// cronUnit describes one field.
type cronUnit struct {
	name      string
	low, high int
	words     []string // names of the values from low on
}

func cronUnits() [5]cronUnit {
	return [5]cronUnit{
		{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day of the month", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of the week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// parseCron reads five fields of cron: numbers, names of months and days, ranges, steps and lists.
func parseCron(text string) (cron, error) {
	words := strings.Fields(text)
	if len(words) != 5 || len(text) > 1000 {
		return cron{}, badCron(text, "it takes five fields: minute, hour, day of the month, month, day of the week")
	}
	var c cron
	for i, unit := range cronUnits() {
		f, err := unit.parse(strings.ToLower(words[i]))
		if err != nil {
			return cron{}, badCron(text, err.Error())
		}
		c.fields[i] = f
		if i >= 3 && !f.any { // not everybody knows names, or Sunday as 7
			words[i] = f.list(",", "-", "%d")
		}
	}
	c.text = strings.Join(words, " ")
	return c, nil
}

func badCron(text, why string) error {
	return fault.New(fault.Usage, "cannot read the schedule %q: %s", text, why).Hint("--schedule '15 3 * * *'   # every day at 3:15")
}

func (u cronUnit) parse(text string) (cronField, error) {
	f := cronField{any: strings.HasPrefix(text, "*")}
	seen := make(map[int]bool)
	for part := range strings.SplitSeq(text, ",") {
		low, high, by, err := u.span(part)
		if err != nil {
			return f, err
		}
		for v := low; v <= high; v += by {
			seen[v] = true
		}
	}
	if u.sundays() && seen[7] {
		seen[0] = true
	}
	for v := u.low; v <= u.high; v++ {
		if seen[v] {
			f.values = append(f.values, v)
		}
	}
	f.all = len(f.values) == u.high-u.low+1
	return f, nil
}

// sundays reports whether 7 is another word for 0.
func (u cronUnit) sundays() bool { return u.high == 6 }

// span reads one item of a list: a value, a range, or a star, each of the last two with a step.
func (u cronUnit) span(part string) (low, high, by int, err error) {
	values, step, stepped := strings.Cut(part, "/")
	by = 1
	if stepped {
		if by, err = strconv.Atoi(step); err != nil || by < 1 || by > u.high {
			return 0, 0, 0, fmt.Errorf("%q is no step of a %s", step, u.name)
		}
	}
	if values == "*" {
		return u.low, u.high, by, nil
	}
	first, last, ranged := strings.Cut(values, "-")
	if low, err = u.value(first); err != nil {
		return 0, 0, 0, err
	}
	if !ranged {
		if stepped {
			return 0, 0, 0, fmt.Errorf("the step of %q needs a range", part)
		}
		return low, low, by, nil
	}
	if high, err = u.value(last); err != nil {
		return 0, 0, 0, err
	}
	if u.sundays() && high == 0 && low > 0 {
		high = 7 // fri-sun
	}
	if high < low {
		return 0, 0, 0, fmt.Errorf("the range %q is empty", values)
	}
	return low, high, by, nil
}

func (u cronUnit) value(text string) (int, error) {
	if i := slices.Index(u.words, text); i >= 0 {
		return u.low + i, nil
	}
	most := u.high
	if u.sundays() {
		most = 7
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < u.low || n > most || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no %s", text, u.name)
	}
	return n, nil
}

// list writes the values, three or more in a row as a range.
func (f cronField) list(comma, dash, format string) string {
	var parts []string
	for i := 0; i < len(f.values); {
		j := i
		for j+1 < len(f.values) && f.values[j+1] == f.values[j]+1 {
			j++
		}
		if j-i < 2 {
			j = i
			parts = append(parts, fmt.Sprintf(format, f.values[i]))
		} else {
			parts = append(parts, fmt.Sprintf(format, f.values[i])+dash+fmt.Sprintf(format, f.values[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, comma)
}

// calendars is the schedule as systemd writes it. Where cron runs on a day of the month or on a day of the week, whichever
// comes, systemd needs a line for each.
func (c cron) calendars() []string {
	part := func(i int) string {
		if c.fields[i].all {
			return "*"
		}
		return c.fields[i].list(",", "..", "%02d")
	}
	days := ""
	if !c.fields[4].all {
		var names []string
		for _, v := range c.fields[4].values {
			names = append(names, []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}[v])
		}
		days = strings.Join(names, ",") + " "
	}
	clock := " " + part(1) + ":" + part(0) + ":00"
	if !c.fields[2].any && !c.fields[4].any {
		return []string{"*-" + part(3) + "-" + part(2) + clock, days + "*-" + part(3) + "-*" + clock}
	}
	return []string{days + "*-" + part(3) + "-" + part(2) + clock}
}
