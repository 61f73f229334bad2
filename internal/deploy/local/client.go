package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mlx/internal/fault"
)

// maxAnswer bounds what a supervisor answers.
const maxAnswer = 16 << 20

// Client asks the supervisor of a service.
type Client struct {
	Dir string // of the service
}

// ErrNotRunning says that no supervisor of the service runs on this machine.
var ErrNotRunning = errors.New("it does not run on this machine")

// Running tells how everything is.
func (c Client) Running(ctx context.Context) (Running, error) {
	return c.ask(ctx, http.MethodGet, "/running", nil)
}

// Want says what is to run. It is durable when this returns; servers start and stop after it.
func (c Client) Want(ctx context.Context, a Arms) (Running, error) {
	return c.ask(ctx, http.MethodPut, "/arms", a)
}

// Upgrade has a router of the program as it is now take over.
func (c Client) Upgrade(ctx context.Context) (Running, error) {
	return c.ask(ctx, http.MethodPost, "/upgrade", nil)
}

// Arms are what is to run, which the folder of the service says also when nothing does.
func (c Client) Arms() (Arms, error) {
	return readArmsFile(filepath.Join(c.Dir, armsName))
}

func (c Client) ask(ctx context.Context, method, path string, v any) (Running, error) {
	var body io.Reader
	if v != nil {
		text, err := json.Marshal(v)
		if err != nil {
			return Running{}, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, body)
	if err != nil {
		return Running{}, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialUnix(ctx, c.Dir, socketName)
	}}}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist):
		return Running{}, ErrNotRunning
	case err != nil:
		return Running{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Running{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return Running{}, fmt.Errorf("the supervisor refuses: %s", strings.TrimSpace(string(text)))
	}
	var r Running
	if err := json.Unmarshal(text, &r); err != nil {
		return Running{}, fmt.Errorf("the supervisor answers %.100q: %w", text, err)
	}
	return r, nil
}

// readArmsFile reads what is to run; of a service that never ran that is nothing.
func readArmsFile(name string) (Arms, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Arms{}, nil
	}
	if err != nil {
		return Arms{}, err
	}
	var a Arms
	if err := json.Unmarshal(text, &a); err != nil {
		return Arms{}, fault.New(fault.Integrity, "%s: %w", name, err)
	}
	return a, nil
}
