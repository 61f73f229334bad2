package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
)

// fake is a target that remembers what was asked of it.
type fake struct {
	mu     sync.Mutex
	asked  []uint64
	err    error
	actual deploy.Actual
}

func (f *fake) Apply(_ context.Context, d deploy.Desired) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.asked = append(f.asked, d.Generation)
	return nil
}

func (f *fake) Observe(context.Context, string) (deploy.Actual, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.actual, f.err
}

func three() (*Driver, []*fake) {
	fakes := []*fake{{}, {}, {}}
	d := &Driver{}
	for i, name := range []string{"a", "b", "c"} {
		d.Members = append(d.Members, Member{name, fakes[i]})
	}
	return d, fakes
}

func TestACandidateGoesNoFurtherThanTheFirstHostThatDoesNotObey(t *testing.T) {
	d, hosts := three()
	hosts[1].err = errors.New("disk full")
	err := d.Apply(t.Context(), deploy.Desired{Generation: 3, Lease: 1})
	if err == nil || !strings.HasPrefix(err.Error(), "host b: ") {
		t.Errorf("it does not say which: %v", err)
	}
	if len(hosts[0].asked) != 1 || len(hosts[2].asked) != 0 {
		t.Errorf("a was asked %v, c %v", hosts[0].asked, hosts[2].asked)
	}
	if err := d.Apply(t.Context(), deploy.Desired{Generation: 4}); err == nil || len(hosts[2].asked) != 1 {
		t.Errorf("what takes the candidate back is asked of every host that can be asked: %v, c %v", err, hosts[2].asked)
	}
	hosts[1].err = deploy.ErrStale
	if err := d.Apply(t.Context(), deploy.Desired{Generation: 5, Lease: 1}); !errors.Is(err, deploy.ErrStale) {
		t.Errorf("somebody else was obeyed: %v", err)
	}
}

func seen(generation uint64, share deploy.Share, requests int64) deploy.Actual {
	return deploy.Actual{Generation: generation, Pairs: deploy.Pairs{Eligible: 1}, Arms: []deploy.Seen{
		{Key: "new", Role: deploy.Candidate, Share: share, Replicas: 2, Ready: 2, Counts: deploy.Counters{Requests: requests, Answers: requests}},
	}}
}

func TestHostsTogether(t *testing.T) {
	d, hosts := three()
	for i, h := range hosts {
		h.actual = seen(7, 500, int64(10*(i+1)))
	}
	got, err := d.Observe(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if one := got.Arms[0]; got.Generation != 7 || one.Share != 500 || one.Ready != 2 || one.Counts.Requests != 60 || got.Pairs.Eligible != 3 {
		t.Errorf("together they do %+v", got)
	}

	hosts[2].actual = seen(6, 100, 30) // it has not obeyed yet
	hosts[2].actual.Arms[0].Ready = 0
	if got, _ = d.Observe(t.Context(), "s"); got.Generation != 6 || got.Arms[0].Share != 100 || got.Arms[0].Ready != 0 {
		t.Errorf("a step counts only when all obey: %+v", got)
	}
	hosts[2].actual.Arms = nil // nor does it serve it at all
	if got, _ = d.Observe(t.Context(), "s"); got.Arms[0].Share != 0 || got.Arms[0].Ready != 0 || got.Arms[0].Counts.Requests != 60 {
		t.Errorf("a release that a host does not serve has no share, and what it has answered stays: %+v", got)
	}

	hosts[2].actual = seen(7, 500, 5) // its router came back without its counts
	if got, _ = d.Observe(t.Context(), "s"); got.Arms[0].Counts.Requests != 10+20+30+5 {
		t.Errorf("%d requests", got.Arms[0].Counts.Requests)
	}
	hosts[1].actual.Reverted = &deploy.Reverted{Generation: 7, Reason: "the lease is over"}
	hosts[1].actual.Trouble = "its supervisor does not run"
	if got, _ = d.Observe(t.Context(), "s"); got.Reverted == nil || got.Reverted.Reason != "b: the lease is over" || got.Trouble != "b: its supervisor does not run" {
		t.Errorf("one that gave its candidate up does it for all: %+v", got)
	}
	if err := d.Apply(t.Context(), deploy.Desired{Generation: 8}); err != nil {
		t.Fatal(err)
	}
	hosts[0].actual.Generation = 12
	if got, _ = d.Observe(t.Context(), "s"); got.Generation != 12 {
		t.Errorf("somebody else controls a, and generation %d is seen", got.Generation)
	}
	hosts[0].err = errors.New("cannot reach a")
	if _, err := d.Observe(t.Context(), "s"); err == nil || !strings.Contains(err.Error(), "host a: cannot reach a") {
		t.Errorf("without one host nothing is known: %v", err)
	}
}

func TestAHostIsNamedOnce(t *testing.T) {
	m := Member{Name: "b"}
	for said, want := range map[string]string{
		"cannot reach b: no ssh server answers there": "host b: no ssh server answers there", "mlx on b ended: killed": "host b: mlx there ended: killed",
		"the connection to b was lost: EOF": "host b: the connection was lost: EOF", "it cannot pull flights@v2": "host b: it cannot pull flights@v2",
	} {
		err := m.At(fault.New(fault.Unavailable, "%s", said).Hint("ssh b"))
		if err.Error() != want || fault.KindOf(err) != fault.Unavailable || !slices.Equal(fault.Hints(err), []string{"ssh b"}) {
			t.Errorf("%s: %v, %v", said, err, fault.Hints(err))
		}
	}
}

// hung is a host that takes what it is asked, and never answers.
type hung struct{}

func (hung) Apply(ctx context.Context, _ deploy.Desired) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hung) Observe(ctx context.Context, _ string) (deploy.Actual, error) {
	<-ctx.Done()
	return deploy.Actual{}, ctx.Err()
}

