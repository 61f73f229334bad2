//go:build unix

package local

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// warnOfOpenPorts tells of a server that others than this machine can ask, past the router. Only Linux says so.
func (s *server) warnOfOpenPorts(p process) {
	for _, address := range openPorts(p.identity().PID) {
		s.o.log("%s server %d listens on %s, which is not this machine alone: whoever reaches it gets around the router", s.release.Name(), s.n, address)
	}
}

// openPorts are the addresses beyond loopback on which a process listens.
func openPorts(pid int) []string {
	links, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	if err != nil {
		return nil
	}
	own := map[string]bool{}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil {
			own[to] = true // socket:[INODE]
		}
	}
	var all []string
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "net", table))
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if a, inode := listening(lines.Text()); a.IsValid() && !a.Addr().IsLoopback() && own["socket:["+inode+"]"] {
				all = append(all, a.String())
			}
		}
		_ = f.Close() // it was only read
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// listening reads a line of /proc/net/tcp: the address of a socket that listens, and its inode.
func listening(line string) (netip.AddrPort, string) {
	const listen = "0A"
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != listen {
		return netip.AddrPort{}, ""
	}
	words, port, _ := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(words)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, ""
	}
	for i := 0; i < len(raw); i += 4 { // words of four bytes, in the order of the machine
		slices.Reverse(raw[i : i+4])
	}
	ip, ok := netip.AddrFromSlice(raw)
	var n uint16
	if _, err := fmt.Sscanf(port, "%X", &n); err != nil || !ok {
		return netip.AddrPort{}, ""
	}
	return netip.AddrPortFrom(ip.Unmap(), n), fields[9]
}
