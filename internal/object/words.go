package object

import "bytes"

// QuoteWords puts NaN, Infinity and -Infinity between quotes where they stand bare, as Python writes them: JSON has no word
// for them. A text without them is returned as it is, and lines keep their numbers.
func QuoteWords(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	inString := false
	for i := 0; i < len(text); {
		c := text[i]
		if inString && c == '\\' && i+1 < len(text) {
			out = append(out, c, text[i+1])
			i += 2
			continue
		}
		if c == '"' {
			inString = !inString
		}
		if word := bareWord(text[i:]); !inString && word != "" {
			out = append(append(append(out, '"'), word...), '"')
			i += len(word)
			continue
		}
		out = append(out, c)
		i++
	}
	return out
}

func bareWord(text []byte) string {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return word
		}
	}
	return ""
}
