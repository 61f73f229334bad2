package local

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// counting is a router whose counts grow.
type counting map[string]*deploy.Counters

func (c counting) seen(at time.Time, roles map[string]deploy.Role) deploy.Actual {
	a := deploy.Actual{At: at}
	for key, role := range roles {
		a.Arms = append(a.Arms, deploy.Seen{Key: key, Role: role, Counts: *c[key]})
	}
	return a
}

func (c counting) gone() map[string]deploy.Counters {
	all := map[string]deploy.Counters{}
	for key, counts := range c {
		all[key] = *counts
	}
	return all
}

// TestTotalsOfAMonthOfFaults counts 35 days of a service, a look a minute, with faults whose errors are known: an hour in which a tenth fails,
// a canary that is broken for five minutes, connections that break and are answered by stable, a shadow that fails, a supervisor that is killed
// again and again, a router that loses its counts.
func TestTotalsOfAMonthOfFaults(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	const days, rate = 35, 100 // requests a minute
	router := counting{"stable": {}, "canary": {}, "shadow": {}}
	totals, err := OpenTotals(dir)
	if err != nil {
		t.Fatal(err)
	}
	requests, errors, allErrors := int64(0), int64(0), int64(0)
	for m := range days * 24 * 60 {
		now := start.Add(time.Duration(m) * time.Minute)
		inWindow := now.After(start.Add((days - 30) * 24 * time.Hour))
		roles := map[string]deploy.Role{"stable": deploy.Stable}
		failed, n := int64(0), int64(rate)
		if day := 20; m/1440 == day && m%1440 < 60 {
			failed = rate / 10
		}
		router["stable"].Answers += n - failed
		router["stable"].Errors += failed
		if m/1440 == 25 && m%1440 < 5 { // a canary, which is gone when it is looked at for the last time
			if m%1440 < 4 {
				roles["canary"] = deploy.Candidate
			}
			router["canary"].Answers += 5
			router["canary"].Errors += 5
			router["canary"].Retried += 2
			n, failed = n+10, failed+3
		}
		if m/1440 == 24 { // a shadow that always fails
			roles["shadow"] = deploy.Shadow
			router["shadow"].Errors += rate
		}
		if inWindow {
			requests, errors = requests+n, errors+failed
		}
		allErrors += failed
		totals.See(router.seen(now, roles), router.gone())
		if m == 10_000 { // the router comes back without its counts
			*router["stable"] = deploy.Counters{}
		}
		if m%601 == 600 { // killed before it wrote; some lines are torn
			if totals, err = OpenTotals(dir); err != nil {
				t.Fatal(err)
			}
			totals.See(router.seen(now, roles), router.gone())
		}
		if m%100 == 0 && m > 0 {
			f, err := os.OpenFile(filepath.Join(dir, totalsName), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = f.WriteString(`{"from":"20`); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		if err := totals.Write(); err != nil {
			t.Fatal(err)
		}
	}
	end := start.Add(days*24*time.Hour - time.Minute)
	if totals, err = OpenTotals(dir); err != nil {
		t.Fatal(err)
	}
	b, err := deploy.NewBudget(deploy.SLO{Availability: 0.9999}, totals.Periods(), end)
	if err != nil {
		t.Fatal(err)
	}
	// Stable answered 100 a minute for 30 days, the canary 50 more; 600 failed in the hour, and of the canary's 25 users saw 15.
	if errors != 615 || requests != 30*24*60*rate+50-rate || allErrors != errors {
		t.Fatalf("the test counts %d errors in %d requests", errors, requests)
	}
	if d := math.Abs(float64(b.Requests - requests)); d > rate*60 || b.Errors != errors {
		t.Errorf("%d errors in %d requests, want %d in %d", b.Errors, b.Requests, errors, requests)
	}
	if want := 1 - 615/432.0; math.Abs(b.Left-want) > 0.01 {
		t.Errorf("%v of the budget is left, want %v", b.Left, want)
	}
	info, err := os.Stat(filepath.Join(dir, totalsName))
	if err != nil || info.Size() > 2*totalsRotate {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}

func TestTotalsAddWhatWasAnsweredWhileNobodyLooked(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	router := counting{"a": {Answers: 90, Errors: 10}}
	one, err := OpenTotals(dir)
	if err != nil {
		t.Fatal(err)
	}
	one.See(router.seen(at, map[string]deploy.Role{"a": deploy.Stable}), nil)
	if err := one.Write(); err != nil {
		t.Fatal(err)
	}
	router["a"].Answers += 400
	later, err := OpenTotals(dir)
	if err != nil {
		t.Fatal(err)
	}
	later.See(router.seen(at.Add(time.Hour), map[string]deploy.Role{"a": deploy.Stable}), nil)
	all := later.Periods()
	if len(all) != 2 || all[0].Requests != 100 || all[0].Errors != 10 || all[1].Requests != 400 || all[1].Errors != 0 || all[1].To.Sub(all[1].From) != time.Hour {
		t.Errorf("%+v", all)
	}
}

func FuzzTotals(f *testing.F) {
	f.Add([]byte(`{"from":"2026-10-01T00:00:00Z","to":"2026-10-01T00:01:00Z","requests":5,"errors":1,"counted":{"a":{"requests":5,"errors":1}}}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		totals := Totals{counted: map[string]tally{}}
		totals.read(text)
		for _, p := range totals.Periods() {
			if p.Errors > p.Requests || p.To.Before(p.From) {
				t.Errorf("%s: %+v", strings.ToValidUTF8(string(text), "?"), p)
			}
		}
		totals.See(deploy.Actual{Arms: []deploy.Seen{{Key: "a"}}}, nil)
	})
}

// TestNothingCountsTwice holds that what was counted counts once, also when a release was looked at between the error of a candidate and the
// answer of stable in its place, and when it comes back after so many others that it was forgotten.
func TestNothingCountsTwice(t *testing.T) {
	totals, err := OpenTotals(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	see := func(key string, c deploy.Counters) {
		at = at.Add(time.Second)
		totals.See(deploy.Actual{At: at, Arms: []deploy.Seen{{Key: key, Role: deploy.Stable, Counts: c}}}, nil)
	}
	is := func(what string, requests, errors int64) {
		t.Helper()
		if p := totals.Periods(); len(p) != 1 || p[0].Requests != requests || p[0].Errors != errors {
			t.Errorf("%s: %+v, not %d requests and %d errors", what, p, requests, errors)
		}
	}
	see("a", deploy.Counters{Answers: 1000, Errors: 5, Retried: 4})
	is("between", 1005, 1)
	see("a", deploy.Counters{Answers: 1000, Errors: 5, Retried: 5})
	is("after", 1005, 1)
	see("a", deploy.Counters{Answers: 1000, Errors: 6, Retried: 5})
	is("an error that a user saw, of which one was told already", 1006, 1)
	for i := range 2 * totalsTallies {
		see("other"+string(rune('A'+i)), deploy.Counters{})
	}
	see("a", deploy.Counters{Answers: 1000, Errors: 6, Retried: 5})
	is("it came back", 1006, 1)
	see("a", deploy.Counters{Answers: 1010, Errors: 7, Retried: 5})
	is("and answers", 1017, 2)
}

// TestTotalsKnowAReleaseBeforeItFails: what a candidate has answered counts for whoever reads the file as soon as it is gone.
func TestTotalsKnowAReleaseBeforeItFails(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	router := counting{"stable": {}, "canary": {}, "shadow": {}}
	roles := map[string]deploy.Role{"stable": deploy.Stable, "canary": deploy.Candidate, "shadow": deploy.Shadow}
	totals, err := OpenTotals(dir)
	if err != nil {
		t.Fatal(err)
	}
	totals.See(router.seen(at, roles), router.gone())
	if !totals.Fresh() || totals.Write() != nil || totals.Fresh() {
		t.Fatal("the releases are not written")
	}
	router["canary"].Requests, router["canary"].Errors = 40, 40
	router["shadow"].Requests, router["shadow"].Errors = 40, 40
	reader, err := OpenTotals(dir)
	if err != nil {
		t.Fatal(err)
	}
	reader.See(router.seen(at.Add(2*time.Second), map[string]deploy.Role{"stable": deploy.Stable}), router.gone())
	if b, err := deploy.NewBudget(deploy.SLO{Availability: 0.99}, reader.Periods(), at.Add(3*time.Second)); err != nil || b.Errors != 40 || b.Requests != 40 {
		t.Errorf("%+v, %v", b, err)
	}
}
