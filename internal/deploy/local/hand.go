//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Offer hands the socket of a router to whoever connects to a socket in the folder of its service, until the context ends: a
// supervisor that begins while the router of an earlier one runs can start the next router on it.
func Offer(ctx context.Context, dir string, l Socket) error {
	f, err := l.File()
	if err != nil {
		return err
	}
	at, err := listenUnix(ctx, dir, handName)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = at.Close() }) // Accept ends then
	go func() {
		defer stop()
		defer f.Close()
		for {
			c, err := at.Accept()
			if err != nil {
				return
			}
			if u, ok := c.(*net.UnixConn); ok {
				_, _, _ = u.WriteMsgUnix([]byte{1}, syscall.UnixRights(int(f.Fd())), nil) // who does not get it asks again
			}
			_ = c.Close()
		}
	}()
	return nil
}

// take asks a router that runs for its socket.
func take(ctx context.Context, dir string) (Socket, error) {
	c, err := dialUnix(ctx, dir, handName)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // it was only read from
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("%s is no socket of this machine", c.RemoteAddr())
	}
	var one [1]byte
	rights := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := u.ReadMsgUnix(one[:], rights)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("the router handed over no socket: %w", err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("the router handed over no socket: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "listener")
	defer f.Close()
	return SocketOf(f)
}
