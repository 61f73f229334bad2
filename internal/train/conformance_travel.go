package train

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// oddArgs are arguments that a careless backend breaks.
func oddArgs() []string {
	return []string{"a b", "it's", `"q"`, "$HOME", "new\nline", "tab\tü", "*", "", `back\slash`, "`id`", "; exit 3", "--on", "-c", "日本"}
}

// tryTree sends odd files, arguments and a variable, and compares what comes back.
func tryTree(ctx context.Context, t *Trial) error {
	files := map[string]string{
		"odd/a b.txt": "1\n", "odd/it's $x.txt": "2\n", "odd/ü.txt": "3\n", "odd/empty": "", "odd/deep/er/x": "4\r\n", "odd/run.sh": "#!/bin/sh\necho ran\n",
		"odd/ignored.log": "never sent", "odd/.venv/pyvenv.cfg": "home = /usr\n", "odd/.venv/lib/x.py": "no\n",
	}
	for name, text := range files {
		if err := t.write(name, []byte(text)); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(t.Root, "odd", "run.sh"), 0o755); err != nil {
		return err
	}
	if err := t.write(".gitignore", []byte("*.log\n/data\n/back\n/*.txt\n")); err != nil {
		return err
	}
	line := `mkdir back && cp -R odd back/ && ls -A > back/top.txt && printf '%s\001' "$@" > back/args && printf %s "$` + OddVariable + `" > back/env && back/odd/run.sh`
	call := append([]string{"run", "--on", Tried, "-o", "back", "--", "sh", "-c", line, "sh"}, oddArgs()...)
	s, err := t.mlx(ctx, call...)
	if err != nil {
		return err
	}
	if s.Status != 0 || s.Out != "ran\n" {
		return broken("status %d, it printed %q: %s", s.Status, s.Out, lastWords(s.Err))
	}
	return t.compareTree(files)
}

func (t *Trial) compareTree(files map[string]string) error {
	back := os.DirFS(filepath.Join(t.Root, "back"))
	seen := 0
	err := fs.WalkDir(back, "odd", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(back, name)
		want, known := files[name]
		if err != nil || !known || want != string(text) {
			return broken("%s came back as %.40q (%v)", name, text, err)
		}
		if strings.Contains(name, ".venv") || strings.HasSuffix(name, ".log") {
			return broken("%s was sent", name)
		}
		seen++
		return nil
	})
	if err != nil {
		return err
	}
	if seen != 6 {
		return broken("%d of 6 files came back", seen)
	}
	top, err := t.file("back/top.txt")
	if err != nil || slices.Contains(strings.Fields(top), ".git") {
		return broken("the work tree had %q (%v)", top, err)
	}
	if args, err := t.file("back/args"); err != nil || args != strings.Join(oddArgs(), "\x01")+"\x01" {
		return broken("the arguments arrived as %q (%v)", args, err)
	}
	if value, err := t.file("back/env"); err != nil || value != OddText {
		return broken("the variable arrived as %q (%v)", value, err)
	}
	t.saw("%d files, %d arguments and a variable, byte for byte", seen, len(oddArgs()))
	return nil
}

