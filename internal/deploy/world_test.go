package deploy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// world is a target and its users: it behaves as the router of a host does, in a time of its own.
type world struct {
	t       *testing.T
	random  *rand.Rand
	at      time.Duration // true time
	gen     uint64
	desired Desired
	now     []Arm // as traffic goes: what was desired, or what the target made of it
	left    time.Duration
	back    *Reverted
	servers map[string]*server
	rate    float64 // requests per second
	breaks  []time.Duration
	deaf    bool // it cannot be asked
	mirrors bool
	pairs   Pairs
	once    bool // it takes each generation once, and is renewed by another call
	lost    int64

	// What is known of candidates, for those who check.
	held map[Share]time.Duration // true time at each share of the candidate
}

// server serves one release.
type server struct {
	release Release
	role    Role
	up      time.Duration // true time at which it is ready
	broken  bool          // it never gets ready
	errors  float64       // share of the answers
	latency float64       // median, in microseconds
	counts  Counters
}

const startTakes = 3 * time.Second

func newWorld(t *testing.T, seed uint64) *world {
	return &world{t: t, random: rand.New(rand.NewPCG(seed, 77)), servers: map[string]*server{}, rate: 400, held: map[Share]time.Duration{}}
}

var errDeaf = errors.New("the router does not answer")

// known are properties of releases, by key.
type trait struct {
	errors  float64
	latency float64
	broken  bool
}

func traitOf(r Release) trait {
	tr := trait{0.001, 9000, false}
	switch r.Serve.Command {
	case "bad":
		tr.errors = 0.1
	case "broken":
		tr.broken = true
	case "slow":
		tr.latency = 90_000
	}
	return tr
}

func (w *world) Apply(_ context.Context, d Desired) error {
	switch {
	case w.deaf:
		return errDeaf
	case d.Generation < w.gen, d.Generation == w.gen && (w.once || w.back != nil || !reflect.DeepEqual(d, w.desired)):
		return ErrStale
	}
	sum, stable := Share(0), false
	for _, a := range d.Arms {
		sum += a.Share
		stable = stable || a.Role == Stable
	}
	if stable && sum != All || !stable && sum != All && sum != 0 {
		w.t.Errorf("shares of generation %d sum to %v: %+v", d.Generation, sum, d.Arms)
	}
	w.left = d.Lease
	if d.Generation == w.gen {
		return nil
	}
	w.gen, w.desired, w.back, w.breaks = d.Generation, d, nil, nil
	w.now = slices.Clone(d.Arms)
	kept := map[string]bool{}
	for _, a := range d.Arms {
		kept[a.Release.Key] = true
		s := w.servers[a.Release.Key]
		if s == nil {
			tr := traitOf(a.Release)
			s = &server{release: a.Release, up: w.at + startTakes, errors: tr.errors, latency: tr.latency, broken: tr.broken}
			w.servers[a.Release.Key] = s
		}
		s.role = a.Role
	}
	for key := range w.servers {
		if !kept[key] {
			delete(w.servers, key)
		}
	}
	return nil
}

// renew is what a target has that takes each generation once.
func (w *world) renew(_ context.Context, _ string, generation uint64) error {
	switch {
	case w.deaf:
		return errDeaf
	case generation != w.gen || w.back != nil:
		return ErrStale
	}
	w.left = w.desired.Lease
	return nil
}

func (s *server) ready(w *world) bool { return !s.broken && w.at >= s.up }

func (w *world) Observe(context.Context, string) (Actual, error) {
	if w.deaf {
		return Actual{}, errDeaf
	}
	a := Actual{Generation: w.gen, Reverted: w.back, Pairs: w.pairs}
	for _, arm := range w.now {
		s := w.servers[arm.Release.Key]
		seen := Seen{Key: arm.Release.Key, Role: arm.Role, Share: arm.Share, Replicas: arm.Replicas, Counts: s.counts}
		if s.ready(w) {
			seen.Ready = arm.Replicas
		} else {
			seen.Trouble = "exit status 1"
		}
		a.Arms = append(a.Arms, seen)
	}
	return a, nil
}

// share is what a release gets.
func (w *world) share(key string) Share {
	sum := Share(0)
	for _, a := range w.now {
		if a.Release.Key == key {
			sum += a.Share
		}
	}
	return sum
}

// revert gives all to stable, as a router does by itself.
func (w *world) revert(reason string) {
	if !slices.ContainsFunc(w.now, func(a Arm) bool { return a.Role == Stable }) {
		return
	}
	for i := range w.now {
		w.now[i].Share = 0
		if w.now[i].Role == Stable {
			w.now[i].Share = All
		}
	}
	w.back = &Reverted{Generation: w.gen, Reason: reason}
}

