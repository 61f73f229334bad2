package drift

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func shown(s Span) string { return s.From.Format(time.RFC3339) + " " + s.To.Format(time.RFC3339) }

func TestLastWindow(t *testing.T) {
	const day, hour = 24 * time.Hour, time.Hour
	for _, c := range []struct {
		name, zone   string
		length, step time.Duration
		lag          time.Duration
		now, want    string
	}{
		{"a week ends at local midnight", "America/New_York", 7 * day, 0, 0, "2026-11-16T08:15:00Z", "2026-11-09T00:00:00-05:00 2026-11-16T00:00:00-05:00"},
		{"the day in UTC is not the day in New York", "America/New_York", day, 0, 0, "2026-11-16T03:00:00Z", "2026-11-14T00:00:00-05:00 2026-11-15T00:00:00-05:00"},
		{"at its end it is due", "UTC", day, 0, 0, "2026-11-16T00:00:00Z", "2026-11-15T00:00:00Z 2026-11-16T00:00:00Z"},
		{"a lag waits", "UTC", day, 0, 6 * hour, "2026-11-16T05:59:59Z", "2026-11-14T00:00:00Z 2026-11-15T00:00:00Z"},
		{"until it is over", "UTC", day, 0, 6 * hour, "2026-11-16T06:00:00Z", "2026-11-15T00:00:00Z 2026-11-16T00:00:00Z"},
		{"weekly steps end with Sunday", "Europe/Berlin", 7 * day, 7 * day, 0, "2026-11-18T12:00:00Z", "2026-11-09T00:00:00+01:00 2026-11-16T00:00:00+01:00"},
		{"23 hours", "America/New_York", day, 0, 0, "2026-03-09T12:00:00Z", "2026-03-08T00:00:00-05:00 2026-03-09T00:00:00-04:00"},
		{"25 hours", "America/New_York", day, 0, 0, "2026-11-02T12:00:00Z", "2026-11-01T00:00:00-04:00 2026-11-02T00:00:00-05:00"},
		{"hours", "Asia/Kolkata", hour, 0, 0, "2026-11-16T08:45:00Z", "2026-11-16T13:00:00+05:30 2026-11-16T14:00:00+05:30"},
		{"the hour that does not exist is none", "Europe/Berlin", hour, 0, 0, "2026-03-29T01:30:00Z", "2026-03-29T01:00:00+01:00 2026-03-29T03:00:00+02:00"},
		{"the hour that comes twice is one of two hours", "Europe/Berlin", hour, 0, 0, "2026-10-25T02:00:00Z", "2026-10-25T02:00:00+02:00 2026-10-25T03:00:00+01:00"},
		{"six hours by the wall", "Europe/Berlin", 6 * hour, 0, 0, "2026-10-25T05:00:00Z", "2026-10-25T00:00:00+02:00 2026-10-25T06:00:00+01:00"},
		{"a midnight that does not exist", "Asia/Beirut", day, 0, 0, "2026-03-29T22:00:00Z", "2026-03-29T01:00:00+03:00 2026-03-30T00:00:00+03:00"},
		{"a rolling day by hours", "UTC", day, 0, 0, "2026-11-16T13:00:00Z", "2026-11-15T00:00:00Z 2026-11-16T00:00:00Z"},
		{"overlapping hours", "UTC", 6 * hour, hour, 0, "2026-11-16T13:20:00Z", "2026-11-16T07:00:00Z 2026-11-16T13:00:00Z"},
		{"before 1970", "UTC", 7 * day, 7 * day, 0, "1969-12-31T00:00:00Z", "1969-12-22T00:00:00Z 1969-12-29T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := Calendar{Zone: zone(t, c.zone), Length: c.length, Step: c.step, Lag: c.lag}
			if got := shown(k.Last(at(t, c.now))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestWindowsCoverTimeOnce: windows that are as long as their step share no moment and leave none out, whatever clocks do, and each is
// the newest one from when it is due until the next is.
func TestWindowsCoverTimeOnce(t *testing.T) {
	for _, name := range []string{"UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia", "Asia/Kathmandu"} {
		for _, length := range []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
			k := Calendar{Zone: zone(t, name), Length: length, Step: length, Lag: 90 * time.Minute}
			now := time.Date(2011, time.December, 20, 0, 0, 0, 0, time.UTC)
			last := k.Last(now)
			for range 24 * 400 / int(length/time.Hour) {
				next, due := k.Next(now)
				if !next.From.Equal(last.To) {
					t.Fatalf("%s, %v: %s is followed by %s", name, length, shown(last), shown(next))
				}
				if got := k.Last(due.Add(-time.Nanosecond)); got != last {
					t.Fatalf("%s, %v: just before %s is due %s is the newest, not %s", name, length, shown(next), shown(got), shown(last))
				}
				if got := k.Last(due); got != next {
					t.Fatalf("%s, %v: when %s is due %s is the newest", name, length, shown(next), shown(got))
				}
				now, last = due, next
			}
		}
	}
}

func TestSince(t *testing.T) {
	k := Calendar{Zone: time.UTC, Length: 24 * time.Hour}
	now := at(t, "2026-11-16T03:15:00Z")
	due, skipped, _ := k.Since(at(t, "2026-11-13T00:00:00Z"), now)
	var got []string
	for _, s := range due {
		got = append(got, shown(s))
	}
	want := []string{"2026-11-13T00:00:00Z 2026-11-14T00:00:00Z", "2026-11-14T00:00:00Z 2026-11-15T00:00:00Z", "2026-11-15T00:00:00Z 2026-11-16T00:00:00Z"}
	if diff := cmp.Diff(want, got); diff != "" || skipped != 0 {
		t.Errorf("%d skipped, %s", skipped, diff)
	}
	if due, _, _ := k.Since(at(t, "2026-11-16T00:00:00Z"), now); len(due) != 0 {
		t.Errorf("all were judged, and %d are due", len(due))
	}
	due, skipped, missed := k.Since(at(t, "2026-10-01T00:00:00Z"), now)
	if len(due) != MaxCatchUp || skipped != 15 || shown(missed) != "2026-10-01T00:00:00Z 2026-10-16T00:00:00Z" || shown(due[0]) != "2026-10-16T00:00:00Z 2026-10-17T00:00:00Z" {
		t.Errorf("%d due from %s, %d skipped: %s", len(due), shown(due[0]), skipped, shown(missed))
	}
}

func TestDaysAndSeasons(t *testing.T) {
	k := Calendar{Zone: zone(t, "America/New_York"), Length: 3 * 24 * time.Hour}
	w := k.Last(at(t, "2026-03-10T12:00:00Z"))
	var days []string
	for _, d := range k.Days(w) {
		days = append(days, d.String())
	}
	if diff := cmp.Diff([]string{"2026-03-07", "2026-03-08", "2026-03-09"}, days); diff != "" {
		t.Error(diff)
	}
	if got := shown(k.Earlier(w, 0, 364)); got != "2025-03-08T00:00:00-05:00 2025-03-11T00:00:00-04:00" {
		t.Errorf("364 days before: %s", got)
	}
	if got := shown(k.Earlier(w, 1, 0)); got != "2025-03-07T00:00:00-05:00 2025-03-10T00:00:00-04:00" {
		t.Errorf("a year before: %s", got)
	}
}
