package repo

import "time"

// Duration is a time span written with its unit: 90s, 5m, 2h, 7d, 7y.
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

// Limit is a bound on a number: plain (0.72), or with the unit of a size, time span or share.
type Limit struct {
	Value float64 // in bytes, seconds or 0 to 1 when Unit is set
	Unit  string  // "", "bytes", "s" or "share"
	Set   bool    // false when absent
	Text  string  // as written
}

// Scalar is any single YAML value: string, int64, float64, bool or nil.
type Scalar struct{ Value any }
