package router

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// Who connects while a service starts is answered by a server, though the state still names one that is gone.
func TestAwait(t *testing.T) {
	state := t.TempDir()
	first := run(t, Options{State: state})
	first.serve("one", Servers{Addresses: []string{"127.0.0.1:1"}})
	first.serve("two", Servers{Addresses: []string{"127.0.0.1:1"}})
	first.apply(deploy.Desired{Service: "flights", Generation: 1, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: deploy.Release{Key: "one"}, Share: deploy.All}, {Role: deploy.Previous, Release: deploy.Release{Key: "two"}}}})
	first.stop()

	second := run(t, Options{State: state, Await: time.Hour})
	asked := make(chan string, 1)
	go func() {
		resp, err := http.Post(second.url, "application/json", strings.NewReader("{}"))
		if err != nil {
			asked <- err.Error()
			return
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		asked <- resp.Status + " " + string(text)
	}()
	second.serve("one", Servers{Addresses: []string{}}) // it is not ready yet
	select {
	case answer := <-asked:
		t.Fatalf("without a server: %s", answer)
	case <-time.After(100 * time.Millisecond):
	}
	second.serve("one", answers(t, "7").servers())
	select {
	case answer := <-asked:
		if !strings.HasPrefix(answer, "200 OK ") || !says(answer, "7") {
			t.Error(answer)
		}
	case <-time.After(patience):
		t.Error("nobody is answered when the server is ready")
	}
}

// It ends while it waits, and it does not wait for ever.
func TestAwaitEnds(t *testing.T) {
	state := t.TempDir()
	first := run(t, Options{State: state})
	first.apply(deploy.Desired{Service: "flights", Generation: 1, Arms: []deploy.Arm{{Role: deploy.Stable, Release: deploy.Release{Key: "one"}, Share: deploy.All}}})
	first.stop()
	run(t, Options{State: state, Await: time.Hour}).stop()
	third := run(t, Options{State: state, Await: 50 * time.Millisecond})
	resp, err := http.Get(third.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
}
