//go:build interop && unix

package haproxy

import (
	"context"

	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// twoReleases is a bench with a server of each, and the candidate at a share.
func twoReleases(t *testing.T, share deploy.Share) (b *bench, one, two *model) {
	t.Helper()
	b = newBench(t, nil)
	one, two = serve(t, "one"), serve(t, "two")
	b.serve("one", one)
	b.serve("two", two)
	b.apply(desired(1, share, 0))
	return b, one, two
}

// weightsOf are the weights of the slots that are ready.
func (b *bench) weightsOf() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(b.tell("show servers state flights")) {
		if f := strings.Fields(line); len(f) > 18 && f[6] == "4" {
			all[f[4]+":"+f[18]] = f[7]
		}
	}
	return all
}

// slotOf is the slot at an address.
func (b *bench) slotOf(address string) string {
	for line := range strings.Lines(b.tell("show servers state flights")) {
		if f := strings.Fields(line); len(f) > 18 && f[6] != "5" && f[4]+":"+f[18] == address {
			return f[3]
		}
	}
	return ""
}

// TestWhatSomebodyElseDoesIsTold changes the slots by hand.
func TestWhatSomebodyElseDoesIsTold(t *testing.T) {
	b, one, two := twoReleases(t, 5000)
	for _, c := range []struct{ command, told string }{
		{"set server flights/" + b.slotOf(two.address) + " weight 100", "somebody set the weight of server " + b.slotOf(two.address) + " of HAProxy to 100: it is set back to 1"},
		{"set server flights/" + b.slotOf(one.address) + " state drain", "somebody set server " + b.slotOf(one.address) + " of HAProxy to drain: it is set back to ready"},
		{"set server flights/" + b.slotOf(one.address) + " state maint", "of HAProxy to maint: it is set back to ready"},
	} {
		b.tell(c.command)
		began := time.Now()
		await(t, c.told, func() bool { return strings.Contains(b.actual().Trouble, c.told) })
		w := b.weightsOf()
		if w[one.address] != "1" || w[two.address] != "1" || time.Since(began) > 5*time.Second {
			t.Errorf("after %s: %v, %s later", c.command, w, time.Since(began))
		}
	}
}

// TestHAProxyBeginsAnew reloads and kills it in the middle of a rollout.
func TestHAProxyBeginsAnew(t *testing.T) {
	b, one, two := twoReleases(t, 2000)
	b.ask(50, "x")
	for i, how := range []string{"reload", "restart"} {
		await(t, "all are counted", func() bool { return b.seen("one").Counts.Answers+b.seen("two").Counts.Answers == int64(50*(i+1)) }) // HAProxy answers, and then logs
		if how == "reload" {
			b.reload()
		} else {
			b.kill()
			if _, err := b.client.Actual(context.Background()); err == nil || !strings.Contains(err.Error(), "HAProxy does not answer at") {
				t.Errorf("HAProxy is gone: %v", err)
			}
			b.begin()
		}
		began := time.Now()
		await(t, "the slots are set again after a "+how, func() bool { w := b.weightsOf(); return w[one.address] == "4" && w[two.address] == "1" })
		t.Logf("%s: mended after %s", how, time.Since(began))
		if a := b.actual(); !strings.Contains(a.Trouble, "HAProxy was started anew") || a.Generation != 1 {
			t.Errorf("%+v", a)
		}
		if got := b.ask(50, "x"); got["two"] < 8 || got["two"] > 12 || got["one"]+got["two"] != 50 {
			t.Errorf("after a %s: %v", how, got)
		}
	}
	await(t, "all are counted", func() bool { return b.seen("one").Counts.Answers+b.seen("two").Counts.Answers == 150 })
	time.Sleep((patience + 2) * lookEvery) // what is missing is told only after so long
	if n := b.seen("one").Counts.Lost + b.seen("two").Counts.Lost; n != 0 {
		t.Errorf("%d are said to be lost", n)
	}
}

// TestWhatIsAskedWhileHAProxyIsAwayIsDoneLater applies a generation that nobody can obey.
func TestWhatIsAskedWhileHAProxyIsAwayIsDoneLater(t *testing.T) {
	b, one, two := twoReleases(t, 2000)
	b.kill()
	if err := b.client.Apply(context.Background(), desired(2, 5000, 0)); err == nil || !strings.Contains(err.Error(), "HAProxy does not answer at") {
		t.Fatalf("%v", err)
	}
	b.begin()
	await(t, "it is done", func() bool { w := b.weightsOf(); return w[one.address] == "1" && w[two.address] == "1" })
	if a := b.actual(); a.Generation != 2 {
		t.Errorf("%+v", a)
	}
}

