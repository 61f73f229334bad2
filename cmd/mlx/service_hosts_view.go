package main

import (
	"context"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// hostView is how one of several hosts is.
type hostView struct {
	Host       string  `json:"host"`
	State      string  `json:"state"` // same, behind, away
	Generation uint64  `json:"generation"`
	Ready      int     `json:"ready"` // servers of all releases
	Replicas   int     `json:"replicas"`
	Requests   int64   `json:"requests"`
	Trouble    *string `json:"trouble"`
	Hint       *string `json:"hint,omitempty"` // what helps, where that is known
}

// look takes a look at every host. Those that cannot be asked are told of; what the others do counts together, and only where there is none the look fails.
func (t *hostsTarget) look(ctx context.Context) ([]hostView, deploy.Actual, error) {
	hosts := t.Look(ctx, t.served.name)
	reached := hosts[:0:0]
	var views []hostView
	most := uint64(0)
	for _, h := range hosts {
		most = max(most, h.Actual.Generation)
	}
	var away error
	for _, h := range hosts {
		v := hostView{Host: h.Name, State: "same", Generation: h.Actual.Generation, Trouble: some(h.Actual.Trouble)}
		switch {
		case h.Err != nil:
			v.State, v.Trouble, away = "away", some(strings.TrimPrefix(h.Err.Error(), "host "+h.Name+": ")), h.Err
			v.Hint = some(strings.Join(fault.Hints(h.Err), "; "))
		case h.Actual.Generation < most:
			v.State = "behind"
		}
		if h.Err == nil {
			reached = append(reached, h)
		}
		for _, arm := range h.Actual.Arms {
			v.Ready, v.Replicas, v.Requests = v.Ready+arm.Ready, v.Replicas+arm.Replicas, v.Requests+arm.Counts.Requests
		}
		views = append(views, v)
	}
	if len(reached) == 0 {
		return views, deploy.Actual{}, away
	}
	return views, t.Together(reached), nil
}

// hintNow says what helps with the trouble of a service, and what brings hosts back that do not do what the others do.
func (s *served) hintNow(now serviceNow) {
	for _, h := range now.help {
		command, why, _ := strings.Cut(h, "   # ")
		s.app.streams.Hint(command, why)
	}
	_, busy := now.known.Progress()
	late := false
	for _, h := range now.hosts {
		if h.Hint != nil {
			s.app.streams.Hint(*h.Hint, "")
		}
		late = late || h.State != "same"
	}
	if late && !busy && now.known.Current != nil {
		s.app.streams.Hint("mlx service restore "+shellWord(s.name), "tells the hosts that are behind, as soon as they can be asked")
	}
}

// awayWords are the hosts that cannot be asked.
func awayWords(hosts []hostView) string {
	var words []string
	for _, h := range hosts {
		if h.State == "away" && h.Trouble != nil {
			words = append(words, "host "+h.Host+": "+*h.Trouble)
		}
	}
	return strings.Join(words, "; ")
}

func hostsText(hosts []hostView, t *cli.Text) {
	var rows [][]cli.Cell
	for _, h := range hosts {
		role := cli.RolePass
		if h.State != "same" {
			role = cli.RoleFail
		}
		why := cli.None()
		if h.Trouble != nil {
			why = cli.Str(*h.Trouble)
		}
		rows = append(rows, []cli.Cell{cli.Str("host"), cli.Str(h.Host), cli.Word(role, h.State), cli.Fmt("%s/%s", cli.Count(int64(h.Ready)), cli.Count(int64(h.Replicas))),
			cli.Num(h.Requests, "request"), why})
	}
	if len(rows) > 0 {
		t.Rows(0, rows)
	}
}
