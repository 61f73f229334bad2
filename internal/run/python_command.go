package run

import (
	"slices"
	"strings"
)

// unwrapped takes away what stands before a command without changing which Python it uses: env A=1, nice, timeout 5.
func (f *finder) unwrapped(argv []string) []string {
	for len(argv) > 0 {
		name := programName(argv[0])
		switch {
		case isAssignment(argv[0]):
			f.assign(argv[0])
			argv = argv[1:]
		case slices.Contains([]string{"env", "nice", "ionice", "nohup", "time", "stdbuf", "setsid", "exec", "command", "caffeinate", "sudo", "timeout", "taskset", "numactl",
			"chrt", "xvfb-run"}, name) && len(argv) > 1:
			argv = f.afterFlags(name, argv[1:])
		default:
			return argv
		}
	}
	return nil
}

// afterFlags skips the flags of a wrapper, their values, and its own first word where it has one.
func (f *finder) afterFlags(name string, argv []string) []string {
	valued := map[string]string{"nice": "-n", "ionice": "-c -n", "env": "-u -C", "timeout": "-s -k", "sudo": "-u -g", "stdbuf": "-i -o -e", "taskset": "-c"}[name]
	for len(argv) > 0 && strings.HasPrefix(argv[0], "-") {
		if argv[0] == "--" {
			argv = argv[1:]
			break
		}
		takes := slices.Contains(strings.Fields(valued), argv[0])
		argv = argv[1:]
		if takes && name != "taskset" && len(argv) > 0 {
			argv = argv[1:]
		}
	}
	if (name == "timeout" || name == "taskset") && len(argv) > 1 {
		argv = argv[1:] // 90s, the processors
	}
	return argv
}

// assign makes a variable set before a command count.
func (f *finder) assign(word string) { f.environ = append(slices.Clip(f.environ), word) }

// isAssignment says whether a word is NAME=VALUE.
func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == "" && (name[0] < '0' || name[0] > '9')
}

// shellScript returns the text that a shell is given with -c, or nothing.
func shellScript(name string, argv []string) string {
	if !slices.Contains([]string{"sh", "bash", "zsh", "dash", "ksh", "fish"}, name) {
		return ""
	}
	for i, arg := range argv[1:] {
		if !strings.HasPrefix(arg, "-") {
			return ""
		}
		if !strings.HasPrefix(arg, "--") && strings.Contains(arg, "c") && i+2 < len(argv) {
			return argv[i+2]
		}
	}
	return ""
}

// maxScript bounds how much of a shell's text is looked at.
const maxScript = 64 << 10

// commandsIn splits the text of a shell into simple commands. It need not know the whole language: what it does not
// understand is no Python, and then what surrounds the command is taken.
func commandsIn(script string) [][]string {
	if len(script) > maxScript {
		script = script[:maxScript]
	}
	var all [][]string
	var words []string
	var word strings.Builder
	inWord := false
	var quote rune
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, words)
		}
		words = nil
	}
	escaped := false
	for _, c := range script {
		switch {
		case escaped:
			escaped, inWord = false, true
			word.WriteRune(c)
		case c == '\\' && quote != '\'':
			escaped = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.ContainsRune(" \t", c):
			endWord()
		case strings.ContainsRune("\n;&|()", c):
			endCommand()
		default:
			inWord = true
			word.WriteRune(c)
		}
	}
	endCommand()
	return all
}
