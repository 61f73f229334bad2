package main

import (
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// stageView is a stage of a release in service/v1.
type stageView struct {
	Name     string     `json:"name"`
	Model    *fault.Ref `json:"model"` // null: a list of hashes
	List     *string    `json:"list"`  // id of its snapshot; null: a model, or a list that belongs to the code
	Share    *float64   `json:"share"` // of the requests that stages have answered, those that this one has
	Requests int64      `json:"requests"`
	Decided  int64      `json:"decided"`
	Errors   int64      `json:"errors"`
	Late     int64      `json:"late"` // of errors
	P50      *float64   `json:"p50_s"`
	P99      *float64   `json:"p99_s"`
	Ready    int        `json:"ready"`
	Restarts int        `json:"restarts"`
	Trouble  *string    `json:"trouble"`
}

// viewOfStages is what is known of the stages of a release.
func viewOfStages(rel deploy.Release, seen []deploy.SeenStage) []stageView {
	var all []stageView
	total := answeredBy(rel, seen)
	for _, stage := range rel.Stages {
		v := stageView{Name: stage.Name}
		if stage.Model != "" {
			ref := refOf(refModel, stage.Record.Hex(), stage.Model+"@v"+numberWord(stage.Version))
			v.Model = &ref
		} else if stage.List != nil && !stage.List.Root.IsZero() {
			v.List = some(stage.List.Root.Hex())
		}
		for _, s := range seen {
			if s.Name != stage.Name {
				continue
			}
			v.Requests, v.Decided, v.Errors, v.Late, v.Ready, v.Restarts, v.Trouble = s.Requests, s.Decided, s.Errors, s.Late, s.Ready, s.Restarts, some(s.Trouble)
			v.Share = numeric(float64(s.Decided) / float64(total))
			v.P50, v.P99 = numeric(s.Latency.Quantile(0.5)/1e6), numeric(s.Latency.Quantile(0.99)/1e6)
		}
		all = append(all, v)
	}
	return all
}

// answeredBy is how many requests the stages have answered: of a cascade one stage each, else several together.
func answeredBy(rel deploy.Release, seen []deploy.SeenStage) (n int64) {
	for _, s := range seen {
		if rel.Combine != nil && rel.Combine.By != deploy.CombineCascade {
			n = max(n, s.Requests)
		} else {
			n += s.Decided
		}
	}
	return n
}

// stagesText shows the stages of each release that has requests.
func stagesText(arms []armView, t *cli.Text) {
	var rows [][]cli.Cell
	var troubles []stageView
	for _, a := range arms {
		if a.Role == string(deploy.Previous) {
			continue
		}
		for _, s := range a.Stages {
			model := cli.Str("hashes")
			if s.Model != nil {
				model = cli.Str(s.Model.Name)
			}
			rows = append(rows, []cli.Cell{cli.Str(a.Role), cli.Str(s.Name), model, partCell(s.Share), cli.Count(s.Requests), cli.Count(s.Errors), cli.Count(s.Late),
				spanCell(s.P50), spanCell(s.P99), cli.Count(int64(s.Restarts))})
			if s.Trouble != nil {
				troubles = append(troubles, s)
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	t.Table([]string{"ARM", "STAGE", "MODEL", "ANSWERED", "ASKED", "ERRORS", "LATE", "P50", "P99", "RESTARTS"}, rows)
	for _, s := range troubles {
		t.Indented(2, cli.Str("trouble"), cli.Str(s.Name), cli.Str(*s.Trouble))
	}
}

func partCell(v *float64) cli.Cell {
	if v == nil {
		return cli.None()
	}
	return cli.Str(shareWord(*v))
}

func spanCell(v *float64) cli.Cell {
	if v == nil {
		return cli.None()
	}
	return cli.Duration(time.Duration(*v * 1e9))
}

// servedVersion is the version of an arm: v7, or that of each model of its stages.
func servedVersion(name string) cli.Cell {
	if strings.Contains(name, "+") {
		return cli.Str(name)
	}
	_, version, _ := strings.Cut(name, "@")
	return cli.Said(version, name)
}
