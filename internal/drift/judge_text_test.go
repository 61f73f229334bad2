package drift

import (
	"math"
	"testing"
)

func TestNumbersInWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{PText(0), "p < 1e-9"}, {PText(5e-10), "p < 1e-9"}, {PText(2.4e-5), "p 2e-5"}, {PText(0.0123), "p 0.012"}, {PText(1), "p 1"},
		{twoDigits(8.234), "8.2"}, {twoDigits(0.4149), "0.41"}, {twoDigits(17.4), "17"}, {twoDigits(0), "0"}, {twoDigits(0.1), "0.1"}, {twoDigits(2e-6), "2e-6"},
		{twoDigits(1e9), "1e+9"}, {twoDigits(math.MaxFloat64), "1.8e+308"},
		{shortNumber(26), "26"}, {shortNumber(26.06), "26.1"}, {shortNumber(1018.2), "1018"}, {shortNumber(-0.000012345), "-1.23e-5"},
		{shortNumber(1234567), "1234567"}, {shortNumber(1e300), "1e+300"},
		{shareText(0.12), "12%"}, {shareText(0.004), "0.4%"}, {shareText(0.999), "99.9%"}, {shareText(1), "100%"}, {shareText(0), "0%"}, {shareText(0.1666667), "17%"},
		{shareText(1e-9), "1e-7%"},
		{change(0.3333, 0.3326, shareTo), "33.33% -> 33.26%"}, {change(0.12, 0.31, shareTo), "12% -> 31%"}, {change(5, 5, valueText("")), "5 -> 5"},
		{change(1018.2, 1018.4, valueText("float")), "1018.2 -> 1018.4"}, {change(1.7e9, 1.7e9+1, valueText("time")), "2023-11-14T22:13:20Z -> 2023-11-14T22:13:21Z"},
		{change(1.7e9, 1.7e9+86_400, valueText("date")), "2023-11-14 -> 2023-11-15"},
		{thousandsText(1234567), "1,234,567"}, {thousandsText(-100), "-100"}, {thousandsText(999), "999"},
		{shownValue("a\nb"), "a\ufffdb"}, {shownValue(""), `""`}, {shownValue(" "), `" "`},
		{shownValue("0123456789012345678901234567890123456789x"), "0123456789012345678901234567890123456789..."},
		{ageText(3 * 86_400), "3 d"}, {ageText(5400), "1.5 h"}, {ageText(0.5), "0.5 s"}, {ageText(1e300), "1,000,000,000,000,000 d"},
	} {
		if c.got != c.want {
			t.Errorf("%q, not %q", c.got, c.want)
		}
	}
}