// trySecrets looks for a secret wherever one must not be.
func trySecrets(ctx context.Context, t *Trial) error {
	const name, value = "MLX_TRIED_SECRET", "s3cr3t-tried-7f1c0b52e9"
	line := `echo "it is $` + name + `."; printf %s "$` + name + `" | wc -c | tr -d ' ' > len.txt; cat /proc/[0-9]*/cmdline > argv.bin 2>/dev/null; sleep 2; true`
	args := append([]string{"--json"}, onArgs(line, "--secret", name, "-o", "len.txt", "-o", "argv.bin", "--detach", "--name", "secrets")...)
	s, err := t.MLX(ctx, Call{Args: args, Env: []string{name + "=" + value}})
	if err != nil {
		return err
	}
	if s.Status != 0 {
		return broken("status %d: %s", s.Status, lastWords(s.Err))
	}
	got, err := t.show(ctx, "run:secrets")
	if err != nil {
		return err
	}
	shows, err := t.Shows(ctx, refOf(got.ID))
	if err != nil {
		return err
	}
	if got, err = t.wait(ctx, got.ID); err != nil || got.State != "succeeded" {
		return orBroken(err, "%s (%s)", got.State, got.cause())
	}
	if n, err := t.file("len.txt"); err != nil || n != fmt.Sprintln(len(value)) {
		return broken("the command got a secret of %q bytes (%v)", strings.TrimSpace(n), err)
	}
	log, err := t.mlx(ctx, "job", "logs", got.ID)
	if err != nil {
		return err
	}
	records, err := t.mlx(ctx, "log", "--raw", "--json", "run:secrets")
	if err != nil {
		return err
	}
	argv, err := t.file("argv.bin")
	if err != nil {
		return broken("argv.bin: %v", err)
	}
	for where, text := range map[string]string{"what the backend shows": shows, "the log": log.Out, "the records": records.Out, "an argument": argv, "what mlx said": s.Out + s.Err} {
		if strings.Contains(text, value) {
			return broken("the secret stands in %s", where)
		}
	}
	if !strings.Contains(log.Out, "it is ***.") {
		return broken("the log says %.60q", log.Out)
	}
	t.saw("the command has it; %d bytes of objects, the log, the records and all arguments on the node do not", len(shows))
	return nil
}

// tryOutputs lets outputs come back however a run ends.
func tryOutputs(ctx context.Context, t *Trial) error {
	for _, end := range []struct {
		line   string
		status int
	}{{"true", 0}, {"exit 4", 4}} {
		if err := t.write("out.bin", []byte("of before")); err != nil {
			return err
		}
		if _, err := t.expect(ctx, end.status, `i=0; while [ $i -lt 2000 ]; do echo "$i $i $i"; i=$((i+1)); done > out.bin; `+end.line, "-o", "out.bin"); err != nil {
			return err
		}
		if text, err := t.file("out.bin"); err != nil || strings.Count(text, "\n") != 2000 || !strings.HasSuffix(text, "1999 1999 1999\n") {
			return broken("after %q the output has %d bytes (%v)", end.line, len(text), err)
		}
	}
	run, err := t.detach(ctx, `echo half > half.txt; echo up; sleep 600`, "-o", "half.txt")
	if err != nil {
		return err
	}
	if err := t.untilLog(ctx, run, "up"); err != nil {
		return err
	}
	if s, err := t.mlx(ctx, "job", "cancel", "--grace", "5s", run); err != nil || s.Status != 0 {
		return orBroken(err, "cancel: status %d: %s", s.Status, lastWords(s.Err))
	}
	if _, err := t.wait(ctx, run); err != nil {
		return err
	}
	if text, err := t.file("half.txt"); err != nil || text != "half\n" {
		return broken("after a cancel the output is %q (%v)", text, err)
	}
	if s, err := t.mlx(ctx, "verify", run); err != nil || s.Status != 0 {
		return orBroken(err, "mlx verify: status %d: %s", s.Status, lastWords(s.Out+s.Err))
	}
	t.saw("after success, failure and cancel; mlx verify finds every byte right")
	return nil
}

// tryClean looks for what jobs left.
func tryClean(ctx context.Context, t *Trial) error {
	if _, err := t.expect(ctx, 0, "true"); err != nil {
		return err
	}
	left := ""
	for range 3 { // what ends just now has a moment
		var err error
		if left, err = t.Shows(ctx, Ref{}); err != nil {
			return err
		}
		if strings.TrimSpace(left) == "" {
			t.notes = nil // what was still going then
			t.saw("no process, object, entry of a queue or uncollected folder is left of any run")
			return nil
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return broken("left behind: %s", lastWords(left))
}