// pass lets time go by: users ask, leases end.
func (w *world) pass(d time.Duration) {
	w.at += d
	for _, a := range w.now {
		if a.Role == Candidate {
			w.held[a.Share] += d
		}
	}
	if candidate := slices.IndexFunc(w.now, func(a Arm) bool { return a.Role == Candidate && a.Share > 0 }); candidate >= 0 && w.back == nil {
		if w.desired.Lease > 0 {
			if w.left -= d; w.left <= 0 {
				w.revert("lease expired")
			}
		}
	}
	for _, a := range w.now {
		if a.Role == Shadow && w.mirrors {
			w.copies(a, int64(w.rate*d.Seconds()*w.desired.Mirror.Float()))
			continue
		}
		w.serve(a, int64(math.Round(w.rate*d.Seconds()*a.Share.Float()*(0.9+0.2*w.random.Float64()))))
	}
}

// mirror makes copies for shadows from here on.
func (w *world) mirror() { w.mirrors = true }

// copies serves copies to a shadow, which answers as it does.
func (w *world) copies(a Arm, n int64) {
	s := w.servers[a.Release.Key]
	if !s.ready(w) {
		w.pairs.Eligible, w.pairs.Dropped = w.pairs.Eligible+n, w.pairs.Dropped+n
		return
	}
	before := s.counts.Errors
	w.serve(a, n)
	w.pairs.Eligible, w.pairs.Compared = w.pairs.Eligible+n, w.pairs.Compared+n
	w.pairs.Disagreed += s.counts.Errors - before
}

// serve answers n requests of one arm; what a candidate without a server cannot answer stable does.
func (w *world) serve(a Arm, n int64) {
	s := w.servers[a.Release.Key]
	if n == 0 {
		return
	}
	if !s.ready(w) {
		i := slices.IndexFunc(w.now, func(o Arm) bool { return o.Role == Stable })
		if a.Role == Candidate && i >= 0 && w.servers[w.now[i].Release.Key].ready(w) {
			s.counts.Requests, s.counts.Errors, s.counts.Retried = s.counts.Requests+1, s.counts.Errors+1, s.counts.Retried+1
			w.breaks = append(w.breaks, w.at)
			if w.desired.Breaks > 0 && len(w.breaks) >= w.desired.Breaks && w.at-w.breaks[len(w.breaks)-w.desired.Breaks] <= w.desired.BreaksIn {
				w.revert("its connection broke 3 times in 10 s")
			}
		} else {
			w.lost += n
			s.counts.Requests, s.counts.Errors = s.counts.Requests+n, s.counts.Errors+n // as the router counts what nobody could answer
		}
		return
	}
	failed := int64(0)
	for range min(n, 2000) {
		if w.random.Float64() < s.errors {
			failed++
		}
	}
	counts := make([]int64, NumBuckets)
	for range n {
		counts[Bucket(int64(s.latency*math.Exp(0.3*w.random.NormFloat64())))]++
	}
	s.counts = s.counts.And(Counters{Requests: n, Answers: n - failed, Errors: failed, Latency: NewHistogram(counts)})
}

// memory keeps records as a ledger does, in their own encoding, and may be full.
type memory struct {
	t       *testing.T
	records []lineage.Record
	read    []said // of records
	full    bool
	clock   func() time.Time
	by      string
}

var errFull = errors.New("no space left on device")

func (m *memory) append(kind string, body any, op string, prev []object.Digest) (lineage.Record, error) {
	if m.full {
		return lineage.Record{}, errFull
	}
	text, err := object.Encode(body)
	if err != nil {
		m.t.Fatal(err)
	}
	rec := lineage.Record{Kind: kind, LC: uint64(len(m.records) + 1), At: m.clock(), By: m.by, Op: op, Prev: prev, Body: text,
		ID: object.Sum(fmt.Appendf(nil, "%s %d %s %s", kind, len(m.records), m.by, text))}
	m.records = append(m.records, rec)
	s, _, err := read(rec)
	if err != nil {
		m.t.Fatal(err)
	}
	m.read = append(m.read, s)
	return rec, nil
}

func (m *memory) Service(_ context.Context, name string) (Service, error) {
	return fold(name, slices.Clone(m.read)), nil
}

func (m *memory) service() Service {
	s, err := m.Service(context.Background(), "flights")
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *memory) Moved(_ context.Context, before, after Rollout) error {
	b := moveOf(before, after)
	_, err := m.append(Moved.Name(), b, b.op(), prev(m.service(), after.ID))
	return err
}

