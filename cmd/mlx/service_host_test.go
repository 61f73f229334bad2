//go:build unix

package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hosted is a service on this machine as people run it: supervisor, router, servers and controllers are processes of their own.
type hosted struct {
	*somebody
	name    string // of the service
	dir     string // of the clone in which it runs, below the home folder
	program string // mlx, or one that behaves as it does
	url     string
	run     *beside // mlx service run
	most    time.Duration
}

// newHosted makes a repository with files, among them mlx.yaml, and registers versions of a model. Nothing runs yet.
func newHosted(t *testing.T, service string, files map[string]string) *hosted {
	t.Helper()
	return newSomebody(t).hosts(service, files)
}

func (p *somebody) hosts(service string, files map[string]string) *hosted {
	p.t.Helper()
	h := &hosted{somebody: p, name: service, dir: "project", program: "mlx", most: time.Minute}
	for name, text := range files {
		h.write([]byte(text), "project", name)
	}
	h.do("project", "git", "init", "-q", "-b", "main")
	h.do("project", "mlx", "init")
	h.do("project", "git", "add", "-A")
	h.do("project", "git", "commit", "-qm", "one")
	return h
}

// register makes versions of a model, in this order.
func (h *hosted) register(model string, paths ...string) {
	h.t.Helper()
	for _, path := range paths {
		h.do("project", "mlx", "model", "register", model, path)
	}
}

// mlx runs a command that must succeed.
func (h *hosted) mlx(words ...string) string {
	h.t.Helper()
	return h.do("project", append([]string{"mlx"}, words...)...)
}

// start runs the service and waits until it answers.
func (h *hosted) start() {
	h.t.Helper()
	cmd := h.command(h.dir, h.program, "service", "run", h.name, "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // killed, it would leave router and servers behind
	h.run = h.started(cmd)
	h.awaits("the service answers", func() bool { return strings.Contains(h.run.out.String(), "\n") || len(h.run.ended) > 0 })
	line, _, _ := strings.Cut(h.run.out.String(), "\n")
	if line == "" {
		h.t.Fatalf("it does not run: %s", h.run.problem.String())
	}
	h.url = decoded[struct{ URL string }](h.t, line).URL
	run := h.run
	h.t.Cleanup(func() {
		if run.gone.Load() { // a test killed it, and waited for its end
			return
		}
		select {
		case <-run.ended: // the context of the test has ended, and with it this
		case <-time.After(time.Minute):
			h.t.Errorf("the service does not end")
			_ = run.cmd.Process.Kill()
		}
		if h.t.Failed() {
			h.t.Logf("the service said:\n%s", run.problem.String())
		}
	})
}

// awaits waits until something holds.
func (h *hosted) awaits(what string, holds func() bool) {
	h.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > h.most {
			h.t.Fatalf("it never came to this: %s\n%s", what, h.mlx("service", "list"))
		}
	}
}

// status is how the service is.
func (h *hosted) status() serviceView {
	h.t.Helper()
	out, problem, _ := h.try("project", "mlx", "service", "status", h.name, "--json")
	if out == "" {
		h.t.Fatal(problem)
	}
	return decoded[serviceView](h.t, out)
}

// arm is the release of a role; nil: there is none.
func (v serviceView) arm(role string) *armView {
	for i := range v.Arms {
		if v.Arms[i].Role == role {
			return &v.Arms[i]
		}
	}
	return nil
}

// question is what the service is asked, and how its answer is read: as one word, such as the prediction.
type question struct {
	path, body string
	read       func(text []byte) (string, error)
}

// once asks once. Whatever is no answer begins with "lost".
func (h *hosted) once(q question) string {
	resp, err := hostedClient.Post(h.url+q.path, "application/json", strings.NewReader(q.body))
	if err != nil {
		return "lost: " + err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "lost: " + err.Error()
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprintf("lost: %d %.300s", resp.StatusCode, text)
	}
	word, err := q.read(text)
	if err != nil {
		return fmt.Sprintf("lost: %v in %.300s", err, text)
	}
	return word
}

// hostedClient leaves connections open, as clients do.
var hostedClient = &http.Client{Timeout: time.Minute}

// users ask at a rate until they are stopped.
type users struct {
	h   *hosted
	end chan struct{}
	all sync.WaitGroup

	most  int    // that may be lost
	also  string // a word that may come
	mu    sync.Mutex
	words map[string]int
}

// ask begins to ask.
func (h *hosted) ask(rate int, q question) *users {
	u := &users{h: h, end: make(chan struct{}), words: map[string]int{}}
	every := time.NewTicker(time.Second / time.Duration(rate))
	u.all.Go(func() {
		defer every.Stop()
		for {
			select {
			case <-u.end:
				return
			case <-every.C:
			}
			u.all.Go(func() {
				word := h.once(q)
				u.mu.Lock()
				u.words[word]++
				u.mu.Unlock()
			})
		}
	})
	return u
}

// soFar is how often each word was answered.
func (u *users) soFar() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.words)
}

// since waits until n more answers came, and returns which.
func (u *users) since(n int) map[string]int {
	u.h.t.Helper()
	before := u.soFar()
	more := map[string]int{}
	u.h.awaits(fmt.Sprintf("%d more answers", n), func() bool {
		total := 0
		for word, count := range u.soFar() {
			more[word] = count - before[word]
			total += more[word]
		}
		return total >= n
	})
	maps.DeleteFunc(more, func(_ string, count int) bool { return count == 0 })
	return more
}

// stop waits for the last answer. Each must be one of the words, and each of these must have come.
func (u *users) stop(words ...string) map[string]int {
	u.h.t.Helper()
	close(u.end)
	u.all.Wait()
	other, total := 0, 0
	var first string
	for word, count := range u.words {
		total += count
		if !slices.Contains(words, word) && word != u.also {
			other, first = other+count, word
		}
	}
	if other > u.most {
		u.h.t.Errorf("%d of %d got no right answer, %d may; one of them: %s", other, total, u.most, first)
	}
	for _, word := range words {
		if u.words[word] == 0 {
			u.h.t.Errorf("nobody was answered %s", word)
		}
	}
	return u.words
}
