package train

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode"

	"mlx/internal/fault"
)

// Host is a machine that commands can be started on: by the system's ssh program, which alone honours all that a user has
// configured (Match, Include, ProxyJump, agents, keys in hardware), or this one. It brings mlx there. Its methods may be called
// by many at once; a Host is not copied.
type Host struct {
	Name string // as in the ssh configuration; empty is this machine
	Dir  string // of mlx there: absolute, or below the home folder as "~/…"

	SSH   []string // words that start ssh; empty is "ssh"
	Self  string   // path of the program that runs now
	Home  string   // of the user on this machine, for a Dir below ~/
	Cache string   // folder for what is remembered of programs and hosts; empty: nothing is

	// Terminal is where somebody reads what ssh has to say before it lets him in; nil: it may ask nothing.
	Terminal io.Writer
	// Sockets are the places for the folder of ssh's control sockets, the best first. Their paths must be short.
	Sockets []string
	// Agents returns the program for nodes of another kind, in the words of Go: linux, arm64.
	Agents func(os, arch string) (string, error)

	// Untouched leaves the host as it is: where mlx is not there already, that is an AbsentError.
	Untouched bool

	mu        sync.Mutex
	ssh       *sshSettings
	installed *Installed
}

// Installed says where mlx lies on a host. Both are absolute.
type Installed struct {
	Program string
	Root    string
}

// AbsentError says that mlx is not on a host which is to stay untouched.
type AbsentError struct {
	Host  string
	Bytes int64 // of the program that would be brought
}

func (e *AbsentError) Error() string { return "mlx is not on " + e.Host + " yet" }

// maxAnswer bounds what a command on a host may print.
const maxAnswer = 64 << 20

// check refuses a name that ssh would take for an option, and a folder that the shell on the host would not understand.
func (h *Host) check() error {
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	if strings.HasPrefix(h.Name, "-") || strings.ContainsFunc(h.Name, bad) {
		return fault.New(fault.Usage, "%.80q is no name of a host", h.Name).Hint("edit mlx.yaml   # host: as in your ssh configuration")
	}
	rest, home := strings.CutPrefix(h.Dir, "~/")
	if !home && !path.IsAbs(h.Dir) || rest == "" || strings.ContainsFunc(h.Dir, unicode.IsControl) {
		return fault.New(fault.Usage, "the folder %.80q on %s is neither absolute nor below ~/", h.Dir, h.label()).
			Hint("edit mlx.yaml   # dir: /scratch/me/mlx, or ~/mlx")
	}
	return nil
}

// label names the host in messages.
func (h *Host) label() string {
	if h.Name == "" {
		return "this machine"
	}
	return h.Name
}

// Run executes a command to its end. No shell sees argv: every byte of it arrives. An error says that the command could not
// be started or its end not be seen; of a host that is reached by ssh, exit status 255 is told as 254.
func (h *Host) Run(ctx context.Context, argv []string, stdin []byte) (Answer, error) {
	if err := h.check(); err != nil {
		return Answer{}, err
	}
	if len(argv) == 0 {
		return Answer{}, fault.New(fault.Internal, "cannot run nothing on %s", h.label())
	}
	if h.Name == "" {
		return runHere(ctx, argv, stdin)
	}
	return h.runThere(ctx, argv, stdin)
}

// Link connects to `mlx agent serve` on the host, which it brings there if it is not. ctx bounds the connecting only.
func (h *Host) Link(ctx context.Context) (io.ReadWriteCloser, error) {
	return h.connect(ctx, "serve")
}

// Install makes sure that mlx is on the host, and says where.
func (h *Host) Install(ctx context.Context) (Installed, error) {
	h.mu.Lock()
	known := h.installed
	h.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	if h.Name == "" {
		if err := h.check(); err != nil {
			return Installed{}, err
		}
		return h.installHere()
	}
	c, err := h.connect(ctx, "where")
	if err != nil {
		return Installed{}, err
	}
	return c.Installed, c.Close()
}

// Shell returns the words that open a shell in a folder, by the words within, if any, which lead on from the host to another
// machine that has the folder as well. dir is absolute, below ~/, or below the folder of mlx on the host.
func (h *Host) Shell(dir string, within ...string) ([]string, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	const script = `d=$1; case $d in [~]/*) d=$HOME${d#[~]};; esac; cd "$d" || exit 125; exec "${SHELL:-/bin/sh}"`
	if !path.IsAbs(dir) && !strings.HasPrefix(dir, "~/") {
		dir = path.Join(h.Dir, dir)
	}
	words := append(slices.Clone(within), "sh", "-c", script, "sh", dir)
	if h.Name == "" {
		return words, nil
	}
	return append(slices.Clone(h.words()), "-t", "--", h.Name, Quote(append([]string{"exec"}, words...))), nil
}

// Call asks `mlx agent VERB ROOT` on the host one question: stdin is the question, what it prints the answer.
func (h *Host) Call(ctx context.Context, verb string, question []byte) ([]byte, error) {
	c, err := h.connect(ctx, verb)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, c.kill)()
	go func() {
		_, _ = c.in.Write(question) // whoever does not read it says so, and is read
		_ = c.in.Close()
	}()
	answer, err := io.ReadAll(io.LimitReader(c, maxAnswer+1))
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && len(answer) > maxAnswer:
		err = fault.New(fault.Integrity, "%s answers with more than %d bytes", h.label(), maxAnswer)
	}
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return answer, err
}

func (h *Host) connect(ctx context.Context, verb string) (*Conn, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	var c *Conn
	var err error
	if h.Name == "" {
		c, err = h.connectHere(ctx, verb)
	} else {
		c, err = h.connectThere(ctx, verb)
	}
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.installed = &c.Installed
	h.mu.Unlock()
	return c, nil
}
