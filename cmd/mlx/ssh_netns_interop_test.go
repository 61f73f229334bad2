//go:build interop && linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cable leads to an ssh server in a network name space of its own, which is another machine as far as the network knows. It can be cut:
// what is sent is gone then, and nobody says so.
type cable struct {
	t      *testing.T
	space  string // the name space; also that of the end of the cable here
	config string // of ssh: it notices after three seconds that the other side is silent
}

// newCable needs root and iproute2.
func newCable(t *testing.T) *cable {
	t.Helper()
	n := os.Getpid()
	c := &cable{t: t, space: "mlx" + strconv.Itoa(n)}
	here, there := fmt.Sprintf("10.98.%d.%d", n/64%250, n%64*4+1), fmt.Sprintf("10.98.%d.%d", n/64%250, n%64*4+2)
	c.ip("netns", "add", c.space)
	t.Cleanup(func() { c.ip("netns", "del", c.space) })
	c.ip("link", "add", c.space, "type", "veth", "peer", "name", "far", "netns", c.space)
	c.ip("addr", "add", here+"/30", "dev", c.space)
	c.ip("link", "set", c.space, "up")
	c.ip("-n", c.space, "addr", "add", there+"/30", "dev", "far")
	c.ip("-n", c.space, "link", "set", "far", "up")
	address, err := exec.Command("ip", "netns", "exec", c.space, "cat", "/sys/class/net/far/address").Output()
	if err != nil {
		t.Fatal(err)
	}
	c.ip("neigh", "replace", there, "lladdr", strings.TrimSpace(string(address)), "dev", c.space, "nud", "permanent") // who is asked for it would miss it
	// Slow enough to be cut in the middle of something.
	c.run("tc", "qdisc", "add", "dev", c.space, "root", "tbf", "rate", "400mbit", "burst", "1mb", "latency", "100ms")
	s := newSSHServer(t, "SSHD_ADDRESS="+there, "SSHD_WORDS=ip netns exec "+c.space)
	c.config = filepath.Join(filepath.Dir(s.config), "impatient")
	text := "Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 3\n  ConnectTimeout 3\nInclude " + s.config + "\n"
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cable) run(words ...string) {
	c.t.Helper()
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		c.t.Fatalf("%q: %v: %s (it needs root and iproute2)", words, err, out)
	}
}

func (c *cable) ip(words ...string) { c.t.Helper(); c.run(append([]string{"ip"}, words...)...) }

func (c *cable) cut()  { c.t.Helper(); c.ip("-n", c.space, "link", "set", "far", "down") }
func (c *cable) mend() { c.t.Helper(); c.ip("-n", c.space, "link", "set", "far", "up") }

// sent is how many bytes have left here.
func (c *cable) sent() int64 {
	c.t.Helper()
	text, err := os.ReadFile("/sys/class/net/" + c.space + "/statistics/tx_bytes")
	if err != nil {
		c.t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// TestInteropNetworkCut cuts the network without a word while data are sent, while a job runs, which ends meanwhile, and while its
// results are fetched.
func TestInteropNetworkCut(t *testing.T) {
	t.Parallel() // it waits, most of the time
	c := newCable(t)
	t.Run("mid-run", func(t *testing.T) { cutMidRun(t, c) })
	t.Run("mid-upload", func(t *testing.T) { cutMidUpload(t, c) })
	t.Run("mid-collect", func(t *testing.T) {
		p := sshProject(t, c.config)
		p.write(seeded(12, 60<<20), "project", "data", "big")
		p.do("project", "mlx", "snapshot", "data")
		b := p.begin("project", "mlx", "run", "--on", "box", "-o", "out", "-d", "data", "--", "sh", "-c",
			`echo $MLX_RUN_ID >>"$1/count"; mkdir -p out; echo before; tac -s x data/big >out/part; echo word >out/word; echo after`, "sh", p.home)
		p.until("the results are fetched", func() bool {
			found, _ := filepath.Glob(p.path("project", ".git", "mlx", "jobs", "*", "result.json"))
			return len(found) == 1 || len(b.ended) > 0
		})
		c.cut()
		b.says("cannot reach box, trying again")
		c.mend()
		p.endedWell(b, wholeOutput)
	})
}

func cutMidRun(t *testing.T, c *cable) {
	p := sshProject(t, c.config)
	b := p.follow()
	c.cut()
	began := time.Now()
	b.says("cannot reach box, trying again; the run goes on there")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %.1f s to notice", took.Seconds())
	}
	t.Logf("noticed after %.1f s", time.Since(began).Seconds())
	if id, state := p.stateOf("project"); id == "" || state != "unknown" {
		t.Errorf("while nobody can know, run %s is %q", id, state)
	}
	p.write(nil, "go")
	p.until("the run ends", func() bool {
		found, _ := filepath.Glob(p.path("node", "jobs", "*", "result.json"))
		return len(found) == 1
	})
	if id, state := p.stateOf("project"); id == "" || state != "unknown" {
		t.Errorf("while nobody can know, run %s that has ended is %q", id, state)
	}
	c.mend()
	p.endedWell(b, wholeOutput)
}

// cutMidUpload: whoever goes on with it sends what has not arrived.
func cutMidUpload(t *testing.T, c *cable) {
	const size = 120 << 20
	p := sshProject(t, c.config)
	p.write(seeded(13, size), "project", "data", "big")
	p.do("project", "mlx", "snapshot", "data")
	words := append([]string{"mlx", "run", "--on", "box", "-o", "out", "-d", "data"}, p.waiting()...)
	p.write(nil, "go")
	arrived := func() int64 {
		_, packs := p.weight("*.pack", "node", "store", "packs")
		var n int64
		for _, name := range packs {
			if info, err := os.Stat(name); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	b := p.begin("project", words...)
	p.until("a part of the data has arrived", func() bool { return arrived() > size/4 || len(b.ended) > 0 })
	c.cut()
	kept := arrived()
	if status := b.end(); status == 0 || !strings.Contains(b.problem.String(), "hint: mlx job attach") || kept > size*3/4 {
		t.Fatalf("after %d of %d bytes: status %d: %s", kept, size, status, b.problem.String())
	}
	id, state := p.stateOf("project")
	if state != "pending" {
		t.Errorf("a run that is not on its host yet is %s", state)
	}
	c.mend()
	before := c.sent()
	b = p.begin("project", "mlx", "job", "attach", id)
	p.endedWell(b, wholeOutput)
	if n := c.sent() - before; n > size-kept+size/8 {
		t.Errorf("%d of %d bytes had arrived, and it sent %d more", kept, size, n)
	} else {
		t.Logf("%d of %d bytes had arrived, and it sent %d more", kept, size, n)
	}
}
