package deploy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// storm is a play with faults, and what must hold whatever happens.
type storm struct {
	*play
	random   *rand.Rand
	deployed map[string]*fate // by key of the release
	log      []string
	second   *driving
	rejected map[string]uint64 // generation in which a version was given up
}

// fate is what truly happened to a candidate.
type fate struct {
	spec   Spec
	served map[Share]time.Duration // true time at each share, while it was watched or not
	asked  bool                    // a person told it to skip waits
	proven bool
	jumps  time.Duration // of the clock, while it was a candidate
}

func (s *storm) say(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%8s  ", s.w.at)+fmt.Sprintf(format, args...))
}

// broke reports what must never be.
func (s *storm) broke(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf(format, args...)
	for _, line := range s.log[max(len(s.log)-60, 0):] {
		s.t.Log(line)
	}
	s.t.FailNow()
}

// look checks what must hold at every instant.
func (s *storm) look() {
	sum, stable := Share(0), false
	for _, a := range s.w.now {
		sum += a.Share
		stable = stable || a.Role == Stable
	}
	if len(s.w.now) > 0 && sum != All && (stable || sum != 0) {
		s.broke("shares sum to %v: %+v", sum, s.w.now)
	}
	for key, generation := range s.rejected {
		if share := s.w.share(key); share > 0 && s.w.gen >= generation {
			s.broke("a version that was given up in generation %d has %v in %d", generation, share, s.w.gen)
		}
	}
	for key, f := range s.deployed {
		share := s.w.share(key)
		f.served[share] += time.Second
		if share == All && !f.proven && !f.asked && f.spec.Strategy == Canary {
			for _, step := range f.spec.Steps[:len(f.spec.Steps)-1] {
				// A clock without a monotonic part counts each jump as one look, a quarter of a bake at most.
				if f.served[step] < f.spec.Bake-f.jumps*f.spec.Bake/4 {
					s.broke("all traffic goes to %s, which had %v for %v only", key[:6], step, f.served[step])
				}
			}
			if traitOf(f.spec.To).errors > 0.05 || traitOf(f.spec.To).broken {
				s.broke("all traffic goes to a bad version")
			}
			f.proven = true
		}
	}
}

// rejections takes from the records which versions were given up.
func (s *storm) rejections() {
	for _, x := range s.m.read {
		if b, ok := x.body.(Move); ok && b.To == StateAborting {
			if _, known := s.rejected[b.Candidate]; !known {
				s.rejected[b.Candidate] = b.Generation
				s.say("given up in generation %d: %s", b.Generation, b.Reason)
			}
		}
	}
}

// replaced takes which candidates lost their place to another one.
func (s *storm) replaced() {
	all := s.m.service().Rollouts
	for i, r := range all[:len(all)-1] {
		if _, known := s.rejected[r.To.Key]; r.State == StateRolledBack && !known {
			s.rejected[r.To.Key] = all[i+1].First
		}
	}
}

// fault lets something happen.
func (s *storm) fault() {
	pick := func() *server {
		for _, v := range s.w.servers { // any
			return v
		}
		return nil
	}
	switch s.random.IntN(13) {
	case 0:
		if v := pick(); v != nil {
			v.up = s.w.at + time.Duration(s.random.IntN(40))*time.Second
			s.say("a server of v%d dies", v.release.Version)
		}
	case 1, 2:
		s.d = nil
		s.say("the controller is killed")
	case 3:
		s.skew += time.Duration(s.random.Int64N(int64(200*time.Hour))) - 100*time.Hour
		for _, f := range s.deployed {
			f.jumps++
		}
		s.say("the clock jumps")
	case 4:
		s.m.full = !s.m.full
		s.say("disk full: %v", s.m.full)
	case 5:
		s.w.deaf = !s.w.deaf
		s.say("deaf: %v", s.w.deaf)
	case 6:
		for _, v := range s.w.servers {
			v.counts = Counters{}
			v.up = s.w.at + time.Second
		}
		s.say("the target restarts and has lost its counts")
	case 7:
		s.w.rate = []float64{0, 1, 30, 120}[s.random.IntN(4)]
		s.say("%v requests/s", s.w.rate)
	case 8:
		word := []Word{Pause, Resume, Resume, Now, Full, Abort}[s.random.IntN(6)]
		if r, busy := s.m.service().Progress(); busy {
			if f := s.deployed[r.To.Key]; f != nil && (word == Now || word == Full) {
				f.asked = true
			}
			s.m.ask(word, "")
			s.say("%s", word)
		}
	case 9:
		if r, busy := s.m.service().Progress(); busy && s.second == nil {
			if d, err := s.controller().begin(context.Background(), "flights", r.ID); err == nil {
				s.second = d
				s.say("a second controller")
			}
		}
	case 10:
		s.second = nil
	case 11:
		if s.w.gen > 1 {
			err := s.w.Apply(context.Background(), Desired{Generation: s.w.gen - 1, Arms: []Arm{{Role: Stable, Release: release(99, "bad"), Share: All}}})
			if err == nil {
				s.broke("an earlier generation was obeyed")
			}
		}
	case 12:
		if _, busy := s.m.service().Progress(); busy && s.random.IntN(3) == 0 && !s.m.full {
			s.plan([]string{"good", "bad"}[s.random.IntN(2)])
		}
	}
}

