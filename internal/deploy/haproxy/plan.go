package haproxy

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// plan is what the slots are to be. Servers keep the slots that they have, which are known by their address: so another plane comes to the same.
type plan struct {
	slots []slot
	left  int // servers that found no slot
}

// place is a server of a release that is to have a slot.
type place struct {
	key, address string
	rank         int // whose turn it is when there are too few
	weight       int
}

// planOf says what the slots are to be, as they are now and with what each has under way.
func planOf(now []slot, to router.Route, loads map[string]load) plan {
	next := plan{slots: slices.Clone(now)}
	at := standing(now, false)
	next.left = next.settle(placesOf(to, now, at), now, loads, false)
	next.settle(sparesOf(to, standing(now, true)), now, loads, true)
	return next
}

// standing are the addresses that have a slot, one of the backups or none of them.
func standing(now []slot, backup bool) map[string]int {
	at := map[string]int{}
	for i, s := range now {
		if s.state != empty && s.backup == backup {
			at[s.address] = i
		}
	}
	return at
}

// settle gives servers their slots, of the backups or of the others, and returns how many found none.
func (p *plan) settle(places []place, now []slot, loads map[string]load, backup bool) (left int) {
	at := standing(now, backup)
	taken := make([]bool, len(now))
	var homeless []place
	for _, one := range places {
		i, ok := at[one.address]
		if !ok {
			homeless = append(homeless, one)
			continue
		}
		taken[i] = true
		p.slots[i] = one.on(now[i])
	}
	for i, s := range now {
		if !taken[i] && s.backup == backup {
			p.slots[i] = leaving(s, loads[s.name])
		}
	}
	free := 0
	for _, one := range homeless {
		for free < len(now) && (taken[free] || now[free].backup != backup || now[free].state != empty || loads[now[free].name].underWay > 0) {
			free++
		}
		if free == len(now) {
			left++
			continue
		}
		taken[free] = true
		p.slots[free] = one.on(now[free])
	}
	return left
}

// sparesOf are the servers of stable while a candidate has all requests: they answer when no server of it does.
func sparesOf(to router.Route, at map[string]int) []place {
	var stable string
	all := false
	for _, a := range to.Arms {
		if a.Role == deploy.Stable {
			stable = a.Key
		}
		all = all || a.Role == deploy.Candidate && a.Share == deploy.All
	}
	if !all {
		return nil
	}
	var spares []place
	for _, address := range to.Servers[stable].Addresses {
		if _, has := at[address]; has || to.Servers[stable].Told {
			spares = append(spares, place{key: stable, address: address, weight: 1})
		}
	}
	return spares
}

// on is a slot that has the server.
func (p place) on(s slot) slot {
	s.address, s.weight, s.state = p.address, p.weight, ready
	if p.weight == 0 {
		s.state = draining
	}
	return s
}

// leaving is a slot whose server is not asked any more: it is emptied once that has nothing under way.
func leaving(s slot, l load) slot {
	switch {
	case s.state == empty:
		return s
	case s.state == draining && s.weight == 0 && l.underWay == 0:
		s.state = empty
	default:
		s.state, s.weight = draining, 0
	}
	return s
}

// placesOf are the servers of all releases with their weights, in the order in which they get slots.
func placesOf(to router.Route, now []slot, at map[string]int) []place {
	arm := map[deploy.Role]router.RouteArm{}
	rank := map[string]int{}
	for i, role := range []deploy.Role{deploy.Stable, deploy.Candidate, deploy.Previous} {
		for _, a := range to.Arms {
			if a.Role == role {
				arm[role], rank[a.Key] = a, i+1
			}
		}
	}
	var all []place
	for _, key := range slices.Sorted(maps.Keys(to.Servers)) {
		s := to.Servers[key]
		for _, address := range s.Addresses {
			if _, has := at[address]; has || s.Told {
				all = append(all, place{key: key, address: address, rank: cmp.Or(rank[key], len(rank)+1)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b place) int { return cmp.Compare(a.rank, b.rank) })
	weigh(all, arm[deploy.Stable], arm[deploy.Candidate], func(p place) bool {
		i, has := at[p.address]
		return !has || now[i].up
	})
	return all
}

// weigh gives the servers of the arms their weights, by those of them that are up: one that is down has that of the others, for when it comes
// back.
func weigh(all []place, stable, candidate router.RouteArm, up func(place) bool) {
	var arms [2][]int // places of candidate and stable that are up
	for i, p := range all {
		switch {
		case !up(p):
		case p.key == candidate.Key:
			arms[0] = append(arms[0], i)
		case p.key == stable.Key:
			arms[1] = append(arms[1], i)
		}
	}
	share := candidate.Share
	if stable.Key == "" && share > 0 {
		share = deploy.All // there is nobody else
	}
	c, s := weights(share, len(arms[0]), len(arms[1]))
	for k, i := range arms[0] {
		all[i].weight = c[k]
	}
	for k, i := range arms[1] {
		all[i].weight = s[k]
	}
	for i, p := range all {
		switch {
		case up(p):
		case p.key == candidate.Key && share > 0 && (share >= deploy.All || len(arms[1]) > 0):
			all[i].weight = first(c, 1)
		case p.key == stable.Key && share < deploy.All:
			all[i].weight = first(s, 1)
		}
	}
}

func first(list []int, usual int) int {
	if len(list) == 0 {
		return usual
	}
	return list[0]
}

// commands turn the slots as they are into what they are to be. What gets more comes first, so that there is always somebody.
func (p plan) commands(now []slot, backend string) []string {
	var more, less []string
	for i, next := range p.slots {
		was := now[i]
		name := backend + "/" + next.name
		var c []string
		if next.state != empty && (was.state == empty || was.address != next.address) {
			host, port, _ := net.SplitHostPort(next.address) // the router has checked it
			if was.state != empty {                          // nobody but us should have moved it
				c = append(c, "set server "+name+" state maint")
			}
			c = append(c, fmt.Sprintf("set server %s addr %s port %s", name, host, port))
		}
		if next.state != empty && was.weight != next.weight {
			c = append(c, fmt.Sprintf("set server %s weight %d", name, next.weight))
		}
		if was.state != next.state || len(c) > 0 && was.state != empty && was.address != next.address {
			c = append(c, "set server "+name+" state "+next.state.word())
		}
		if next.weight > was.weight || next.state > was.state {
			more = append(more, c...)
		} else {
			less = append(less, c...)
		}
	}
	return append(more, less...)
}

func (a admin) word() string {
	switch a {
	case draining:
		return "drain"
	case ready:
		return "ready"
	default:
		return "maint"
	}
}
