package cascade

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// model is a server of a stage, which answers as a test says.
type model struct {
	answer func(w http.ResponseWriter, body string)
	asked  atomic.Int64
	at     atomic.Pointer[string] // its address; "" while it does not run
}

func newModel(t *testing.T, answer func(w http.ResponseWriter, body string)) *model {
	m := &model{answer: answer}
	m.start(t)
	return m
}

// start starts it at another port.
func (m *model) start(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		m.asked.Add(1)
		m.answer(w, string(body))
	}))
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()
	m.at.Store(&address)
}

func says(text string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}
}

func status(n int) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) { http.Error(w, "its own words", n) }
}

func sleeps(d time.Duration) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) {
		time.Sleep(d)
		says(`{"score": 0.5}`)(w, "")
	}
}

// of is a stage of a plan.
func of(name string, change func(*deploy.ReleaseStage)) Stage {
	s := deploy.ReleaseStage{Name: name, Model: name, Serve: &deploy.Serve{Protocol: "json"}, OnError: deploy.OnErrorFail}
	if change != nil {
		change(&s)
	}
	return Stage{ReleaseStage: s}
}

// serve serves a plan by models, of which a list has none.
func serve(t *testing.T, p Plan, models ...*model) (*Cascade, string) {
	t.Helper()
	if p.Combine.By == "" {
		p.Combine.By = deploy.CombineCascade
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = ParsePlan(text); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Plan: p, Now: time.Now, Log: t.Logf, Address: func(i int) string { return *models[i].at.Load() },
		Trouble: func(int) string { return "it ended" }}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(c)
	t.Cleanup(func() {
		s.Close()
		_ = c.Close()
	})
	return c, s.URL
}

// ask asks, and tells status, stage and answer.
func ask(t *testing.T, url, body string) string {
	t.Helper()
	resp, err := http.Post(url+"/predict?a=b", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get(StageHeader), text))
}

func TestCascadesAskTheNextStageOfWhatIsNotSure(t *testing.T) {
	unsure := func(s *deploy.ReleaseStage) { s.Next = "score >= 0.2 and score <= 0.8" }
	with := func(change func(*deploy.ReleaseStage)) func(*deploy.ReleaseStage) {
		return func(s *deploy.ReleaseStage) {
			unsure(s)
			change(s)
		}
	}
	skip := with(func(s *deploy.ReleaseStage) { s.OnError = deploy.OnErrorSkip })
	large := says(`{"score": 0.3, "by": "large"}`)
	for name, c := range map[string]struct {
		small, large       func(http.ResponseWriter, string)
		first, second      func(*deploy.ReleaseStage)
		want               string
		decided, late, bad int64 // of the first
	}{
		"sure":         {small: says(`{"score": 0.9}`), want: `200 small {"score": 0.9}`, decided: 1},
		"not sure":     {small: says(`{"score": 0.5}`), want: `200 large {"score": 0.3, "by": "large"}`},
		"fails":        {small: status(500), want: "500 small its own words", bad: 1},
		"skipped":      {small: status(503), first: skip, want: `200 large {"score": 0.3, "by": "large"}`, bad: 1},
		"garbage":      {small: says(`<html>`), want: `502  {"error":"stage small has failed"}`, bad: 1},
		"no score":     {small: says(`{"label": "x"}`), first: skip, want: `200 large {"score": 0.3, "by": "large"}`, bad: 1},
		"score a word": {small: says(`{"score": "high"}`), first: skip, want: `200 large {"score": 0.3, "by": "large"}`, bad: 1},
		"misfit":       {small: status(400), first: skip, want: "400 small its own words", decided: 1},
		"late": {small: sleeps(time.Second), first: with(func(s *deploy.ReleaseStage) { s.Deadline = 30 * time.Millisecond }),
			want: `504  {"error":"stage small: its deadline is over"}`, bad: 1, late: 1},
		"late and skipped": {small: sleeps(time.Second), first: with(func(s *deploy.ReleaseStage) {
			s.Deadline, s.OnError = 30*time.Millisecond, deploy.OnErrorSkip
		}), want: `200 large {"score": 0.3, "by": "large"}`, bad: 1, late: 1},
		"reply": {small: status(500), first: with(func(s *deploy.ReleaseStage) {
			s.OnError, s.Reply = deploy.OnErrorReply, json.RawMessage(`{"score":0}`)
		}), want: `200 small {"score":0}`, bad: 1},
		"last one fails":   {small: says(`{"score": 0.5}`), large: status(500), want: "500 large its own words"},
		"last one skipped": {small: says(`{"score": 0.5}`), large: status(500), second: func(s *deploy.ReleaseStage) { s.OnError = deploy.OnErrorSkip }, want: `200 small {"score": 0.5}`, decided: 1},
		"both skipped":     {small: status(500), large: status(500), first: skip, second: func(s *deploy.ReleaseStage) { s.OnError = deploy.OnErrorSkip }, want: `502  {"error":"no stage has answered"}`, bad: 1},
		"by a pointer": {small: says(`{"outputs": [{"data": [0.1, 0.5]}]}`), first: func(s *deploy.ReleaseStage) { s.Next = `$env["/outputs/0/data/1"] < 0.8` },
			want: `200 large {"score": 0.3, "by": "large"}`},
		"one of several": {small: says(`{"predictions": [0.9, [0.5]]}`), first: func(s *deploy.ReleaseStage) { s.Next = "answer < 0.8" },
			want: `200 large {"score": 0.3, "by": "large"}`},
		"several": {small: says(`{"predictions": [0.9, [0.85]]}`), first: func(s *deploy.ReleaseStage) { s.Next = "answer < 0.8" },
			want: `200 small {"predictions": [0.9, [0.85]]}`, decided: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if c.large == nil {
				c.large = large
			}
			if c.first == nil {
				c.first = unsure
			}
			m := []*model{newModel(t, c.small), newModel(t, c.large)}
			cascade, url := serve(t, Plan{Stages: []Stage{of("small", c.first), of("large", c.second)}}, m...)
			if got := ask(t, url, `{"x": 1}`); got != c.want {
				t.Errorf("it answers %s, not %s", got, c.want)
			}
			s := cascade.Counts()[0]
			if s.Requests != 1 || s.Decided != c.decided || s.Errors != c.bad || s.Late != c.late || s.Latency.Count() != 1 || s.Passed != 1-c.decided-c.bad {
				t.Errorf("it counts %+v", s)
			}
		})
	}
}

