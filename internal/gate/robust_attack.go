package gate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"mlx/internal/object"
	"mlx/internal/stats"
)

// attackCheck asks a command that attacks the model, such as a script of the Adversarial Robustness Toolbox.
type attackCheck struct {
	session *session
	rule    Rule
}

func (s *session) attack(r Rule) (Check, error) {
	if err := s.only(r, "min", "margin", "under", "rows", "min_rows", "timeout"); err != nil {
		return nil, err
	}
	if r.Min == nil && r.Margin == nil {
		return nil, s.wrong(r, "%s has no limit", r.quoted()).Hint("min: 0.8   # of what is left under attack; or margin: 0.1")
	}
	return attackCheck{s, r}, nil
}

// attackReply is what the command prints: the measure of the rows as they are, and as they were attacked, as NAME and attacked_NAME.
type attackReply struct {
	plain, attacked float64
	method          string
	eps             *float64
	rows            int64
}

// Check runs the attack. Only status 0 is an answer: an attack that broke off has broken nothing.
func (c attackCheck) Check(ctx context.Context, about Subject) ([]Finding, error) {
	s, r := c.session, c.rule
	call := Call{Command: r.Under.Attack, Timeout: r.Timeout, Env: []string{
		"MLX_GATE_ROWS=" + strconv.Itoa(cmp.Or(r.Rows, askRows)), "MLX_GATE_SEED=" + strconv.FormatInt(s.spec.Seed, 10),
	}}
	reply, err := s.call(ctx, about, r, call)
	if err != nil {
		return nil, err
	}
	if reply.Status != 0 {
		return nil, s.wrong(r, "%s", endedBadly(fmt.Sprintf("the attack %q", r.Under.Attack), reply))
	}
	said, err := parseAttack(reply.Stdout, r.Name)
	if err != nil {
		return nil, s.wrong(r, "the attack %q printed no result: %v", r.Under.Attack, err).
			Hint(`print {"%s": 0.93, "attacked_%s": 0.71, "method": "FGSM", "eps": 0.1, "rows": 1000}`, r.Name, r.Name)
	}
	return []Finding{c.finding(said)}, nil
}

// attackLine bounds what is parsed of the output.
const attackLine = 1 << 20

// parseAttack reads the last line of the output that is a JSON object: such libraries talk while they work.
func parseAttack(out []byte, measure string) (attackReply, error) {
	var found []byte
	for line := range bytes.Lines(out) {
		if line = bytes.TrimSpace(line); len(line) > 0 && len(line) <= attackLine && line[0] == '{' && line[len(line)-1] == '}' {
			found = line
		}
	}
	if whole := bytes.TrimSpace(out); found == nil && len(whole) <= attackLine {
		found = whole // one object over several lines
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object.QuoteWords(found), &fields); err != nil {
		return attackReply{}, fmt.Errorf("no line is a JSON object")
	}
	a := attackReply{}
	for name, to := range map[string]*float64{measure: &a.plain, "attacked_" + measure: &a.attacked} {
		text, ok := fields[name]
		if !ok {
			return a, fmt.Errorf("it has no %q", name)
		}
		v, err := commandNumber(text)
		if err != nil {
			return a, fmt.Errorf("%s: %w", name, err)
		}
		*to = v
	}
	_ = json.Unmarshal(fields["method"], &a.method) // what is absent or no text is not shown
	if eps, err := commandNumber(fields["eps"]); err == nil && !math.IsNaN(eps) {
		a.eps = &eps
	}
	if rows, err := commandNumber(fields["rows"]); err == nil && rows > 0 && rows < 1<<53 {
		a.rows = int64(rows)
	}
	return a, nil
}

func (c attackCheck) finding(a attackReply) Finding {
	r := c.rule
	f := r.judged(a.attacked)
	if r.Title == "" {
		f.Name += " under attack"
	}
	verdicts := []Verdict{f.Verdict}
	if r.Margin != nil {
		verdicts = append(verdicts, Rule{Max: r.Margin}.within(a.plain-a.attacked))
	}
	f.Baseline, f.Difference = finite(a.plain), finite(a.attacked-a.plain)
	f.Shown, f.Needs = f.Shown+" under "+a.attack()+" against "+r.shown(a.plain), r.limits()
	if a.rows > 0 {
		f.Rows = &a.rows
		if i, err := stats.Wilson(math.Round(a.attacked*float64(a.rows)), float64(a.rows), c.session.level()); err == nil && r.Name == "accuracy" {
			f.Shown += fmt.Sprintf(" (%.3f to %.3f)", i.Lower, i.Upper)
		}
	}
	if r.MinRows > a.rows {
		verdicts = []Verdict{Inconclusive}
		f.Shown, f.Needs = fmt.Sprintf("%d rows were attacked", a.rows), fmt.Sprintf("at least %d rows", r.MinRows)
	}
	f.Verdict = worst(verdicts)
	return f
}

// attack names the attack: `attack by FGSM eps 0.3`.
func (a attackReply) attack() string {
	text := "attack"
	if method := lastLines([]byte(a.method), 1); method != "" {
		text += " by " + method
	}
	if a.eps != nil {
		text += " eps " + strconv.FormatFloat(*a.eps, 'g', 4, 64)
	}
	return text
}
