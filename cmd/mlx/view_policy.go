package main

import (
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

// policyView is policy/v1.
type policyView struct {
	Kind    string     `json:"kind"`
	Allowed bool       `json:"allowed"`
	Verdict string     `json:"verdict"`
	Model   fault.Ref  `json:"model"`
	From    *string    `json:"from"`
	To      string     `json:"to"`
	Needs   []needView `json:"needs"`
	Record  *string    `json:"record"` // of the move; null where none was made
	Digest  string     `json:"digest"` // of the bytes that were judged
}

type needView struct {
	What      string     `json:"what"`
	Verdict   string     `json:"verdict"`
	Evidence  *fault.Ref `json:"evidence"`
	ExpiresAt *time.Time `json:"expires_at"`
	Command   *string    `json:"command"`
	By        *string    `json:"by"` // whose it is to give what is missing
	At        *time.Time `json:"at"` // when what the text says was
	Text      string     `json:"text"`
}

func viewOfDecision(d registry.Decision) policyView {
	v := policyView{Kind: "policy/v1", Allowed: d.Allowed, Verdict: string(d.Verdict), Model: refOf(refModel, d.Record.Hex(), d.Model),
		From: some(string(d.From)), To: string(d.To), Needs: []needView{}, Digest: d.Digest.Hex()}
	for _, n := range d.Needs {
		need := needView{What: n.What, Verdict: string(n.Verdict), ExpiresAt: n.ExpiresAt, Command: some(n.Command), By: some(n.Who), At: n.At,
			Text: strings.TrimSpace(n.Said + " " + n.More)}
		if n.Evidence != nil {
			ref := refOf(refRecord, n.Evidence.Hex(), "")
			need.Evidence = &ref
		}
		v.Needs = append(v.Needs, need)
	}
	return v
}

// decisionAnswer is the exit status of a decision: evidence that says no is no, missing or expired evidence cannot tell.
func decisionAnswer(d registry.Decision) answer {
	switch d.Verdict {
	case registry.Pass:
		return yes
	case registry.Fail:
		return no
	case registry.Inconclusive:
	}
	return unclear
}

// needsText lists what was needed and what there is. A program gets six fields: verdict, what, the words, when that was, until when it
// counts, and the command that supplies what is missing.
func needsText(d registry.Decision, indent int, t *cli.Text) {
	rows := make([][]cli.Cell, 0, len(d.Needs))
	for _, n := range d.Needs {
		verdict, what := gateWord(string(n.Verdict), string(n.Verdict)), cli.Str(n.What)
		if !t.TTY() {
			t.Line(verdict, what, cli.Str(strings.TrimSpace(n.Said+" "+n.More)), cli.Str(stamp(n.At)), cli.Str(stamp(n.ExpiresAt)), cli.Str(n.Command))
			continue
		}
		format, cells := "%s", []cli.Cell{cli.Str(n.Said)}
		if n.At != nil {
			format, cells = format+" %s", append(cells, cli.Time(*n.At))
		}
		if n.More != "" {
			format, cells = format+" %s", append(cells, cli.Str(n.More))
		}
		rows = append(rows, []cli.Cell{verdict, what, cli.Fmt(format, cells...)})
	}
	t.Rows(indent, rows)
}

// stamp is a time as programs read it; empty for none.
func stamp(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// refusedText tells why a version may not enter a stage; doing is what was not done: "moved", "deployed".
func refusedText(d registry.Decision, doing string, t *cli.Text) {
	t.Line(cli.Fmt("%s: %s may not enter %s", cli.Word(cli.RoleFail, "not "+doing), cli.Str(d.Model), cli.Str(string(d.To))))
	needsText(d, 2, t)
}

// hintNeeds says on stderr how what is missing is supplied: the first two commands, as everywhere. The rest come up once these ran, and
// are all in the JSON.
func (a *app) hintNeeds(d registry.Decision) {
	said := map[string]bool{}
	for _, n := range d.Needs {
		command := n.Command
		if command == "" || n.Verdict == registry.Pass {
			continue
		}
		reason := ""
		if n.Who != "" {
			reason = "by " + n.Who
		}
		if len(said) < 2 && !said[command+reason] {
			said[command+reason] = true
			a.streams.Hint(command, reason)
		}
	}
}