func TestListsDecideBeforeAnyModel(t *testing.T) {
	image := []byte("bytes of an image that is known")
	m := newModel(t, says(`{"label": "fine"}`))
	for name, c := range map[string]struct{ of, encoding, known, other string }{
		"text":   {"/image", "text", fmt.Sprintf(`{"image": %q}`, image), `{"image": "another"}`},
		"body":   {"", "text", string(image), `another`},
		"base64": {"/a/image", "base64", fmt.Sprintf(`{"a": {"image": %q}}`, base64.StdEncoding.EncodeToString(image)), `{"a": {"image": "aGk="}}`},
		"url":    {"/image", "base64", fmt.Sprintf(`{"image": "data:image/png;base64,%s"}`, base64.URLEncoding.EncodeToString(image)), `{"image": "aGk"}`},
		"hex":    {"/image", "hex", fmt.Sprintf(`{"image": "%X"}`, sha256.Sum256(image)), fmt.Sprintf(`{"image": "%x"}`, sha256.Sum256(nil))},
		"last":   {"/image", "text", fmt.Sprintf(`{"image": "x", "im\u0061ge": %q}`, image), `{"text": "no image"}`},
	} {
		t.Run(name, func(t *testing.T) {
			list := of("known", func(s *deploy.ReleaseStage) {
				s.Serve, s.Model, s.Reply = nil, "", json.RawMessage(`{"label":"bad"}`)
				s.List = &deploy.ReleaseList{Path: "known.hashes", Of: c.of, Encoding: c.encoding}
			})
			list.Index = fileOf(t, fmt.Sprintf("%x\n", sha256.Sum256(image)))
			cascade, url := serve(t, Plan{Stages: []Stage{list, of("large", nil)}}, nil, m)
			if got := ask(t, url, c.known); got != `200 known {"label":"bad"}` {
				t.Errorf("what is known: %s", got)
			}
			if got := ask(t, url, c.other); got != `200 large {"label": "fine"}` {
				t.Errorf("what is not: %s", got)
			}
			if s := cascade.Counts()[0]; s.Decided != 1 || s.Passed != 1 {
				t.Errorf("it counts %+v", s)
			}
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = z.Write([]byte(c.known))
			_ = z.Close()
			for coding, want := range map[string]int{"gzip": 200, "br": 415} {
				req, _ := http.NewRequest(http.MethodPost, url, bytes.NewReader(packed.Bytes()))
				req.Header.Set("Content-Encoding", coding)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != want || resp.Header.Get(StageHeader) != "known" {
					t.Errorf("%s: %s by %q", coding, resp.Status, resp.Header.Get(StageHeader))
				}
			}
		})
	}
	bad := of("known", func(s *deploy.ReleaseStage) {
		s.Serve, s.Reply, s.List = nil, json.RawMessage(`{}`), &deploy.ReleaseList{Of: "/image", Encoding: "base64"}
	})
	bad.Index = fileOf(t, fmt.Sprintf("%x\n", sha256.Sum256(image)))
	_, url := serve(t, Plan{Stages: []Stage{bad, of("large", nil)}}, nil, m)
	if got := ask(t, url, `{"image": "***"}`); !strings.HasPrefix(got, `400 known {"error":"there is no base64 at`) {
		t.Errorf("what is no base64: %s", got)
	}
}

