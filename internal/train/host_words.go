package train

// Words splits a line as a shell does, with quotes and backslashes but nothing else of it. false: a quote has no end.
func Words(line string) ([]string, bool) {
	var all []string
	var word []byte
	var quote byte
	inside := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word, inside = append(word, line[i]), true
		case quote != 0:
			word = append(word, c)
		case c == '\'' || c == '"':
			quote, inside = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if inside {
				all = append(all, string(word))
			}
			word, inside = nil, false
		default:
			word, inside = append(word, c), true
		}
	}
	if inside {
		all = append(all, string(word))
	}
	return all, quote == 0
}
