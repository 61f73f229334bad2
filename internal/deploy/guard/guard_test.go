package guard

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func leaseOf(renewed string, seconds int, revert, note string) lease {
	var l lease
	l.Spec.Renewed, l.Spec.Seconds = renewed, seconds
	l.Metadata.Annotations = map[string]string{NoteRevert: revert, NoteGuard: note}
	return l
}

// TestWhenALeaseRunsOut: only what the guard sees counts, and when it sees it. What the Lease says of the time is only another word.
func TestWhenALeaseRunsOut(t *testing.T) {
	now := time.Unix(1000, 0)
	g := &guard{o: Options{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}}
	expect := func(what string, armed bool, over int) {
		t.Helper()
		if g.armed != armed || armed && g.over.Sub(time.Unix(1000, 0)) != time.Duration(over)*time.Second {
			t.Errorf("%s: %t %s", what, g.armed, g.over.Sub(time.Unix(1000, 0)))
		}
	}
	const steps = `[{"path":"/api/v1/namespaces/a/configmaps/b","patch":{}}]`
	g.look(leaseOf("1990", 30, steps, ""))
	expect("a renewal of long ago is seen now", true, 30)
	now = now.Add(10 * time.Second)
	g.look(leaseOf("1990", 30, steps, ""))
	expect("nobody has renewed it", true, 30)
	g.look(leaseOf("1980", 30, steps, ""))
	expect("whoever renewed it has another clock", true, 40)
	g.look(leaseOf("1980", 60, steps, ""))
	expect("it lasts longer", true, 70)
	g.look(leaseOf("1980", 30, strings.Replace(steps, "{}", `{"a":1}`, 1), ""))
	expect("there is another state", true, 40)
	g.hear(news{gone: true})
	expect("nobody needs it any more", false, 0)

	g.look(leaseOf("1", 30, steps, ""))
	g.hear(news{err: errTest{}, blind: true})
	now = now.Add(25 * time.Second)
	g.look(leaseOf("1", 30, steps, ""))
	expect("what was not seen gives some time", true, 45)
	g.hear(news{err: errTest{}, blind: true})
	g.look(leaseOf("2", 30, steps, ""))
	expect("it was renewed while nobody watched", true, 65)

	text := func(d Done) string { b, _ := json.Marshal(d); return string(b) }
	g.look(leaseOf("3", 30, steps, text(Done{Revert: digest(steps)})))
	expect("somebody had begun", true, 35)
	g.look(leaseOf("4", 30, steps, text(Done{Revert: digest(steps), Done: true})))
	expect("it is done", false, 0)
	g.look(leaseOf("5", 30, steps, text(Done{Revert: digest("another"), Done: true})))
	expect("another one was done", true, 65)
	g.look(leaseOf("6", 0, steps, "no JSON"))
	expect("a note that nobody can read", true, 36)
	g.look(leaseOf("7", 30, "", ""))
	expect("there is nothing to be taken back", false, 0)
}

// TestALeaseThatCanOnlyBeRead: where the watch is refused again and again, or breaks, the Lease is read each time, and runs out as it would.
func TestALeaseThatCanOnlyBeRead(t *testing.T) {
	now := time.Unix(1000, 0)
	g := &guard{o: Options{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}}
	const steps = `[{"path":"/api/v1/namespaces/a/configmaps/b","patch":{}}]`
	for range 40 {
		g.hear(news{lease: leaseOf("1", 30, steps, "")})
		g.hear(news{err: errTest{}})
		now = now.Add(retry)
	}
	if want := time.Unix(1030, 0); !g.armed || !g.over.Equal(want) || g.lost {
		t.Errorf("nobody renews it, and it is over at %s, not at %s", g.over, want)
	}
}

type errTest struct{}

func (errTest) Error() string { return "no answer" }

func TestSteps(t *testing.T) {
	for text, want := range map[string]string{
		"":             "unexpected end",
		"[]":           "0 steps",
		`[{"path":1}]`: "cannot unmarshal",
		"[" + strings.Repeat("{},", maxSteps) + "{}]": "17 steps",
	} {
		if _, err := ReadSteps(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	steps, err := ReadSteps(`[{"path":"/a","patch":[]},{"path":"/a","patch":{"metadata":{"annotations":{"dev.mlx/reverted":"{\"generation\":7}"}}}}]`)
	if err != nil || generation(steps) != 7 {
		t.Error(steps, err)
	}
}

func FuzzSteps(f *testing.F) {
	f.Add(`[{"path":"/apis/a/v1/namespaces/b/c/d","patch":{"spec":{}}}]`)
	f.Fuzz(func(_ *testing.T, text string) {
		if steps, err := ReadSteps(text); err == nil {
			generation(steps) // whatever it is
		}
	})
}