// TestAPackedRequestIsHeldUnpacked: what a short request unpacks to counts among what all requests may hold.
func TestAPackedRequestIsHeldUnpacked(t *testing.T) {
	index := filepath.Join(t.TempDir(), "list")
	known := Text{Name: "known", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.Repeat("a", 64) + "\n")), nil
	}}
	if err := Build(t.Context(), known, index, [32]byte{}); err != nil {
		t.Fatal(err)
	}
	list := Stage{Index: index, ReleaseStage: deploy.ReleaseStage{Name: "known", OnError: deploy.OnErrorFail, Reply: json.RawMessage(`{"bad": true}`),
		List: &deploy.ReleaseList{Path: "known", Encoding: "text"}}}
	c, url := serve(t, Plan{Stages: []Stage{list, of("small", nil)}}, nil, newModel(t, says(`{}`)))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 8<<20)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	send := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(packed.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	const others = maxBodies - 1<<20
	c.held.Add(others)
	if got := send(); got != http.StatusServiceUnavailable {
		t.Errorf("8 MiB where 1 MiB is left: %d", got)
	}
	c.held.Add(-others)
	if got := send(); got != http.StatusOK || c.held.Load() != 0 {
		t.Errorf("there is room: %d, and %d bytes are held afterwards", got, c.held.Load())
	}
}

// TestAStageThatRestsIsWaitedFor: that it had no server an hour ago says nothing of how long it has had none.
func TestAStageThatRestsIsWaitedFor(t *testing.T) {
	m := newModel(t, says(`{"score": 1}`))
	there, none := m.at.Load(), ""
	m.at.Store(&none)
	c, url := serve(t, Plan{Stages: []Stage{of("large", nil)}}, m)
	var later atomic.Int64
	c.o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	gone, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	req, err := http.NewRequestWithContext(gone, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Fatal("it has no server, and answers")
	}
	later.Store(int64(time.Hour))
	time.AfterFunc(300*time.Millisecond, func() { m.at.Store(there) })
	if got := ask(t, url, "{}"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("it starts again, and nobody waits for it: %s", got)
	}
}

func TestListsThatAreNotThere(t *testing.T) {
	list := of("known", func(s *deploy.ReleaseStage) {
		s.Serve, s.Reply, s.List = nil, json.RawMessage(`{}`), &deploy.ReleaseList{Encoding: "text"}
	})
	for name, index := range map[string]string{"missing": "/none", "of 64 bits": fileOf(t, "0123456789abcdef\n")} {
		list.Index = index
		_, err := New(Options{Plan: Plan{Stages: []Stage{list}}, Now: time.Now}, nil)
		if err == nil {
			t.Errorf("a list that is %s", name)
		}
	}
}

func TestStagesThatDieAreAskedAgain(t *testing.T) {
	var m *model
	var first sync.Once
	m = &model{}
	m.answer = func(w http.ResponseWriter, body string) {
		first.Do(func() { // it dies in the middle of a request, and comes back at another port
			gone := ""
			m.at.Store(&gone)
			go func() {
				time.Sleep(50 * time.Millisecond)
				m.start(t)
			}()
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
			panic(http.ErrAbortHandler)
		})
		says(`{"score": 1}`)(w, body)
	}
	m.start(t)
	_, url := serve(t, Plan{Idempotent: true, Stages: []Stage{of("one", nil)}}, m)
	if got := ask(t, url, "{}"); got != `200 one {"score": 1}` || m.asked.Load() != 2 {
		t.Errorf("%s, asked %d times", got, m.asked.Load())
	}
	var ends *model
	ends = newModel(t, func(w http.ResponseWriter, body string) {
		switch ends.asked.Load() {
		case 3: // it has broken a connection that was in use, and now breaks one that waited for it
			gone := ""
			ends.at.Store(&gone)
			time.AfterFunc(50*time.Millisecond, func() { ends.start(t) })
			fallthrough
		case 2:
			panic(http.ErrAbortHandler)
		}
		says(`{"score": 1}`)(w, body)
	})
	_, url = serve(t, Plan{Idempotent: true, Stages: []Stage{of("one", nil)}}, ends)
	for range 2 {
		if got := ask(t, url, "{}"); got != `200 one {"score": 1}` {
			t.Errorf("one that ends: %s", got)
		}
	}
	if n := ends.asked.Load(); n != 4 {
		t.Errorf("one that ends was asked %d times", n)
	}
	once := newModel(t, func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) })
	_, url = serve(t, Plan{Stages: []Stage{of("one", nil)}}, once)
	if got := ask(t, url, "{}"); got != `502  {"error":"stage one has failed"}` || once.asked.Load() != 1 {
		t.Errorf("what must not be asked twice: %s, asked %d times", got, once.asked.Load())
	}
}

