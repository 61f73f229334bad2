package router

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// TestSplit holds that shares are met within 3 sigma, that nobody changes arms while the share stays, and that nobody leaves the candidate
// while it grows.
func TestSplit(t *testing.T) {
	const users = 100_000
	for _, salt := range []string{"a", "b", "rollout-7"} {
		was := make([]bool, users)
		for _, percent := range []int{1, 5, 20, 50} {
			share := deploy.Share(percent * 100)
			table := &table{stable: &arm{}, candidate: &arm{given: share}}
			in := 0
			for i := range users {
				bucket := Bucket(salt, "user-"+strconv.Itoa(i))
				candidate := table.choose(draw{bucket: bucket}) == table.candidate
				if candidate != (bucket < int(share)) || bucket < 0 || bucket >= int(deploy.All) || bucket != Bucket(salt, "user-"+strconv.Itoa(i)) {
					t.Fatalf("user %d has bucket %d", i, bucket)
				}
				if was[i] && !candidate {
					t.Fatalf("user %d leaves the candidate at %d %%", i, percent)
				}
				if was[i] = candidate; candidate {
					in++
				}
			}
			p := share.Float()
			if gap := math.Abs(float64(in) - users*p); gap > 3*math.Sqrt(users*p*(1-p)) {
				t.Errorf("salt %s: %d of %d users for %d %%", salt, in, users, percent)
			}
		}
	}
	// SHA-256 of "s\x00u" begins f30a8c69aa63889b as sha256sum says; an analysis recomputes it from that.
	if h := Hash("s", "u"); h != 0xf30a8c69aa63889b {
		t.Errorf("the hash is %#x", h)
	}
}

