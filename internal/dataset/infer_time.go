package dataset

import (
	"time"

	"mlx/internal/fault"
)

const (
	nanosOfSecond = int64(time.Second)
	nanosOfDay    = 24 * int64(time.Hour)
)

func unknownZone(name string) error {
	return fault.New(fault.Usage, "cannot read times: there is no time zone %q", name).Hint("names are such as Europe/Berlin or UTC")
}

// digits2 reads two digits, or returns -1.
func digits2(v []byte) int {
	a, b := v[0]-'0', v[1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

// parseDate reads 2006-01-02 as days since 1970. Other orders are ambiguous, and so text.
func parseDate(v []byte) (int64, bool) {
	if len(v) != 10 {
		return 0, false
	}
	return dateAt(v)
}

// dateAt reads the date that the first ten bytes are.
func dateAt(v []byte) (int64, bool) {
	if v[4] != '-' || v[7] != '-' {
		return 0, false
	}
	century, year, month, day := digits2(v), digits2(v[2:]), digits2(v[5:]), digits2(v[8:])
	if century < 0 || year < 0 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	year += 100 * century
	if day > 28 && day > daysOf(year, month) {
		return 0, false
	}
	return civil(year, month, day), true
}

func daysOf(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civil counts the days from 1970-01-01 to a date of the Gregorian calendar: years begin in March, so that the leap day is the last.
func civil(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400 // keeps divisions of the year 0 above zero
	days := 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1
	return int64(days) - 719468 - 146097
}

// parseClock reads 15:04, 15:04:05 and fractions up to nanoseconds, as nanoseconds since midnight.
func parseClock(v []byte) (int64, bool) {
	if len(v) < 5 || v[2] != ':' {
		return 0, false
	}
	hour, minute := digits2(v), digits2(v[3:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	seconds := int64(hour*3600 + minute*60)
	if len(v) == 5 {
		return seconds * nanosOfSecond, true
	}
	if len(v) < 8 || v[5] != ':' {
		return 0, false
	}
	second := digits2(v[6:])
	if second < 0 || second > 59 {
		return 0, false
	}
	nanos := (seconds + int64(second)) * nanosOfSecond
	if len(v) == 8 {
		return nanos, true
	}
	if v[8] != '.' || len(v) == 9 || len(v) > 18 {
		return 0, false
	}
	scale := nanosOfSecond
	for _, c := range v[9:] {
		if c-'0' > 9 {
			return 0, false
		}
		scale /= 10
		nanos += int64(c-'0') * scale
	}
	return nanos, true
}

// parseTime reads a date and a time of day, with T or a blank between them, and a zone or none; the result is nanoseconds since 1970.
// Where the rules name a zone, naive times are read in it and are naive no longer.
func (r *textRules) parseTime(v []byte) (nanos int64, naive, ok bool) {
	if len(v) < 16 || v[10] != ' ' && v[10] != 'T' && v[10] != 't' {
		return 0, false, false
	}
	days, ok := dateAt(v)
	if !ok {
		return 0, false, false
	}
	rest := v[11:]
	end := len(rest)
	for i := 5; i < len(rest); i++ {
		if c := rest[i]; c == 'Z' || c == 'z' || c == '+' || c == '-' || c == ' ' {
			end = i
			break
		}
	}
	clock, ok := parseClock(rest[:end])
	if !ok {
		return 0, false, false
	}
	naive = end == len(rest)
	offset := int64(0)
	if !naive {
		if offset, ok = parseOffset(rest[end:]); !ok {
			return 0, false, false
		}
	}
	if nanos, ok = midnight(days); !ok {
		return 0, false, false
	}
	nanos += clock - offset
	if naive && r.zone != nil {
		nanos, naive = r.inZone(nanos), false
	}
	return nanos, naive, true
}

// midnight is the start of a day in nanoseconds since 1970, if 64 bits reach it with a day to spare for zones.
func midnight(days int64) (nanos int64, ok bool) {
	return days * nanosOfDay, days >= -106751 && days <= 106750
}

// parseOffset reads Z, UTC, +01, +0100 or +01:00 as nanoseconds to take away.
func parseOffset(v []byte) (int64, bool) {
	if len(v) > 1 && v[0] == ' ' {
		v = v[1:]
	}
	switch string(v) {
	case "Z", "z", "UTC":
		return 0, true
	}
	if len(v) != 3 && len(v) != 5 && (len(v) != 6 || v[3] != ':') || v[0] != '+' && v[0] != '-' {
		return 0, false
	}
	hours, minutes := digits2(v[1:]), 0
	if len(v) > 3 {
		minutes = digits2(v[len(v)-2:])
	}
	if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
		return 0, false
	}
	offset := int64(hours*3600+minutes*60) * nanosOfSecond
	if v[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// inZone moves a naive time into the zone of the rules.
func (r *textRules) inZone(nanos int64) int64 {
	at := time.Unix(0, nanos).UTC()
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), r.zone).UnixNano()
}