// TestTheLeaseEnds lets the controller die.
func TestTheLeaseEnds(t *testing.T) {
	const lease = 2 * time.Second
	b, one, two := twoReleases(t, 0)
	c := b.crowd()
	began := time.Now()
	b.apply(desired(2, 2000, lease))
	await(t, "all goes to stable", func() bool { w := b.weightsOf(); return w[one.address] != "" && w[two.address] == "" })
	if took := time.Since(began); took < lease-100*time.Millisecond || took > lease+3*time.Second {
		t.Errorf("after %s", took)
	}
	if a := b.actual(); a.Reverted == nil || !strings.HasPrefix(a.Reverted.Reason, "lease_expired") {
		t.Errorf("%+v", a)
	}
	b.crash()
	b.plane()
	if a := b.actual(); a.Reverted == nil || a.Arms[1].Share != 0 {
		t.Errorf("after it began anew: %+v", a)
	}
	if _, lost := total(c.end()); lost > 0 {
		t.Errorf("%d were lost", lost)
	}
}

// TestAPlaneIsKilled does so under requests: none is lost, and none is not counted.
func TestAPlaneIsKilled(t *testing.T) {
	b, _, _ := twoReleases(t, 2000)
	c := b.crowd()
	for range 3 {
		before := c.soFar("two")
		await(t, "the candidate answers", func() bool { return c.soFar("two") > before+10 })
		b.crash()
		b.plane()
	}
	answered, lost := total(c.end())
	if lost > 0 {
		t.Errorf("%d of %d were lost", lost, answered)
	}
	defer func() { t.Logf("%d answered: %+v, %+v", answered, b.seen("one").Counts, b.seen("two").Counts) }()
	await(t, "all are counted", func() bool { return b.seen("one").Counts.Answers+b.seen("two").Counts.Answers == int64(answered) })
}

// TestACandidateDies kills its server under requests.
func TestACandidateDies(t *testing.T) {
	b, _, two := twoReleases(t, 0)
	d := desired(2, 8000, 0)
	d.Breaks, d.BreaksIn = 3, 10*time.Second
	b.apply(d)
	c := b.crowd()
	await(t, "the candidate answers", func() bool { return c.soFar("two") > 20 })
	two.server.Close()
	await(t, "all goes to stable", func() bool { return b.actual().Reverted != nil })
	if _, lost := total(c.end()); lost > 0 {
		t.Errorf("%d were lost: %v", lost, c.got)
	}
	a := b.actual()
	if n := b.seen("two").Counts; !strings.HasPrefix(a.Reverted.Reason, "breaks:") || n.Retried == 0 || n.Errors != n.Retried {
		t.Errorf("%+v, %+v", a.Reverted, n)
	}
}

// TestAConnectionThatBreaksIsTriedAgain has a service that is idempotent, and counts the release whose connection broke.
func TestAConnectionThatBreaksIsTriedAgain(t *testing.T) {
	b, _, _ := twoReleases(t, 5000)
	// Each of these breaks at every server: nobody answers in the end.
	if got := b.ask(4, "hang up"); got["one"]+got["two"] > 0 {
		t.Errorf("%v", got)
	}
	await(t, "it is counted", func() bool { c := b.seen("two").Counts; return c.Retried > 0 && c.Errors >= c.Retried })
}

// TestLinesThatAreLostAreTold takes datagrams away while no plane runs.
func TestLinesThatAreLostAreTold(t *testing.T) {
	b, _, _ := twoReleases(t, 5000)
	b.ask(20, "x")
	await(t, "all are counted", func() bool { return b.seen("one").Counts.Answers+b.seen("two").Counts.Answers == 20 })
	b.crash()
	b.ask(10, "x")
	for range 10 {
		if err := b.logs.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.logs.ReadFrom(make([]byte, maxDatagram)); err != nil {
			t.Fatal(err)
		}
	}
	b.plane()
	await(t, "they are told", func() bool { return b.seen("one").Counts.Lost == 5 && b.seen("two").Counts.Lost == 5 })
	b.ask(20, "x")
	await(t, "the others count on", func() bool { return b.seen("one").Counts.Answers+b.seen("two").Counts.Answers == 40 })
	b.crash()
	b.plane()
	time.Sleep((patience + 2) * lookEvery)
	if one, two := b.seen("one").Counts.Lost, b.seen("two").Counts.Lost; one != 5 || two != 5 {
		t.Errorf("after it began anew %d and %d are lost", one, two)
	}
}

