package run

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// PeerOf finds the process that has made a TCP connection on this machine to an endpoint of this process, by the addresses of its
// two ends. Processes of other users, and of other containers, are not seen. A process that inherited the connection does not count.
func PeerOf(client, server string) (Peer, bool) {
	none := Peer{Rank: -1}
	link := socketLink(client, server)
	if link == "" {
		return none, false
	}
	all := parents()
	own := os.Getpid()
	near := slices.SortedFunc(maps.Keys(all), func(a, b int) int { // those of this process first: mlx run is asked by what it started
		if x, y := descends(all, a, own), descends(all, b, own); x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return a - b
	})
	for i, pid := range near {
		if pid == own || !holds(pid, link) {
			continue
		}
		for _, other := range near[i+1:] { // an ancestor made the connection, its copies have it only because they are copies
			if descends(all, pid, other) && holds(other, link) {
				pid = other
			}
		}
		return describe(pid, all[pid]), true
	}
	return none, false
}

// describe reads what a process is.
func describe(pid, parent int) Peer {
	words := nulls(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	above := nulls(filepath.Join("/proc", strconv.Itoa(parent), "cmdline"))
	return Peer{PID: pid, Parent: parent, Rank: rankIn(nulls(filepath.Join("/proc", strconv.Itoa(pid), "environ"))), Worker: isWorker(words, above)}
}

// descends says whether a process was started, over any number of others, by another one.
func descends(parents map[int]int, pid, from int) bool {
	for range len(parents) {
		up, ok := parents[pid]
		if !ok || up == pid {
			return false
		}
		if up == from {
			return true
		}
		pid = up
	}
	return false
}

// socketLink is how the socket of a connection stands among the open files of the process that made it; empty: there is none. Its own
// address alone does not tell: one port may serve connections to several endpoints, and the table has those that have ended for a
// minute.
func socketLink(client, server string) string {
	from, err := netip.ParseAddrPort(client)
	if err != nil {
		return ""
	}
	to, err := netip.ParseAddrPort(server)
	if err != nil {
		return ""
	}
	for _, table := range []struct {
		file string
		as   func(netip.Addr) netip.Addr
	}{
		{"/proc/net/tcp", netip.Addr.Unmap},
		{"/proc/net/tcp6", func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }}, // it has those of IPv4 that were made by a socket of IPv6, too
	} {
		if inode := inodeIn(table.file, socketAddress(table.as(from.Addr()), from.Port()), socketAddress(table.as(to.Addr()), to.Port())); inode != "" {
			return "socket:[" + inode + "]"
		}
	}
	return ""
}

// inodeIn is the inode of the socket with this local and this remote address; empty: the table has none.
func inodeIn(file, local, remote string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// number, local address, remote address, state, queues, timer, retransmissions, user, timeout, inode
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == local && fields[2] == remote && fields[9] != "0" {
			return fields[9]
		}
	}
	return ""
}

// socketAddress writes an address as /proc/net does: words of four bytes in the order of the machine.
func socketAddress(a netip.Addr, port uint16) string {
	raw := a.AsSlice()
	out := make([]byte, 0, len(raw))
	for word := range slices.Chunk(raw, 4) {
		out = binary.BigEndian.AppendUint32(out, binary.NativeEndian.Uint32(word))
	}
	return strings.ToUpper(hex.EncodeToString(out)) + fmt.Sprintf(":%04X", port)
}

// holds says whether a process has a socket open.
func holds(pid int, link string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	for _, name := range threads(dir) {
		if to, err := os.Readlink(filepath.Join(dir, name)); err == nil && to == link {
			return true
		}
	}
	return false
}

// maxNulls bounds what is read of the words and the environment of a process.
const maxNulls = 1 << 20

// nulls reads a /proc file of texts that end with a zero byte.
func nulls(file string) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNulls))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}
