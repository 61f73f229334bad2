package train

import (
	"path"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// maxOrderWords bounds the words of an order, of all kinds together.
const maxOrderWords = 10_000

// Check says what is wrong with an order that could be read: whoever executes it believes none of its words before.
func (o Order) Check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Integrity, "cannot execute %s: "+format, append([]any{OrderName}, args...)...)
	}
	switch {
	case o.Run.IsZero() || o.Tree.IsZero() || len(o.Start) == 0:
		return bad("it names no run, or none of its parts")
	case len(o.Ledger) != 16 || strings.Trim(o.Ledger, "0123456789abcdef") != "":
		return bad("ledger %.20q is not 16 hex digits", o.Ledger)
	case o.Nodes < 1 || o.Nodes > maxNodes || o.Ranks < 0 || o.Ranks > maxRanks:
		return bad("%d nodes with %d processes each", o.Nodes, o.Ranks)
	case o.Grace < 0 || o.Hold < 0 || o.Retries.Most < 0:
		return bad("a time or a number is below 0")
	case len(o.Env)+len(o.Setup)+len(o.Wrap)+len(o.Models)+len(o.Secrets)+len(o.Former) > maxOrderWords:
		return bad("it has more than %d words", maxOrderWords)
	}
	for _, v := range o.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || !isVariable(name) || strings.Contains(v, "\x00") {
			return bad("%.40q is no variable", v)
		}
	}
	for _, name := range o.Secrets {
		if !isVariable(name) {
			return bad("secret %.40q has no name of a variable", name)
		}
	}
	for _, word := range append(append([]string{}, o.Setup...), o.Wrap...) {
		if strings.Contains(word, "\x00") {
			return bad("%.40q holds a zero byte", word)
		}
	}
	for _, m := range o.Models {
		if !Local(m.Name) || m.Kind != "file" && m.Kind != "directory" {
			return bad("model %.80q", m.Name)
		}
		for _, name := range m.Env {
			if !isVariable(name) {
				return bad("%.40q is no variable", name)
			}
		}
	}
	return nil
}

// Local says whether a path with slashes stays below the folder that it begins in, and is none of the folders that git and mlx
// keep their own things in.
func Local(name string) bool {
	if name == "" || name == "." || strings.Contains(name, "\x00") || strings.Contains(name, `\`) || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") || strings.EqualFold(part, ".mlx") {
			return false
		}
	}
	return true
}

// isVariable says whether a name is one that a variable of the environment may have.
func isVariable(name string) bool {
	if name == "" || len(name) > 256 {
		return false
	}
	for i, c := range name {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}
