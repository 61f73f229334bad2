package train

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// prepareQuestion makes a host ready to execute a node of a job with several, before any of them is started.
type prepareQuestion struct {
	Run  object.Digest `json:"run"`
	Rank int           `json:"rank"`
	Mark string        `json:"mark,omitempty"` // of the first host's folder; empty: this is the first

	Machine   string   `json:"machine,omitempty"`   // the first host
	Addresses []string `json:"addresses,omitempty"` // by which it may be reached, the best first
}

// prepared is what a host says to that.
type prepared struct {
	Mark      string   `json:"mark,omitempty"`
	Machine   string   `json:"machine"`
	Addresses []string `json:"addresses,omitempty"` // of the first: those it has; of others: those of the first that they know
	Port      int      `json:"port,omitempty"`
	Shared    bool     `json:"shared"` // it sees the folder of the first
}

// sharedName is a file in the folder of a job: who reads what the first host wrote there sees the same folder.
const sharedName = "shared"

// The ports that the ranks of a job meet at.
const (
	firstPort = 20000
	ports     = 10000
)

// nodesNote is kept of the first answer, so that a repeated submit gives all nodes the same.
type nodesNote struct {
	Kind string `json:"kind"` // "nodes/v1"
	Mark string `json:"mark"`
	Port int    `json:"port"`
}

func (n NodeJobs) prepare(q prepareQuestion) (*prepared, error) {
	p := &prepared{Machine: bootOf()}
	dir := n.folder(q.Run)
	if q.Rank != 0 {
		seen, err := readNote[nodesNote](filepath.Join(dir, sharedName), "nodes/v1")
		p.Shared = err == nil && seen.Mark == q.Mark
		if q.Machine == p.Machine {
			p.Addresses = []string{"127.0.0.1"}
			return p, nil
		}
		for _, a := range q.Addresses {
			if known(a) {
				p.Addresses = append(p.Addresses, a)
			}
		}
		return p, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot prepare the nodes: %w", err)
	}
	unlock, err := lockFolder(filepath.Join(dir, "nodes.lock"))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot prepare the nodes: %w", err)
	}
	defer unlock()
	note, err := readNote[nodesNote](filepath.Join(dir, sharedName), "nodes/v1")
	if err != nil {
		var mark [16]byte
		_, _ = rand.Read(mark[:]) // it does not fail
		note = nodesNote{Kind: "nodes/v1", Mark: hex.EncodeToString(mark[:])}
		if note.Port, err = freePort(q.Run); err != nil {
			return nil, err
		}
		if err := writeNote(filepath.Join(dir, sharedName), note); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot prepare the nodes: %w", err)
		}
	}
	p.Mark, p.Port, p.Shared, p.Addresses = note.Mark, note.Port, true, n.addresses()
	return p, nil
}

// freePort returns a port that the id of a run leads to, or the next one that nobody listens on.
func freePort(id object.Digest) (int, error) {
	at := binary.BigEndian.Uint32(id[:])
	for i := range ports {
		port := firstPort + (int(at%ports)+i)%ports
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port)) //nolint:gosec // it is free where ranks will listen: on all addresses
		if err == nil {
			_ = l.Close() // it was only tried
			return port, nil
		}
	}
	return 0, fault.New(fault.Unavailable, "none of the ports %d to %d is free", firstPort, firstPort+ports-1)
}

// addresses are those by which other machines may reach this one: its name, then numbers.
func (n NodeJobs) addresses() []string {
	all := []string{n.Host}
	on, err := net.InterfaceAddrs()
	if err != nil {
		return all
	}
	for _, a := range on {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			all = append(all, ip.IP.String())
		}
	}
	return all
}

// known says whether an address means another machine here.
func known(address string) bool {
	ips, err := net.LookupHost(address)
	return err == nil && !slices.ContainsFunc(ips, func(ip string) bool { return net.ParseIP(ip).IsLoopback() })
}
