package cli

import (
	"math"
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	for got, want := range map[string]string{
		FormatBytes(0): "0 B", FormatBytes(999): "999 B", FormatBytes(1000): "1.0 kB", FormatBytes(7_400_000): "7.4 MB",
		FormatBytes(10_000_000): "10.0 MB", FormatBytes(412_300_000): "412 MB", FormatBytes(999_950_000): "1.0 GB",
		FormatBytes(-2_600_000): "-2.6 MB", FormatBytes(math.MaxInt64): "9.2 EB",
		FormatCount(0): "0", FormatCount(336776): "336,776", FormatCount(-1000): "-1,000", FormatCount(1_000_000): "1,000,000",
		FormatNum(1, "file"): "1 file", FormatNum(3, "file"): "3 files", FormatNum(2000, "entry"): "2,000 entries",
		FormatNum(2, "day"): "2 days",
		FormatFloat(0.741):  "0.741", FormatFloat(6): "6", FormatFloat(0.0123456): "0.0123", FormatFloat(3e-7): "3e-07",
		FormatFloat(-0.006): "-0.006", FormatFloat(12.5): "12.500", FormatFloat(math.NaN()): "NaN",
		FormatDuration(41 * time.Millisecond): "41 ms", FormatDuration(8400 * time.Millisecond): "8.4 s",
		FormatDuration(30 * time.Second): "30 s", FormatDuration(112 * time.Second): "1 min 52 s",
		FormatDuration(2 * time.Hour): "2 h", FormatDuration(72 * time.Hour): "3 days", FormatDuration(-time.Second): "-1.0 s",
		FormatAgo(12 * time.Second): "12 s ago", FormatAgo(-time.Hour): "now", FormatAgo(90 * time.Second): "1 min ago",
		FormatAgo(13 * time.Hour): "13 h ago", FormatAgo(30 * time.Hour): "1 day ago", FormatAgo(80 * time.Hour): "3 days ago",
		FormatPath("a b/é.csv"): "a b/é.csv", FormatPath("a\nb"): `"a\nb"`, FormatPath("\xff"): `"\xff"`, FormatPath(" a"): `" a"`,
		FormatPath(""): `""`,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCleanStopsTerminalTricks(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                      "plain",
		"\x1b[31mred\x1b[0m":         "red",
		"\x1b]0;title\x07after":      "after",
		"\x1b]8;;http://x\x1b\\link": "link",
		"two\nlines\tand tab":        "two lines and tab",
		"bell\x07 back\b del\x7f":    "bell back del",
		"c1\u009b31m":                "c131m",
		"left\u202eto right":         "leftto right",
		"zero\u200bwidth":            "zerowidth",
		"日本語 é":                      "日本語 é",
		"open \x1b[":                 "open ",
		"end \x1b":                   "end ",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\x1b]0;t\x07\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e {
				t.Fatalf("%q keeps %q", s, r)
			}
		}
	})
}

func TestParse(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "2h": 2 * time.Hour, "7d": 168 * time.Hour, "1h30m": 90 * time.Minute,
		"1.5h": 90 * time.Minute, "0s": 0, "7y": 7 * 365 * 24 * time.Hour, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
	for in, want := range map[string]int64{
		"512MiB": 512 << 20, "1GiB": 1 << 30, "40MB": 40e6, "1GB": 1e9, "100B": 100, "1.5kB": 1500, "1KB": 1000, "2KiB": 2048,
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%s: got %d, %v", in, got, err)
		}
	}
	for in, want := range map[string]float64{"1%": 0.01, "0.5%": 0.005, "100%": 1, "0%": 0} {
		if got, err := ParseShare(in); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: got %g, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{"2026-05-01": "2026-05-01T00:00:00Z", "2026-05-01T10:00:00+02:00": "2026-05-01T08:00:00Z"} {
		if got, err := ParseTime(in); err != nil || formatTime(got) != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "5", "m", "5 m", "-5m", "5x", "1h5", "999999999y", "1..5h"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("duration %q became %s", s, got)
		}
	}
	for _, s := range []string{"", "5", "MB", "5M", "5XB", "-1B", "99999PB", "5BiB", "1iB"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("size %q became %d", s, got)
		}
	}
	for _, s := range []string{"", "1", "0.01", "101%", "-1%", "%", "NaN%"} {
		if got, err := ParseShare(s); err == nil {
			t.Errorf("share %q became %g", s, got)
		}
	}
	for _, s := range []string{"", "yesterday", "2026-13-01", "20260501"} {
		if got, err := ParseTime(s); err == nil {
			t.Errorf("time %q became %s", s, got)
		}
	}
}
