package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog" //nolint:depguard // that of the router is passed on
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
)

// Plane drives the backend of a service, as the carrier of a router.
type Plane struct {
	s    Settings
	logs net.PacketConn
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	pid     string // of HAProxy
	backend string // its number
	told    []slot // what it did last, as it was told
	slots   []slot
	state   string // of them, as HAProxy writes it
	loads   map[string]load
	left    int    // servers without a slot
	changed string // what somebody else did last, in words
	until   time.Time

	unwritten string // why the state cannot be left

	candidate router.RouteArm // as it was last told
	wasUp     string          // key of the candidate that had a server which worked, since this process began
	unserved  float64         // requests that it would have been given since it has none

	owners map[string]string // of an address: the key of the release whose server is or was there
	tally  tally
}

var _ router.Carrier = (*Plane)(nil)

// New makes one that reads log lines from a socket.
func New(s Settings, logs net.PacketConn, now func() time.Time, log *slog.Logger) *Plane {
	return &Plane{s: s, logs: logs, now: now, log: log, owners: map[string]string{}}
}

// Carry makes the slots what they are to be. Whatever anybody else did with them is undone.
func (p *Plane) Carry(ctx context.Context, to router.Route) (router.Carried, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own(to)
	if err := p.read(ctx); err != nil {
		return router.Carried{}, err
	}
	p.notice()
	p.candidate = router.RouteArm{}
	for _, a := range to.Arms {
		if a.Role == deploy.Candidate {
			p.candidate = a
		}
	}
	// Twice: what a change leaves behind is seen at the second look.
	for tries := 0; ; tries++ {
		next := planOf(p.slots, to, p.loads)
		p.left = next.left
		commands := next.commands(p.slots, p.s.Backend)
		if len(commands) == 0 {
			break
		}
		if tries == 2 {
			return router.Carried{}, fault.New(fault.Unavailable, "HAProxy does not do what it is told: %s", commands[0])
		}
		said, err := p.s.ask(ctx, commands...)
		if err == nil {
			err = p.read(ctx)
		}
		if err != nil {
			return router.Carried{}, err
		}
		if why := refusal(said); why != "" && tries == 1 {
			return router.Carried{}, fault.New(fault.Unavailable, "HAProxy refuses: %s", why)
		}
	}
	p.leave()
	p.told = slices.Clone(p.slots)
	if p.candidateUp() {
		p.wasUp = p.candidate.Key
	}
	return router.Carried{InFlight: p.inFlight(), Trouble: p.trouble()}, nil
}

// leave writes how the servers are to where the next HAProxy reads it, when that is another way than before. It has none of them otherwise
// until the plane notices.
func (p *Plane) leave() {
	same := func(a, b slot) bool { return a.state == b.state && a.weight == b.weight && a.address == b.address }
	name := p.s.stateFile()
	if name == "" || slices.EqualFunc(p.told, p.slots, same) {
		return
	}
	err := writeAnew(name+".new", p.state)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil && err.Error() != p.unwritten {
		p.unwritten = err.Error()
		p.log.Warn("requests are lost for a moment when HAProxy is reloaded: how its servers are cannot be written", "error", err)
	}
}

// writeAnew makes a file. The folder may be one in which others write: what stands there by that name is taken away, and never followed.
func writeAnew(name, text string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// refusal is what HAProxy said against commands.
func refusal(said string) string {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "no need to change") || strings.Contains(line, "changed from") {
			continue
		}
		return line
	}
	return ""
}

// read asks how the slots are, and what they have under way.
func (p *Plane) read(ctx context.Context) error {
	if p.backend == "" {
		said, err := p.s.ask(ctx, "show servers state "+p.s.Backend)
		if err != nil {
			return err
		}
		slots, err := parseState(said)
		if err != nil || len(slots) == 0 {
			return p.strange(said)
		}
		p.backend = slots[0].backend
	}
	said, err := p.s.ask(ctx, "show servers state "+p.s.Backend, "show stat "+p.backend+" 4 -1", "show info")
	if err != nil {
		return err
	}
	return p.understand(said)
}