func TestGenerations(t *testing.T) {
	r := run(t, Options{})
	r.apply(desired(5, 2000, func(d *deploy.Desired) {
		d.Arms = append(d.Arms, deploy.Arm{Role: deploy.Previous, Release: release("zero", 0)})
	}))
	if s := r.seen(deploy.Previous); s.Key != "zero" || s.Share != 0 {
		t.Errorf("the previous release: %+v", s)
	}
	for _, old := range []uint64{5, 4, 0} {
		if err := r.client.Apply(t.Context(), desired(old, 1000)); !errors.Is(err, deploy.ErrStale) || !strings.Contains(err.Error(), "generation 5") {
			t.Errorf("generation %d: %v", old, err)
		}
	}
	shares := func(stable, candidate deploy.Share) deploy.Desired {
		d := desired(9, 0)
		d.Arms[0].Share, d.Arms[1].Share = stable, candidate
		return d
	}
	for name, d := range map[string]deploy.Desired{
		"sum":       shares(9000, 999),
		"more":      shares(10000, 1),
		"negative":  shares(10001, -1),
		"service":   {Service: "other", Generation: 9},
		"role":      desired(9, 1, func(d *deploy.Desired) { d.Arms[1].Role = "king" }),
		"two":       desired(9, 0, func(d *deploy.Desired) { d.Arms[1].Role = deploy.Stable }),
		"key":       desired(9, 1, func(d *deploy.Desired) { d.Arms[1].Release.Key = "../x" }),
		"same key":  desired(9, 1, func(d *deploy.Desired) { d.Arms[1].Release.Key = "one" }),
		"two words": desired(9, 1, func(d *deploy.Desired) { d.Sticky.Header, d.Sticky.Cookie = "a", "b" }),
		"pointer":   desired(9, 1, func(d *deploy.Desired) { d.Sticky.Field = "user" }),
		"lease":     desired(9, 1, func(d *deploy.Desired) { d.Lease = -1 }),
		"mirror":    desired(9, 1, func(d *deploy.Desired) { d.Mirror = 10001 }),
		"breaks":    desired(9, 1, func(d *deploy.Desired) { d.Breaks = maxBreaks + 1 }),
		"shadow": desired(9, 1, func(d *deploy.Desired) {
			d.Arms = append(d.Arms, deploy.Arm{Role: deploy.Shadow, Release: release("three", 3), Share: 1})
		}),
	} {
		if err := r.client.Apply(t.Context(), d); err == nil || errors.Is(err, deploy.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a := r.actual(); a.Generation != 5 || a.Arms[1].Share != 2000 {
		t.Errorf("what is so: %+v", a)
	}
	for name, s := range map[string]Servers{"address": {Addresses: []string{"x"}}, "twice": {Addresses: []string{"a:1", "a:1"}}} {
		if err := r.client.Serve(t.Context(), "one", s); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestTwoControllers holds that of several who write one generation at once exactly one succeeds.
func TestTwoControllers(t *testing.T) {
	r := run(t, Options{})
	for generation := uint64(1); generation <= 10; generation++ {
		var won, stale atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				switch err := NewClient(r.state).Apply(t.Context(), desired(generation, deploy.Share(i))); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, deploy.ErrStale):
					stale.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || stale.Load() != 7 {
			t.Errorf("generation %d: %d won, %d were stale", generation, won.Load(), stale.Load())
		}
	}
}

func TestStateComesBack(t *testing.T) {
	one, two := answers(t, "1"), answers(t, "2")
	r := run(t, Options{})
	r.serve("one", one.servers())
	r.serve("two", two.servers())
	r.serve("gone", two.servers())
	r.serve("gone", Servers{})
	r.apply(desired(3, deploy.All))
	if _, text := post(t, r.url, "{}"); !says(text, "2") {
		t.Errorf("answered %s", text)
	}
	r.stop()
	again := run(t, Options{State: r.state})
	if status, text := post(t, again.url, "{}"); status != 200 || !says(text, "2") {
		t.Errorf("after the start: %d %s", status, text)
	}
	if s := again.seen(deploy.Candidate); s.Counts.Requests != 2 || s.Counts.Answers != 2 || s.Counts.Latency.Count() != 2 || s.Counts.Outputs.High.Count() != 2 || s.Ready != 1 {
		t.Errorf("seen %+v", s)
	}
	if err := again.client.Apply(t.Context(), desired(3, 0)); !errors.Is(err, deploy.ErrStale) {
		t.Errorf("the generation is forgotten: %v", err)
	}
	info, err := os.Stat(filepath.Join(r.state, controlFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket: %v, %v", info.Mode(), err)
	}
}

func TestBrokenStateIsToldNotGuessed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), Options{Service: service, State: dir, Now: time.Now}); err == nil || !strings.Contains(err.Error(), "state of the router") {
		t.Errorf("started: %v", err)
	}
}

// TestDiskFull holds that what cannot be stored does not take effect, and that a lease that ends takes effect nevertheless, and is stored
// as soon as it can be.
func TestDiskFull(t *testing.T) {
	one, two := answers(t, "1"), answers(t, "2")
	r := run(t, Options{})
	r.serve("one", one.servers())
	r.serve("two", two.servers())
	r.apply(desired(1, deploy.All, func(d *deploy.Desired) { d.Lease = 500 * time.Millisecond }))
	lock := filepath.Join(r.state, "lock")
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o700)); err != nil { // no file can be written there now, not even by root
		t.Fatal(err)
	}
	if err := r.client.Apply(t.Context(), desired(2, 0)); err == nil {
		t.Error("it was stored where nothing can be")
	}
	if a := r.actual(); a.Generation != 1 {
		t.Errorf("generation %d is in force", a.Generation)
	}
	until(t, "reverted without a disk", func() bool { return r.actual().Reverted != nil })
	if _, text := post(t, r.url, "{}"); !says(text, "1") {
		t.Errorf("answered %s", text)
	}
	if a := r.actual(); a.Trouble == "" {
		t.Error("nobody is told that it is not stored")
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	until(t, "stored in the end", func() bool {
		s, err := load(r.state)
		return err == nil && s.Reverted != nil
	})
	until(t, "no trouble", func() bool { return r.actual().Trouble == "" })
}

