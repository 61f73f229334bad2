package main

import (
	"mlx/internal/cli"
	"mlx/internal/deploy"
)

// loggedView is what becomes of the predictions of a service in its log.
type loggedView struct {
	Strict   bool    `json:"strict"`   // what cannot be kept is not answered
	Refusing bool    `json:"refusing"` // the next request would be refused
	Kept     int64   `json:"kept"`     // since the router began
	Dropped  int64   `json:"dropped"`  // answered and not kept, since the router began
	Refused  int64   `json:"refused"`  // not answered because they could not be kept, since ever
	Trouble  *string `json:"trouble"`
}

func viewOfLogged(l *deploy.Logged) *loggedView {
	if l == nil {
		return nil
	}
	return &loggedView{Strict: l.Strict, Refusing: l.Refusing, Kept: l.Kept, Dropped: l.Dropped, Refused: l.Refused, Trouble: some(l.Trouble)}
}

// loggedText says what a person should know of the log: nothing, if all is kept.
func loggedText(l *loggedView, t *cli.Text) {
	if l == nil || l.Trouble == nil && l.Dropped == 0 && l.Refused == 0 {
		return
	}
	counts := cli.Fmt("%s kept, %s dropped, %s refused", cli.Count(l.Kept), cli.Count(l.Dropped), cli.Count(l.Refused))
	cells := []cli.Cell{cli.Str("log"), counts}
	switch {
	case l.Refusing:
		cells = append(cells, cli.Word(cli.RoleFail, "nothing is answered: "+*l.Trouble))
	case l.Trouble != nil:
		cells = append(cells, cli.Word(cli.RoleWarn, *l.Trouble))
	}
	t.Indented(2, cells...)
}