// understand takes the three answers apart.
func (p *Plane) understand(said string) error {
	known := p.backend
	p.backend = "" // until it is sure which of its numbers to ask for
	state, rest, found := strings.Cut(said, "# pxname")
	slots, err := parseState(state)
	if !found || err != nil || len(slots) == 0 || slots[0].backend != known {
		return p.strange(said)
	}
	p.backend = known
	pid := infoOf(rest, "Pid")
	if p.pid != pid && p.pid != "" {
		p.say("HAProxy was started anew (process " + pid + "): its servers are set again")
		p.told = nil
	}
	p.pid = pid
	p.slots, p.loads = slots, parseStat("# pxname"+rest)
	for i := range p.slots {
		p.slots[i].backup = p.loads[p.slots[i].name].backup
	}
	p.state = state
	return nil
}

func (p *Plane) strange(said string) error {
	if strings.Contains(said, "Can't find backend") {
		return fault.New(fault.NotFound, "HAProxy at %s has no backend %s", p.s.Socket, p.s.Backend)
	}
	return fault.New(fault.Unavailable, "HAProxy at %s answers %.100q", p.s.Socket, strings.TrimSpace(said))
}

// own remembers whose servers are where: log lines come when a server has left as well.
func (p *Plane) own(to router.Route) {
	const most = 4096
	if len(p.owners) > most {
		clear(p.owners)
	}
	for key, s := range to.Servers {
		for _, address := range s.Addresses {
			p.owners[address] = key
		}
	}
}

// notice finds what somebody else has changed since HAProxy last did what it was told.
func (p *Plane) notice() {
	if len(p.told) != len(p.slots) {
		return
	}
	for i, was := range p.told {
		is := p.slots[i]
		switch {
		case is.name != was.name || is.state == empty && was.state == empty:
		case is.address != was.address:
			p.say(fmt.Sprintf("somebody moved server %s of HAProxy to %s: it is set back to %s", is.name, is.address, was.address))
		case is.state != was.state:
			p.say(fmt.Sprintf("somebody set server %s of HAProxy to %s: it is set back to %s", is.name, is.state.word(), was.state.word()))
		case is.weight != was.weight:
			p.say(fmt.Sprintf("somebody set the weight of server %s of HAProxy to %d: it is set back to %d", is.name, is.weight, was.weight))
		}
	}
}

// say tells of something that somebody else did.
func (p *Plane) say(what string) {
	p.log.Warn(what)
	p.changed, p.until = what, p.now().Add(troubled)
}

// trouble is what is wrong now, or was a moment ago.
func (p *Plane) trouble() string {
	switch {
	case p.left > 0:
		return fmt.Sprintf("%d servers get no requests: backend %s has %d servers, all taken; add more: server-template s 1-%d 127.0.0.1:1 disabled",
			p.left, p.s.Backend, mains(p.slots), max(p.s.roomFor(), mains(p.slots)+p.left))
	case p.tally.silent(p.now()):
		return p.tally.why(p.s)
	case p.now().Before(p.until):
		return p.changed
	}
	return ""
}

// mains is how many of the slots are no backups.
func mains(slots []slot) int {
	n := 0
	for _, s := range slots {
		if !s.backup {
			n++
		}
	}
	return n
}

// inFlight is what each release has under way.
func (p *Plane) inFlight() map[string]int64 {
	all := map[string]int64{}
	for _, s := range p.slots {
		if key, ok := p.owners[s.address]; ok && s.state != empty {
			all[key] += p.loads[s.name].underWay
		}
	}
	return all
}

// End drains all slots and waits until nothing is under way.
func (p *Plane) End(ctx context.Context) {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		_, err := p.Carry(ctx, router.Route{})
		busy := int64(0)
		p.mu.Lock()
		for _, l := range p.loads {
			busy += l.underWay
		}
		p.mu.Unlock()
		if err != nil || busy == 0 { // HAProxy that is gone has no requests
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}
