package gate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	exprlang "github.com/expr-lang/expr"

	"mlx/internal/fault"
)

// Holds judges an expression over numbers by their names, for checks that no gate has. A number that it reads and that is NaN or infinite
// makes it inconclusive. shown is what it read, in words.
func Holds(text string, values map[string]float64) (v Verdict, shown string, err error) {
	s, rule := &session{spec: Spec{Name: "the expression"}}, Rule{Kind: "expr", Name: text}
	parsed, err := s.parseExpr(rule, text)
	if err != nil {
		return "", "", err
	}
	v = Pass
	var words []string
	for _, name := range parsed.reads {
		value, ok := values[name]
		if !ok {
			e := fault.New(fault.Usage, "cannot judge by %q: there is no %s", dataCut(text), name)
			if near := fault.Nearest(name, slices.Sorted(maps.Keys(values))); near != "" {
				return "", "", e.Hint("did you mean %s?", near)
			}
			return "", "", e.Hint("there are %s", list(slices.Sorted(maps.Keys(values))))
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			v = Inconclusive
		}
		words = append(words, name+" "+strconv.FormatFloat(value, 'g', 4, 64))
	}
	shown = strings.Join(words, ", ")
	if v == Inconclusive {
		return v, shown, nil
	}
	env := make(map[string]any, len(values))
	for name, value := range values {
		env[name] = value
	}
	program, err := exprlang.Compile(text, exprlang.Env(env), exprlang.AsBool())
	if err != nil {
		return "", "", s.wrongExpr(rule, err)
	}
	holds, err := exprlang.Run(program, env)
	if err != nil {
		return "", "", s.wrongExpr(rule, err)
	}
	if holds != true {
		v = Fail
	}
	return v, shown, nil
}

// CommandAnswer is what a command answered that judges for a check.
type CommandAnswer struct {
	Verdict  Verdict // by its exit status, or by what it printed
	Value    *float64
	Interval *[2]float64
	Text     string
}

// Hear reads what a command answered: its exit status is the verdict, 0 pass, 1 fail and 3 inconclusive, unless it printed one JSON object
// with a verdict. Any other status is an error.
func Hear(command string, reply Reply) (CommandAnswer, error) {
	verdict, ok := statusVerdict(reply.Status)
	if !ok {
		return CommandAnswer{}, fault.New(fault.Unavailable, "%s", endedBadly(strconv.Quote(command), reply))
	}
	answer, err := parseCommandReply(reply.Stdout)
	if err != nil {
		return CommandAnswer{}, fault.New(fault.Usage, "%q printed no answer: %w", command, err)
	}
	said := CommandAnswer{Verdict: verdict, Interval: answer.Interval, Text: dataCut(answer.Text)}
	if answer.Verdict != nil && verdict == Pass {
		said.Verdict = *answer.Verdict
	}
	if len(answer.Value) > 0 {
		value, err := commandNumber(answer.Value)
		if err != nil {
			return CommandAnswer{}, fault.New(fault.Usage, "%q printed no answer: %w", command, err)
		}
		said.Value = &value
	}
	if said.Text == "" {
		said.Text = fmt.Sprintf("exit status %d", reply.Status)
	}
	return said, nil
}
