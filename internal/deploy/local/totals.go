package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/deploy"
)

// Bounds of totals.
const (
	totalsName    = "totals.jsonl"
	maxTotals     = 16 << 20
	totalsRotate  = 1 << 20              // a longer file is written anew
	totalsKeep    = 100 * 24 * time.Hour // and still older ones are forgotten
	totalsTallies = 64                   // releases whose counts are remembered
)

// coarser is how long the periods are that older ones are put together to.
func coarser(age time.Duration) time.Duration {
	switch {
	case age > 12*time.Hour:
		return time.Hour
	case age > 10*time.Minute:
		return time.Minute
	}
	return 0
}

// tally is what a router had counted of a release when it was last looked at.
type tally struct {
	Requests int64 `json:"requests"` // answered or failed
	Errors   int64 `json:"errors"`   // that a user saw
	Shadow   bool  `json:"shadow,omitempty"`
}

// totalLine is a line of the file.
type totalLine struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Requests int64     `json:"requests"`
	Errors   int64     `json:"errors"`
	// Counted is where the counts of the router stood at To: requests that are answered while nobody looks count when somebody does.
	Counted map[string]tally `json:"counted,omitempty"`
}

// Totals keep what a service has answered, period by period, whichever releases it was that did: a file of lines in the folder of the service.
// One process writes it; whoever reads it may add what the router counts now.
type Totals struct {
	name    string
	lines   []totalLine
	counted map[string]tally
	open    deploy.Period // that is not written yet
	fresh   bool          // a release was seen of which the file does not know
}

// OpenTotals reads what is known. A line that was not written to its end is none.
func OpenTotals(dir string) (*Totals, error) {
	t := &Totals{name: filepath.Join(dir, totalsName), counted: map[string]tally{}}
	f, err := os.Open(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTotals))
	if err != nil {
		return nil, err
	}
	t.read(text)
	return t, nil
}

func (t *Totals) read(text []byte) {
	for line := range bytes.Lines(text) {
		var l totalLine
		if json.Unmarshal(line, &l) != nil || l.Requests < 0 || l.Errors < 0 || l.Errors > l.Requests || l.To.Before(l.From) {
			continue
		}
		if l.Counted != nil {
			t.counted = l.Counted
		}
		l.Counted = nil
		t.lines = append(t.lines, l)
		t.open.From = l.To
	}
}

// See takes what the router counts now. gone are the counts of releases that it knew earlier, by key: what they have answered since they were
// last looked at counts as well.
func (t *Totals) See(seen deploy.Actual, gone map[string]deploy.Counters) {
	if t.open.From.IsZero() {
		t.open.From = seen.At
	}
	t.open.To = seen.At
	here := map[string]bool{}
	for _, a := range seen.Arms {
		here[a.Key] = true
		t.count(a.Key, a.Counts, a.Role == deploy.Shadow)
	}
	for key, before := range t.counted {
		if c, ok := gone[key]; ok && !here[key] {
			t.count(key, c, before.Shadow)
		}
	}
	for key := range t.counted {
		if len(t.counted) <= totalsTallies {
			break
		}
		if !here[key] {
			delete(t.counted, key)
		}
	}
}

// count adds what a release has answered since it was last looked at. Nobody sees the answers of a shadow.
func (t *Totals) count(key string, c deploy.Counters, shadow bool) {
	now := tally{c.Ended(), c.Errors - c.Retried, shadow}
	before, known := t.counted[key]
	t.fresh = t.fresh || !known
	switch {
	case !known && len(t.counted) >= totalsTallies:
		before = now // it may have been forgotten: what it answered before must not count twice
	case now.Requests < before.Requests:
		before = tally{} // the router lost its counts, and counts anew
	case now.Errors < before.Errors:
		now.Errors = before.Errors // an error that stable has answered meanwhile: it was looked at in between
	}
	t.counted[key] = now
	if !shadow {
		t.open.Requests += now.Requests - before.Requests
		t.open.Errors += now.Errors - before.Errors
	}
}

// Fresh says whether a release was seen that is not written yet. Whoever reads the file later, when that release is gone, does not know whether
// anybody has seen its answers.
func (t *Totals) Fresh() bool { return t.fresh }

// Failed says whether an error was seen that is not written yet.
func (t *Totals) Failed() bool { return t.open.Errors > 0 }

// Periods are all of them, with what was seen and is not written yet.
func (t *Totals) Periods() []deploy.Period {
	all := make([]deploy.Period, 0, len(t.lines)+1)
	for _, l := range t.lines {
		all = append(all, deploy.Period{From: l.From, To: l.To, Requests: l.Requests, Errors: l.Errors})
	}
	if t.open.Requests > 0 {
		all = append(all, t.open)
	}
	return all
}

// Write adds what was seen since the last time to the file; nothing when nothing was answered, and no other release was there.
func (t *Totals) Write() error {
	fresh := t.fresh
	t.fresh = false // where it cannot be written, it is with the next line
	if t.open.Requests == 0 && !fresh {
		t.open.From = t.open.To
		return nil
	}
	l := totalLine{From: t.open.From.UTC(), To: t.open.To.UTC(), Requests: t.open.Requests, Errors: t.open.Errors, Counted: maps.Clone(t.counted)}
	if l.To.Before(l.From) { // the clock was set back
		l.From = l.To
	}
	size, err := t.append(l)
	if err != nil {
		return err
	}
	l.Counted = nil
	t.lines = append(t.lines, l)
	t.open = deploy.Period{From: t.open.To, To: t.open.To}
	if size > totalsRotate {
		return t.rotate(l.To)
	}
	return nil
}

// append writes a line behind the last whole one.
func (t *Totals) append(l totalLine) (size int64, err error) {
	text, err := json.Marshal(l)
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(t.name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	last := []byte{'\n'}
	if size = info.Size(); size > 0 {
		if _, err := f.ReadAt(last, size-1); err != nil {
			return 0, err
		}
	}
	if last[0] != '\n' { // somebody was killed while it wrote
		text = append([]byte{'\n'}, text...)
	}
	n, err := f.Write(append(text, '\n'))
	return size + int64(n), err
}

// rotate writes the file anew: what is old is put together, what is too old is left out.
func (t *Totals) rotate(now time.Time) (err error) {
	var kept []totalLine
	for _, l := range t.lines {
		span := coarser(now.Sub(l.To))
		switch n := len(kept); {
		case l.To.Before(now.Add(-totalsKeep)):
		case n > 0 && span > 0 && kept[n-1].From.Truncate(span).Equal(l.From.Truncate(span)):
			kept[n-1].To = l.To
			kept[n-1].Requests += l.Requests
			kept[n-1].Errors += l.Errors
		default:
			kept = append(kept, l)
		}
	}
	var text bytes.Buffer
	for i, l := range kept {
		if i == len(kept)-1 {
			l.Counted = t.counted
		}
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	f, err := os.CreateTemp(filepath.Dir(t.name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), t.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	t.lines = kept
	return nil
}
