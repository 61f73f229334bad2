package tracking

import "strings"

// pattern is that of LIKE: % is any text, _ any character.
type pattern struct {
	runes []rune
	fold  bool
}

func newPattern(text string, fold bool) *pattern {
	if fold {
		text = strings.ToLower(text)
	}
	return &pattern{[]rune(text), fold}
}

// match tries a text. It takes time that grows with the product of the two lengths at most.
func (p *pattern) match(text string) bool {
	if p.fold {
		text = strings.ToLower(text)
	}
	t := []rune(text)
	i, j, star, back := 0, 0, -1, 0
	for i < len(t) {
		switch {
		case j < len(p.runes) && p.runes[j] == '%':
			star, back = j, i
			j++
		case j < len(p.runes) && (p.runes[j] == '_' || p.runes[j] == t[i]):
			i++
			j++
		case star >= 0:
			back++
			i, j = back, star+1
		default:
			return false
		}
	}
	for j < len(p.runes) && p.runes[j] == '%' {
		j++
	}
	return j == len(p.runes)
}
