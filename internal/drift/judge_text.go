package drift

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// methodName is how a method reads in a sentence.
func methodName(m Method) string {
	switch m {
	case PSI:
		return "PSI"
	case KS:
		return "K-S"
	case Wasserstein:
		return "W1"
	case JensenShannon:
		return "JS"
	case Hellinger:
		return "Hellinger"
	case Chi2:
		return "Cramér's V"
	case TVD:
		return "TVD"
	case LInfinity:
		return "L-infinity"
	default:
		return string(m)
	}
}

// PText writes a p-value: "p < 1e-9", "p 2e-5", "p 0.013".
func PText(p float64) string {
	switch {
	case p < 1e-9:
		return "p < 1e-9"
	case p < 1e-3:
		return "p " + exponent(strconv.FormatFloat(p, 'e', 0, 64))
	}
	return "p " + twoDigits(p)
}

// exponent takes the zero out of "2e-05".
func exponent(text string) string {
	return strings.Replace(strings.Replace(text, "e-0", "e-", 1), "e+0", "e+", 1)
}

// twoDigits writes an effect: 0.41, 8.2, 17.
func twoDigits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 1e6 || a < 5e-5:
		return exponent(strconv.FormatFloat(v, 'g', 2, 64))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(roundTo(v, 2), 'f', -1, 64)
}

// shortNumber writes a value with three digits that matter, whole numbers as they are.
func shortNumber(v float64) string { return shortTo(v, 3) }

func shortTo(v float64, digits int) string {
	switch a := math.Abs(v); {
	case a != 0 && (a < 1e-4 || a >= 1e15):
		return exponent(strconv.FormatFloat(v, 'g', digits, 64))
	case v == math.Trunc(v) && a < 1e15:
		return strconv.FormatFloat(v+0, 'f', -1, 64)
	case a >= math.Pow(10, float64(digits-1)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(roundTo(v, digits), 'f', -1, 64)
}

// roundTo rounds to so many digits that matter.
func roundTo(v float64, digits int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// change is "26 -> 66". Numbers that differ do not read the same, as long as a few digits more can tell them apart.
func change(from, to float64, show func(v float64, more int) string) string {
	a, b := show(from, 0), show(to, 0)
	for more := 1; a == b && from != to && more < 10; more++ {
		a, b = show(from, more), show(to, more)
	}
	return a + " -> " + b
}

// valueText writes numbers of a column of a type, times and dates as such.
func valueText(typ string) func(v float64, more int) string {
	return func(v float64, more int) string {
		if text := timeText(v, typ); text != "" {
			return text
		}
		return shortTo(v, 3+more)
	}
}

// timeText is empty for what is no time or date.
func timeText(v float64, typ string) string {
	if math.Abs(v) < 2e11 { // up to the year 8307
		at := time.Unix(int64(math.Floor(v)), 0).UTC()
		switch typ {
		case "date":
			return at.Format(time.DateOnly)
		case "time":
			return at.Format("2006-01-02T15:04:05Z")
		}
	}
	return ""
}

// shareText writes a share: 12%, 0.4%, and never 0% or 100% for what is neither.
func shareText(v float64) string { return shareTo(v, 0) }

// shareTo has more digits than are needed.
func shareTo(v float64, more int) string {
	for digits := more; digits < 6+more; digits++ {
		text := strconv.FormatFloat(v*100, 'f', digits, 64)
		back, err := strconv.ParseFloat(text, 64)
		if err != nil {
			break
		}
		off := math.Abs(back - v*100)
		if off <= 0.05*100*min(math.Abs(v), math.Abs(1-v))+1e-9 {
			if strings.Contains(text, ".") {
				text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
			}
			return text + "%"
		}
	}
	return exponent(strconv.FormatFloat(v*100, 'g', 2, 64)) + "%"
}

// thousandsText is a number of rows: 12,345.
func thousandsText(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func columnsText(n int) string {
	if n == 1 {
		return "1 column"
	}
	return thousandsText(n) + " columns"
}

// clustersText is "3 days" or "3 values of user".
func clustersText(n int, grouped string) string {
	switch {
	case grouped != "day" && n == 1:
		return "1 value of " + shownValue(grouped)
	case grouped != "day":
		return thousandsText(n) + " values of " + shownValue(grouped)
	case n == 1:
		return "1 day"
	}
	return thousandsText(n) + " days"
}

// shownValue is a value in a sentence: on one line, and not longer than 40 letters. An empty one is "".
func shownValue(text string) string {
	const most = 40
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == most {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		n++
	}
	if strings.TrimSpace(text) == "" {
		return strconv.Quote(b.String())
	}
	return b.String()
}
