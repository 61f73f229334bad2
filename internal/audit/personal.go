package audit

import "bytes"

// personal says whether a text holds an address of mail, a number of a card or a number of a phone with its country.
func personal(text []byte) bool {
	for i, c := range text {
		switch {
		case c == '@' && isMail(text, i):
			return true
		case (i == 0 || !isDigit(text[i-1])) && (isDigit(c) || c == '+') && isNumber(text[i:]):
			return true
		}
	}
	return false
}

// personalPart looks at the texts in a list or an object.
func personalPart(cell []byte) bool {
	return bytes.IndexByte(cell, '"') >= 0 && personal(cell)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// isMail says whether an @ stands between a name and a domain with a dot in it.
func isMail(text []byte, at int) bool {
	if at == 0 || !isDigit(text[at-1]) && !isLetter(text[at-1]) && text[at-1] < 0x80 {
		return false
	}
	dot := 0
	for i := at + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.' && i > at+1 && dot == 0:
			dot = i
		case isLetter(c) || isDigit(c) || c == '-' || c == '.' || c >= 0x80:
		default:
			return dot > 0 && i > dot+1
		}
	}
	return dot > 0 && len(text) > dot+1
}

// isNumber says whether a text begins with a number of a card, 13 to 19 digits with the check digit of ISO 7812, or with + and 8 to 15 digits.
// Blanks, dashes, dots and brackets may stand between digits.
func isNumber(text []byte) bool {
	var digits [20]byte
	n := 0
	phone := text[0] == '+'
	for i, c := range text {
		switch {
		case isDigit(c):
			if n == len(digits) {
				return false
			}
			digits[n] = c - '0'
			n++
		case i == 0 && phone || n > 0 && (c == ' ' || c == '-' || phone && (c == '.' || c == '(' || c == ')' || c == '/')):
		default:
			return numberEnds(digits[:n], phone)
		}
	}
	return numberEnds(digits[:n], phone)
}

func numberEnds(digits []byte, phone bool) bool {
	if phone {
		return len(digits) >= 8 && len(digits) <= 15
	}
	if len(digits) < 13 || len(digits) > 19 || digits[0] < 2 || digits[0] > 6 { // milliseconds since 1970 begin with 1
		return false
	}
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
