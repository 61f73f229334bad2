package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestLoadOutsideAGate(t *testing.T) {
	var slow atomic.Bool
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1); r.Header.Get("Content-Type") != "text/csv" {
			w.WriteHeader(http.StatusUnsupportedMediaType)
		}
		if slow.Load() {
			time.Sleep(300 * time.Millisecond)
		}
	}))
	defer server.Close()
	l := LoadTest{URLs: []string{server.URL + "/a", server.URL + "/b"}, Type: "text/csv", Bodies: [][]byte{[]byte("1"), []byte("2")},
		Rate: 200, Time: time.Second, P99: 250 * time.Millisecond}
	run := func() (got LoadTested, err error) {
		for range 5 { // a machine that is too busy to send that many says so, and nothing of the server
			if got, err = l.Run(t.Context()); !strings.Contains(got.Shown, ": invalid, ") {
				break
			}
		}
		return got, err
	}
	got, err := run()
	if err != nil || got.Verdict == Fail || got.Sent != 200 || got.Failed != 0 || !strings.HasPrefix(got.Shown, "200/s for 1 s  p99 ") {
		t.Errorf("a fast server: %+v, %v", got, err)
	}
	slow.Store(true)
	if got, err = run(); err != nil || got.Verdict != Fail || !strings.HasSuffix(got.Shown, ", at most 250 ms") {
		t.Errorf("a slow server: %+v, %v", got, err)
	}
	slow.Store(false)
	l.Type = "application/json"
	if got, err = run(); err != nil || got.Verdict != Fail || !strings.Contains(got.Shown, "status 415") {
		t.Errorf("a server that refuses: %+v, %v", got, err)
	}
	server.Close()
	if got, err = run(); err != nil || got.Verdict != Fail || got.P99 >= 0 {
		t.Errorf("no server: %+v, %v", got, err)
	}
	for _, bad := range []LoadTest{{}, {URLs: l.URLs, Bodies: l.Bodies}, {URLs: l.URLs, Bodies: l.Bodies, Rate: 10, Time: time.Second, P99: 1},
		{URLs: l.URLs, Bodies: l.Bodies, Rate: 1e9, Time: time.Minute}} {
		if _, err := bad.Run(t.Context()); err == nil {
			t.Errorf("%+v was sent", bad)
		}
	}
}
