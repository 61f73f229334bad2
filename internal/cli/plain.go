package cli

import (
	"errors"
	"io/fs"
	"strings"
)

// plain words an error without the names of system calls: "open x: permission denied" is "permission denied" where x was
// named before, and "x: permission denied" where it was not.
func plain(message string, err error) string {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return message
	}
	before, after, found := strings.Cut(message, at.Error())
	if !found {
		return message
	}
	reason := at.Err.Error()
	if !strings.Contains(before, at.Path) {
		reason = at.Path + ": " + reason
	}
	return before + reason + after
}

// Relative returns a function that writes files below the folders as they are typed in the first of them: it replaces
// each folder, a path with a name after it, by what stands beside it here.
func Relative(folders ...[2]string) func(string) string {
	return func(text string) string {
		for _, f := range folders {
			text = replacePrefix(text, f[0], f[1])
		}
		return text
	}
}

// replacePrefix replaces old where a path begins with it; inside a longer path it is something else.
func replacePrefix(text, old, to string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, old)
		if i < 0 || old == "" {
			b.WriteString(text)
			return b.String()
		}
		begins := i == 0 || strings.ContainsRune(" \"'(:=\t", rune(text[i-1]))
		b.WriteString(text[:i])
		if begins {
			b.WriteString(to)
		} else {
			b.WriteString(old)
		}
		text = text[i+len(old):]
	}
}
