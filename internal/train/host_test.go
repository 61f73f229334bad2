//go:build !windows

package train

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hostileWords are what a shell might read in its own way.
func hostileWords() []string {
	return []string{
		"", " ", "a b", "'", `"`, `\`, `\n`, "$HOME", "`id`", "$(id)", "a\nb", "\n", "*", "~", "~root", "!x", "!!", "#", "a;b", "a&b", "a|b", "<x", "(x)",
		"{a,b}", "[x]", "=x", "%self", "-n", "--", "ü€😀", "\xff\xfe", "\t", "a\r\nb", `'"'"'`, `\'`, `'\''`, "%b", `\0101`, "if", "$$",
	}
}

// shells are those here that a user may have as his login shell.
func shells(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	for _, s := range [][]string{{"sh"}, {"bash"}, {"dash"}, {"busybox", "sh"}, {"zsh"}, {"tcsh"}, {"csh"}, {"fish"}, {"ksh"}, {"mksh"}} {
		if _, err := exec.LookPath(s[0]); err == nil {
			all = append(all, s)
		}
	}
	return all
}

func TestQuoteSurvivesEveryShell(t *testing.T) {
	for _, shell := range shells(t) {
		for _, w := range hostileWords() {
			if strings.Contains(shell[0], "csh") && strings.Contains(w, "\xff") {
				continue // it drops bytes that are no text
			}
			text := Quote([]string{"exec", "sh", "-c", runScript, "sh", "printf", "%s|", w, "end"})
			cmd := exec.Command(shell[0], append(append([]string{}, shell[1:]...), "-c", text)...)
			if got, err := cmd.Output(); err != nil || string(got) != w+"|end|" {
				t.Errorf("%s: %q becomes %q, %v", shell, w, got, err)
			}
		}
	}
}

// fakeAgent is a program that echoes its words and stdin, in the place of mlx.
func fakeAgent(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mlx")
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho \"$@\"\nexec cat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// fakeSSH is an ssh that runs the text for the host with a shell here. It is no server: it shows what that shell makes of it.
func fakeSSH(t *testing.T, shell string) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ssh")
	script := "#!/bin/sh\nfor last; do :; done\ncase \" $* \" in *' -G '*) exit 0;; esac\necho welcome to the cluster\nexec " + shell + " -c \"$last\"\n"
	if err := os.WriteFile(name, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{name}
}

func TestMLXIsBroughtToAHost(t *testing.T) {
	for _, shell := range shells(t) {
		t.Run(shell[0], func(t *testing.T) {
			h := &Host{
				Name: "node", Dir: filepath.Join(t.TempDir(), "a folder", "mlx"), SSH: fakeSSH(t, strings.Join(shell, " ")),
				Self: fakeAgent(t), Cache: t.TempDir(),
			}
			for range 2 { // the second finds it
				c, err := h.connect(t.Context(), "serve")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, "hello\n"); err != nil {
					t.Fatal(err)
				}
				if err := c.in.Close(); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(c)
				if want := "agent serve " + h.Dir + "\nhello\n"; err != nil || string(got) != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if c.Root != h.Dir {
					t.Errorf("the root is %q, not %q", c.Root, h.Dir)
				}
			}
			left, err := filepath.Glob(filepath.Join(h.Dir, "bin", "*", "*"))
			if err != nil || len(left) != 1 || filepath.Base(left[0]) != "mlx" {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
