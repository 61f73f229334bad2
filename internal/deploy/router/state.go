package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
	"mlx/internal/deploy/router/internal/jsonpart"
	"mlx/internal/fault"
)

// state is what a router remembers. It is on the disk before it takes effect.
type state struct {
	Desired  deploy.Desired     `json:"desired"`
	Servers  map[string]Servers `json:"servers"` // by key of their release
	Reverted *deploy.Reverted   `json:"reverted,omitempty"`
}

const (
	stateFile = "state.json"
	maxState  = 16 << 20
	maxKeys   = 64 // releases that have servers
)

// keyForm is what a key may look like: it is also the name of a file.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// load reads the state; of a folder without one it is empty.
func load(dir string) (state, error) {
	f, err := os.Open(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{Servers: map[string]Servers{}}, nil
	}
	if err != nil {
		return state{}, fault.New(fault.Unavailable, "cannot read the state of the router: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return state{}, fault.New(fault.Unavailable, "cannot read the state of the router: %w", err)
	}
	s, err := decodeState(text)
	if err != nil {
		return state{}, fault.New(fault.Integrity, "cannot read the state of the router: %w", err)
	}
	return s, nil
}

func decodeState(text []byte) (state, error) {
	var s state
	if len(text) > maxState {
		return s, errors.New("it is longer than 16 MiB")
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	if s.Servers == nil {
		s.Servers = map[string]Servers{}
	}
	if s.Desired.Generation > 0 || len(s.Desired.Arms) > 0 {
		if err := check(s.Desired); err != nil {
			return s, err
		}
	}
	if len(s.Servers) > maxKeys {
		return s, errors.New("too many releases have servers")
	}
	for key, servers := range s.Servers {
		if err := checkServers(key, servers); err != nil {
			return s, err
		}
	}
	return s, nil
}

// store puts the state on the disk, whole or not at all.
func (s state) store(dir string) error {
	return folder.WriteJSON(filepath.Join(dir, stateFile), s)
}

// with is a copy that can be changed without changing s.
func (s state) with(key string, servers Servers) (state, error) {
	next := state{Desired: s.Desired, Reverted: s.Reverted, Servers: make(map[string]Servers, len(s.Servers)+1)}
	for k, v := range s.Servers {
		next.Servers[k] = v
	}
	if len(servers.Addresses) == 0 {
		delete(next.Servers, key)
	} else {
		next.Servers[key] = servers
	}
	if len(next.Servers) > maxKeys {
		return s, fmt.Errorf("%d releases have servers already", maxKeys)
	}
	return next, nil
}

// check says why something cannot be desired.
func check(d deploy.Desired) error {
	if d.Service == "" || len(d.Service) > 200 {
		return errors.New("the name of the service has 1 to 200 bytes")
	}
	if err := checkArms(d); err != nil {
		return err
	}
	named := 0
	for _, name := range []string{d.Sticky.Header, d.Sticky.Cookie, d.Sticky.Field} {
		if name != "" {
			named++
		}
	}
	_, ok := jsonpart.ParsePointer(d.Sticky.Field)
	switch {
	case named > 1:
		return errors.New("the word is named by a header, a cookie or a field, not by several of them")
	case !ok:
		return fmt.Errorf("%.100q is no JSON pointer", d.Sticky.Field)
	case d.Lease < 0 || d.Breaks < 0 || d.BreaksIn < 0 || d.Breaks > maxBreaks:
		return fmt.Errorf("lease and breaks are from 0 up, breaks at most %d", maxBreaks)
	case d.Mirror < 0 || d.Mirror > deploy.All:
		return errors.New("the share of the shadow is from 0 to 10000")
	}
	return nil
}

func checkArms(d deploy.Desired) error {
	roles := []deploy.Role{deploy.Stable, deploy.Candidate, deploy.Shadow, deploy.Previous}
	seen := map[deploy.Role]bool{}
	keys := map[string]bool{}
	sum := deploy.Share(0)
	for _, a := range d.Arms {
		switch {
		case !slices.Contains(roles, a.Role):
			return fmt.Errorf("%.60q is no role", a.Role)
		case seen[a.Role]:
			return fmt.Errorf("there are two arms of role %s", a.Role)
		case !keyForm.MatchString(a.Release.Key):
			return fmt.Errorf("%.140q is no key of a release", a.Release.Key)
		case keys[a.Release.Key]:
			return fmt.Errorf("two arms have the release %s", a.Release.Key)
		case a.Share < 0 || a.Share > deploy.All || (a.Role == deploy.Shadow || a.Role == deploy.Previous) && a.Share != 0:
			return fmt.Errorf("the share of %s is %d", a.Role, a.Share)
		}
		seen[a.Role], keys[a.Release.Key] = true, true
		sum += a.Share
	}
	if seen[deploy.Stable] && sum != deploy.All || sum > deploy.All {
		return fmt.Errorf("the shares sum to %d, not to %d", sum, deploy.All)
	}
	return nil
}

func checkServers(key string, s Servers) error {
	if !keyForm.MatchString(key) {
		return fmt.Errorf("%.140q is no key of a release", key)
	}
	if len(s.Addresses) > 1000 {
		return fmt.Errorf("%d servers of one release are too many", len(s.Addresses))
	}
	seen := map[string]bool{}
	for _, address := range s.Addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" || seen[address] {
			return fmt.Errorf("%.100q is no address of one more server, host:port", address)
		}
		seen[address] = true
	}
	return nil
}
