//go:build unix

package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/object"
)

// track begins a run of a client.
func (b *bench) track(t *testing.T, s TrackSpec) *Tracked {
	t.Helper()
	s.Base.Process = Self(host, os.Getpid())
	if s.StartedAt.IsZero() {
		s.StartedAt = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	}
	tracked, err := b.runner.Track(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return tracked
}

func tell(t *testing.T, to *Tracked, e Entry) {
	t.Helper()
	if err := to.Log(context.Background(), e); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) recorded(t *testing.T, id object.Digest) Body {
	t.Helper()
	body, _, err := b.history.Body(context.Background(), id)
	if err == nil {
		err = Unfold(context.Background(), b.runner.Store, &body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func value(s string) *string { return &s }

func points3(key string) []TrackedMetric {
	return []TrackedMetric{
		{Key: key, Value: 3, Time: 1000, Step: 1}, {Key: key, Value: math.NaN(), Time: 3000, Step: 7}, {Key: key, Value: 2, Time: 2000, Step: 2},
		{Key: key, Value: 3, Time: 1000, Step: 1}, {Key: key, Value: math.NaN(), Time: 3000, Step: 7},
	}
}

// artifact writes a file that a client logs.
func artifact(t *testing.T, to *Tracked, name, content string) {
	t.Helper()
	dir, done, err := to.Upload(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) files(t *testing.T, o *Output) []string {
	t.Helper()
	if o == nil {
		return nil
	}
	tree, err := b.runner.Store.FS(context.Background(), o.Root)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(tree, "*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestTrackedRun(t *testing.T) {
	b := newBench(t)
	r := b.track(t, TrackSpec{Name: "n", Experiment: "e", User: "root", Tags: map[string]string{"a": "b"}})
	tell(t, r, Entry{Params: []TrackedParam{{"lr", "0.1"}, {"zero", "007"}}, Metrics: points3("loss"), Tags: []TrackedTag{{"a", nil}, {"c", value("d")}}})
	var changed *ErrParamChanged
	if err := r.Log(context.Background(), Entry{Params: []TrackedParam{{"lr", "0.2"}}, Tags: []TrackedTag{{"x", value("y")}}}); !errors.As(err, &changed) {
		t.Fatalf("another value: %v", err)
	}
	artifact(t, r, "a.txt", "one")
	if err := r.End(context.Background(), "FINISHED", time.Date(2026, 11, 23, 15, 1, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	body := b.recorded(t, r.ID)
	if body.State != Succeeded || body.DurationS != 60 || body.Params["lr"] != 0.1 || body.Params["zero"] != "007" || body.Name != "n" || body.Experiment != "e" {
		t.Errorf("recorded %+v", body)
	}
	if tags := fmt.Sprint(body.Tracking.Tags); tags != "map[c:d]" {
		t.Errorf("tags %s", tags)
	}
	if body.Metrics["loss"] != "NaN" || body.Tracking.Latest["loss"] != (Point{7, 3000}) || body.Series.Points != 3 {
		t.Errorf("metrics %v, latest %v, series %+v", body.Metrics, body.Tracking.Latest, body.Series)
	}
	if got := b.files(t, body.Tracking.Artifacts); !slices.Equal(got, []string{"a.txt"}) {
		t.Errorf("artifacts %v", got)
	}
	if left, err := os.ReadDir(b.runner.Runs); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := r.Log(context.Background(), Entry{Name: "x"}); err == nil || !r.Closed() {
		t.Error("a recorded run takes more")
	}
	again, err := b.runner.TrackAgain(context.Background(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	tell(t, again, Entry{Metrics: append(points3("loss"), TrackedMetric{Key: "loss", Value: 1, Time: 4000, Step: 8})})
	artifact(t, again, "b.txt", "two")
	if done, err := again.Record(context.Background()); !done || err != nil {
		t.Fatal(done, err)
	}
	body = b.recorded(t, r.ID)
	if body.Series.Points != 4 || body.Metrics["loss"] != 1.0 || len(body.Added) != 1 || body.State != Succeeded {
		t.Errorf("added to: %+v", body)
	}
	if got := b.files(t, body.Tracking.Artifacts); !slices.Equal(got, []string{"a.txt", "b.txt"}) {
		t.Errorf("artifacts %v", got)
	}
	if c, err := HistoryOf(context.Background(), b.runner.Store, &body, "loss"); err != nil || !slices.Equal(c.Steps, []int64{1, 2, 7, 8}) {
		t.Errorf("history %v, %v", c, err)
	}
	if refused := body.Tracking.Refused; len(refused) != 1 || refused[0] != (ChangedParam{"lr", "0.1", "0.2"}) {
		t.Errorf("refused %v", refused)
	}
}

func TestJoinedRunEndsAsItsCommandDid(t *testing.T) {
	b := newBench(t)
	s := b.spec(`$MLX_METRICS={"auc": 0.741, "step": 3}`, "exit=3")
	s.Params = map[string]any{"depth": 6.0}
	b.runner.Begun = func(id object.Digest) {
		r, err := b.runner.TrackJoined(context.Background(), id)
		if err != nil {
			t.Error(err)
			return
		}
		ended := time.Date(2026, 11, 23, 15, 1, 0, 0, time.UTC)
		tell(t, r, Entry{
			Params: []TrackedParam{{"depth", "6"}, {"lr", "0.1"}}, Tags: []TrackedTag{{"a", value("b")}}, Name: "from the client", Moved: value("exp"),
			Metrics: append(points3("loss"), TrackedMetric{Key: "auc", Value: 0.5, Step: 1}, TrackedMetric{Key: "system/cpu", Value: 9, Step: 2}),
			Status:  "FINISHED", EndedAt: &ended, Datasets: []Dataset{{Name: "d", Digest: "1"}}, Models: []LoggedModel{{ID: "m-1", Name: "model"}},
		})
		if err := r.Log(context.Background(), Entry{Params: []TrackedParam{{"depth", "7"}}}); err == nil {
			t.Error("the parameter of the command was changed")
		}
		artifact(t, r, "a.txt", "one")
		if done, err := r.Record(context.Background()); done || err != nil {
			t.Errorf("a joined run was recorded: %v", err)
		}
		if err := r.Close(false); err != nil {
			t.Error(err)
		}
	}
	result := b.run(t, s)
	body := b.recorded(t, result.View.RunID)
	if body.State != Failed || *body.ExitStatus != 3 || body.Tracking.Status != "FINISHED" {
		t.Errorf("state %s, the client said %s", body.State, body.Tracking.Status)
	}
	if body.Name != "from the client" || body.Experiment != "exp" || body.Params["lr"] != 0.1 || body.Params["depth"] != 6.0 || body.Tracking.Tags["a"] != "b" {
		t.Errorf("recorded %+v", body)
	}
	if body.Metrics["auc"] != 0.741 || body.Metrics["loss"] != "NaN" || body.Metrics["system/cpu"] != nil {
		t.Errorf("metrics %v", body.Metrics)
	}
	if len(body.Tracking.Datasets) != 1 || len(body.Models) != 1 || !slices.Equal(b.files(t, body.Tracking.Artifacts), []string{"a.txt"}) {
		t.Errorf("datasets %v, models %v, artifacts %v", body.Tracking.Datasets, body.Models, body.Tracking.Artifacts)
	}
	curves, err := ReadSeries(context.Background(), b.runner.Store, body.Series)
	if err != nil || curves.Len("auc") != 2 || curves.Len("loss") != 3 {
		t.Errorf("series %v, %v", curves, err)
	}
}

func TestRecordedTwiceIsRecordedOnce(t *testing.T) {
	b := newBench(t)
	r := b.track(t, TrackSpec{Name: "n"})
	tell(t, r, Entry{Metrics: points3("loss"), Tags: []TrackedTag{{"a", value("1")}, {"a", nil}}, Params: []TrackedParam{{"p", "1"}}})
	artifact(t, r, "a.txt", "one")
	kept := filepath.Join(b.dir, "kept")
	ended := time.Date(2026, 11, 23, 15, 1, 0, 0, time.UTC)
	tell(t, r, Entry{Status: "KILLED", EndedAt: &ended})
	if err := os.CopyFS(kept, os.DirFS(r.Dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Record(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := b.recorded(t, r.ID)
	if err := os.Rename(kept, r.Dir); err != nil { // as if the process had been killed between the record and this
		t.Fatal(err)
	}
	if again, err := b.runner.TrackedBefore(context.Background()); err != nil || len(again) > 0 {
		t.Fatalf("%v, %v", again, err)
	}
	after := b.recorded(t, r.ID)
	if len(after.Added) > 0 || after.State != Killed || !same(before, after) {
		t.Errorf("recorded twice: %+v", after)
	}
	if _, err := os.Stat(r.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder stays: %v", err)
	}
}

func TestRunThatRestsIsNotLost(t *testing.T) {
	b := newBench(t)
	r := b.track(t, TrackSpec{Name: "n"})
	tell(t, r, Entry{Params: []TrackedParam{{"p", "1"}}})
	if err := r.Close(true); err != nil {
		t.Fatal(err)
	}
	if views, err := b.runner.Recover(context.Background()); err != nil || len(views) > 0 {
		t.Fatalf("recovered %v, %v", views, err)
	}
	again, err := b.runner.TrackedBefore(context.Background())
	if err != nil || len(again) != 1 || again[0].Body().Params["p"] != 1.0 {
		t.Fatalf("%v, %v", again, err)
	}
	if err := again[0].End(context.Background(), "FINISHED", b.runner.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestHalfALineAtTheEndOfAJournalIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), trackedName)
	first, second := Entry{Name: "a", Metrics: points3("m")}.line(), Entry{Name: "b"}.line()
	for cut := range second {
		if err := os.WriteFile(path, append(slices.Clone(first), second[:cut]...), 0o666); err != nil {
			t.Fatal(err)
		}
		var names []string
		j, err := openJournal(path, func(e Entry) { names = append(names, e.Name) })
		if err != nil || !slices.Equal(names, []string{"a"}) {
			t.Fatalf("cut at %d: %v, %v", cut, names, err)
		}
		at, err := j.write(second)
		if err == nil {
			err = errors.Join(j.wait(at), j.close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != string(first)+string(second) {
			t.Fatalf("cut at %d: %q, %v", cut, got, err)
		}
	}
}

func TestManyTellAtOnce(t *testing.T) {
	b := newBench(t)
	now := b.runner.clock()
	b.runner.Now = now
	r := b.track(t, TrackSpec{Name: "n"})
	var all sync.WaitGroup
	const each, writers = 50, 8
	for w := range writers {
		all.Go(func() {
			for i := range each {
				e := Entry{Metrics: []TrackedMetric{{Key: fmt.Sprintf("m%d", w), Value: float64(i), Step: int64(i)}}}
				if err := r.Log(context.Background(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := r.Close(false); err != nil {
		t.Fatal(err)
	}
	again, err := b.runner.TrackAgain(context.Background(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for w := range writers {
		if c, err := again.History(context.Background(), fmt.Sprintf("m%d", w)); err != nil || c.Len() != each {
			t.Errorf("m%d: %d points, %v", w, c.Len(), err)
		}
	}
	if err := again.End(context.Background(), "FINISHED", now()); err != nil {
		t.Fatal(err)
	}
}

func TestMoreThanARecordHolds(t *testing.T) {
	b := newBench(t)
	r := b.track(t, TrackSpec{Name: "n"})
	long := strings.Repeat("x", 8000)
	for i := range 300 {
		tell(t, r, Entry{
			Tags:    []TrackedTag{{fmt.Sprintf("t%d", i), &long}, {fmt.Sprintf("s%d", i), value("short")}},
			Params:  []TrackedParam{{fmt.Sprintf("p%d", i), long[:6000]}},
			Metrics: []TrackedMetric{{Key: fmt.Sprintf("m%d", i), Value: float64(i), Step: int64(i)}},
		})
	}
	if err := r.End(context.Background(), "FINISHED", b.runner.Now()); err != nil {
		t.Fatal(err)
	}
	short, _, err := b.history.Body(context.Background(), r.ID)
	if err != nil || short.Tracking.More == nil || short.Tracking.Tags["s7"] != "short" || short.Metrics["m7"] != 7.0 {
		t.Fatalf("the record itself: %v, %v", short.Tracking, err)
	}
	body := b.recorded(t, r.ID)
	if len(body.Tracking.Tags) != 600 || len(body.Params) != 300 || len(body.Metrics) != 300 || body.Tracking.Tags["t299"] != long || body.Tracking.Latest["m7"].Step != 7 {
		t.Errorf("%d tags, %d params, %d metrics", len(body.Tracking.Tags), len(body.Params), len(body.Metrics))
	}
}

func TestEntriesSurviveTheJournal(t *testing.T) {
	at := time.Date(2026, 11, 23, 15, 1, 0, 0, time.UTC)
	for _, e := range []Entry{
		{},
		{Metrics: []TrackedMetric{{"a\"\\\n\u00e9", math.Inf(-1), 1, math.MaxInt64, "m-1", "d", "g"}, {Key: "b", Value: 5e-324, Time: math.MaxInt64, Step: math.MinInt64}}},
		{Params: []TrackedParam{{"a", "b"}}, Tags: []TrackedTag{{"a", nil}, {"b", value("")}}, Name: "n", Status: "FINISHED", EndedAt: &at, Deleted: &at, Restored: true},
		{Refused: []ChangedParam{{"a", "b", "c"}}, Moved: value(""), Outputs: []TrackedModelIO{{"m-1", 3}}, User: "u", Metrics: []TrackedMetric{{Key: "m"}}},
	} {
		line := e.line()
		got, err := parseEntry(line)
		if err != nil || fmt.Sprintf("%+v", got.line()) != fmt.Sprintf("%+v", line) || len(got.Metrics) != len(e.Metrics) {
			t.Errorf("%s\n%v", line, err)
		}
		for i := range e.Metrics {
			if got.Metrics[i] != e.Metrics[i] {
				t.Errorf("%+v became %+v", e.Metrics[i], got.Metrics[i])
			}
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add(string(Entry{Name: "a", Metrics: points3("m"), Params: []TrackedParam{{"p", "1"}}}.line()))
	f.Add(`{"m":[{"k":"a","v":"NaN","t":1,"s":2}],"g":[{"k":"a"}],"ds":[{"name":"d","digest":"1","tags":{"a":"b"}}]}` + "\n{")
	f.Fuzz(func(t *testing.T, text string) {
		s := newStory(Body{})
		size, err := replay(strings.NewReader(text), s.apply)
		if err != nil || size > int64(len(text)) || size > 0 && text[size-1] != '\n' {
			t.Fatalf("%d of %d bytes, %v", size, len(text), err)
		}
		b := s.copy()
		if _, err := object.Encode(b); err != nil && b.Tracking.EndedAt == nil && b.Tracking.Deleted == nil {
			t.Fatalf("%v of %q", err, text)
		}
	})
}

func TestFolderOfARunThatIsAddedToIsHeld(t *testing.T) {
	b := newBench(t)
	r := b.track(t, TrackSpec{Name: "n"})
	if err := r.End(context.Background(), "FINISHED", b.runner.Now()); err != nil {
		t.Fatal(err)
	}
	again, err := b.runner.TrackAgain(context.Background(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	l, ok := LiveRun(b.runner.Runs, r.ID.Hex())
	if !ok || !l.Held() {
		t.Error("nobody holds it")
	}
	if _, err := b.runner.TrackAgain(context.Background(), r.ID); err == nil {
		t.Error("two write one journal")
	}
	tell(t, again, Entry{Tags: []TrackedTag{{"a", value("b")}}})
	if err := again.Close(false); err != nil || l.Held() {
		t.Errorf("it is held for ever, %v", err)
	}
	if _, err := b.runner.Recover(context.Background()); err != nil || b.recorded(t, r.ID).Tracking.Tags["a"] != "b" {
		t.Errorf("what was added is lost, %v", err)
	}
}
