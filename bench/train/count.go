//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
)

// countVerb makes this program stand before ssh: it counts what is sent.
const countVerb = "count"

// count runs a command with the stdin of this process, appends to the file how many bytes went through, and returns the status.
func count(file string, words []string) int {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 255
	}
	var sent atomic.Int64
	go func() {
		_, _ = io.Copy(counting{in, &sent}, os.Stdin) // the command may not want all of it
		_ = in.Close()                                // likewise
	}()
	err = cmd.Wait()
	f, openErr := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if openErr == nil {
		_, openErr = fmt.Fprintln(f, sent.Load())
		openErr = errors.Join(openErr, f.Close())
	}
	if openErr != nil {
		fmt.Fprintln(os.Stderr, openErr)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// counting counts what it hands on.
type counting struct {
	to io.Writer
	n  *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n.Add(int64(n))
	return n, err
}
