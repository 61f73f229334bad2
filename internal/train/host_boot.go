package train

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"mlx/internal/fault"
)

// bootMark begins the lines that the script says. What a login shell prints before them is not listened to.
const bootMark = "mlx-node: "

// bootScript looks for mlx on the host and becomes it: `mlx agent VERB ROOT`. It is one line without single quotes,
// backslashes and exclamation marks, which the login shell that it passes through might read in its own way, and it uses what
// POSIX has, with head -c and one of three programs for digests beside it. Its words are ROOT DIGEST KIND VERB, where KIND is
// what `uname -sm` says where that program runs. It answers
//
//	mlx-node: ok PROGRAM          and is PROGRAM from there on
//	mlx-node: need KIND           reads "DIGEST BYTES NAME", and answers ok, or
//	mlx-node: send                reads BYTES bytes, keeps them as NAME until they are complete, and answers ok
//	mlx-node: fail WHAT [WORDS]   in any place
//
// VERB where ends it with the answer.
const bootScript = `r=$1; k=$3; v=$4; u=$(uname -sm); ` +
	`case $r in [~]/*) r=$HOME${r#[~]};; esac; b=$r/bin/$2; ` +
	`run() { printf %s "mlx-node: ok $b/mlx"; echo; case $v in where) exit 0;; esac; exec "$b/mlx" agent "$v" "$r"; }; ` +
	`fail() { rm -f "$t"; printf %s "mlx-node: fail $*" | tr -s "[:space:]" " "; echo; exit 0; }; ` +
	`if [ "$u" = "$k" ] && [ -x "$b/mlx" ]; then run; fi; ` +
	`echo "mlx-node: need $u"; read d n x || exit 0; b=$r/bin/$d; t=$b/$x; ` +
	`if [ -x "$b/mlx" ]; then run; fi; ` +
	`umask 077; m=$(mkdir -p "$b" 2>&1) || fail folder "$m"; ` +
	`m=$({ env echo : >"$t"; } 2>&1) || fail write "$m"; chmod 700 "$t"; "$t" 2>/dev/null || fail noexec; ` +
	`echo "mlx-node: send"; m=$({ head -c "$n" >"$t"; } 2>&1) || fail write "$m"; ` +
	`[ "$(wc -c <"$t")" -eq "$n" ] || fail short; ` +
	`h=$({ sha256sum "$t" || shasum -a 256 "$t" || sha256 -q "$t"; } 2>/dev/null); ` +
	`case $h in *"$d"*) ;; "") fail tool ;; *) fail digest "$h" ;; esac; ` +
	`m=$(mv -f "$t" "$b/mlx" 2>&1) || fail write "$m"; run`

// The most that a login shell may print before the script begins, and the longest line of the script's.
const (
	maxNoise    = 256 << 10
	maxBootLine = 8 << 10
)

// connectThere reaches mlx on a host that ssh leads to.
func (h *Host) connectThere(ctx context.Context, verb string) (*Conn, error) {
	c, err := h.boot(ctx, verb)
	if err == nil || !h.canAsk(err) {
		return c, err
	}
	if err := h.unlock(ctx); err != nil {
		return nil, err
	}
	return h.boot(ctx, verb)
}

func (h *Host) boot(ctx context.Context, verb string) (*Conn, error) {
	kind := h.rememberedKind()
	agent, err := h.agentFor(kind)
	if err != nil {
		agent = program{kind: ownKind()} // let the host say what it is: there may be a program for that
	}
	digest := agent.digest
	if digest == "" {
		digest = "none"
	}
	text := Quote([]string{"exec", "sh", "-c", bootScript, "sh", h.Dir, digest, agent.kind, verb})
	cmd, err := h.command(ctx, text, false)
	if err != nil {
		return nil, err
	}
	c, err := h.start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.kill)
	err = c.greet(ctx, agent)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.kill()
		_ = c.Close() // the trouble is known
		return nil, err
	}
	return c, nil
}

