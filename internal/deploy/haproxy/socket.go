package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

const (
	maxReply   = 8 << 20 // bytes of an answer of HAProxy
	maxLine    = 8 << 10 // bytes of the commands that are sent at once: HAProxy's own limit is 16 KiB
	maxServers = 4000    // of a backend
)

// errGone says that HAProxy does not answer.
var errGone = errors.New("HAProxy does not answer")

// ask sends commands to the runtime socket, in order, and returns all that is answered. They take effect one after the other, with nothing of
// anybody else in between as long as they fit in a line.
func (s Settings) ask(ctx context.Context, commands ...string) (string, error) {
	var all strings.Builder
	for len(commands) > 0 {
		n, size := 0, 0
		for n < len(commands) && (n == 0 || size+len(commands[n]) < maxLine) {
			size += len(commands[n]) + 1
			n++
		}
		text, err := s.askLine(ctx, strings.Join(commands[:n], ";"))
		if err != nil {
			return "", err
		}
		all.WriteString(text)
		commands = commands[n:]
	}
	return all.String(), nil
}

func (s Settings) askLine(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, s.network(), s.Socket)
	if err == nil {
		defer func() { _ = c.Close() }() // all was read
		stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		_, err = io.WriteString(c, line+"\n")
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(c, maxReply+1))
	}
	switch {
	case err != nil:
		return "", fault.New(fault.Unavailable, "%w at %s: %w", errGone, s.Socket, err)
	case len(text) > maxReply:
		return "", fault.New(fault.Unavailable, "HAProxy at %s answers more than %d bytes", s.Socket, maxReply)
	case len(text) == 0: // it closed the connection: it is ending, or takes no more
		return "", fault.New(fault.Unavailable, "%w at %s: it closes the connection", errGone, s.Socket)
	}
	return string(text), nil
}

// slot is a server of the backend: a place that servers of releases come to and leave.
type slot struct {
	name    string
	address string // HOST:PORT
	weight  int
	state   admin
	backup  bool // it gets requests only when all others are down
	up      bool // as far as HAProxy's own checks know
	backend string
}

// admin is what a slot was told to be.
type admin byte

const (
	empty    admin = iota // in maintenance: it gets nothing, and its address means nothing
	draining              // it answers what it was given, and gets nothing new
	ready
)

// parseState reads what "show servers state BACKEND" prints: a version, the names of the columns, and a line each.
func parseState(text string) ([]slot, error) {
	var columns map[string]int
	var all []slot
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if names, ok := strings.CutPrefix(line, "#"); ok {
			columns = index(strings.Fields(names))
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 5 { // the version, and blank lines
			continue
		}
		if columns == nil {
			return nil, fmt.Errorf("it says %.80q", line)
		}
		one, ok := readSlot(columns, fields)
		if !ok {
			return nil, fmt.Errorf("it says %.80q of a server", line)
		}
		if len(all) == maxServers {
			return nil, fmt.Errorf("its backend has more than %d servers", maxServers)
		}
		all = append(all, one)
	}
	if columns == nil {
		return nil, fmt.Errorf("it says %.80q", strings.TrimSpace(text))
	}
	return all, nil
}

// The flags of srv_admin_state that matter.
const (
	flagMaint = 0x01 | 0x02 | 0x20 | 0x40 // told, inherited, not resolved
	flagDrain = 0x08 | 0x10
)

func readSlot(columns map[string]int, fields []string) (slot, bool) {
	get := func(name string) string {
		if i, ok := columns[name]; ok && i < len(fields) {
			return fields[i]
		}
		return ""
	}
	weight, errWeight := strconv.Atoi(get("srv_uweight"))
	flags, errFlags := strconv.Atoi(get("srv_admin_state"))
	running, errUp := strconv.Atoi(get("srv_op_state"))
	port, errPort := strconv.ParseUint(get("srv_port"), 10, 16)
	s := slot{name: get("srv_name"), backend: get("be_id"), weight: weight, up: running != 0, state: ready,
		address: net.JoinHostPort(get("srv_addr"), strconv.FormatUint(port, 10))}
	switch {
	case flags&flagMaint != 0:
		s.state = empty
	case flags&flagDrain != 0:
		s.state = draining
	}
	return s, errors.Join(errWeight, errFlags, errUp, errPort) == nil && s.name != "" && s.backend != ""
}

func index(names []string) map[string]int {
	columns := map[string]int{}
	for i, name := range names {
		columns[name] = i
	}
	return columns
}

// load is what HAProxy has counted of a server since it began.
type load struct {
	underWay  int64 // requests that it answers or that wait for it
	given     int64 // attempts
	again     int64 // attempts that failed and were made again, counted at least once
	elsewhere int64 // and of these, at another server
	backup    bool
}

// parseStat reads what "show stat" prints: CSV with a head.
func parseStat(text string) map[string]load {
	all := map[string]load{}
	var columns map[string]int
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if names, ok := strings.CutPrefix(line, "# "); ok {
			columns = index(strings.Split(names, ","))
			continue
		}
		fields := strings.Split(line, ",")
		get := func(name string) int64 {
			i, ok := columns[name]
			if !ok || i >= len(fields) {
				return 0
			}
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil || n < 0 {
				return 0
			}
			return n
		}
		i, ok := columns["svname"]
		if !ok || i >= len(fields) || len(all) > maxServers {
			continue
		}
		all[fields[i]] = load{get("scur") + get("qcur"), get("stot"), get("wretr") + get("wredis"), get("wredis"), get("bck") > 0}
	}
	return all
}

// columnOf is one word of the only line that "show stat" prints of a backend.
func columnOf(text, name string) string {
	var columns map[string]int
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if names, ok := strings.CutPrefix(line, "# "); ok {
			columns = index(strings.Split(names, ","))
		} else if fields := strings.Split(line, ","); columns != nil && len(fields) > 1 {
			if i, ok := columns[name]; ok && i < len(fields) {
				return fields[i]
			}
		}
	}
	return ""
}

// infoOf is a line "NAME: value" of "show info".
func infoOf(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+": "); ok {
			return value
		}
	}
	return ""
}
