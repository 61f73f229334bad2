package cli

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watch runs work beside a progress of 100,000 files on a fake clock and returns what was written to Err.
func watch(t *testing.T, set func(*Streams), work time.Duration) string {
	t.Helper()
	var text string
	synctest.Test(t, func(t *testing.T) {
		s, _, errs := at(true)
		s.Now = time.Now
		set(s)
		p := s.Progress("reading", "files", 100_000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p.Add(10_000)
				p.AddBytes(78_000_000)
			})
		}
		wg.Wait()
		time.Sleep(work)
		p.Done()
		p.Done()
		text = errs.String()
	})
	return text
}

func TestProgressOnATerminal(t *testing.T) {
	if got := watch(t, func(*Streams) {}, 499*time.Millisecond); got != "" {
		t.Errorf("quick work wrote %q", got)
	}
	got := watch(t, func(*Streams) {}, 1050*time.Millisecond)
	if want := "reading  40,000 of 100,000 files  312 MB/s  1.0 s left"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
	if !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("the line stays: %q", got)
	}
}

func TestProgressElsewhere(t *testing.T) {
	got := watch(t, func(s *Streams) { s.ErrTTY = false }, 65*time.Second)
	if lines := strings.Split(got, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], "reading  40,000 of 100,000 files") {
		t.Errorf("got %q", got)
	}
	got = watch(t, func(s *Streams) { s.JSON = true }, time.Second)
	if want := `{"kind":"progress/v1","what":"reading","done":40000,"total":100000,"unit":"files","rate":80000,"left_s":0.75}` + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := watch(t, func(s *Streams) { s.Quiet = true }, time.Minute); got != "" {
		t.Errorf("quiet wrote %q", got)
	}
	var none *Progress
	none.Add(1)
	none.AddBytes(1)
	none.SetTotal(1)
	none.Done()
}

func TestProgressGivesWayToNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out, errs := at(true)
		s.Now = time.Now
		p := s.Progress("reading", "bytes", 0)
		p.Add(5_000_000)
		time.Sleep(550 * time.Millisecond)
		s.Note("a note")
		_ = s.Emit(nil, func(t *Text) { t.Line(Str("answer")) })
		p.Done()
		if got := errs.String(); got != "reading  5.0 MB  10.0 MB/s\r\x1b[Ka note\n" {
			t.Errorf("got %q", got)
		}
		if out.String() != "answer\n" {
			t.Errorf("got %q", out)
		}
	})
}