// greet speaks with the script until mlx answers in its place.
func (c *Conn) greet(ctx context.Context, agent program) error {
	word, rest, err := c.line(ctx)
	if err != nil {
		return err
	}
	if word == "need" {
		if word, rest, err = c.bring(ctx, rest); err != nil {
			return err
		}
	}
	if word != "ok" {
		return c.refusal(rest)
	}
	at := strings.LastIndex(rest, "/bin/")
	if at < 0 || !strings.HasPrefix(rest, "/") {
		return fault.New(fault.Integrity, "cannot understand what %s says: %.80q", c.host.label(), rest)
	}
	c.Installed = Installed{Program: rest, Root: rest[:at]}
	return nil
}

// bring sends the program for a host of a kind, unless it is there already.
func (c *Conn) bring(ctx context.Context, kind string) (word, rest string, err error) {
	agent, err := c.host.agentFor(kind)
	if err != nil {
		return "", "", err
	}
	if c.host.Untouched {
		return "", "", &AbsentError{Host: c.host.label(), Bytes: agent.size}
	}
	f, err := os.Open(agent.path)
	if err != nil {
		return "", "", fault.New(fault.KindOf(err), "cannot bring mlx to %s: %w", c.host.label(), err)
	}
	defer f.Close()
	var name [8]byte
	_, _ = rand.Read(name[:]) // it does not fail
	if _, err := fmt.Fprintf(c.in, "%s %d new-%s\n", agent.digest, agent.size, hex.EncodeToString(name[:])); err != nil {
		return "", "", c.lost(ctx, err)
	}
	if word, rest, err = c.line(ctx); err != nil || word != "send" {
		return word, rest, err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(c.in, io.LimitReader(f, agent.size)) // what the host makes of it is its answer
	}()
	word, rest, err = c.line(ctx)
	if err != nil || word != "ok" {
		c.kill() // it may not read what is still being sent
	}
	<-sent
	if err == nil && word == "ok" {
		c.host.rememberKind(kind)
	}
	return word, rest, err
}

// line reads the next line of the script's.
func (c *Conn) line(ctx context.Context) (word, rest string, err error) {
	for noise := 0; noise < maxNoise; {
		text, err := readLine(c.out)
		if err != nil {
			return "", "", c.lost(ctx, err)
		}
		noise += len(text)
		if said, ok := strings.CutPrefix(text, bootMark); ok {
			word, rest, _ = strings.Cut(said, " ")
			return word, rest, nil
		}
	}
	return "", "", fault.New(fault.Integrity, "%s prints without end when one logs in", c.host.label()).
		Hint("ssh %s true   # must print nothing", c.host.Name)
}

// readLine reads a line of a bounded length.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) < maxBootLine {
			line = append(line, part[:min(len(part), maxBootLine)]...)
		}
		if err == bufio.ErrBufferFull { //nolint:errorlint // as documented
			continue
		}
		return strings.TrimRight(string(line), "\r\n"), err
	}
}

// refusal says why mlx could not be brought to the host.
func (c *Conn) refusal(said string) error {
	what, words, _ := strings.Cut(said, " ")
	host, dir := c.host.label(), c.host.Dir
	words = strings.TrimSpace(words)
	const hint = "edit mlx.yaml   # dir: of the backend names a folder on another disk"
	switch what {
	case "noexec":
		return fault.New(fault.Denied, "cannot run mlx on %s: programs in %s may not be executed (noexec)", host, dir).Hint(hint)
	case "folder", "write":
		kind := fault.Denied
		for _, full := range []string{"No space", "quota", "I/O error"} { // the last is what small shells say of each
			if strings.Contains(words, full) {
				kind = fault.Unavailable
			}
		}
		return fault.New(kind, "cannot bring mlx to %s: %s", host, words).Hint(hint)
	case "tool":
		return fault.New(fault.Unavailable, "cannot bring mlx to %s: it has none of the programs sha256sum, shasum and sha256", host)
	case "short", "digest":
		return fault.New(fault.Unavailable, "cannot bring mlx to %s: it did not arrive whole", host)
	}
	return fault.New(fault.Integrity, "cannot understand what %s says: %.80q", host, said)
}