func TestStagesWithoutAServerHaveTheirDeadline(t *testing.T) {
	none := ""
	m := &model{}
	m.at.Store(&none)
	c, url := serve(t, Plan{Stages: []Stage{of("one", func(s *deploy.ReleaseStage) { s.Deadline = 40 * time.Millisecond })}}, m)
	if got := ask(t, url, "{}"); got != `502  {"error":"stage one has failed"}` {
		t.Error(got)
	}
	resp, err := http.Get(url + ReadyPath)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 503 || string(text) != "stage one: it ended\n" {
		t.Errorf("ready: %s %s", resp.Status, text)
	}
	if s := c.Counts()[0]; s.Errors != 1 || s.Late != 0 {
		t.Errorf("it counts %+v", s)
	}
}

func TestLastStagesMayStream(t *testing.T) {
	more := make(chan bool)
	m := newModel(t, func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-more
		_, _ = io.WriteString(w, "data: 2\n\n")
	})
	_, url := serve(t, Plan{Stages: []Stage{of("one", func(s *deploy.ReleaseStage) { s.Deadline = 2 * time.Second })}}, m)
	resp, err := http.Post(url, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	some := make([]byte, 9)
	if _, err := io.ReadFull(resp.Body, some); err != nil || string(some) != "data: 1\n\n" {
		t.Fatalf("%q %v", some, err)
	}
	close(more)
	rest, err := io.ReadAll(resp.Body)
	if string(rest) != "data: 2\n\n" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
}