func (m *memory) Observed(_ context.Context, o Observation) error {
	_, err := m.append(Observed.Name(), o, "", prev(m.service(), o.Rollout))
	return err
}

func (m *memory) plan(spec Spec) Rollout {
	m.t.Helper()
	s := m.service()
	spec.From = s.Current
	spec = spec.Filled()
	if err := spec.Check(); err != nil {
		m.t.Fatal(err)
	}
	rec, err := m.append(Planned.Name(), Plan{Spec: spec, Generation: s.Generation + 1}, "", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	r, _ := m.service().Rollout(rec.ID)
	return r
}

func (m *memory) ask(w Word, reason string) {
	if r, busy := m.service().Progress(); busy {
		if _, err := m.append(Asked.Name(), Asking{Service: "flights", Rollout: r.ID, Word: w, Reason: reason, Actor: "li"}, "", prev(m.service(), r.ID)); err != nil && !m.full {
			m.t.Fatal(err)
		}
	}
}

// play is a world with a controller that may be killed.
type play struct {
	t      *testing.T
	w      *world
	m      *memory
	skew   time.Duration // of the clock of the controller
	d      *driving
	news   []News
	judged int
}

func newPlay(t *testing.T, seed uint64) *play {
	p := &play{t: t, w: newWorld(t, seed)}
	p.m = &memory{t: t, clock: p.clock, by: "ana"}
	return p
}

func (p *play) clock() time.Time {
	return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC).Add(p.w.at + p.skew)
}

func (p *play) controller() Controller {
	c := Controller{Driver: p.w, Records: p.m, Now: p.clock, Tell: func(n News) { p.news = append(p.news, n) }}
	if p.w.once {
		c.Renew = p.w.renew
	}
	return c
}

func release(n int, command string) Release {
	r := Release{Model: "flights", Version: n, Serve: Serve{Command: command}, Commit: "c" + command}
	key, err := KeyOf(r)
	if err != nil {
		panic(err)
	}
	r.Key = key
	return r
}

func spec(n int, command string) Spec {
	return Spec{Service: "flights", To: release(n, command), Bake: time.Minute, MinSamples: 300}
}

// start begins to drive a rollout.
func (p *play) start(id object.Digest) {
	p.t.Helper()
	d, err := p.controller().begin(context.Background(), "flights", id)
	if err != nil {
		p.t.Fatal(err)
	}
	p.d = d
}

// verdict is what the judge says now: policy and load test pass, steps by the usual check.
func (p *play) verdict() Judgement {
	r := p.d.r
	if !r.Judged() || p.d.seenIn != r.Generation {
		return Judgement{}
	}
	p.judged++
	if r.phase().rank() < StateShadow.rank() {
		return Judgement{Verdict: "pass"}
	}
	return Judge{}.Judge(context.Background(), r)
}

// turn lets the controller look once, and then time go by. It says whether the rollout is over.
func (p *play) turn(d time.Duration) bool {
	p.t.Helper()
	if p.d != nil {
		for range 10 {
			sooner, done, err := p.d.turn(context.Background(), p.verdict())
			if err != nil {
				p.t.Fatalf("turn: %v", err)
			}
			if done {
				p.d = nil
				return true
			}
			if !sooner {
				break
			}
		}
	}
	p.w.pass(d)
	return false
}

// finish drives a rollout to its end, or until it is paused.
func (p *play) finish(id object.Digest) Rollout {
	p.t.Helper()
	p.start(id)
	for range 5000 {
		if p.turn(time.Second) {
			break
		}
		if r, _ := p.m.service().Rollout(id); r.State == StatePaused {
			break
		}
	}
	r, _ := p.m.service().Rollout(id)
	return r
}

// until lets seconds go by until something is so.
func (p *play) until(so func() bool) {
	p.t.Helper()
	for range 5000 {
		if so() {
			return
		}
		p.turn(time.Second)
	}
	p.t.Fatal("it never came to that")
}

// deploy puts a release into service without troubles.
func (p *play) deploy(s Spec) Rollout {
	p.t.Helper()
	return p.finish(p.m.plan(s).ID)
}

func (p *play) must(state State, r Rollout) {
	p.t.Helper()
	if r.State != state {
		p.t.Fatalf("%s is %s (%s), not %s", version(r.To), r.State, r.Reason, state)
	}
}

func states(m *memory, id object.Digest) []State {
	var all []State
	for _, rec := range m.records {
		if Moved.Is(rec) {
			if b, err := Moved.Decode(rec); err == nil && b.Rollout == id {
				all = append(all, b.To)
			}
		}
	}
	return all
}
