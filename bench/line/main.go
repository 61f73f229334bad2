//go:build linux

// Command line runs a command beside a slow line to a server on 127.0.0.1: what goes to -via travels as IP packets with a delay in
// each direction and some loss, through the real TCP of this kernel. It does what tc netem does where a kernel has no netem. It
// needs a network name space of its own, and root in it: unshare -n line -port 8333 COMMAND…
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	device = "line0"
	here   = "10.99.0.1" // what reaches this end of the line goes on to 127.0.0.1
	via    = "10.99.0.2" // what goes here comes back over the line, as if from there
)

func main() {
	port := flag.Int("port", 0, "of the server on 127.0.0.1, and at "+via)
	delay := flag.Duration("delay", 25*time.Millisecond, "in each direction")
	loss := flag.Float64("loss", 0.001, "share of the packets that are lost")
	flag.Parse()
	status, err := run(*port, link{delay: *delay, loss: *loss}, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "line:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

func run(port int, l link, command []string) (int, error) {
	if len(command) == 0 {
		return 0, errors.New("usage: line -port N COMMAND…")
	}
	if err := l.open(); err != nil {
		return 0, err
	}
	go l.read()
	go l.write()
	target, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("%s:%d", here, port))
	if err != nil {
		return 0, err
	}
	var requests atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target) // it keeps the host that the request was signed for
	go func() {
		err := http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			proxy.ServeHTTP(w, r)
		}))
		fmt.Fprintln(os.Stderr, "line:", err)
	}()
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	fmt.Printf("line: %d requests, %d packets, of which %d were lost; %v and %g %% each way\n",
		requests.Load(), l.packets.Load(), l.lost.Load(), l.delay, 100*l.loss)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err == nil && l.lost.Load() == 0 && l.loss > 0 {
		err = errors.New("no packet was lost, so nothing was tried")
	}
	return 0, err
}

// link is the device and what is on its way.
type link struct {
	delay time.Duration
	loss  float64

	fd            int
	queue         chan packet
	packets, lost *atomic.Int64
}

type packet struct {
	due  time.Time
	data []byte
}

// open makes the device: what the kernel sends to it can be read, what is written to it the kernel receives.
func (l *link) open() (err error) {
	l.queue, l.packets, l.lost = make(chan packet, 1<<16), new(atomic.Int64), new(atomic.Int64)
	if l.fd, err = syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err != nil {
		return fmt.Errorf("name the device %s: %w", device, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(l.fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("make the device %s (it needs root): %w", device, err)
	}
	for _, words := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "addr", "add", here + "/24", "dev", device},
		{"ip", "link", "set", device, "txqueuelen", "20000", "up"},
	} {
		if out, err := exec.CommandContext(context.Background(), words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%q: %w: %s", words, err, out)
		}
	}
	return nil
}

func (l *link) read() {
	for {
		b := make([]byte, 2048)
		n, err := syscall.Read(l.fd, b)
		if err != nil {
			fmt.Fprintln(os.Stderr, "line: read:", err)
			return
		}
		if n < 20 || b[0]>>4 != 4 {
			continue
		}
		l.packets.Add(1)
		if rand.Float64() < l.loss {
			l.lost.Add(1)
			continue
		}
		l.queue <- packet{time.Now().Add(l.delay), b[:n]}
	}
}

// write gives packets back when they are due. Source and destination change places, which no checksum notices: to the kernel
// each packet for via comes from via.
func (l *link) write() {
	for p := range l.queue {
		time.Sleep(time.Until(p.due))
		var from [4]byte
		copy(from[:], p.data[12:16])
		copy(p.data[12:16], p.data[16:20])
		copy(p.data[16:20], from[:])
		if _, err := syscall.Write(l.fd, p.data); err != nil {
			fmt.Fprintln(os.Stderr, "line: write:", err)
		}
	}
}