// TestAHostThatHangsHoldsUpNoAbort: the others are told whatever the first one does, and who gives up is told so.
func TestAHostThatHangsHoldsUpNoAbort(t *testing.T) {
	d, hosts := three()
	d.Members[0].Target = hung{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Apply(ctx, deploy.Desired{Generation: 4}) }()
	told := func(f *fake) bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.asked) == 1 }
	for until := time.Now().Add(20 * time.Second); !told(hosts[1]) || !told(hosts[2]); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("hosts b and c are not told, because a does not answer")
		}
	}
	stop()
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "host a: ") {
		t.Errorf("it is said of a: %v", err)
	}
}

// TestARollbackDoesNotWaitForAHostThatIsAway: it is seen to be done by the hosts that can be asked, and by none that can and does not.
func TestARollbackDoesNotWaitForAHostThatIsAway(t *testing.T) {
	d, hosts := three()
	for _, h := range hosts[:2] {
		h.actual = seen(7, 500, 10)
	}
	hosts[2].err = errors.New("no route")
	r := d.Reached()
	if got, err := r.Observe(t.Context(), "s"); err != nil || got.Generation != 7 || got.Arms[0].Counts.Requests != 20 {
		t.Errorf("what a and b do is known: %+v %v", got, err)
	}
	if err := r.Apply(t.Context(), deploy.Desired{Generation: 7}); err != nil || len(hosts[0].asked) != 1 || len(hosts[1].asked) != 1 {
		t.Errorf("a and b obey: %v", err)
	}
	hosts[1].actual.Generation = 6
	if err := r.Apply(t.Context(), deploy.Desired{Generation: 7}); err == nil {
		t.Error("b can be asked and does not obey")
	}
	hosts[1].actual.Generation = 8
	if err := r.Apply(t.Context(), deploy.Desired{Generation: 7}); !errors.Is(err, deploy.ErrStale) {
		t.Errorf("b obeys somebody else: %v", err)
	}
	for _, h := range hosts {
		h.err = errors.New("no route")
	}
	if _, err := r.Observe(t.Context(), "s"); err == nil {
		t.Error("nobody can be asked, and something is known")
	}
	if err := r.Apply(t.Context(), deploy.Desired{Generation: 7}); err == nil {
		t.Error("nobody can be asked, and it is done")
	}
}

// TestARelayThatReadsNothing: who asks gives up at the end of its time, and the connection with it.
func TestARelayThatReadsNothing(t *testing.T) {
	dials := 0
	m := &Remote{Dial: func(context.Context) (io.ReadWriteCloser, error) {
		dials++
		here, there := net.Pipe()
		go func() { _, _ = io.WriteString(there, Greeting+"\n") }()
		return here, nil
	}}
	for range 2 {
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		ended := make(chan error, 1)
		go func() { _, err := m.Observe(ctx, "s"); ended <- err }()
		select {
		case err := <-ended:
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("it says %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it waits for ever")
		}
		stop()
	}
	if dials != 2 {
		t.Errorf("%d connections: one that is stuck is not asked again", dials)
	}
}

