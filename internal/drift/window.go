package drift

import (
	"time"
)

// MaxCatchUp is how many windows that nobody judged one check judges at most; older ones are told.
const MaxCatchUp = 31

// Calendar says how the windows of a monitor lie in time. Lengths of a day or more are whole days of the zone, which have 23 to 25 hours
// where clocks change; shorter ones divide the day by what a clock on the wall shows.
type Calendar struct {
	Zone   *time.Location
	Length time.Duration // of a window
	Step   time.Duration // from one window to the next; 0: a day, of shorter windows their length
	Lag    time.Duration // a window is due this long after its end
}

// Span is a stretch of time, without its end.
type Span struct{ From, To time.Time }

// Day is a day of a calendar.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// String is the day as 2026-11-09.
func (d Day) String() string { return d.midnight().Format(time.DateOnly) }

func (d Day) midnight() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

func dayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day{y, m, d}
}

const dayLength = 24 * time.Hour

// byDay says whether windows are whole days.
func (c Calendar) byDay() bool { return c.Length >= dayLength }

func (c Calendar) step() time.Duration {
	switch {
	case c.Step > 0:
		return c.Step
	case c.byDay():
		return dayLength
	}
	return c.Length
}

// monday is a Monday at midnight, from which steps of several days are counted: those of a week end with Sunday.
func monday() time.Time { return time.Date(1970, time.January, 5, 0, 0, 0, 0, time.UTC) }

// wall is a time as a clock on the wall shows it, written as if it were UTC.
func (c Calendar) wall(t time.Time) time.Time {
	t = t.In(c.Zone)
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is the first moment at which the clock shows this time or, where it jumps over it, a later one.
func (c Calendar) instant(wall time.Time) time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(c.Zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(wall.Add(-26*time.Hour)), offset(wall.Add(26*time.Hour))
	early, late := wall.Add(-max(before, after)), wall.Add(-min(before, after))
	for _, t := range []time.Time{early, late} {
		if t.Add(offset(t)).Equal(wall) {
			return t.In(c.Zone)
		}
	}
	jump, _ := late.In(c.Zone).ZoneBounds()
	return jump
}

// end is the last end of a window at or before a time, on the wall.
func (c Calendar) end(wall time.Time) time.Time {
	step := c.step()
	if !c.byDay() {
		midnight := dayOf(wall).midnight()
		return midnight.Add(wall.Sub(midnight) / step * step)
	}
	passed := dayOf(wall).midnight().Sub(monday())
	steps := passed / step
	if passed%step < 0 {
		steps--
	}
	return monday().Add(steps * step)
}

// window is the span that ends at a wall time.
func (c Calendar) window(end time.Time) Span {
	return Span{From: c.instant(end.Add(-c.Length)), To: c.instant(end)}
}

// before is the end before this one, on the wall.
func (c Calendar) before(end time.Time) time.Time { return c.end(end.Add(-time.Nanosecond)) }

// after is the end after this one, on the wall.
func (c Calendar) after(end time.Time) time.Time {
	next := end.Add(c.step())
	if !c.byDay() { // a day that the step does not divide ends with a shorter one
		next = c.end(next)
		if midnight := dayOf(end).midnight().AddDate(0, 0, 1); next.After(midnight) {
			next = midnight
		}
	}
	return next
}

// Last is the newest window that is due.
func (c Calendar) Last(now time.Time) Span { return c.window(c.newest(now)) }

// newest is the end of the newest window that is due and not empty.
func (c Calendar) newest(now time.Time) time.Time {
	end := c.end(c.wall(now.Add(-c.Lag)))
	for c.instant(end).Add(c.Lag).After(now) || c.empty(end) {
		end = c.before(end)
	}
	return end
}

// empty says of a window that the clock jumped over it.
func (c Calendar) empty(end time.Time) bool {
	w := c.window(end)
	return !w.From.Before(w.To)
}

// Since are the windows that end after a time and are due, the oldest first, at most MaxCatchUp of them; skipped is how many more there
// are before those, and what they span.
func (c Calendar) Since(after, now time.Time) (due []Span, skipped int, missed Span) {
	for end := c.newest(now); c.instant(end).After(after); end = c.before(end) {
		if c.empty(end) {
			continue
		}
		w := c.window(end)
		if len(due) < MaxCatchUp {
			due = append(due, w)
			continue
		}
		if skipped++; skipped == 1 {
			missed = w
		}
		if missed.From = w.From; skipped >= maxSkipped {
			break
		}
	}
	for i, j := 0, len(due)-1; i < j; i, j = i+1, j-1 {
		due[i], due[j] = due[j], due[i]
	}
	return due, skipped, missed
}

// maxSkipped bounds how far back windows are counted that nobody will judge.
const maxSkipped = 10_000

// Next is the first window that is not due yet, and when it will be.
func (c Calendar) Next(now time.Time) (w Span, due time.Time) {
	end := c.after(c.newest(now))
	for c.empty(end) {
		end = c.after(end)
	}
	w = c.window(end)
	return w, w.To.Add(c.Lag)
}

// Days are the days that a span touches.
func (c Calendar) Days(s Span) []Day {
	var days []Day
	last := c.wall(s.To.Add(-time.Nanosecond))
	for d := dayOf(c.wall(s.From)).midnight(); !d.After(last); d = d.AddDate(0, 0, 1) {
		days = append(days, dayOf(d))
	}
	return days
}

// Earlier is a span that many years and days before, with the same times of day.
func (c Calendar) Earlier(s Span, years, days int) Span {
	move := func(t time.Time) time.Time { return c.instant(c.wall(t).AddDate(-years, 0, -days)) }
	return Span{From: move(s.From), To: move(s.To)}
}
