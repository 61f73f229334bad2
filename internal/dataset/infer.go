package dataset

import "time"

// wordKind says what is known of a word before its text is looked at.
type wordKind uint8

// The kinds. A CSV has only raw words; JSON says more.
const (
	wordRaw wordKind = iota
	wordMissing
	wordString
	wordNumber
	wordBool
	wordNested
)

// word is a value as it stands in a text file: the bytes from at to end of the buffer it came in.
type word struct {
	at, end uint32
	kind    wordKind
}

// textRules are what the conversion of words depends on beside the type.
type textRules struct {
	zone      *time.Location // in which naive times are read; nil: they stay naive
	nulls     [][]byte
	nullFirst [256]bool // first bytes of the words that mean missing
	nullEmpty bool
	nullMost  int // length of the longest
}

// newTextRules prepares the rules that the options ask for.
func newTextRules(opts Options) (*textRules, error) {
	r := &textRules{}
	words := opts.Nulls
	if words == nil {
		words = []string{"", "NA", "N/A", "n/a", "null", "NULL", "None", "NaT", "#N/A"}
	}
	for _, w := range words {
		if w == "" {
			r.nullEmpty = true
			continue
		}
		r.nulls = append(r.nulls, []byte(w))
		r.nullFirst[w[0]] = true
		r.nullMost = max(r.nullMost, len(w))
	}
	if opts.TimeZone != "" {
		zone, err := time.LoadLocation(opts.TimeZone)
		if err != nil {
			return nil, unknownZone(opts.TimeZone)
		}
		r.zone = zone
	}
	return r, nil
}

// missing says whether a word means that there is no value.
func (r *textRules) missing(v []byte) bool {
	if len(v) == 0 {
		return r.nullEmpty
	}
	if !r.nullFirst[v[0]] || len(v) > r.nullMost {
		return false
	}
	for _, w := range r.nulls {
		if string(w) == string(v) {
			return true
		}
	}
	return false
}

// natural is the narrowest type that holds a word, which is not missing.
func (r *textRules) natural(v []byte, kind wordKind) Field {
	switch kind {
	case wordBool:
		return Field{Type: Bool}
	case wordNested:
		return Field{Type: Nested}
	case wordString:
		return r.naturalTime(v)
	default:
	}
	v = trimWord(v)
	if _, ok := parseBool(v); ok {
		return Field{Type: Bool}
	}
	if _, ok := parseInt(v); ok {
		return Field{Type: Int}
	}
	if isInteger(v) {
		return Field{Type: Decimal, Wide: true}
	}
	if _, ok := parseFloat(v); ok {
		return Field{Type: Float}
	}
	if kind == wordNumber {
		return Field{Type: Text}
	}
	return r.naturalTime(v)
}

func (r *textRules) naturalTime(v []byte) Field {
	if _, ok := parseDate(v); ok {
		return Field{Type: Date}
	}
	if _, naive, ok := r.parseTime(v); ok {
		return Field{Type: Time, Naive: naive}
	}
	if _, ok := parseClock(v); ok {
		return Field{Type: Clock}
	}
	return Field{Type: Text}
}

// wider is the narrowest type that holds a word and everything that the type of a column holds. It does not depend on the order in
// which words come: what a type holds only grows, and each step is checked against all words.
func (r *textRules) wider(column Field, v []byte, kind wordKind) Field {
	n := r.natural(v, kind)
	switch have := column.Type; {
	case have == Null:
	case have == Int && n.Type == Decimal, have == Int && n.Type == Float, have == Decimal && n.Type == Float:
	case have == Date && n.Type == Time && (n.Naive || r.zone != nil): // a date is its midnight
	default:
		n = Field{Type: Text}
	}
	n.Name, n.From = column.Name, column.From
	return n
}

// widerFixed is what a type that the user fixed may still become for a word: it leaves open how a decimal is stored, and whether
// times name a zone.
func (r *textRules) widerFixed(column Field, v []byte) (Field, bool) {
	switch column.Type {
	case Decimal:
		if _, ok := wideDecimal(nil, trimWord(v), column.Scale); ok && !column.Wide {
			column.Wide = true
			return column, true
		}
	case Time:
		if _, naive, ok := r.parseTime(trimWord(v)); ok && naive && !column.Naive {
			column.Naive = true
			return column, true
		}
		if _, ok := parseDate(trimWord(v)); ok && !column.Naive {
			column.Naive = true
			return column, true
		}
	default:
	}
	return column, false
}

// trimWord takes blanks away that people put around numbers.
func trimWord(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	return v
}
