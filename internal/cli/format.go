package cli

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// FormatBytes writes a size with three digits or fewer before the unit; MB is 10^6.
func FormatBytes(n int64) string {
	v, unit := float64(n), " B"
	if math.Abs(v) < 1000 {
		return strconv.FormatInt(n, 10) + unit
	}
	for _, next := range []string{" kB", " MB", " GB", " TB", " PB", " EB"} {
		if math.Abs(v) < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	digits := 1
	if math.Abs(v) >= 99.95 {
		digits = 0
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + unit
}

// FormatCount writes an integer with commas between thousands.
func FormatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// FormatNum writes a count and its noun, in the plural when it must be.
func FormatNum(n int64, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	default:
		noun += "s"
	}
	return FormatCount(n) + " " + noun
}

// FormatFloat writes a measured number: integers as they are, else three digits after the point,
// more when it is small.
func FormatFloat(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	case v == math.Trunc(v) && a < 1e15:
		return strconv.FormatInt(int64(v), 10)
	case a < 1e-4 || a >= 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a < 0.1:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// FormatDuration writes a length of time in its one or two largest units: "41 ms", "8.4 s", "1 min 52 s", "2 h", "3 days".
func FormatDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + FormatDuration(-d)
	case d < 999500*time.Microsecond:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.FormatInt(int64(d.Seconds()), 10) + " s"
	case d < time.Hour:
		return two(d, time.Minute, " min", time.Second, " s")
	case d < 24*time.Hour:
		return two(d, time.Hour, " h", time.Minute, " min")
	}
	return FormatNum(int64(d/(24*time.Hour)), "day")
}

func two(d, big time.Duration, bigUnit string, small time.Duration, smallUnit string) string {
	s := strconv.FormatInt(int64(d/big), 10) + bigUnit
	if rest := d % big / small; rest > 0 {
		s += " " + strconv.FormatInt(int64(rest), 10) + smallUnit
	}
	return s
}

// FormatAgo writes how long ago something was, in one unit: "12 s ago", "3 days ago". The future is "now":
// clocks of two machines never agree.
func FormatAgo(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s ago"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h ago"
	}
	return FormatNum(int64(d/(24*time.Hour)), "day") + " ago"
}

// FormatPath writes a file name so that it stays on its line and in its column.
func FormatPath(s string) string {
	if s != "" && utf8.ValidString(s) && clean(s) == s && strings.TrimSpace(s) == s {
		return s
	}
	return strconv.Quote(s)
}

func formatTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// clean keeps text from moving the cursor, colouring the screen or breaking a line: whatever does not print is dropped,
// whole escape sequences first.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case !unicode.IsPrint(r) && r != utf8.RuneError:
			return -1
		}
		return r
	}, dropEscapes(s))
}

// dropEscapes removes CSI and OSC sequences; what remains of others is single characters that clean drops.
func dropEscapes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case '[':
			for i++; i < len(s) && (s[i] < 0x40 || s[i] > 0x7e); i++ {
			}
		case ']':
			for i++; i < len(s) && s[i] != 0x07 && s[i] != 0x1b; i++ {
			}
			if i+1 < len(s) && s[i] == 0x1b && s[i+1] == '\\' {
				i++
			}
		}
	}
	return b.String()
}
