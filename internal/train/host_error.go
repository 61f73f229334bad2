package train

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"sync"

	"mlx/internal/fault"
)

// sshError is trouble on the way to a host.
type sshError struct {
	told *fault.Error
	asks bool // somebody who can answer a question might get in
}

func (e *sshError) Error() string { return e.told.Error() }
func (e *sshError) Unwrap() error { return e.told }

// sshTrouble is a row of what ssh's own words mean. They are not translated.
type sshTrouble struct {
	words string
	kind  fault.Kind
	text  string // with one %s for the host
	hint  string // with one %s for the host; empty: none
	asks  bool
	shown string // words of a line that says more
}

// sshTroubles are in the order in which they are looked for: ssh may say several things, the cause of the others first here.
func sshTroubles() []sshTrouble {
	const (
		unreachable = "cannot reach %s: the network"
		look        = "ssh %s   # shows what ssh itself says"
	)
	return []sshTrouble{
		{"REMOTE HOST IDENTIFICATION HAS CHANGED", fault.Denied, "the key of %s is not the one known: it is not connected to",
			"", false, "Offending"}, // forgetKey has its hint
		{"key is known for", fault.Denied, "the key of %s is not known: it is not connected to", "ssh %s   # shows the key and asks", true, ""},
		{"Host key verification failed", fault.Denied, "the key of %s could not be checked: it is not connected to", "ssh %s   # shows the key and asks", true, ""},
		{"REVOKED HOST KEY", fault.Denied, "the key of %s was revoked: it is not connected to", "", false, ""},
		{"Too many authentication failures", fault.Denied, "%s does not let you in: ssh offered too many keys", look, false, ""},
		{"Permission denied (", fault.Denied, "%s does not let you in", "ssh %s   # are the right keys there? ssh-add -l", true, ""},
		{"Could not resolve hostname", fault.Unavailable, "cannot find a host called %s", look, false, ""},
		{"Bad configuration option", fault.Usage, "ssh does not understand its configuration for %s", look, false, ""},
		{"Bad owner or permissions on", fault.Denied, "ssh does not trust its configuration for %s", look, false, ""},
		{"timed out", fault.Unavailable, unreachable + " or the host does not answer in time", look, false, ""},
		{"not responding", fault.Unavailable, "the connection to %s was lost: it does not answer any more", "", false, ""},
		{"Connection refused", fault.Unavailable, "cannot reach %s: no ssh server answers there", look, false, ""},
		{"No route to host", fault.Unavailable, unreachable + " knows no way there", look, false, ""},
		{"Network is unreachable", fault.Unavailable, unreachable + " is down", look, false, ""},
		{"kex_exchange_identification", fault.Unavailable, "cannot reach %s: it closed the connection at once", look, false, ""},
		{"Connection closed by", fault.Unavailable, "the connection to %s was closed by the other side", look, false, ""},
		{"Connection to ", fault.Unavailable, "the connection to %s was closed by the other side", "", false, ""},
		{"Connection reset", fault.Unavailable, "the connection to %s was lost", "", false, ""},
		{"Broken pipe", fault.Unavailable, "the connection to %s was lost", "", false, ""},
	}
}

// trouble says by side what went wrong between here and the host. said is what ssh wrote to its stderr; where it could not even be
// started, err says why.
func (h *Host) trouble(ctx context.Context, err error, said string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fault.New(fault.Usage, "cannot reach %s: there is no program %s here: %w", h.Name, h.words()[0], err).
			Hint("ssh -V   # install OpenSSH, or set MLX_SSH")
	}
	if start := (*fs.PathError)(nil); errors.As(err, &start) {
		return fault.New(fault.KindOf(err), "cannot start %s to reach %s: %w", start.Path, h.label(), start.Err)
	}
	for _, t := range sshTroubles() {
		if strings.Contains(said, t.words) {
			line := lastLine(said, cmp.Or(t.shown, t.words))
			e := fault.New(t.kind, t.text+" (%s)", h.Name, cmp.Or(line, lastLine(said, t.words)))
			switch {
			case t.shown != "":
				e = e.Hint("%s   # only if its owner says that the key was changed", forgetKey(said, h.Name))
			case t.hint != "":
				e = e.Hint(t.hint, h.Name)
			}
			return &sshError{e, t.asks}
		}
	}
	if said = strings.TrimSpace(said); said == "" {
		return &sshError{fault.New(fault.Unavailable, "the connection to %s was lost", h.Name), false}
	}
	return &sshError{fault.New(fault.Unavailable, "the connection to %s failed: %s", h.Name, lastLine(said, "")), false}
}

// forgetKey is the command that forgets the known key of a host whose key is another one now. ssh says under which name it looked for it,
// which is not what it was asked for: [ADDRESS]:PORT, a HostKeyAlias, or a host on the way there; and in which file it found it.
func forgetKey(said, name string) string {
	const changed = "ost key for "
	var file string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if _, rest, ok := strings.Cut(line, changed); ok && strings.Contains(rest, " has changed") {
			name, _, _ = strings.Cut(rest, " has changed")
		}
		if _, rest, ok := strings.Cut(line, " key in "); ok && strings.HasPrefix(line, "Offending") {
			file = rest[:max(0, strings.LastIndex(rest, ":"))]
		}
	}
	words := []string{"ssh-keygen"}
	if file != "" {
		words = append(words, "-f", file)
	}
	return Quote(append(words, "-R", name))
}

// lastLine returns the last line with the words in it, as one that can stand in a message.
func lastLine(said, words string) string {
	found := ""
	for line := range strings.Lines(said) {
		if line = strings.Trim(line, " \t\r\n@"); line != "" && strings.Contains(line, words) {
			found = line
		}
	}
	return strings.ToValidUTF8(strings.TrimRight(found[:min(len(found), 300)], "."), "")
}

// maxTail is how much of what a process says of its troubles is kept: the end.
const maxTail = 16 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxTail; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
