package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mlx/internal/fault"
)

// sshSettings is what `ssh -G` says of a host that mlx does not set itself, and the options that mlx adds.
type sshSettings struct {
	address string // what the name stands for
	options []string
}

// The limits that mlx sets where the user's configuration says nothing: how long connecting may take, and how often the other
// side is asked whether it is still there. It is given up after three times the latter.
const (
	connectLimit = "20" // seconds
	aliveEach    = "15" // seconds
	persistFor   = "60" // seconds that the connection stays open for the next command
)

// reapLimit is how long pipes are waited for after a process has ended: the ssh that keeps a connection open inherits them.
const reapLimit = 2 * time.Second

// words returns the words that start ssh.
func (h *Host) words() []string {
	if len(h.SSH) == 0 {
		return []string{"ssh"}
	}
	return h.SSH
}

// settings asks ssh what the user has configured for the host. The answer holds for this process.
func (h *Host) settings(ctx context.Context) (*sshSettings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ssh != nil {
		return h.ssh, nil
	}
	w := h.words()
	cmd := exec.CommandContext(ctx, w[0], append(append([]string{}, w[1:]...), "-G", "--", h.Name)...) //nolint:gosec // the user's own ssh
	var out bytes.Buffer
	var bad tail
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bounded(&out, maxAnswer), &bad, reapLimit
	if err := cmd.Run(); err != nil {
		return nil, h.trouble(ctx, err, bad.text())
	}
	s := &sshSettings{}
	known := map[string]string{}
	for line := range strings.Lines(out.String()) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		known[strings.ToLower(key)] = value
	}
	s.address = known["hostname"]
	add := func(o string) { s.options = append(s.options, "-o", o) }
	if none(known["controlpath"]) && none(known["controlmaster"]) {
		if dir := socketFolder(h.Sockets); dir != "" {
			add("ControlMaster=auto")
			add("ControlPath=" + filepath.Join(dir, h.socketName(out.String())))
			add("ControlPersist=" + persistFor)
		}
	}
	if none(known["connecttimeout"]) {
		add("ConnectTimeout=" + connectLimit)
	}
	if none(known["serveraliveinterval"]) {
		add("ServerAliveInterval=" + aliveEach)
	}
	h.ssh = s
	return s, nil
}

// none says whether a value of ssh -G means that nothing was configured.
func none(v string) bool { return v == "" || v == "none" || v == "0" || v == "false" || v == "no" }

// socketName names a connection by all that is configured for it. Not by %C: two names of one address may differ in whom they
// trust, and a connection that was opened under one of them would let the other in.
func (h *Host) socketName(configured string) string {
	sum := sha256.Sum256([]byte(h.identity() + "\x00" + configured))
	return hex.EncodeToString(sum[:16])
}

// maxSocketFolder leaves room for "/", the 32 digits of the name and the 17 bytes that ssh adds while it makes a socket, in the
// 104 bytes that the path of a socket may have on every system.
const maxSocketFolder = 104 - 1 - 1 - 32 - 17

// socketFolder returns the first of the places where a folder that only this user can enter is, or can be made. "": none.
func socketFolder(places []string) string {
	for _, dir := range places {
		if len(dir) > maxSocketFolder || strings.ContainsAny(dir, "% \t\"'\\$~") {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			continue
		}
		if info, err := os.Lstat(dir); err == nil && ownFolder(info) {
			return dir
		}
	}
	return ""
}

// command prepares ssh with a text for the shell on the host.
func (h *Host) command(ctx context.Context, text string, ask bool) (*exec.Cmd, error) {
	s, err := h.settings(ctx)
	if err != nil {
		return nil, err
	}
	w := h.words()
	args := append(append([]string{}, w[1:]...), s.options...)
	args = append(args, "-T", "-o", "RemoteCommand=none")
	if !ask {
		args = append(args, "-o", "BatchMode=yes")
	}
	cmd := exec.Command(w[0], append(args, "--", h.Name, text)...) //nolint:gosec // the user's own ssh
	if !ask {
		apart(cmd) // an interrupt from the keyboard is mlx's to handle, which may have something left to say to the host
	}
	cmd.WaitDelay = reapLimit
	return cmd, nil
}

// runScript keeps 255 for ssh itself. env, because a shell would take its own echo or test.
const runScript = `env "$@"; s=$?; [ $s = 255 ] && s=254; exit $s`

func (h *Host) runThere(ctx context.Context, argv []string, stdin []byte) (Answer, error) {
	if err := noZero(argv); err != nil {
		return Answer{}, err
	}
	text := Quote(append([]string{"exec", "sh", "-c", runScript, "sh"}, argv...))
	answer, err := h.exec(ctx, text, stdin, false)
	if err == nil || !h.canAsk(err) {
		return answer, err
	}
	if err := h.unlock(ctx); err != nil {
		return Answer{}, err
	}
	return h.exec(ctx, text, stdin, true)
}

func noZero(argv []string) error {
	for _, w := range argv {
		if strings.ContainsRune(w, 0) {
			return fault.New(fault.Usage, "a word of a command has a zero byte in it: %.80q", w)
		}
	}
	return nil
}

func (h *Host) exec(ctx context.Context, text string, stdin []byte, ask bool) (Answer, error) {
	cmd, err := h.command(ctx, text, ask)
	if err != nil {
		return Answer{}, err
	}
	var out, bad bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), bounded(&out, maxAnswer), bounded(&bad, maxAnswer)
	if err := cmd.Start(); err != nil {
		return Answer{}, h.trouble(ctx, err, "")
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	stop()
	status := cmd.ProcessState.ExitCode()
	if ctx.Err() != nil || status < 0 || status == 255 {
		return Answer{}, h.trouble(ctx, err, bad.String())
	}
	return Answer{Stdout: out.Bytes(), Stderr: bad.Bytes(), Status: status}, nil
}

// runHere is Run on this machine.
func runHere(ctx context.Context, argv []string, stdin []byte) (Answer, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // what the caller wants to run
	var out, bad bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(stdin), bounded(&out, maxAnswer), bounded(&bad, maxAnswer), reapLimit
	apart(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Answer{}, ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return Answer{}, fault.New(fault.KindOf(err), "cannot run %s on this machine: %w", argv[0], err)
	}
	return Answer{Stdout: out.Bytes(), Stderr: bad.Bytes(), Status: cmd.ProcessState.ExitCode()}, nil
}

// unlock lets ssh ask its questions, once: what it then keeps open serves the connections that follow.
func (h *Host) unlock(ctx context.Context) error {
	cmd, err := h.command(ctx, "exit 0", true)
	if err != nil {
		return err
	}
	var bad tail
	cmd.Stderr = io.MultiWriter(&bad, h.Terminal) // such as that a key wants to be touched; questions go to the terminal by themselves
	if err := cmd.Start(); err != nil {
		return h.trouble(ctx, err, "")
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return h.trouble(ctx, err, bad.text())
	}
	return nil
}

// canAsk says whether the host may let the user in who answers a question.
func (h *Host) canAsk(err error) bool {
	var e *sshError
	return h.Terminal != nil && errors.As(err, &e) && e.asks
}

// boundedWriter forgets what goes beyond its limit.
type boundedWriter struct {
	to   *bytes.Buffer
	left int
}

func bounded(to *bytes.Buffer, limit int) io.Writer { return &boundedWriter{to, limit} }

func (b *boundedWriter) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.to.Write(p[:n])
	b.left -= n
	return len(p), nil
}
