package export

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// What names and words look like.
var (
	marked   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`-[0-9a-f]{12}$`) })
	noLetter = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9]+`) })
	safeWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_./:@,+-][A-Za-z0-9_./:@,=+-]*$`) })
)

// longestName is how many letters of a stage's name an identifier keeps: with a mark and a prefix it fits a label of DNS.
const longestName = 45

// identifiers turns names into what every target takes as one: letters, digits and hyphens, a letter first. Names that
// would become the same, are too long, mean something there, or look as if they had a mark get a mark made from the name.
func identifiers(names []string) []string {
	count := make(map[string]int)
	plain := make([]string, len(names))
	for i, name := range names {
		plain[i] = identifier(name)
		count[strings.ToLower(plain[i])]++
	}
	for i, name := range names {
		id := plain[i]
		if count[strings.ToLower(id)] > 1 || len(id) > longestName || reserved(id) || strings.HasPrefix(id, "x-") || marked().MatchString(id) {
			sum := sha256.Sum256([]byte(name))
			plain[i] = strings.TrimRight(id[:min(len(id), longestName)], "-") + "-" + hex.EncodeToString(sum[:6])
		}
	}
	return plain
}

// identifier is a name with everything else than letters and digits as hyphens.
func identifier(name string) string {
	id := strings.Trim(noLetter().ReplaceAllString(name, "-"), "-")
	if id == "" || id[0] >= '0' && id[0] <= '9' {
		id = strings.TrimRight("x-"+id, "-")
	}
	return id
}

// reserved reports words that are keywords of a target, or values of YAML.
func reserved(id string) bool {
	return slices.Contains([]string{"after-script", "before-script", "cache", "default", "image", "include", "nil", "pages", "pipeline", "services", "spec",
		"stage", "stages", "types", "variables", "workflow", "x",
		"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(id))
}

// shellWord quotes text for a POSIX shell so that nothing in it is taken for anything else, neither by the shell nor by
// what looks for templates in the script before: no two braces stand side by side, and none behind a dollar sign.
func shellWord(text string) string {
	if safeWord().MatchString(text) {
		return text
	}
	quoted := strings.ReplaceAll(text, "'", `'\''`)
	for _, sign := range []string{"{", "}", "$"} {
		quoted = strings.ReplaceAll(quoted, sign, sign+"''")
	}
	return "'" + quoted + "'"
}

// repro is the command line that brings a stage up to date, with flags. A name that looks like a flag is none.
func repro(name string, flags ...string) string { return commandLine([]string{"repro"}, name, flags) }

func commandLine(words []string, name string, flags []string) string {
	words = append([]string{"mlx"}, words...)
	if strings.HasPrefix(name, "-") {
		return strings.Join(append(append(words, flags...), "--", shellWord(name)), " ")
	}
	return strings.Join(append(append(words, shellWord(name)), flags...), " ")
}

// printable reports whether a text has no control characters and line ends: some targets have no way to write these.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}
