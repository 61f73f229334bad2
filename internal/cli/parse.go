package cli

import (
	"math"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// ParseDuration reads "90s", "5m", "2h", "7d" or "7y" and sums such as "1h30m". A bare number is an error.
func ParseDuration(s string) (time.Duration, error) {
	bad := func() (time.Duration, error) {
		return 0, fault.New(fault.Usage, "cannot read duration %q", s).Hint("write a number and a unit: 90s, 5m, 2h, 7d")
	}
	rest, total := s, 0.0
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end <= 0 {
			return bad()
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return bad()
		}
		rest = rest[end:]
		next := strings.IndexFunc(rest, func(r rune) bool { return (r >= '0' && r <= '9') || r == '.' })
		if next < 0 {
			next = len(rest)
		}
		unit, ok := durationUnit(rest[:next])
		if !ok {
			return bad()
		}
		total += n * float64(unit)
		rest = rest[next:]
	}
	if s == "" || total > math.MaxInt64 {
		return bad()
	}
	return time.Duration(total), nil
}

func durationUnit(s string) (time.Duration, bool) {
	const day = 24 * time.Hour
	switch s {
	case "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return day, true
	case "w":
		return 7 * day, true
	case "y":
		return 365 * day, true
	}
	return 0, false
}

// ParseSize reads "512MiB", "1GiB", "40MB" or "100B" as bytes. A bare number is an error.
func ParseSize(s string) (int64, error) {
	bad := fault.New(fault.Usage, "cannot read size %q", s).Hint("write a number and a unit: 512MiB, 1GiB, 40MB")
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end <= 0 {
		return 0, bad
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	unit, ok := sizeUnit(s[end:])
	if err != nil || !ok || n*unit >= math.MaxInt64 {
		return 0, bad
	}
	return int64(n * unit), nil
}

func sizeUnit(s string) (float64, bool) {
	base := 1000.0
	if prefix, binary := strings.CutSuffix(s, "iB"); binary {
		s, base = prefix+"B", 1024
	}
	power := strings.Index("BkMGTP", strings.TrimSuffix(strings.Replace(s, "K", "k", 1), "B"))
	switch {
	case s == "B":
		return 1, base == 1000
	case power <= 0 || len(s) != 2 || s[1] != 'B':
		return 0, false
	}
	return math.Pow(base, float64(power)), true
}

// ParseShare reads "1%" or "0.5%" as a number from 0 to 1. A bare number is an error.
func ParseShare(s string) (float64, error) {
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || n < 0 || n > 100 || math.IsNaN(n) {
		return 0, fault.New(fault.Usage, "cannot read share %q", s).Hint("write a percentage from 0%% to 100%%: 1%%")
	}
	return n / 100, nil
}

// ParseTime reads an RFC 3339 time, or a day, which begins at midnight UTC.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fault.New(fault.Usage, "cannot read time %q", s).Hint("write 2026-05-01 or 2026-05-01T13:00:00Z")
}
