package train

import (
	"fmt"
	"strings"
)

// Quote makes one text of words for the login shell of a host: ssh joins its arguments with blanks and lets that shell read
// them. Between single quotes all shells agree on most bytes; on line breaks (csh), ! (csh) and backslashes (fish) they do
// not, so that a text with those travels as digits that a plain sh turns back.
func Quote(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = quoteWord(w)
	}
	text := strings.Join(words, " ")
	if !strings.ContainsAny(text, "\n\r\\!") {
		return text
	}
	var digits strings.Builder
	for _, b := range []byte(plainQuote(argv)) {
		fmt.Fprintf(&digits, "\\0%03o", b)
	}
	return `exec sh -c 'eval "$(printf %b "$1")"' sh '` + digits.String() + "'"
}

// plainQuote is the text for a sh that has been reached.
func plainQuote(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// plain are the bytes that no shell looks at.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@+,-"

func quoteWord(w string) string {
	if w != "" && strings.Trim(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'"'"'`) + "'"
}