func TestEnsembles(t *testing.T) {
	number := func(v string) func(http.ResponseWriter, string) { return says(`{"id": "x", "predictions": ` + v + `}`) }
	weight := func(w float64) func(*deploy.ReleaseStage) { return func(s *deploy.ReleaseStage) { s.Weight = w } }
	late := func(s *deploy.ReleaseStage) { s.Deadline, s.OnError = 40*time.Millisecond, deploy.OnErrorSkip }
	skip := func(s *deploy.ReleaseStage) { s.OnError = deploy.OnErrorSkip }
	for name, c := range map[string]struct {
		by      string
		quorum  int
		answers []func(http.ResponseWriter, string)
		stages  []func(*deploy.ReleaseStage)
		want    string
	}{
		"mean":       {by: "mean", answers: []func(http.ResponseWriter, string){number("[1, 4]"), number("[2, 5]"), number("[6, 3]")}, want: `200 a,b,c {"id": "x", "predictions": [3,4]}`},
		"weighted":   {by: "weighted", answers: []func(http.ResponseWriter, string){number("1"), number("2"), number("6")}, stages: []func(*deploy.ReleaseStage){weight(2), nil, weight(1)}, want: `200 a,b,c {"id": "x", "predictions": 2.5}`},
		"vote":       {by: "vote", answers: []func(http.ResponseWriter, string){number(`["cat", 1]`), number(`["dog", 2]`), number(`["dog", 1]`)}, want: `200 a,b,c {"id": "x", "predictions": ["dog",1]}`},
		"tie":        {by: "vote", answers: []func(http.ResponseWriter, string){number(`"b"`), number(`"a"`)}, want: `200 a,b {"id": "x", "predictions": "b"}`},
		"heavy":      {by: "weighted", answers: []func(http.ResponseWriter, string){number(`"b"`), number(`"a"`), number(`"a"`)}, stages: []func(*deploy.ReleaseStage){weight(5), nil, nil}, want: `200 a,b,c {"id": "x", "predictions": "b"}`},
		"late":       {by: "mean", answers: []func(http.ResponseWriter, string){number("1"), sleeps(time.Second), number("3")}, stages: []func(*deploy.ReleaseStage){nil, late, nil}, want: `200 a,c {"id": "x", "predictions": 2}`},
		"quorum":     {by: "mean", quorum: 3, answers: []func(http.ResponseWriter, string){number("1"), status(500), number("3")}, stages: []func(*deploy.ReleaseStage){nil, skip, nil}, want: `502  {"error":"2 of 3 stages have answered, and 3 are needed"}`},
		"fails":      {by: "mean", answers: []func(http.ResponseWriter, string){number("1"), status(500), number("3")}, want: `500 b its own words`},
		"reply":      {by: "mean", answers: []func(http.ResponseWriter, string){number("1"), status(500)}, stages: []func(*deploy.ReleaseStage){nil, func(s *deploy.ReleaseStage) { s.OnError, s.Reply = "reply", json.RawMessage(`{"predictions":3}`) }}, want: `200 a,b {"id": "x", "predictions": 2}`},
		"garbage":    {by: "mean", answers: []func(http.ResponseWriter, string){says("<html>"), number("2"), number("4")}, stages: []func(*deploy.ReleaseStage){skip, nil, nil}, want: `200 b,c {"id": "x", "predictions": 3}`},
		"a word":     {by: "mean", answers: []func(http.ResponseWriter, string){number(`"cat"`), number("2"), number("4")}, stages: []func(*deploy.ReleaseStage){skip, nil, nil}, want: `200 b,c {"id": "x", "predictions": 3}`},
		"two shapes": {by: "mean", answers: []func(http.ResponseWriter, string){number("[1]"), number("[1, 2]")}, want: `502  {"error":"what the stages say cannot be combined: one has 1 predictions, another 2"}`},
		"list and 1": {by: "mean", answers: []func(http.ResponseWriter, string){number("[1]"), number("1")}, want: `502  {"error":"what the stages say cannot be combined: one is a list, another is none"}`},
		"misfits":    {by: "mean", answers: []func(http.ResponseWriter, string){status(400), status(422)}, want: "400 a its own words"},
		"nobody":     {by: "vote", answers: []func(http.ResponseWriter, string){status(500), status(500)}, stages: []func(*deploy.ReleaseStage){skip, skip}, want: `502  {"error":"0 of 2 stages have answered, and 2 are needed"}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := Plan{Combine: deploy.Combine{By: c.by, Quorum: c.quorum}}
			var models []*model
			for i, answer := range c.answers {
				var change func(*deploy.ReleaseStage)
				if c.stages != nil {
					change = c.stages[i]
				}
				p.Stages, models = append(p.Stages, of(string(rune('a'+i)), change)), append(models, newModel(t, answer))
			}
			_, url := serve(t, p, models...)
			if got := ask(t, url, "{}"); got != c.want {
				t.Errorf("it answers %s, not %s", got, c.want)
			}
		})
	}
}

func TestCountsGoOn(t *testing.T) {
	m := newModel(t, says(`{}`))
	c, url := serve(t, Plan{Stages: []Stage{of("one", nil)}}, m)
	for range 3 {
		ask(t, url, "{}")
	}
	text, err := json.Marshal(c.Counts())
	var before []deploy.SeenStage
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil {
		t.Fatal(err)
	}
	next, err := New(c.o, before)
	if err != nil {
		t.Fatal(err)
	}
	if s := next.Counts()[0]; s.Requests != 3 || s.Decided != 3 || s.Latency.Count() != 3 {
		t.Errorf("it counts %+v", s)
	}
}

func FuzzPlan(f *testing.F) {
	text, err := json.Marshal(Plan{Combine: deploy.Combine{By: "cascade"}, Stages: []Stage{of("a", func(s *deploy.ReleaseStage) { s.Next = "score > 1" }), of("b", nil)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, []byte(`{"score": 2}`))
	f.Fuzz(func(_ *testing.T, text, answer []byte) {
		p, err := ParsePlan(text)
		if err != nil {
			return
		}
		for i := range p.Stages {
			p.Stages[i].Index = "/none"
		}
		c, err := New(Options{Plan: p, Now: time.Now}, nil)
		if err != nil {
			return
		}
		for _, s := range c.stages {
			r := &reply{status: 200, header: http.Header{}, body: answer}
			if s.next != nil {
				_, _ = s.asksNext(r)
			}
			one := said{stage: s, reply: r}
			if one.hear(p.Combine.By) == nil {
				if v, err := join(p.Combine.By, []any{one.value, one.value}, []float64{1, 1}); err == nil {
					_, _ = put(answer, s.answer, v)
				}
			}
		}
	})
}
