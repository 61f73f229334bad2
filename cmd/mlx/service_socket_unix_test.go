//go:build unix

package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"mlx/internal/fault"
)

// holdingMain holds a socket as systemd does, writes where it listens to a file, and runs mlx on it with the words that follow. How often that
// has begun stands in the same file with .begun, its own number with .pid. USR1: mlx is
// stopped and started again; USR2: it is killed and started again; HUP: mlx is told; INT: mlx is stopped, and this ends.
func holdingMain() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		log.Fatal(err)
	}
	_ = l.Close() // socket is it
	if err := os.WriteFile(os.Args[1], []byte("http://"+l.Addr().String()+"\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	_ = os.WriteFile(os.Args[1]+".pid", []byte(fmt.Sprint(os.Getpid())), 0o600)
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	begun := 0
	for {
		cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=s exec mlx "$@"`, "sh"}, os.Args[2:]...)...)
		cmd.ExtraFiles, cmd.Stderr = []*os.File{socket}, os.Stderr
		said, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			log.Fatal(err)
		}
		if lines := bufio.NewScanner(said); lines.Scan() { // it says where it answers, when it does
			begun++
			fmt.Println(lines.Text())
			_ = os.WriteFile(os.Args[1]+".begun", []byte(fmt.Sprintln(begun)), 0o600)
		}
		again := false
		for !again {
			switch s := <-signals; s {
			case syscall.SIGHUP:
				_ = cmd.Process.Signal(s)
			case syscall.SIGUSR1, syscall.SIGUSR2:
				again = true
				end := map[os.Signal]os.Signal{syscall.SIGUSR1: syscall.SIGTERM, syscall.SIGUSR2: syscall.SIGKILL}[s]
				_ = cmd.Process.Signal(end)
				err := cmd.Wait()
				fmt.Println("started again:", err)
			default:
				_ = cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil {
					log.Fatal(err)
				}
				return
			}
		}
	}
}

// A socket that is meant for another process, or that is none, is not taken.
func TestHandedOver(t *testing.T) {
	mine := fmt.Sprint(listenPID, os.Getpid())
	for _, c := range []struct {
		name    string
		environ []string
		refused bool
	}{
		{"nothing", nil, false},
		{"of somebody else", []string{"LISTEN_PID=1", "LISTEN_FDS=1"}, false},
		{"none at all", []string{mine, "LISTEN_FDS=0"}, false},
		{"two", []string{mine, "LISTEN_FDS=2"}, true},
		{"no number", []string{mine, "LISTEN_FDS=one"}, true},
		{"without a number", []string{mine}, true},
	} {
		a := &app{environ: c.environ}
		l, err := a.handedOver("flights")
		if l != nil || (fault.KindOf(err) == fault.Usage) != c.refused || !c.refused && err != nil {
			t.Errorf("%s: %v, %v", c.name, l, err)
		}
	}
	a := &app{environ: []string{"A=b", mine, "LISTEN_FDS=1", "LISTEN_FDNAMES=x"}}
	if left := a.unhanded(); len(left) != 1 || left[0] != "A=b" {
		t.Errorf("its servers would get %q", left)
	}
}
