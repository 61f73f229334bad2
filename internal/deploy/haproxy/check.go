package haproxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// Check says what an HAProxy lacks that is to carry a service, with the line of its configuration that gives it.
func (s Settings) Check(ctx context.Context) error {
	text, err := s.ask(ctx, "show cli level", "show info")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "the user that runs this may not write to the socket %s of HAProxy", s.Socket).
			Hint("stats socket %s user %s mode 600 level admin   # in global of haproxy.cfg", s.Socket, "NAME")
	case err != nil:
		return fault.New(fault.KindOf(err), "%w", err).Hint("%s   # in global of haproxy.cfg, and a running HAProxy", s.socketLine())
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "admin") {
		return fault.New(fault.Denied, "the socket %s of HAProxy is not of level admin, and so nothing can be changed by it", s.Socket).
			Hint("%s   # in global of haproxy.cfg", s.socketLine())
	}
	if version := infoOf(text, "Version"); !recent(version) {
		return fault.New(fault.Usage, "HAProxy at %s is %.40s, and 2.4 or later is needed", s.Socket, version)
	}
	if err := s.checkBackend(ctx); err != nil {
		return err
	}
	return s.checkLog(ctx, infoOf(text, "Pid"))
}

// recent says whether a version is one that knows all that is used: 2.4.0 and later.
func recent(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(strings.SplitN(minor, "-", 2)[0])
	return errors.Join(errA, errB) != nil || a > 2 || a == 2 && b >= 4 // of one that cannot be read nothing is known
}

func (s Settings) checkBackend(ctx context.Context) error {
	text, err := s.ask(ctx, "show servers state "+s.Backend)
	if err != nil {
		return err
	}
	slots, err := parseState(text)
	if err != nil || len(slots) == 0 {
		if strings.Contains(text, "Can't find backend") || err == nil {
			return fault.New(fault.NotFound, "HAProxy at %s has no backend %s with servers", s.Socket, s.Backend).
				Hint("%s   # in backend %s of haproxy.cfg", s.slotLine(), s.Backend)
		}
		return fault.New(fault.Unavailable, "HAProxy at %s cannot be understood: %w", s.Socket, err)
	}
	if text, err = s.ask(ctx, "show stat "+slots[0].backend+" 4 -1"); err != nil {
		return err
	}
	loads, spares := parseStat(text), 0
	for _, one := range slots {
		if loads[one.name].backup {
			spares++
		}
	}
	if n := len(slots) - spares; n < s.Slots() {
		return fault.New(fault.Conflict, "backend %s of HAProxy has %d servers, and %d are needed: %d of a release, three releases at a time",
			s.Backend, n, s.Slots(), max(s.Servers, 1)).Hint("%s   # in backend %s of haproxy.cfg", s.slotLine(), s.Backend)
	}
	if spares < s.spares() {
		return fault.New(fault.Conflict, "backend %s of HAProxy has %d backup servers, and %d are needed, for when a new version with all requests breaks",
			s.Backend, spares, s.spares()).Hint("%s   # in backend %s of haproxy.cfg", s.spareLine(), s.Backend)
	}
	return s.checkBalance(ctx, slots[0].backend)
}

func (s Settings) checkBalance(ctx context.Context, backend string) error {
	text, err := s.ask(ctx, "show stat "+backend+" 2 -1")
	if err != nil {
		return err
	}
	if mode := columnOf(text, "mode"); mode != "" && mode != "http" {
		return fault.New(fault.Conflict, "backend %s of HAProxy has mode %s", s.Backend, mode).Hint("mode http   # in backend %s of haproxy.cfg", s.Backend)
	}
	if algo := columnOf(text, "algo"); algo != "" && algo != "roundrobin" {
		return fault.New(fault.Conflict, "backend %s of HAProxy has balance %s, by which no share of the requests is kept exactly", s.Backend, algo).
			Hint("balance roundrobin   # in backend %s of haproxy.cfg", s.Backend)
	}
	return nil
}

const maxConfig = 4 << 20

// checkLog looks into the configuration for the form of the log lines, where it can be read: HAProxy itself does not tell. Where it cannot, the
// lines that come tell.
func (s Settings) checkLog(ctx context.Context, pid string) error {
	said, err := s.ask(ctx, "show env HAPROXY_CFGFILES")
	if err != nil {
		return err
	}
	_, list, _ := strings.Cut(strings.TrimSpace(said), "=")
	all := ""
	for name := range strings.SplitSeq(list, ";") {
		if name == "" {
			return nil
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join("/proc", pid, "cwd", name)
		}
		text, ok := readSome(name)
		if !ok {
			return nil
		}
		all += text + "\n"
	}
	lines := uncommented(all)
	for _, need := range []struct{ word, line, where string }{
		{s.Log, s.logLine(), "the frontend"},
		{strings.TrimSpace(mark), s.formatLine(), "the frontend"},
		{"txn.mlx_at) date", setTime, "backend " + s.Backend},
	} {
		if !strings.Contains(lines, need.word) {
			return fault.New(fault.Conflict, "HAProxy does not log what answers are counted from: its configuration has no %s", need.word).
				Hint("%s   # in %s of haproxy.cfg", need.line, need.where)
		}
	}
	return nil
}

func readSome(name string) (string, bool) {
	f, err := os.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	return string(text), err == nil
}

// uncommented is a configuration without its comments.
func uncommented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
