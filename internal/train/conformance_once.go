package train

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// counts is a line of shell that says how often it was executed: the checkpoint folder stays from one attempt to the next.
const counts = `echo x >> "$MLX_CHECKPOINT/n"; wc -l < "$MLX_CHECKPOINT/n" | tr -d ' ' > count.txt`

// tryOnce kills the submitting client at several moments. Whoever attaches afterwards must find one execution.
func tryOnce(ctx context.Context, t *Trial) error {
	delays := []time.Duration{30, 120, 250, 400, 600, 900, 1500}
	recorded := 0
	for i, ms := range delays {
		name := fmt.Sprintf("once-%d", i)
		args := onArgs(counts, "--name", name, "-o", "count.txt", "--detach")
		if _, err := t.MLX(ctx, Call{Args: args, Kill: ms * time.Millisecond}); err != nil {
			return err
		}
		attached, err := t.mlx(ctx, "job", "attach", "run:"+name)
		if err != nil {
			return err
		}
		if _, err := t.show(ctx, "run:"+name); err != nil {
			continue // killed before anything was recorded: there is no run
		}
		recorded++
		if attached.Status != 0 {
			return broken("killed after %d ms, the run ended with %d: %s", ms, attached.Status, lastWords(attached.Err))
		}
		if n, err := t.file("count.txt"); err != nil || n != "1\n" {
			return broken("killed after %d ms, the command was executed %q times (%v)", ms, strings.TrimSpace(n), err)
		}
	}
	if recorded == 0 {
		return broken("no client lived long enough to record a run")
	}
	t.saw("%d clients killed while they submitted, %d runs, each executed once", len(delays), recorded)
	return nil
}

// tryClient kills the client while it uploads data and while it follows the run, and lets another clone bring the results.
func tryClient(ctx context.Context, t *Trial) error {
	if err := t.write("data/big.bin", noise(24<<20)); err != nil {
		return err
	}
	if s, err := t.mlx(ctx, "snapshot", "data"); err != nil || s.Status != 0 {
		return orBroken(err, "cannot save data: %s", lastWords(s.Err))
	}
	line := `wc -c < data/big.bin | tr -d ' ' > size.txt; sleep 8`
	flags := []string{"-d", "data", "-o", "size.txt", "--name", "client"}
	last := ""
	for _, ms := range []time.Duration{150, 700, 3000} {
		call := Call{Args: onArgs(line, flags...), Kill: ms * time.Millisecond}
		if _, err := t.MLX(ctx, call); err != nil {
			return err
		}
		s, err := t.show(ctx, "run:client")
		if err != nil || s.ID == "" || s.ID == last {
			continue // killed before it was recorded
		}
		if last != "" { // nobody would come back to it, and it may have a place already
			if said, err := t.mlx(ctx, "job", "cancel", last); err != nil || said.Status != 0 {
				return orBroken(err, "cannot cancel a run whose client was killed: status %d: %s", said.Status, lastWords(said.Err))
			}
		}
		if last = s.ID; ms >= 700 {
			break
		}
	}
	if last == "" {
		return broken("no client lived long enough to record a run")
	}
	clone, err := t.Clone(ctx)
	if err != nil {
		return err
	}
	if err := t.attachFrom(ctx, clone, last); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(clone, "size.txt"))
	if want := fmt.Sprintf("%d\n", 24<<20); err != nil || string(text) != want {
		return broken("another clone got size.txt %q (%v), not %q", text, err, want)
	}
	t.saw("the client was killed; another clone attached and has the output")
	return nil
}

// attachFrom lets a clone bring the results of the run. What the run needs may be on the first machine only, which then goes on with
// bringing it, and is killed again.
func (t *Trial) attachFrom(ctx context.Context, clone, run string) error {
	var s Said
	for range 4 {
		var err error
		if s, err = t.MLX(ctx, Call{Dir: clone, Args: []string{"job", "attach", run}}); err != nil || s.Status == 0 {
			return err
		}
		if _, err = t.MLX(ctx, Call{Args: []string{"job", "attach", run}, Kill: 5 * time.Second}); err != nil {
			return err
		}
	}
	return broken("another clone cannot attach: status %d: %s", s.Status, lastWords(s.Err))
}

// tryLogs follows a log with clients that are killed, and holds the whole against what was printed.
func tryLogs(ctx context.Context, t *Trial) error {
	const lines = 6000
	line := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do i=$((i+1)); echo "line $i of the log"; [ $((i %% 1000)) = 0 ] && sleep 0.4; done; printf 'the end'`, lines)
	run, err := t.detach(ctx, line)
	if err != nil {
		return err
	}
	for _, ms := range []time.Duration{500, 900, 1300} {
		if _, err := t.MLX(ctx, Call{Args: []string{"job", "logs", "-f", run}, Kill: ms * time.Millisecond}); err != nil {
			return err
		}
	}
	followed, err := t.mlx(ctx, "job", "logs", "-f", run)
	if err != nil {
		return err
	}
	if s, err := t.wait(ctx, run); err != nil || s.State != "succeeded" {
		return orBroken(err, "the run ended as %s: %s", s.State, s.cause())
	}
	kept, err := t.mlx(ctx, "job", "logs", run)
	if err != nil {
		return err
	}
	var want strings.Builder
	for i := range lines {
		fmt.Fprintf(&want, "line %d of the log\n", i+1)
	}
	want.WriteString("the end")
	for name, got := range map[string]string{"followed": followed.Out, "kept": kept.Out} {
		if got != want.String() {
			return broken("the %s log has %d bytes, not %d: %s", name, len(got), want.Len(), firstOther(got, want.String()))
		}
	}
	t.saw("%d lines through 4 connections", lines)
	return nil
}

func firstOther(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %.60q", i+1, a[i])
		}
	}
	return "its end is missing"
}

// file reads a file of the project.
func (t *Trial) file(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(name)))
	return string(text), err
}

// write writes a file of the project.
func (t *Trial) write(name string, text []byte) error {
	path := filepath.Join(t.Root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o666)
}

// noise is bytes that cannot be made smaller, the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}

func orBroken(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return broken(format, args...)
}
