package repo

import (
	"path"
	"strings"
	"unicode"

	"mlx/internal/fault"
)

// folders returns the folder that the paths of a step start from, and the one it runs in. In dvc.yaml they are the same; in
// mlx.yaml paths start at the root, wherever the command runs.
func (d *stageDef) folders(s *scope) (base, folder string, err error) {
	if d.folder.Value == "" {
		return d.base, d.base, nil
	}
	dir, _, err := s.fill(d.folder, asWord)
	if err != nil {
		return "", "", err
	}
	folder = path.Join(d.base, dir)
	if path.IsAbs(dir) || folder == ".." || strings.HasPrefix(folder, "../") {
		return "", "", failIn(d.folder.At, "%q is outside the project", dir)
	}
	if d.dvc {
		return folder, folder, nil
	}
	return d.base, folder, nil
}

// filler fills the fields of one step and keeps the first error.
type filler struct {
	d    *stageDef
	s    *scope
	base string
	err  error
}

func (f *filler) fill(t Text, u use) (string, bool) {
	text, raw, err := f.s.fill(t, u)
	if f.err == nil {
		f.err = err
	}
	return text, raw
}

func (f *filler) word(t Text) string {
	text, _ := f.fill(t, asWord)
	return text
}

// commands fills the command and the variables of its environment, and decides what must be allowed: the words of the file; but
// all of it as it will run when a value has characters that the shell acts on.
func (f *filler) commands(out *Step) {
	var cmds []string
	whole := f.d.template()
	anyRaw := false
	for _, c := range f.d.cmds {
		text, raw := f.fill(c, asCommand)
		anyRaw = anyRaw || raw
		if strings.TrimSpace(text) == "" && f.err == nil {
			f.err = failIn(c.At, "the command of stage %s is empty", f.d.name)
		}
		cmds = append(cmds, text)
	}
	out.Cmd, out.Trust = joinCommands(cmds), whole
	if anyRaw {
		out.Trust = out.Cmd
	}
	for name, value := range f.d.env.All() {
		if out.Env == nil {
			out.Env = map[string]string{}
		}
		if name == "" || strings.ContainsAny(name, "=\x00 ") || strings.HasPrefix(name, "MLX_") {
			f.fail(failIn(value.At, "%q cannot be a variable of the environment", name))
		}
		out.Env[name] = f.word(value)
		if anyRaw {
			out.Trust = name + "=" + shellQuote(out.Env[name]) + " " + out.Trust
		}
	}
}

func (f *filler) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// joinCommands makes one line of several: each in a shell of its own, and the first that fails is the last.
func joinCommands(cmds []string) string {
	if len(cmds) == 1 {
		return cmds[0]
	}
	lines := make([]string, len(cmds))
	for i, c := range cmds {
		if strings.ContainsAny(c, "#\n\\") {
			lines[i] = "(\n" + c + "\n)" // a comment or a here-document would swallow what follows
		} else {
			lines[i] = "( " + c + " )"
		}
	}
	return strings.Join(lines, " && ")
}

// place makes a path of the project from one as written.
func (f *filler) place(t Text, trim func(s, suffix string) string) Place {
	word := f.word(t)
	if f.err != nil {
		return Place{}
	}
	if trim != nil {
		word = trim(word, ".dvc") // a dependency on a pointer file is one on its data
	}
	p, err := projectPath(f.base, word)
	if err != nil {
		f.fail(failIn(t.At, "%w", err))
		return Place{}
	}
	return Place{p, t.At}
}

func projectPath(base, word string) (string, error) {
	switch {
	case word == "":
		return "", fault.New(fault.Usage, "a path is empty")
	case strings.Contains(word, "://"):
		return "", fault.New(fault.Usage, "%q is no path of the project", word).Hint("mlx import %s PATH   # brings it in, pinned", word)
	case strings.ContainsFunc(word, unicode.IsControl):
		return "", fault.New(fault.Usage, "path %q has a control character", word)
	}
	p := path.Join(base, word)
	switch {
	case path.IsAbs(word) || p == ".." || strings.HasPrefix(p, "../"):
		return "", fault.New(fault.Usage, "%q is outside the project", word).Hint("mlx import %s PATH   # copies it in", shellWord(word))
	case p == ".":
		return "", fault.New(fault.Usage, "%q is the whole project", word)
	}
	return p, nil
}