func TestWords(t *testing.T) {
	one, two := answers(t, "1"), answers(t, "2")
	r := run(t, Options{})
	r.serve("one", one.servers())
	r.serve("two", two.servers())
	in, out := "", ""
	for i := 0; in == "" || out == ""; i++ {
		if w := strconv.Itoa(i); Bucket("s", w) < 5000 {
			in = w
		} else {
			out = w
		}
	}
	for generation, sticky := range []deploy.Sticky{{Header: "X-User"}, {Cookie: "user"}, {Field: "/who/0"}} {
		sticky.Salt, sticky.Strict = "s", true
		r.apply(desired(uint64(generation+1), 5000, func(d *deploy.Desired) { d.Sticky = sticky }))
		for word, want := range map[string]string{in: "2", out: "1", "": "1"} {
			for range 20 {
				body, headers := "{}", []string{}
				switch {
				case word == "":
				case sticky.Header != "":
					headers = []string{"X-User", word}
				case sticky.Cookie != "":
					headers = []string{"Cookie", "user=" + word}
				default:
					body = `{"who":[` + word + `]}`
				}
				if status, text := post(t, r.url, body, headers...); status != 200 || !says(text, want) {
					t.Fatalf("%+v, word %q: %d %s", sticky, word, status, text)
				}
			}
		}
	}
	// Those without a word are counted for nobody.
	if one, two := r.seen(deploy.Stable).Counts.Requests, r.seen(deploy.Candidate).Counts.Requests; one != 60 || two != 60 {
		t.Errorf("%d and %d requests are counted", one, two)
	}
	r.apply(desired(9, 5000, func(d *deploy.Desired) { d.Sticky = deploy.Sticky{Header: "X-User", Salt: "s"} }))
	for range 50 {
		post(t, r.url, "{}")
	}
	if n := r.seen(deploy.Candidate).Counts.Requests - 60; n < 5 || n > 45 { // 1 in 10^8 by chance
		t.Errorf("of 50 requests without a word %d are drawn for the candidate", n)
	}
}

// FuzzState holds that whatever is read as a state can be routed by.
func FuzzState(f *testing.F) {
	s := state{Desired: desired(3, 100, func(d *deploy.Desired) { d.Sticky.Field = "/a" }), Servers: map[string]Servers{"one": {Addresses: []string{"a:1"}, Signature: []byte(`{"inputs":"[]"}`)}}}
	f.Add([]byte(asJSON(s)))
	f.Add([]byte(`{"desired":{"generation":1},"servers":{"a":{}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeState(text)
		if err != nil {
			return
		}
		settings, _ := Settings{}.complete()
		r := &router{o: Options{State: t.TempDir(), Settings: settings, Log: slog.New(slog.DiscardHandler)}, pools: map[string]*pool{}, counted: map[string]*counters{}}
		for _, a := range s.Desired.Arms {
			r.counted[a.Release.Key] = &counters{}
		}
		for key := range s.Servers {
			r.counted[key] = &counters{}
		}
		t2 := r.build(s)
		for bucket := -1; bucket < int(deploy.All); bucket += 97 {
			if a := t2.choose(draw{bucket: bucket}); a != nil && a.pool == nil {
				t.Fatal("an arm without a pool")
			}
		}
	})
}

// Whoever stops the servers of a release that has left must know what it is still answering.
func TestRequestsAtAReleaseThatLeft(t *testing.T) {
	come, answer := make(chan struct{}), make(chan struct{})
	slow := handles(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(come)
		<-answer
	})
	r := run(t, Options{})
	r.serve("one", answers(t, "1").servers())
	r.serve("two", Servers{Addresses: slow.servers().Addresses})
	r.apply(desired(1, deploy.All))
	got := make(chan int, 1)
	go func() {
		status, _ := post(t, r.url, "{}")
		got <- status
	}()
	<-come
	if s := r.seen(deploy.Candidate); s.InFlight != 1 {
		t.Errorf("the candidate answers %d requests", s.InFlight)
	}
	left := desired(2, 0)
	left.Arms = left.Arms[:1]
	r.apply(left)
	r.serve("two", Servers{})
	under := func() int64 {
		for _, s := range r.actual().Arms {
			if s.Key == "two" {
				return s.InFlight
			}
		}
		return 0
	}
	if n := under(); n != 1 {
		t.Errorf("of a release that left %d requests are seen", n)
	}
	close(answer)
	if status := <-got; status != http.StatusOK {
		t.Errorf("the request got %d", status)
	}
	until(t, "nothing is at it any more", func() bool { return under() == 0 })
}
