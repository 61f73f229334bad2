//go:build unix

package main

import (
	"bufio"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

// columns are the fields of a row: two whole numbers, three floats of several lengths, a date, a time, and three texts of which two
// have few values.
var columns = []string{"id", "at", "day", "user", "amount", "score", "lat", "country", "segment", "comment"}

var (
	countries = []string{"AR", "AT", "BR", "CA", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "MX", "NL", "PL", "US"}
	segments  = []string{"consumer", "business", "public", "wholesale", "education"}
	words     = []string{"late", "parcel", "return", "gift", "second", "address", "phone", "number", "damaged", "first", "express", "box"}
)

// quoted says which fields are texts in JSON.
var quoted = []bool{false, true, true, false, false, false, false, true, true, true}

// write makes a file of rows, as CSV or as JSON lines, the same for the same number of rows.
func write(path string, rows int, json bool) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	rng := rand.New(rand.NewPCG(20130101, uint64(rows)))
	if !json {
		for i, name := range columns {
			if i > 0 {
				_ = w.WriteByte(',')
			}
			_, _ = w.WriteString(name)
		}
		_ = w.WriteByte('\n')
	}
	var line []byte
	fields := make([][]byte, len(columns))
	for i := range rows {
		row(fields, rng, i)
		line = line[:0]
		for k, f := range fields {
			line = field(line, k, f, json)
		}
		if json {
			line = append(line, '}')
		}
		_, _ = w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Close()
}

func field(line []byte, k int, f []byte, json bool) []byte {
	if !json {
		if k > 0 {
			line = append(line, ',')
		}
		return append(line, f...)
	}
	open := byte(',')
	if k == 0 {
		open = '{'
	}
	line = append(append(append(line, open, '"'), columns[k]...), '"', ':')
	switch {
	case len(f) == 0:
		return append(line, "null"...)
	case quoted[k]:
		return append(append(append(line, '"'), f...), '"')
	}
	return append(line, f...)
}

// row fills the fields; one amount in fifty is missing.
func row(fields [][]byte, rng *rand.Rand, i int) {
	at := time.Unix(1357000000+int64(i)*3+int64(rng.IntN(3)), 0).UTC()
	fields[0] = strconv.AppendInt(fields[0][:0], int64(i), 10)
	fields[1] = at.AppendFormat(fields[1][:0], time.DateTime)
	fields[2] = at.AppendFormat(fields[2][:0], time.DateOnly)
	fields[3] = strconv.AppendInt(fields[3][:0], 100_000_000+rng.Int64N(900_000_000), 10)
	fields[4] = fields[4][:0]
	if rng.IntN(50) > 0 {
		fields[4] = strconv.AppendFloat(fields[4], rng.ExpFloat64()*80, 'f', 2, 64)
	}
	fields[5] = strconv.AppendFloat(fields[5][:0], rng.Float64(), 'g', -1, 64)
	fields[6] = strconv.AppendFloat(fields[6][:0], rng.Float64()*180-90, 'f', 6, 64)
	fields[7] = append(fields[7][:0], countries[rng.IntN(len(countries))]...)
	fields[8] = append(fields[8][:0], segments[rng.IntN(len(segments))]...)
	fields[9] = fields[9][:0]
	for k := range 5 {
		if k > 0 {
			fields[9] = append(fields[9], ' ')
		}
		fields[9] = append(fields[9], words[rng.IntN(len(words))]...)
	}
	fields[9] = strconv.AppendInt(append(fields[9], ' '), int64(rng.IntN(100_000)), 10)
}
