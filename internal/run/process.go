package run

import "mlx/internal/object"

// Process says which process watches over a run, precisely enough to tell later whether it still exists: a process id
// alone is reused.
type Process struct {
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	Boot  string `json:"boot,omitempty"`  // identifies this start of the machine and the space that PID is counted in
	Start string `json:"start,omitempty"` // when the process began, in units of the system
}

// sight is what can be said of a process.
type sight int

const (
	unknown sight = iota // on another machine, or in another container
	alive
	gone
)

// Self returns the Process of this very process on the machine called host.
func Self(host string, pid int) Process {
	return Process{Host: host, PID: pid, Boot: bootID(), Start: startOf(pid)}
}

// unnoted finds the command of a run that p has started and had no time to note, since it was killed at that instant. nil: there is none, or it
// cannot be told.
func (p Process) unnoted(id object.Digest) *Process {
	if p.Boot != bootID() {
		return nil
	}
	pid, ok := commandOf(id)
	if !ok {
		return nil
	}
	command := Self(p.Host, pid)
	return &command
}

// seen says whether p still exists, asked from the machine called host.
func (p Process) seen(host string) sight {
	if p.Host != host || p.Boot != bootID() {
		return unknown
	}
	if start := startOf(p.PID); start == "" || start != p.Start {
		return gone
	}
	return alive
}