// relayed is a target behind a relay, which can be cut.
func relayed(t *testing.T, target deploy.Driver) (m *Remote, cut func(), dials func() int) {
	t.Helper()
	var mu sync.Mutex
	var last net.Conn
	n := 0
	var serving sync.WaitGroup
	m = &Remote{Dial: func(context.Context) (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		mu.Lock()
		last = there
		n++
		mu.Unlock()
		serving.Go(func() {
			if _, err := io.WriteString(there, "word of the day\nanother one\n"); err != nil {
				return
			}
			_ = Serve(context.Background(), there, there, "s", target) // the test says how it ends
			_ = there.Close()
		})
		return here, nil
	}}
	t.Cleanup(func() {
		_ = m.Close()
		serving.Wait()
	})
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		_ = last.Close()
	}
	return m, cut, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestRelay(t *testing.T) {
	f := &fake{actual: seen(3, 100, 9)}
	m, cut, dials := relayed(t, f)
	if err := m.Apply(t.Context(), deploy.Desired{Service: "s", Generation: 3}); err != nil {
		t.Fatal(err)
	}
	got, err := m.Observe(t.Context(), "s")
	if err != nil || got.Generation != 3 || got.Arms[0].Counts.Requests != 9 || !slices.Equal(f.asked, []uint64{3}) {
		t.Fatalf("%+v, %v, %v", got, err, f.asked)
	}
	if dials() != 1 {
		t.Errorf("it connects %d times", dials())
	}
	cut()
	if _, err := m.Observe(t.Context(), "s"); err != nil || dials() != 2 {
		t.Errorf("a connection that was lost is made again: %v, %d", err, dials())
	}
	for want, is := range map[error]func(error) bool{
		deploy.ErrStale:     func(err error) bool { return errors.Is(err, deploy.ErrStale) },
		local.ErrNotRunning: func(err error) bool { return errors.Is(err, ErrGone) },
		ErrDenied:           func(err error) bool { return errors.Is(err, ErrDenied) && fault.KindOf(err) == fault.Denied },
		fault.New(fault.Denied, "cannot do that").Hint("mlx trust"): func(err error) bool {
			return fault.KindOf(err) == fault.Denied && err.Error() == "cannot do that" && slices.Equal(fault.Hints(err), []string{"mlx trust"})
		},
	} {
		f.mu.Lock()
		f.err = want
		f.mu.Unlock()
		if err := m.Apply(t.Context(), deploy.Desired{Generation: 4}); !is(err) {
			t.Errorf("%v comes as %v", want, err)
		}
		if _, err := m.Observe(t.Context(), "s"); !is(err) {
			t.Errorf("%v comes as %v", want, err)
		}
	}
	var asking sync.WaitGroup
	f.mu.Lock()
	f.err = nil
	f.mu.Unlock()
	for range 50 {
		asking.Go(func() {
			if _, err := m.Observe(t.Context(), "s"); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
}

// counting is a target that knows one thing more.
type counting struct{ *fake }

func (counting) Answer(_ context.Context, what string, of json.RawMessage) (any, error) {
	var n int
	if err := json.Unmarshal(of, &n); err != nil || what != "twice" {
		return nil, fault.New(fault.Usage, "cannot say %s", what).Hint("ask for twice")
	}
	return 2 * n, nil
}

func TestWhatElseARelayIsAsked(t *testing.T) {
	m, _, _ := relayed(t, counting{&fake{}})
	got := 0
	if err := m.Ask(t.Context(), "twice", 21, &got); err != nil || got != 42 {
		t.Errorf("%d, %v", got, err)
	}
	if err := m.Ask(t.Context(), "thrice", 21, &got); fault.KindOf(err) != fault.Usage || !slices.Equal(fault.Hints(err), []string{"ask for twice"}) {
		t.Errorf("what it does not know: %v", err)
	}
	plain, _, _ := relayed(t, &fake{})
	if err := plain.Ask(t.Context(), "twice", 21, &got); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a target that knows nothing more: %v", err)
	}
	// An older relay takes any question that it does not know for one after how it is.
	old := &Remote{Dial: func(context.Context) (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		go func() {
			_, _ = io.WriteString(there, Greeting+"\n")
			var q question
			if readFrame(there, &q) == nil {
				_ = writeFrame(there, &sync.Mutex{}, answer{ID: q.ID, Actual: &deploy.Actual{}})
			}
		}()
		return here, nil
	}}
	if err := old.Ask(t.Context(), "twice", 21, &got); err == nil || !strings.Contains(err.Error(), "is older") {
		t.Errorf("an older relay: %v", err)
	}
}

func TestWhoIsNoRelay(t *testing.T) {
	for name, said := range map[string]string{"another program": "hello\n", "nothing": "", "too much": strings.Repeat("x", maxGreeting+1) + "\n"} {
		m := &Remote{Dial: func(context.Context) (io.ReadWriteCloser, error) {
			here, there := net.Pipe()
			go func() {
				_, _ = io.WriteString(there, said)
				_ = there.Close()
			}()
			return here, nil
		}}
		if _, err := m.Observe(t.Context(), "s"); err == nil || fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := &Remote{Dial: func(context.Context) (io.ReadWriteCloser, error) { return nil, errors.New("cannot reach it") }}
	if err := m.Apply(t.Context(), deploy.Desired{}); err == nil || err.Error() != "cannot reach it" {
		t.Errorf("%v", err)
	}
}

func FuzzFrames(f *testing.F) {
	var good bytes.Buffer
	if err := writeFrame(&good, &sync.Mutex{}, question{ID: 3, Desired: &deploy.Desired{Service: "s"}}); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bufio.NewReader(bytes.NewReader(text))
		_ = greeted(bufio.NewReader(bytes.NewReader(text)))
		for range 10 {
			var q question
			if readFrame(r, &q) != nil {
				return
			}
			var again bytes.Buffer
			if err := writeFrame(&again, &sync.Mutex{}, q); err != nil {
				t.Fatal(err)
			}
		}
	})
}