// TestLinesOfAnotherFormAreTold has a frontend that logs as its owner likes, and one that does not log at all.
func TestLinesOfAnotherFormAreTold(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`log-format "mlx1`, `log-format "other`, `log lines of HAProxy are of another form, and nothing is counted; its frontend needs: log-format "mlx1 `},
		{"    log 127.0.0.1", "    # log 127.0.0.1", "HAProxy sends no log lines, and nothing is counted; its frontend needs: log 127.0.0.1:"},
	} {
		b := newBench(t, func(text string) string { return strings.Replace(text, c.from, c.to, 1) })
		if err := b.s.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "does not log what answers are counted from") {
			t.Errorf("it is not missed: %v", err)
		}
		b.serve("one", serve(t, "one"))
		b.apply(desired(1, 0, 0))
		load := b.crowd()
		await(t, c.want, func() bool { return strings.Contains(b.actual().Trouble, c.want) })
		load.end()
	}
}

// TestALineMayHaveMoreBeforeIt has a frontend whose owner logs something of his own as well.
func TestALineMayHaveMoreBeforeIt(t *testing.T) {
	b := newBench(t, func(text string) string {
		return strings.Replace(text, `log-format "mlx1`, `log-format "%ci:%cp [%tr] %ft mlx1`, 1)
	})
	b.serve("one", serve(t, "one"))
	b.apply(desired(1, 0, 0))
	b.ask(5, "x")
	await(t, "they are counted", func() bool { return b.seen("one").Counts.Answers == 5 })
}

// TestThereAreTooFewSlots has three servers for two of them.
func TestThereAreTooFewSlots(t *testing.T) {
	b := newBench(t, func(text string) string { return strings.Replace(text, "s 1-8", "s 1-2", 1) })
	if err := b.s.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "has 2 servers, and 6 are needed") {
		t.Errorf("it is not missed: %v", err)
	}
	b.serve("one", serve(t, "one"), serve(t, "one"))
	b.serve("two", serve(t, "two"))
	b.apply(desired(1, 1000, 0))
	if a := b.actual(); !strings.Contains(a.Trouble, "1 servers get no requests: backend flights has 2 servers") {
		t.Errorf("%+v", a)
	}
}

// TestWhatLeavesIsDrained takes a release away while it answers.
func TestWhatLeavesIsDrained(t *testing.T) {
	b, _, two := twoReleases(t, deploy.All)
	got := make(chan map[string]int)
	go func() { got <- b.ask(1, "slow") }()
	await(t, "it answers", func() bool { return b.seen("two").InFlight == 1 })
	b.apply(desired(2, 0, 0))
	b.serve("two")
	if n := b.seen("two").InFlight; n != 1 {
		t.Errorf("%d are under way", n)
	}
	if g := <-got; g["two"] != 1 {
		t.Errorf("%v", g)
	}
	await(t, "its slot is empty", func() bool { return b.slotOf(two.address) == "" })
	if n := b.seen("two").InFlight; n != 0 {
		t.Errorf("%d are under way", n)
	}
}

// TestTheServiceEnds drains all: HAProxy answers for nobody then.
func TestTheServiceEnds(t *testing.T) {
	b, one, two := twoReleases(t, 5000)
	got := make(chan map[string]int)
	go func() { got <- b.ask(1, "slow") }()
	await(t, "it answers", func() bool { return b.seen("one").InFlight+b.seen("two").InFlight == 1 })
	b.end()
	if answered, _ := total(<-got); answered != 1 {
		t.Error("it was cut off")
	}
	if b.slotOf(one.address)+b.slotOf(two.address) != "" {
		t.Error("slots are left")
	}
	if got := b.ask(1, "x"); got["503"] != 1 {
		t.Errorf("%v", got)
	}
}

// TestStableIsAllDown never gives its requests to what has not proven itself.
func TestStableIsAllDown(t *testing.T) {
	b, one, _ := twoReleases(t, 1000)
	one.server.Close()
	await(t, "HAProxy notices", func() bool {
		b.ask(1, "x")
		return b.weightsOf()[one.address] != "" && len(b.weightsOf()) == 1
	})
	if got := b.ask(20, "x"); got["two"] > 0 {
		t.Errorf("%v", got)
	}
}

// TestTheSocketIsNotOurs has one that may be read only.
func TestTheSocketIsNotOurs(t *testing.T) {
	h, _ := start(t, func(text string) string { return strings.Replace(text, "level admin", "level operator", 1) })
	if err := h.s.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "is not of level admin") {
		t.Error(err)
	}
	away := Settings{Socket: h.s.Socket + ".none", Backend: "flights", Log: h.s.Log, Servers: 1}
	if err := away.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "HAProxy does not answer at") {
		t.Error(err)
	}
	_ = h.cmd.Process.Signal(syscall.SIGSTOP)
	defer func() { _ = h.cmd.Process.Signal(syscall.SIGCONT) }()
	began := time.Now()
	if err := h.s.Check(context.Background()); err == nil || time.Since(began) > 4*askTime {
		t.Errorf("one that is stopped: %v, after %s", err, time.Since(began))
	}
}
