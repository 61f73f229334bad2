package fleet

import (
	"maps"
	"slices"
	"strings"

	"mlx/internal/deploy"
)

// kept is what a member has counted of a release.
type kept struct {
	last  deploy.Counters // that it showed
	above deploy.Counters // what it had counted before it lost its counts
}

// Together is what the hosts do as one. What differs among them is done by none: a share counts as given when all give it, a server is ready when
// it is on every host, and numbers of servers are those of the host that has the fewest.
func (d *Driver) Together(hosts []Host) deploy.Actual {
	if len(hosts) == 0 {
		return deploy.Actual{}
	}
	all := deploy.Actual{Generation: d.generation(hosts), At: hosts[0].Actual.At}
	var troubles []string
	var keys []string
	for _, h := range hosts {
		a := h.Actual
		if a.At.Before(all.At) {
			all.At = a.At
		}
		if a.Trouble != "" {
			troubles = append(troubles, h.Name+": "+a.Trouble)
		}
		if a.Reverted != nil && all.Reverted == nil {
			all.Reverted = &deploy.Reverted{Generation: a.Reverted.Generation, At: a.Reverted.At, Reason: h.Name + ": " + a.Reverted.Reason}
		}
		all.Pairs = all.Pairs.And(a.Pairs)
		all.Log = logsTogether(all.Log, a.Log, h.Name)
		for _, s := range a.Arms {
			if !slices.Contains(keys, s.Key) {
				keys = append(keys, s.Key)
			}
		}
	}
	all.Trouble = strings.Join(troubles, "; ")
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range keys {
		all.Arms = append(all.Arms, d.arm(hosts, key))
	}
	d.forget(keys)
	return all
}

// generation is that of the host that is furthest behind; of one that is ahead of all that was asked for here, its own: somebody else controls it.
func (d *Driver) generation(hosts []Host) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	least, most := hosts[0].Actual.Generation, hosts[0].Actual.Generation
	for _, h := range hosts {
		least, most = min(least, h.Actual.Generation), max(most, h.Actual.Generation)
	}
	if d.asked > 0 && most > d.asked {
		return most
	}
	return least
}

// arm is a release as all hosts serve it. Its servers cannot be asked from here, so it names none.
func (d *Driver) arm(hosts []Host, key string) deploy.Seen {
	one := deploy.Seen{Key: key}
	for i, h := range hosts {
		at := slices.IndexFunc(h.Actual.Arms, func(s deploy.Seen) bool { return s.Key == key })
		if at < 0 {
			one.Share, one.Ready, one.Replicas = 0, 0, 0
			k := d.kept[h.Name][key] // what it has answered is answered
			one.Counts = one.Counts.And(k.above).And(k.last)
			continue
		}
		s := h.Actual.Arms[at]
		first := i == 0
		if one.Role == "" {
			one.Role = s.Role
		}
		if first {
			one.Share, one.Ready, one.Replicas = s.Share, s.Ready, s.Replicas
		} else {
			one.Share, one.Ready, one.Replicas = min(one.Share, s.Share), min(one.Ready, s.Ready), min(one.Replicas, s.Replicas)
		}
		if s.Trouble != "" && one.Trouble == "" {
			one.Trouble = h.Name + ": " + s.Trouble
		}
		one.Restarts, one.Other = one.Restarts+s.Restarts, one.Other+s.Other
		one.InFlight += s.InFlight
		one.Memory = max(one.Memory, s.Memory)
		one.Counts = one.Counts.And(d.counted(h.Name, key, s.Counts))
	}
	return one
}

// counted never goes back: a router that came back without its counts counts on where it was. Without that the sum of the hosts would tell what
// the others have counted twice.
func (d *Driver) counted(host, key string, now deploy.Counters) deploy.Counters {
	if d.kept == nil {
		d.kept = map[string]map[string]kept{}
	}
	if d.kept[host] == nil {
		d.kept[host] = map[string]kept{}
	}
	k := d.kept[host][key]
	if now.Requests < k.last.Requests {
		k.above = k.above.And(k.last)
	}
	k.last = now
	d.kept[host][key] = k
	return k.above.And(now)
}

// forget leaves out what no host serves any more.
func (d *Driver) forget(keys []string) {
	for _, of := range d.kept {
		maps.DeleteFunc(of, func(key string, _ kept) bool { return !slices.Contains(keys, key) })
	}
}

func logsTogether(all, one *deploy.Logged, host string) *deploy.Logged {
	if one == nil {
		return all
	}
	if all == nil {
		all = &deploy.Logged{}
	}
	sum := deploy.Logged{Strict: all.Strict || one.Strict, Kept: all.Kept + one.Kept, Dropped: all.Dropped + one.Dropped, Refused: all.Refused + one.Refused,
		Refusing: all.Refusing || one.Refusing, Trouble: all.Trouble}
	if one.Trouble != "" && sum.Trouble == "" {
		sum.Trouble = host + ": " + one.Trouble
	}
	return &sum
}
