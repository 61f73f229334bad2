package repo

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The units follow one rule: a value with a unit is written with it, a bare number is an error.

// Duration is a time span written with its unit: 100ms, 90s, 5m, 2h, 7d, 7y.
type Duration struct{ time.Duration }

// Size is a number of bytes written with its unit: 512MiB, 1GB.
type Size int64

// Share is a part of a whole, 0 to 1, written as 1%. Set tells 0% from absent.
type Share struct {
	Value float64
	Set   bool
}

// Money is an amount in a currency: 20 EUR.
type Money struct {
	Amount   float64
	Currency string
}

// Rate is a number per second: 1000/s.
type Rate float64

// Limit is a bound on a number: plain (0.72), or with the unit of a size, time span or share; or on a time: 2013-01-31.
type Limit struct {
	Value float64 // in bytes, seconds or 0 to 1 when Unit is set
	Unit  string  // "", "bytes", "s", "share", "time": seconds since 1970, or a currency such as "EUR"
	Set   bool    // false when absent
	Text  string  // as written
}

// Scalar is any single YAML value: string, int64, float64, bool or nil.
type Scalar struct{ Value any }

func (d *Duration) setScalar(s scalar) (err error) {
	d.Duration, err = parseDuration(s.text)
	return err
}

// Text writes the span as it can be read again, in the largest unit that divides it.
func (d Duration) Text() string {
	for _, unit := range []string{"y", "d", "h", "m", "s"} {
		if span := durationUnit(unit); d.Duration%span == 0 && d.Duration != 0 {
			return strconv.FormatInt(int64(d.Duration/span), 10) + unit
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

func (z *Size) setScalar(s scalar) error {
	n, err := parseSize(s.text)
	*z = Size(n)
	return err
}

func (p *Share) setScalar(s scalar) (err error) {
	p.Value, err = parseShare(s.text)
	p.Set = err == nil
	return err
}

func (m *Money) setScalar(s scalar) error {
	number, currency, ok := strings.Cut(s.text, " ")
	amount, err := parseNumber(number)
	if !ok || err != nil || len(currency) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("%q is no amount of money such as 20 EUR", s.text)
	}
	m.Amount, m.Currency = amount, currency
	return nil
}

func (r *Rate) setScalar(s scalar) (err error) {
	*r, err = ParseRate(s.text)
	return err
}

// ParseRate reads a rate such as 1000/s.
func ParseRate(text string) (Rate, error) {
	number, ok := strings.CutSuffix(text, "/s")
	n, err := parseNumber(number)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is no rate such as 1000/s", text)
	}
	return Rate(n), nil
}

func (l *Limit) setScalar(s scalar) error {
	l.Text, l.Set = s.text, true
	switch v := s.value.(type) {
	case int64:
		l.Value = float64(v)
		return nil
	case float64:
		l.Value = v
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%q bounds nothing", s.text)
		}
		return nil
	}
	if share, err := parseShare(s.text); err == nil {
		l.Value, l.Unit = share, "share"
		return nil
	}
	if d, err := parseDuration(s.text); err == nil {
		l.Value, l.Unit = d.Seconds(), "s"
		return nil
	}
	if n, err := parseSize(s.text); err == nil {
		l.Value, l.Unit = float64(n), "bytes"
		return nil
	}
	if m := new(Money); m.setScalar(s) == nil {
		l.Value, l.Unit = m.Amount, m.Currency
		return nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if at, err := time.Parse(layout, s.text); err == nil {
			l.Value, l.Unit = float64(at.UnixNano())/1e9, "time"
			return nil
		}
	}
	return fmt.Errorf("%q is no number, size, time span, share or date", s.text)
}

func (v *Scalar) setScalar(s scalar) error {
	v.Value = s.value
	return nil
}

const day = 24 * time.Hour

func durationUnit(unit string) time.Duration {
	switch unit {
	case "ms":
		return time.Millisecond
	case "s":
		return time.Second
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	case "d":
		return day
	case "y":
		return 365 * day
	}
	return 0
}

func parseDuration(text string) (time.Duration, error) {
	n, unit, err := split(text)
	if err == nil && unit == "" {
		return 0, fmt.Errorf("%q needs a unit, such as 90s, 5m, 2h or 7d", text)
	}
	span := n * float64(durationUnit(unit))
	if err != nil || durationUnit(unit) == 0 || span > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no time span such as 90s, 5m, 2h or 7d", text)
	}
	return time.Duration(span), nil
}

func sizeUnit(unit string) float64 {
	switch unit {
	case "B":
		return 1
	case "kB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "TB":
		return 1e12
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	case "TiB":
		return 1 << 40
	}
	return 0
}

func parseSize(text string) (int64, error) {
	n, unit, err := split(text)
	if err == nil && unit == "" {
		return 0, fmt.Errorf("%q needs a unit, such as 512MiB or 1GB", text)
	}
	bytes := n * sizeUnit(unit)
	if err != nil || sizeUnit(unit) == 0 || bytes > 1<<53 {
		return 0, fmt.Errorf("%q is no size such as 512MiB or 1GB", text)
	}
	return int64(bytes), nil
}

func parseShare(text string) (float64, error) {
	n, unit, err := split(text)
	if err == nil && unit == "" {
		return 0, fmt.Errorf("%q needs a unit, such as 1%%", text)
	}
	if err != nil || unit != "%" || n > 100 {
		return 0, fmt.Errorf("%q is no share from 0%% to 100%%", text)
	}
	return n / 100, nil
}

// split parts a non-negative number from its unit.
func split(text string) (float64, string, error) {
	cut := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsDigit(r) && r != '.' })
	if cut < 0 {
		cut = len(text)
	}
	n, err := parseNumber(text[:cut])
	return n, text[cut:], err
}

func parseNumber(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "0123456789.") != "" || math.IsInf(n, 0) {
		return 0, errors.New("not a number")
	}
	return n, nil
}
