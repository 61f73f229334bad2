package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// dryWait is how long a dry run waits for a node to say what it has.
const dryWait = 10 * time.Second

// onPlanView is plan/v1 of a run on a backend.
type onPlanView struct {
	planView
	Backend string `json:"backend"`
	Files   int64  `json:"files"`  // of the work tree
	Asked   bool   `json:"asked"`  // the node said what it has; else everything counts as sent
	Object  string `json:"object"` // what the backend would be handed: a script, an object
}

// dryRunOn says what a run on a backend would send and submit. Nothing is saved, recorded or sent.
func (a *app) dryRunOn(ctx context.Context, spec run.Spec, ask onAsk) error {
	j, v, err := a.planDry(ctx, spec, ask)
	if err != nil {
		return err
	}
	return a.streams.Emit(v, func(t *cli.Text) { onPlanText(v, j, t) })
}

// planDry is the plan of a run on a backend of which nothing is to happen.
func (a *app) planDry(ctx context.Context, spec run.Spec, ask onAsk) (*onJob, onPlanView, error) {
	v := onPlanView{planView: planView{Kind: "plan/v1", Command: "run", Applies: true, Steps: []planStep{}, Needs: []planNeed{}, Classes: []snapshot.GCClass{}},
		Backend: ask.Backend}
	a.dry = true
	j, err := a.openJob(ctx, ask.Backend)
	if err != nil {
		return j, v, err
	}
	if j.secrets, err = a.secretValues(append(append([]string{}, j.backend.Secrets...), ask.Secrets...)); err != nil {
		return j, v, err
	}
	tree, err := a.treeOf(ctx, j.repo, without(spec, ask.Aside))
	if err != nil {
		return j, v, err
	}
	if err := j.ask(ctx, &spec, ask); err != nil {
		return j, v, err
	}
	if err := j.fill(ctx, spec.Used); err != nil {
		return j, v, err
	}
	j.plan.Inputs[0].Files, j.plan.Inputs[0].Bytes = int64(len(tree.files)), tree.bytes
	j.measure()
	v.Files = int64(len(tree.files))
	var program int64
	program, v.Asked = j.askNode(ctx)
	if err := j.begun([]byte("{}"), []byte("{}")); err != nil {
		return j, v, err
	}
	if v.Object, err = j.describe(); err != nil {
		return j, v, fault.New(fault.KindOf(err), "cannot say what %s would be given: %w", j.name, err)
	}
	v.Object = unnamed(v.Object)
	j.steps(&v, program)
	return j, v, nil
}

// unnamed puts a word where a run would stand: one that was not recorded has no id yet, and its zeros would be taken for one.
func unnamed(text string) string {
	text = regexp.MustCompile(`\b0{40,64}\b`).ReplaceAllString(text, "<run>") // a label may be cut
	return regexp.MustCompile(`\bmlx-0{12}\b`).ReplaceAllString(text, "mlx-<run>")
}

// measure finds out how large the data is of which no version is here.
func (j *onJob) measure() {
	for i := range j.plan.Inputs {
		in := &j.plan.Inputs[i]
		if i == 0 || in.Bytes > 0 || in.Files > 0 {
			continue
		}
		files, bytes, err := sizeBelow(j.repo.Abs(in.What))
		if err == nil {
			in.Files, in.Bytes = files, bytes
		}
	}
}

// askNode asks what the node has, where it can be asked without waiting for a job. One without mlx has nothing: program is the size of what it
// would get before all else.
func (j *onJob) askNode(ctx context.Context) (program int64, asked bool) {
	if j.access() != train.AccessHost {
		return 0, false
	}
	ctx, stop := context.WithTimeout(ctx, dryWait)
	defer stop()
	links := newLinks()
	defer links.close()
	l, err := links.to(ctx, j)
	if err == nil {
		var roots []object.Digest
		for _, in := range j.plan.Inputs {
			roots = append(roots, in.Root)
		}
		var have []bool
		if have, err = l.Have(ctx, roots); err == nil {
			for i := range have {
				j.plan.Inputs[i].There = have[i] && !roots[i].IsZero()
			}
			return 0, true
		}
	}
	var absent *train.AbsentError
	if errors.As(err, &absent) {
		return absent.Bytes, true
	}
	j.app.streams.Note("%s cannot be asked what it has, so all counts as sent: %v", j.name, err)
	return 0, false
}

// steps are the plan as a list. program is the size of mlx where it is not there yet.
func (j *onJob) steps(v *onPlanView, program int64) {
	for _, in := range j.plan.Inputs {
		step := planStep{Do: "send", What: in.What, Why: cli.FormatNum(in.Files, "file"), Bytes: in.Bytes}
		if !in.Root.IsZero() {
			step.What += " " + in.Root.Hex()
		}
		if in.There {
			step.Do, step.Why, step.Bytes = "keep", "the node has it", 0
		} else if j.plan.Remote != "" {
			step.Why += ", through the remote " + j.plan.Remote
		}
		v.Bytes += step.Bytes
		v.Steps = append(v.Steps, step)
	}
	if program > 0 {
		v.Bytes += program
		v.Steps = append(v.Steps, planStep{Do: "send", What: "mlx", Why: "once for each version", Bytes: program})
	}
	if names := j.plan.Order.Secrets; len(names) > 0 {
		v.Steps = append(v.Steps, planStep{Do: "send", What: "secrets " + strings.Join(names, " "), Why: "variables of the command; no record names their values"})
	}
	submit := planStep{Do: "submit", What: j.plan.Job.Title, Why: "job of " + j.name + " (" + j.backend.Type + ")"}
	var words string
	if submit.Cost, words = j.wouldCost(); words != "" {
		submit.Why += ", " + words
	}
	v.Steps = append(v.Steps, submit)
}

// wouldCost is the most that the job may cost, in all its attempts; of one without a time limit nobody knows it, and words tell of an hour.
func (j *onJob) wouldCost() (most *float64, words string) {
	if !j.price.Known() {
		return nil, ""
	}
	limit, format := j.plan.Job.Resources.Time*time.Duration(j.body.Job.Retries+1), "at most %s (%s: %s)"
	if limit == 0 {
		limit, format = time.Hour, "%s an hour (%s: %s)"
	}
	c := j.price.Of(j.plan.Job.Resources, j.plan.Job.Spot, limit)
	if j.plan.Job.Resources.Time > 0 {
		most = &c.Amount
	}
	return most, fmt.Sprintf(format, money(c.Amount, c.Currency), c.Basis, c.How)
}

func onPlanText(v onPlanView, j *onJob, t *cli.Text) {
	for i, s := range v.Steps {
		cells := []cli.Cell{cli.Str("would " + s.Do), cli.Str(s.What), cli.Str(s.Why)}
		if i < len(j.plan.Inputs) {
			cells[1] = cli.Path(j.plan.Inputs[i].What)
		}
		if i < len(j.plan.Inputs) || s.Bytes > 0 {
			cells = append(cells, cli.Bytes(s.Bytes))
		}
		t.Line(cells...)
	}
	t.Line(cli.Fmt("%s in all, at most", cli.Bytes(v.Bytes)))
	for line := range strings.Lines(v.Object) {
		t.Plain(strings.TrimSuffix(line, "\n") + "\n")
	}
}