// plan deploys the next version.
func (s *storm) plan(command string) {
	n := 10 + len(s.deployed)
	sp := spec(n, command)
	sp.From = s.m.service().Current
	sp = sp.Filled()
	sp.Bake, sp.MaxBake, sp.StartTimeout = 20*time.Second, 120*time.Second, 30*time.Second
	s.deployed[sp.To.Key] = &fate{spec: sp, served: map[Share]time.Duration{}}
	s.m.plan(sp)
	s.d, s.second = nil, nil
	s.replaced()
	s.say("v%d, which is %s, is planned", n, command)
}

// second lets a controller that is not ours look once.
func (s *storm) other() {
	if s.second == nil {
		return
	}
	mine := s.d
	s.d = s.second
	_, done, err := s.d.turn(context.Background(), s.verdict())
	if done || err != nil {
		s.second = nil
	}
	s.d = mine
}

// step is a second with everybody.
func (s *storm) step() {
	if r, busy := s.m.service().Progress(); s.d == nil && (busy || r.State.Over()) && s.random.IntN(5) == 0 {
		s.resume()
	}
	if s.d != nil {
		for range 5 {
			sooner, done, err := s.d.turn(context.Background(), s.verdict())
			s.rejections()
			s.look0()
			if err != nil {
				s.say("the controller ends: %v", err)
			}
			if done || err != nil {
				s.d = nil
				break
			}
			if !sooner {
				break
			}
		}
	}
	s.other()
	s.rejections()
	s.w.pass(time.Second)
	s.look()
}

// look0 checks without letting time pass.
func (s *storm) look0() {
	for key, generation := range s.rejected {
		if share := s.w.share(key); share > 0 && s.w.gen >= generation {
			s.broke("a version that was given up in generation %d has %v in %d", generation, share, s.w.gen)
		}
	}
}

// resume goes on with the newest rollout from the records.
func (s *storm) resume() {
	all := s.m.service().Rollouts
	if len(all) == 0 {
		return
	}
	d, err := s.controller().begin(context.Background(), "flights", all[len(all)-1].ID)
	if err != nil {
		s.broke("cannot go on: %v", err)
	}
	s.d = d
	s.say("a controller goes on with v%d, which is %s", d.r.To.Version, d.r.State)
}

// calm heals everything and goes on to the end.
func (s *storm) calm() Rollout {
	s.m.full, s.w.deaf, s.second = false, false, nil
	s.w.rate = 120
	s.say("calm")
	for _, v := range s.w.servers {
		v.up = min(v.up, s.w.at)
	}
	s.d = nil
	for range 3000 {
		all := s.m.service().Rollouts
		r := all[len(all)-1]
		if r.State.Over() && s.d == nil && s.w.gen == r.Generation && r.obeys(must(s.w.Observe(context.Background(), ""))) {
			return r
		}
		if r.State == StatePaused && len(r.Asks) == 0 {
			s.m.ask(Resume, "")
		}
		if s.d == nil {
			s.resume()
		}
		s.step()
	}
	s.broke("it never ends")
	return Rollout{}
}

func must(a Actual, err error) Actual {
	if err != nil {
		panic(err)
	}
	return a
}

// TestFaults plays random schedules of faults against a controller and a target, and holds that at every instant the shares sum to all, that no
// version which was given up has traffic again, that nothing gets all of it that has not proven itself for as long as it should, and that in
// the end it is over and a rollback reaches the last good version.
func TestFaults(t *testing.T) {
	n := 80
	if testing.Short() {
		n = 20
	}
	ends := map[State]int{}
	for seed := range uint64(n) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := &storm{play: inService(t, 1000+seed), random: rand.New(rand.NewPCG(seed, 3)), deployed: map[string]*fate{}, rejected: map[string]uint64{}}
			s.w.rate, s.w.once = 120, seed%2 == 1
			s.plan([]string{"good", "good", "bad", "broken"}[s.random.IntN(4)])
			s.resume()
			for range 200 + s.random.IntN(200) {
				if s.random.IntN(20) == 0 {
					s.fault()
				}
				s.step()
			}
			end := s.calm()
			ends[end.State]++
			s.atTheEnd()
		})
	}
	t.Logf("they ended %v", ends)
	if ends[StateCompleted] < n/10 || ends[StateRolledBack] < n/10 {
		t.Errorf("too few ended in either way: %v", ends)
	}
}

// atTheEnd holds what is in service, and that a rollback reaches what was before.
func (s *storm) atTheEnd() {
	service := s.m.service()
	if got := s.w.share(service.Current.Key); got != All {
		s.broke("v%d is in service by the records, and has %v", service.Current.Version, got)
	}
	for len(service.Targets()) > 0 {
		target := service.Targets()[0]
		if _, rejected := s.rejected[target.Key]; rejected {
			s.broke("a rollback goes to v%d, which was given up", target.Version)
		}
		if slices.ContainsFunc(service.Good, func(r Release) bool { return r.Key == service.Current.Key }) {
			s.broke("a rollback goes to what is in service")
		}
		s.d = nil
		end := s.finish(s.m.plan(Spec{Service: "flights", To: target, Strategy: Back}).ID)
		if end.State != StateCompleted || s.w.share(target.Key) != All {
			s.broke("the rollback to v%d is %s (%s)", target.Version, end.State, end.Reason)
		}
		service = s.m.service()
	}
	if service.Current.Version != 1 {
		s.broke("rollbacks end at v%d", service.Current.Version)
	}
}
