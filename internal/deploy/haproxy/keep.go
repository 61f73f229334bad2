package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/deploy/router"
)

// Keep counts log lines, and looks every now and then whether HAProxy still does what it was told.
func (p *Plane) Keep(ctx context.Context, plane *router.Plane) {
	p.mu.Lock()
	p.tally.open(plane, p.log.Error)
	p.mu.Unlock()
	var listening sync.WaitGroup
	// Lines that came before wait until it is known whose they are.
	begin := sync.OnceFunc(func() { listening.Go(func() { p.listen(ctx, plane) }) })
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	said := ""
	for ctx.Err() == nil {
		mine, err := plane.Carry()
		switch {
		case err != nil && err.Error() != said:
			said = err.Error()
			p.log.Warn("HAProxy is not driven", "error", err)
		case err == nil && mine:
			if said != "" {
				p.log.Info("HAProxy is driven again")
			}
			said = ""
			p.mu.Lock()
			p.tally.compare(plane, p)
			p.mu.Unlock()
		}
		begin()
		select {
		case <-ctx.Done():
		case <-every.C:
		}
	}
	_ = p.logs.SetReadDeadline(time.Unix(1, 0)) // nobody reads any more
	listening.Wait()
}

// readBuffer is how many bytes of log lines may wait while this process does something else, or another takes over, if the system allows it.
const readBuffer = 8 << 20

// listen counts log lines until the context ends.
func (p *Plane) listen(ctx context.Context, plane *router.Plane) {
	if c, ok := p.logs.(interface{ SetReadBuffer(bytes int) error }); ok {
		_ = c.SetReadBuffer(readBuffer) // what does not fit is noticed
	}
	buffer := make([]byte, maxDatagram)
	for ctx.Err() == nil {
		n, _, err := p.logs.ReadFrom(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			p.log.Warn("log lines of HAProxy cannot be read", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(lookEvery):
			}
		default:
			p.take(buffer[:n], plane)
		}
	}
}

// take counts one line.
func (p *Plane) take(datagram []byte, plane *router.Plane) {
	l, formed, mine := parseLine(datagram, p.s.Backend)
	p.mu.Lock()
	key, known := p.owners[l.address]
	if mine {
		p.tally.line(l)
	}
	p.tally.heard(formed)
	p.mu.Unlock()
	switch {
	case !mine || l.refused || l.server == "" && l.outcome.Left:
	case l.server == "":
		plane.Count("", l.outcome)
	case known:
		plane.Count(key, l.outcome)
	}
}

// The cells of a tally: those of the HAProxy that runs, and of each slot.
const (
	cellPid   = iota
	slotCells = 1
)

const (
	cellLines     = iota // log lines of it
	cellGiven            // attempts before mlx first saw this HAProxy
	cellAgain            // and of these, what was tried again
	cellElsewhere        // attempts that another server was asked again after, as far as they are counted
	cellMissing          // lines that did not come, as far as they are counted
	perSlot
)

const talliedSlots = 1000

// patience is for how many looks a line may be late until it is lost: 2 s.
const patience = 10

// tally holds what came by log lines against what HAProxy says that it did. It outlives this process, as HAProxy does.
type tally struct {
	cells   []atomic.Int64
	slots   map[string]int    // of a name: its number
	missing [][patience]int64 // of the last looks, by slot
	looks   int
	last    map[string]string // of a slot: the key of its last release

	given, lines int64 // of all slots, at the last look
	quietSince   time.Time
	other        bool // lines came that say nothing to mlx
}

func (t *tally) open(plane *router.Plane, fail func(string, ...any)) {
	const name = "haproxy"
	cells, err := plane.Cells(name, slotCells+talliedSlots*perSlot)
	if err != nil {
		fail("what was lost is counted by this process alone", "error", err)
		cells = make([]atomic.Int64, slotCells+talliedSlots*perSlot)
	}
	t.cells, t.last = cells, map[string]string{}
}

func (t *tally) at(slot, cell int) *atomic.Int64 { return &t.cells[slotCells+slot*perSlot+cell] }

// line counts a line of the slot that it names, of the HAProxy that runs: one that is ending still has lines.
func (t *tally) line(l line) {
	i, ok := t.slots[l.server]
	if pid, err := strconv.ParseInt(l.pid, 10, 64); ok && err == nil && pid == t.cells[cellPid].Load() {
		t.at(i, cellLines).Add(1)
	}
}

