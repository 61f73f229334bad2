package deploy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// version is a release where its model is known from what stands around it: v7.
func version(r Release) string { return r.Versions() }

// group writes 1508 as 1,508.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span writes a duration as people say it, its two largest units: "1 min 52 s", "0.2 s".
func span(d time.Duration) string {
	if d < 10*time.Second {
		return number(math.Round(d.Seconds()*10)/10) + " s"
	}
	d = d.Round(time.Second)
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		n := d / u.size
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", n, u.name)
		if i+1 < len(units) {
			if rest := (d - n*u.size) / units[i+1].size; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// number writes a number with as few digits as say it.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// percent writes a share: 0.02%, 3.1%, 20%.
func percent(share float64) string {
	v, decimals := 100*share, 2
	switch {
	case math.Abs(v) >= 1:
		decimals = 1
	case math.Abs(v) < 0.01:
		return digits(v) + "%"
	}
	return trimmed(strconv.FormatFloat(v, 'f', decimals, 64)) + "%"
}

// trimmed leaves out zeros at the end of decimals.
func trimmed(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// digits keeps at least two digits that mean something.
func digits(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	decimals := min(max(1-int(math.Floor(math.Log10(math.Abs(v)))), 0), 6)
	return trimmed(strconv.FormatFloat(v, 'f', decimals, 64))
}

// points writes a difference of two shares in points of a hundred: +0.38.
func points(v float64) string {
	text := strconv.FormatFloat(100*v, 'f', 2, 64)
	if v >= 0 {
		text = "+" + text
	}
	return text
}

// String writes a share as people type it: 5%.
func (s Share) String() string { return number(float64(s)/100) + "%" }

// shares writes steps: "1% 5% 20% 100%".
func shares(steps []Share) string {
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = s.String()
	}
	return strings.Join(words, " ")
}

// seconds writes a time that was measured: "44 ms", "1.2 s".
func seconds(s float64) string {
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0):
		return "unknown"
	case s < 1e-3:
		return digits(s*1e6) + " us"
	case s < 1:
		return digits(s*1e3) + " ms"
	}
	return digits(s) + " s"
}
