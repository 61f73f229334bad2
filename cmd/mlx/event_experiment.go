package main

import (
	"cmp"
	"maps"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/tracking"
)

// experiment tells what an MLflow client said of an experiment. Only its records of one name know that name: others give the id.
func (t *teller) experiment(e *event) error {
	body, err := tracking.Experiments.Decode(e.rec)
	if err != nil {
		return err
	}
	did := "named"
	switch {
	case body.Created:
		did = "created"
	case body.Deleted != nil && *body.Deleted:
		did = "deleted"
	case body.Deleted != nil:
		did = "restored"
	case len(body.Tags) > 0:
		did = "tagged"
	}
	e.what = []cli.Cell{cli.Str(did), cli.Str(cmp.Or(body.Name, body.ID))}
	for _, key := range slices.Sorted(maps.Keys(body.Tags)) {
		if value := body.Tags[key]; value != nil {
			e.what = append(e.what, cli.Str(key+"="+*value))
		} else {
			e.what = append(e.what, cli.Str(key+" taken away"))
		}
	}
	e.text = cli.Sentence(e.what...)
	e.value = otherRow{row: e.row(e.rec.Kind), Body: e.rec.Body}
	return nil
}
