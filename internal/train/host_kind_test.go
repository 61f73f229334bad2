//go:build !windows

package train

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
)

// elfFile writes the header of a program for a machine; script follows it, for hosts that do not look at the header.
func elfFile(t *testing.T, name string, machine elf.Machine) string {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	var text bytes.Buffer
	if err := binary.Write(&text, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// nodeOf is a fake ssh to a node of another kind.
func nodeOf(t *testing.T, kind string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "uname"), []byte("#!/bin/sh\necho "+kind+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return fakeSSH(t, "env PATH="+dir+":$PATH sh")
}

func TestNodesOfAnotherKind(t *testing.T) {
	agents := t.TempDir()
	right := elfFile(t, filepath.Join(agents, "mlx-linux-arm64"), elf.EM_AARCH64)
	wrong := elfFile(t, filepath.Join(t.TempDir(), "mlx"), elf.EM_X86_64)
	broken := filepath.Join(t.TempDir(), "mlx")
	if err := os.WriteFile(broken, []byte("\x7fELF\xff\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, kind, agent, want string
		of                      fault.Kind
	}{
		{"a folder with it", "Linux aarch64", agents, "", 0},
		{"the file itself", "Linux aarch64", right, "", 0},
		{"one for another kind", "Linux aarch64", wrong, "is no program for linux arm64", fault.Usage},
		{"no program", "Linux aarch64", broken, "is no program for linux arm64", fault.Usage},
		{"nothing", "Linux aarch64", filepath.Join(agents, "none"), "nowhere", fault.NotFound},
		{"an unknown kind", "SunOS sun4v", agents, `mlx does not run on node, which is "SunOS sun4v"`, fault.Usage},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &Host{
				Name: "node", Dir: filepath.Join(t.TempDir(), "mlx"), SSH: nodeOf(t, c.kind), Self: selfOf(t), Cache: t.TempDir(),
				Agents: func(system, arch string) (string, error) {
					if found := FindAgent([]string{"", c.agent}, system, arch); found != "" {
						return found, nil
					}
					return "", fault.New(fault.NotFound, "nowhere")
				},
			}
			if c.kind == ownKind() {
				t.Skip("this machine is one of these")
			}
			at, err := h.Install(t.Context())
			if c.want != "" {
				if fault.KindOf(err) != c.of || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v: %v, want %v: %s", fault.KindOf(err), err, c.of, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			there, err := os.ReadFile(at.Program)
			want, otherErr := os.ReadFile(right)
			if err != nil || otherErr != nil || !bytes.Equal(there, want) {
				t.Errorf("there are %d bytes, %v, %v", len(there), err, otherErr)
			}
			again := &Host{Name: "node", Dir: h.Dir, SSH: h.SSH, Self: h.Self, Cache: h.Cache, Agents: h.Agents}
			if kind := again.rememberedKind(); kind != c.kind {
				t.Errorf("the kind of the host is remembered as %q", kind)
			}
			if got, err := again.Install(t.Context()); err != nil || got != at {
				t.Errorf("the second time: %+v, %v", got, err)
			}
		})
	}
}

// TestCutTransfer: what arrived in part is no program, and the next one comes to its end.
func TestCutTransfer(t *testing.T) {
	h := &Host{Name: "node", Dir: filepath.Join(t.TempDir(), "mlx"), SSH: fakeSSH(t, "sh"), Self: selfOf(t), Cache: t.TempDir()}
	cmd, err := h.command(t.Context(), Quote([]string{"exec", "sh", "-c", bootScript, "sh", h.Dir, "none", ownKind(), "where"}), false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.start(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	if word, kind, err := c.line(t.Context()); word != "need" || kind != ownKind() || err != nil {
		t.Fatal(word, kind, err)
	}
	if _, err := io.WriteString(c.in, strings.Repeat("a", 64)+" 1000 new-x\nfirst bytes"); err != nil {
		t.Fatal(err)
	}
	if word, _, err := c.line(t.Context()); word != "send" || err != nil {
		t.Fatal(word, err)
	}
	if err := c.in.Close(); err != nil {
		t.Fatal(err)
	}
	if word, rest, err := c.line(t.Context()); word != "fail" || rest != "short" || err != nil {
		t.Errorf("%s %s, %v", word, rest, err)
	}
	_ = c.Close()
	if left, err := filepath.Glob(filepath.Join(h.Dir, "bin", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if _, err := h.Install(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProgramsAreHashedOnce(t *testing.T) {
	h := &Host{Cache: t.TempDir()}
	name := filepath.Join(t.TempDir(), "mlx")
	write := func(text string, at time.Time) string {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := h.digestOf(name, info)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	at := time.Unix(1_700_000_000, 0)
	first := write("one", at)
	if again := write("two", at); again != first {
		t.Error("a file that looks the same was read again") // so it would be read at each start
	}
	if other := write("two", at.Add(1)); other == first {
		t.Error("a file that was replaced has the digest of the other")
	}
	if err := os.WriteFile(h.noteName("programs", name), []byte(`{"digest":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := write("one", at); got != first {
		t.Error("a broken note counts")
	}
}

func TestSocketsLieInAPrivateShortFolder(t *testing.T) {
	base, err := os.MkdirTemp("/tmp", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	open, file := filepath.Join(base, "o"), filepath.Join(base, "f")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "l")
	if err := os.Symlink(base, link); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(base, "g")
	long := filepath.Join(base, strings.Repeat("x", maxSocketFolder))
	if got := socketFolder([]string{open, file, link, long, filepath.Join(base, "a b"), good}); got != good {
		t.Errorf("the sockets lie in %q", got)
	}
	if got := socketFolder([]string{open, file}); got != "" {
		t.Errorf("the sockets lie in %q", got)
	}
}

func TestBadHosts(t *testing.T) {
	for _, h := range []*Host{
		{Name: "-oProxyCommand=id", Dir: "/x"},
		{Name: "a b", Dir: "/x"},
		{Name: "a", Dir: "relative"},
		{Name: "a", Dir: "~/"},
		{Name: "a", Dir: "/x\ny"},
		{Name: "a", Dir: "~root/x"},
	} {
		h.SSH = []string{"/nonexistent"}
		for what, err := range map[string]error{
			"run":  second(h.Run(t.Context(), []string{"true"}, nil)),
			"link": second(h.Link(t.Context())),
		} {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("%+v: %s: %v", h.Name+h.Dir, what, err)
			}
		}
	}
	h := &Host{Name: "a", Dir: "/x", SSH: []string{"/nonexistent/ssh"}}
	if _, err := h.Run(t.Context(), []string{"true"}, nil); err == nil {
		t.Error("without ssh something ran")
	}
}

func second[T any](_ T, err error) error { return err }

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                       nil,
		" ssh  -F\tx ":           {"ssh", "-F", "x"},
		`ssh -F 'a b' ""`:        {"ssh", "-F", "a b", ""},
		`a\ b "c\"d" 'e\f' g"h"`: {"a b", `c"d`, `e\f`, "gh"},
	} {
		if got, ok := Words(line); !ok || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, ok)
		}
	}
	if _, ok := Words(`ssh 'x`); ok {
		t.Error("a quote without end is accepted")
	}
}

func FuzzQuote(f *testing.F) {
	for _, w := range hostileWords() {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w string) {
		if strings.ContainsRune(w, 0) || len(w) > 10_000 {
			return
		}
		text := Quote([]string{w})
		if strings.ContainsAny(text, "\n\r!") {
			t.Errorf("%q is quoted as %q", w, text)
		}
		if strings.ContainsAny(w, "\n\r\\!") {
			return
		}
		if got, ok := Words(text); !ok || len(got) != 1 || got[0] != w {
			t.Errorf("%q is quoted as %q, which is %q", w, text, got)
		}
	})
}

// TestALongConfigurationIsReadWhole: what stands first in it is no less the user's wish.
func TestALongConfigurationIsReadWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ssh")
	script := "#!/bin/sh\necho hostname 10.0.0.1\necho connecttimeout 7\ni=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo sendenv VARIABLE_$i; done\n"
	if err := os.WriteFile(name, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h := &Host{Name: "node", Dir: "/node", SSH: []string{name}}
	s, err := h.settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.address != "10.0.0.1" || slices.Contains(s.options, "ConnectTimeout="+connectLimit) || !slices.Contains(s.options, "ServerAliveInterval="+aliveEach) {
		t.Errorf("the settings are %+v", s)
	}
}
