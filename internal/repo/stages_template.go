package repo

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// Text is a single value of mlx.yaml or dvc.yaml and where it stands.
type Text struct {
	Value string
	At    fault.Position
}

// piece is a part of a template: text, or a variable.
type piece struct {
	text  string   // as it is; of a variable, as written
	path  []string // of a variable: its name and the keys below it
	plain bool     // a name that a shell could mean as well: ${HOME}
}

// cutTemplate parts a text into pieces. \${ is a literal ${, and so is $${ outside dvc.yaml, where it is the number of the shell
// before a brace. What stands in braces and is no name, such as ${HOME:-x}, is the shell's, but an error in dvc.yaml as in dvc.
func cutTemplate(t Text, dvc bool) ([]piece, error) {
	var pieces []piece
	literal := ""
	rest := t.Value
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			break
		}
		if escape := i - 1; escape >= 0 && (rest[escape] == '\\' || rest[escape] == '$' && !dvc) {
			literal += rest[:escape] + "${"
			rest = rest[i+2:]
			continue
		}
		literal += rest[:i]
		inner, after, closed := strings.Cut(rest[i+2:], "}")
		path := namePath(inner)
		switch {
		case path == nil && dvc && closed:
			return nil, failIn(t.At, "%q is no variable", "${"+inner+"}").Hint(`\${%s}   # leaves it to the shell`, inner)
		case path == nil || !closed:
			literal += "${"
			rest = rest[i+2:]
			continue
		}
		if literal != "" {
			pieces = append(pieces, piece{text: literal})
			literal = ""
		}
		pieces = append(pieces, piece{text: "${" + inner + "}", path: path, plain: len(path) == 1 && shellName(path[0])})
		rest = after
	}
	if literal += rest; literal != "" {
		pieces = append(pieces, piece{text: literal})
	}
	return pieces, nil
}

// namePath reads a.b[0].c; nil when it is no name.
func namePath(inner string) []string {
	inner = strings.TrimSpace(inner)
	if strings.ContainsAny(inner, "${}:") {
		return nil
	}
	inner, opened := strings.ReplaceAll(inner, "[", "."), strings.Count(inner, "[")
	if strings.Count(inner, "]") != opened {
		return nil
	}
	path := strings.Split(strings.ReplaceAll(inner, "]", ""), ".")
	for _, word := range path {
		if word == "" || strings.TrimFunc(word, nameRune) != "" || strings.ContainsFunc(word, func(r rune) bool { return !nameRune(r) }) {
			return nil
		}
	}
	return path
}

func nameRune(r rune) bool {
	return r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127
}

func shellName(word string) bool {
	return word[0] > '9' && !strings.ContainsFunc(word, func(r rune) bool { return r == '-' || r > 127 })
}

// scope is what variables stand for in one stage.
type scope struct {
	dvc    bool
	vars   *tree            // params.yaml and vars; nil when there are none
	local  map[string]*tree // item, key, the keys of the matrix, name
	order  []string         // the names in local, for messages
	strict bool             // an unknown ${word} in a command is an error, and not the shell's
	env    Map[Text]        // variables that the shell will have
}

// find returns what a path means, or nil.
func (s *scope) find(path []string) *tree {
	if t, ok := s.local[path[0]]; ok {
		found, _, _ := t.walk(path[1:])
		return found
	}
	if s.vars == nil {
		return nil
	}
	found, _, _ := s.vars.walk(path)
	return found
}

// use says how a text is used, which decides what may stand in it.
type use uint8

const (
	asWord    use = iota // a path, a name, a value: nothing may stay unknown
	asCommand            // the shell sees it next
)