// heard notes that a line came.
func (t *tally) heard(formed bool) {
	if formed {
		t.lines++
		t.other = false
	} else {
		t.other = true
	}
}

// compare counts what is missing, and what HAProxy tried again. The caller holds the lock of the plane.
func (t *tally) compare(plane *router.Plane, p *Plane) {
	pid, err := strconv.ParseInt(p.pid, 10, 64)
	if err != nil {
		return
	}
	fresh := t.cells[cellPid].Load() != pid
	if fresh {
		t.begin(p, pid)
	}
	if fresh || len(t.slots) != len(p.slots) {
		t.slots = map[string]int{}
		for i, s := range p.slots[:min(len(p.slots), talliedSlots)] {
			t.slots[s.name] = i
		}
		t.missing, t.looks = make([][patience]int64, len(t.slots)), 0
	}
	t.looks++
	given := int64(0)
	for _, s := range p.slots[:min(len(p.slots), talliedSlots)] {
		l := p.loads[s.name]
		given += l.given
		key, known := p.owners[s.address]
		if s.state == empty {
			key, known = t.last[s.name], t.last[s.name] != ""
		}
		if known {
			t.last[s.name] = key
			t.slot(plane, t.slots[s.name], key, l)
		}
	}
	p.breaks(plane, given-t.given)
	t.listen(given, p.now())
}

// candidateUp says whether the candidate has a server that works.
func (p *Plane) candidateUp() bool {
	return slices.ContainsFunc(p.slots, func(s slot) bool { return s.state == ready && s.up && p.owners[s.address] == p.candidate.Key })
}

// breaks counts the requests that a candidate would have been given of which no server works any more: HAProxy gives them to stable at once.
// The caller holds the lock.
func (p *Plane) breaks(plane *router.Plane, given int64) {
	c := p.candidate
	switch {
	case c.Share == 0 || p.candidateUp():
		p.unserved = 0
	case p.wasUp == c.Key && given > 0:
		p.unserved += float64(given) * c.Share.Float()
		n := int64(p.unserved)
		p.unserved -= float64(n)
		plane.Broke(c.Key, n)
	}
}

// begin takes the counts of an HAProxy that is seen for the first time as they are.
func (t *tally) begin(p *Plane, pid int64) {
	for i := range t.cells {
		t.cells[i].Store(0)
	}
	for i, s := range p.slots[:min(len(p.slots), talliedSlots)] {
		l := p.loads[s.name]
		t.at(i, cellGiven).Store(l.given)
		t.at(i, cellAgain).Store(l.again)
		t.at(i, cellElsewhere).Store(l.elsewhere)
	}
	t.cells[cellPid].Store(pid)
}

// slot counts for one of them.
func (t *tally) slot(plane *router.Plane, i int, key string, l load) {
	if n := l.elsewhere - t.at(i, cellElsewhere).Load(); n > 0 {
		t.at(i, cellElsewhere).Add(n)
		plane.Retried(key, n)
	}
	missing := l.given - t.at(i, cellGiven).Load() - (l.again - t.at(i, cellAgain).Load()) - l.underWay - t.at(i, cellLines).Load()
	t.missing[i][t.looks%patience] = missing
	if t.looks < patience {
		return
	}
	sure := t.missing[i][0]
	for _, n := range t.missing[i] {
		sure = min(sure, n)
	}
	if n := sure - t.at(i, cellMissing).Load(); n > 0 {
		t.at(i, cellMissing).Add(n)
		plane.Lost(key, n)
	}
}

// listen notes since when requests are answered, and no line comes.
func (t *tally) listen(given int64, now time.Time) {
	switch {
	case t.lines > 0:
		t.quietSince = time.Time{}
		t.lines = 0
	case given > t.given && t.quietSince.IsZero() && t.given > 0:
		t.quietSince = now
	}
	t.given = given
}

// silent says whether requests are answered of which no line says anything.
func (t *tally) silent(now time.Time) bool {
	const most = 3 * time.Second
	return !t.quietSince.IsZero() && now.Sub(t.quietSince) > most
}

// why says what is missing in the configuration of HAProxy.
func (t *tally) why(s Settings) string {
	if t.other {
		return fmt.Sprintf("log lines of HAProxy are of another form, and nothing is counted; its frontend needs: %s", s.formatLine())
	}
	return fmt.Sprintf("HAProxy sends no log lines, and nothing is counted; its frontend needs: %s", s.logLine())
}
