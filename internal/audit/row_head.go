package audit

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// rowHead is what a reader sees of a row without reading all of it.
type rowHead struct {
	Seq     uint64
	ID      string // of the row
	Request string // its id without the place in the request
	At      time.Time
	Release string
}

// headOf reads the beginning of a row, which always has the same order.
func headOf(line []byte) (h rowHead, ok bool) {
	p := parser{text: line}
	if !p.word(`{"seq":`) {
		return h, false
	}
	start := p.at
	if !p.digits() {
		return h, false
	}
	var err error
	if h.Seq, err = strconv.ParseUint(string(line[start:p.at]), 10, 64); err != nil || !p.word(`,"id":`) {
		return h, false
	}
	if h.ID, ok = p.words(); !ok {
		return h, false
	}
	h.Request = h.ID
	if p.word(`,"k":`) {
		start := p.at
		if !p.digits() {
			return h, false
		}
		h.Request = strings.TrimSuffix(h.ID, "#"+string(line[start:p.at]))
	}
	if !p.word(`,"at":"`) || len(line)-p.at <= len(timeLayout) {
		return h, false
	}
	if h.At, ok = readTime(line[p.at : p.at+len(timeLayout)]); !ok {
		return h, false
	}
	p.at += len(timeLayout)
	if !p.word(`","release":`) {
		return h, false
	}
	h.Release, ok = p.words()
	return h, ok
}

// words reads a text and undoes its escapes.
func (p *parser) words() (string, bool) {
	start := p.at
	if !p.quoted() {
		return "", false
	}
	raw := p.text[start:p.at]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// readTime reads a time as it is written: all digits have their place.
func readTime(b []byte) (at time.Time, ok bool) {
	var n [7]int
	field := 0
	for i, c := range b {
		switch want := timeLayout[i]; {
		case '0' <= want && want <= '9':
			if !isDigit(c) {
				return at, false
			}
			n[field] = 10*n[field] + int(c-'0')
		case c != want:
			return at, false
		default:
			field++
		}
	}
	at = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
	return at, n[1] >= 1 && n[1] <= 12 && n[2] >= 1 && n[2] <= 31 && n[3] < 24 && n[4] < 60 && n[5] < 60
}
