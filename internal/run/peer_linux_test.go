package run

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestPeerOf asks for a connection of this very test binary, started again as another process with a rank.
func TestPeerOf(t *testing.T) {
	if addr := os.Getenv("MLX_TEST_PEER"); addr != "" {
		c, err := sharing("127.0.0.1:0").Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = bufio.NewReader(c).ReadByte() // until the parent has asked
		return
	}
	for _, c := range []struct {
		name string
		env  []string
		rank int
	}{
		{"alone", nil, -1},
		{"torchrun", []string{"RANK=3", "LOCAL_RANK=1"}, 3},
		{"slurm with one task", []string{"SLURM_PROCID=0", "SLURM_NTASKS=1"}, -1},
		{"slurm with two", []string{"SLURM_PROCID=1", "SLURM_NTASKS=2"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			cmd := exec.Command(os.Args[0], "-test.run=^TestPeerOf$")
			cmd.Env = append(append(os.Environ(), "MLX_TEST_PEER="+l.Addr().String()), c.env...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			shared := shareWith(t, conn.RemoteAddr().String())
			p, ok := PeerOf(conn.RemoteAddr().String(), conn.LocalAddr().String())
			if want := (Peer{PID: cmd.Process.Pid, Parent: os.Getpid(), Rank: c.rank}); !ok || p != want {
				t.Errorf("%+v %v, want %+v", p, ok, want)
			}
			for _, c := range append(shared, conn) {
				_ = c.Close()
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, addr := range []string{"", "127.0.0.1:1", "nowhere"} {
		if p, ok := PeerOf(addr, addr); ok || p.Rank != -1 {
			t.Errorf("%q is %+v", addr, p)
		}
	}
}

// sharing makes connections from a port that others may be made from.
func sharing(from string) *net.Dialer {
	return &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)), Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
	}}
}

// shareWith makes connections of this process to other endpoints from the port that a client speaks from.
func shareWith(t *testing.T, client string) (all []net.Conn) {
	t.Helper()
	for range 8 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		c, err := sharing(client).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func TestSocketAddress(t *testing.T) {
	for text, want := range map[string]string{"127.0.0.1:8080": "0100007F:1F90", "[::1]:80": "00000000000000000000000001000000:0050"} {
		if got := socketAddress(netip.MustParseAddrPort(text).Addr(), netip.MustParseAddrPort(text).Port()); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestIsWorker(t *testing.T) {
	program := []string{"python", "train.py"}
	for _, c := range []struct {
		words []string
		want  bool
	}{
		{[]string{"python", "-m", "joblib.externals.loky.backend.popen_loky_posix", "--process-name", "LokyProcess-1"}, true},
		{[]string{"python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)", "--multiprocessing-fork"}, true},
		{program, true}, // a copy
		{[]string{"python", "other.py"}, false},
		{nil, false},
	} {
		if got := isWorker(c.words, program); got != c.want {
			t.Errorf("%q: %v", c.words, got)
		}
	}
}