// fill puts values into a text. Raw says that a value has a character that the shell would act on.
func (s *scope) fill(t Text, u use) (text string, raw bool, err error) {
	if !strings.Contains(t.Value, "${") {
		return t.Value, false, nil
	}
	pieces, err := cutTemplate(t, s.dvc)
	if err != nil {
		return "", false, err
	}
	var b strings.Builder
	for _, p := range pieces {
		if p.path == nil {
			b.WriteString(p.text)
			continue
		}
		value := s.find(p.path)
		if value == nil {
			if err := s.unknown(t, p, u); err != nil {
				return "", false, err
			}
			b.WriteString(p.text)
			continue
		}
		word, err := wordOf(value, u)
		if err != nil {
			return "", false, failIn(t.At, "%s %w", p.text, err)
		}
		raw = raw || strings.ContainsAny(word, ";&|<>()$`\\\"'\n*?[]#~!{}")
		b.WriteString(word)
	}
	return b.String(), raw, nil
}

// unknown decides about a variable that nothing defines: the shell's, or a mistake.
func (s *scope) unknown(t Text, p piece, u use) error {
	name := strings.Join(p.path, ".")
	known := s.names(p.path)
	near := nearest(name, known)
	if _, own := s.env.Get(name); u == asCommand && !s.dvc && p.plain && (own || !s.strict && near == "") {
		return nil
	}
	e := failIn(t.At, "unknown variable %q", p.text)
	switch {
	case near != "":
		return e.Hint("did you mean %q?", "${"+near+"}")
	case u == asCommand && p.plain:
		return e.Hint(`\${%s}   # leaves it to the shell`, name)
	case len(known) > 0:
		return e.Hint("variables are %s", strings.Join(known[:min(20, len(known))], ", "))
	}
	return e.Hint("params.yaml or vars define variables")
}

// names lists variables near a path: all first names, or what stands beside the key that is unknown.
func (s *scope) names(path []string) []string {
	known := slices.Clone(s.order)
	if s.vars != nil {
		known = append(known, s.vars.names...)
	}
	start, ok := s.local[path[0]]
	rest := path[1:]
	if !ok {
		if start = s.vars; start == nil {
			return known
		}
		rest = path
	}
	_, last, left := start.walk(rest)
	if len(left) == 0 || len(left) == len(path) {
		return known
	}
	known = nil
	for _, name := range last.names {
		known = append(known, strings.Join(path[:len(path)-len(left)], ".")+"."+name)
	}
	return known
}

// wordOf is a value as text, as Python's str has it: dvc's users know it so. In a command keys and values become flags.
func wordOf(t *tree, u use) (string, error) {
	switch t.shape {
	case single:
		return formatScalar(t.one.value), nil
	case nothing:
		return "None", nil
	case mapping:
		if u == asCommand {
			return flagsOf(t)
		}
	case list:
	}
	return "", fault.New(fault.Usage, "is %s and cannot become text", t.describe())
}

// flagsOf turns {lr: 0.1, tags: [a, b], fast: true} into --lr 0.1 --tags a b --fast.
func flagsOf(t *tree) (string, error) {
	var words []string
	err := addFlags(&words, "", t)
	return strings.Join(words, " "), err
}

// addFlags adds those of a mapping whose keys begin with prefix.
func addFlags(words *[]string, prefix string, t *tree) error {
	for i, name := range t.names {
		key, v := prefix+name, t.items[i]
		var err error
		switch yes, isBool := v.one.value.(bool); {
		case v.shape == mapping:
			err = addFlags(words, key+".", v)
		case v.shape == list:
			err = addListFlag(words, key, v)
		case isBool && yes:
			*words = append(*words, "--"+key)
		case !isBool:
			*words = append(*words, "--"+key, flagValue(v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addListFlag(words *[]string, key string, t *tree) error {
	for n, item := range t.items {
		if item.shape != single && item.shape != nothing {
			return fault.New(fault.Usage, "has a list in a list at %s", key)
		}
		if n == 0 {
			*words = append(*words, "--"+key)
		}
		*words = append(*words, flagValue(item))
	}
	return nil
}

func flagValue(t *tree) string {
	if text, ok := t.one.value.(string); ok {
		return shellQuote(text)
	}
	if t.shape == nothing {
		return "None"
	}
	return formatScalar(t.one.value)
}

// shellQuote is Python's shlex.quote.
func shellQuote(s string) string {
	safe := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_@%+=:,./-", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// formatScalar writes a value as Python's str does, but true and false as YAML has them.
func formatScalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	}
	return "None"
}

func formatFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
