package export

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCron(t *testing.T) {
	for in, want := range map[string][]string{
		"15 3 * * *":            {"15 3 * * *", "*-*-* 03:15:00"},
		" */15\t*  * * * ":      {"*/15 * * * *", "*-*-* *:00,15,30,45:00"},
		"0 9-17/2 * * mon-fri":  {"0 9-17/2 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 09,11,13,15,17:00:00"},
		"0 0 1 jan,JUL *":       {"0 0 1 1,7 *", "*-01,07-01 00:00:00"},
		"0 0 * * 7":             {"0 0 * * 0", "Sun *-*-* 00:00:00"},
		"0 0 * * fri-sun":       {"0 0 * * 0,5,6", "Sun,Fri,Sat *-*-* 00:00:00"},
		"0 0 * * 0-7":           {"0 0 * * 0-6", "*-*-* 00:00:00"},
		"0 0 * * sun":           {"0 0 * * 0", "Sun *-*-* 00:00:00"},
		"0 0 13 * 5":            {"0 0 13 * 5", "*-*-13 00:00:00", "Fri *-*-* 00:00:00"},
		"0 0 */2 * 5":           {"0 0 */2 * 5", "Fri *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00"},
		"0-59 0-23 1-31 1-12 *": {"0-59 0-23 1-31 1-12 *", "*-*-* *:*:00"},
	} {
		c, err := parseCron(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, append([]string{c.text}, c.calendars()...)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
	for _, in := range []string{"", "15 3 * *", "15 3 * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8",
		"*/0 * * * *", "*/60 * * * *", "5/2 * * * *", "9-5 * * * *", "1,,2 * * * *", "-1 * * * *", "+1 * * * *", "a * * * *", "* * * foo *",
		"1- * * * *", "* * * * mon-", "99999999999999999999 * * * *", "0 0 * * *\n* * * * * rm", strings.Repeat("1,", 600) + "1 * * * *"} {
		if c, err := parseCron(in); err == nil {
			t.Errorf("%q is taken as %q", in, c.text)
		}
	}
}

// FuzzCron: what is taken is taken again, with the same values, and stays on its line.
func FuzzCron(f *testing.F) {
	for _, seed := range []string{"15 3 * * *", "*/5 0-23/2 1,15 jan-dec mon-sun", "0 0 13 * 5", "0 0 * * 7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCron(text)
		if err != nil {
			return
		}
		again, err := parseCron(c.text)
		if err != nil || again.text != c.text {
			t.Fatalf("%q became %q, then %q %v", text, c.text, again.text, err)
		}
		if diff := cmp.Diff(c.calendars(), again.calendars()); diff != "" || strings.ContainsAny(c.text, "\n\r%") {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}
