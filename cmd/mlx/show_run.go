package main

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/run"
)

// runShown is the JSON of `mlx show` of a run: run/v1, and the verdicts on it.
type runShown struct {
	run.View
	Judged []judgement `json:"judged"`
	Reruns []rejudged  `json:"reruns"` // how repeats of it compared, newest first
	Curves []curveView `json:"curves"` // by name

	Children []fault.Ref `json:"children"` // runs started inside it, the one started first first
	Versions []fault.Ref `json:"versions"` // of models, made from what it wrote

	family family
	said   []tagBody
	traced tracedRun
	only   []string // names of the curves that were asked for
}

// rejudged is how repeats of a run compared with it.
type rejudged struct {
	ID      string       `json:"id"`
	Verdict string       `json:"verdict"`
	Result  run.Sameness `json:"result"`
	Of      string       `json:"of"` // id of the run that was repeated: this one, or the one that this one repeats
	At      time.Time    `json:"at"`
	view    run.RerunView
}

// judgement is one verdict on what is shown.
type judgement struct {
	ID      string       `json:"id"`
	Verdict gate.Verdict `json:"verdict"`
	Gates   []string     `json:"gates"`
	At      time.Time    `json:"at"`
}

func (a *app) showOneRun(ctx context.Context, t target, o showOptions) error {
	if err := o.checkRunReport(); err != nil {
		return err
	}
	v, err := a.runOf(ctx, t)
	if err != nil {
		return err
	}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	known, err := tagsOf(ctx, l, v.RunID)
	if err != nil {
		return err
	}
	v.Tags = event{tags: known[v.RunID]}.words()
	v.Text = cli.Sentence(runWords(v)...)
	a.fillJob(&v)
	shown := runShown{View: v, Judged: []judgement{}, Reruns: []rejudged{}, Versions: []fault.Ref{}, said: known[v.RunID]}
	if shown.family, err = a.childrenOf(ctx, v); err != nil {
		return err
	}
	shown.Children = shown.family.refs
	if err := shown.addModels(ctx, l); err != nil {
		return err
	}
	for rec, err := range l.Referring(ctx, v.RunID) {
		if err != nil {
			return err
		}
		if run.Rejudged.Is(rec) {
			again, err := run.RerunOf(rec)
			if err != nil {
				return err
			}
			shown.Reruns = append(shown.Reruns, rejudged{again.ID, again.Verdict, again.Result, again.Of.ID, again.At, again})
		}
		if !gate.Judged.Is(rec) {
			continue
		}
		verdict, err := gate.ViewOf(rec)
		if err != nil {
			return err
		}
		j := judgement{ID: verdict.ID, Verdict: verdict.Verdict, At: verdict.At, Gates: []string{}}
		for _, g := range verdict.Gates {
			j.Gates = append(j.Gates, g.Name)
		}
		shown.Judged = append(shown.Judged, j)
	}
	slices.SortFunc(shown.Judged, func(a, b judgement) int { return b.At.Compare(a.At) })
	slices.SortFunc(shown.Reruns, func(a, b rejudged) int { return b.At.Compare(a.At) })
	if err := a.addCurves(ctx, &shown, o); err != nil {
		return err
	}
	return a.emitRun(shown, o)
}

func (a *app) runShownText(v runShown, t *cli.Text) {
	head := []cli.Cell{cli.Fmt("%s %s", cli.Str("run"), cli.ID(v.RunID)), stateCell(v.State)}
	if v.Name != nil {
		head = append(head, cli.Str(*v.Name))
	}
	head = append(head, cli.Time(happened(v.View)))
	if v.DurationS != nil {
		head = append(head, cli.Duration(time.Duration(*v.DurationS*float64(time.Second))))
	}
	if v.Machine.Host != "" || v.Imported == nil {
		head = append(head, cli.Fmt("by %s on %s", cli.Str(v.By), cli.Str(v.Machine.Host)))
	}
	t.Line(head...)
	if len(v.Command) > 0 { // a client of mlx server tells none
		t.KeyValue(2, "command", cli.Str(commandLine(v.Command)))
	}
	if v.Cause != nil {
		t.KeyValue(2, "cause", cli.Str(*v.Cause))
	}
	if v.Because != nil {
		t.KeyValue(2, "because", cli.Str(v.Because.Words()))
	}
	placeText(v.View, t)
	a.jobText(v.View, t)
	energyText(v.View, t, a.streams.Verbose)
	runSourceText(v.View, t)
	a.showFiles(v.View, t)
	runNumbersText(v, t)
	a.curvesText(v, t)
	for _, o := range v.Outputs {
		t.KeyValue(2, "outputs", cli.Fmt("%s %s", cli.Path(a.shown(o.Path)), cli.Hex(o.Digest, 12)), cli.Bytes(o.Bytes))
	}
	for _, m := range v.Versions {
		t.KeyValue(2, "model", cli.Str(m.Name))
	}
	trackedText(v.View, t)
	outputText(v.View, t)
	showEnvironment(v.Environment, t)
	if v.Machine.OS != "" || v.Imported == nil {
		t.KeyValue(2, "machine", machineCell(v.View))
	}
	v.usedText(t)
	tagsText(v.said, t)
	for _, j := range v.Judged {
		t.KeyValue(2, "judged", cli.Fmt("%s %s %s", gateWord(string(j.Verdict), strings.ToUpper(string(j.Verdict))),
			cli.Str(strings.Join(j.Gates, " ")), cli.Hex(j.ID, 12)))
	}
	for _, again := range v.Reruns {
		t.KeyValue(2, "rerun", cli.Fmt("%s %s", rerunWord(again.view), cli.Hex(again.ID, 12)), cli.Time(again.At))
	}
	v.family.text(t)
}

// runSourceText tells what the run was made from.
func runSourceText(v run.View, t *cli.Text) {
	if v.Commit != nil {
		state := "clean"
		if v.Dirty {
			state = "with uncommitted changes"
		}
		where := cli.Str("detached")
		if v.Branch != nil {
			where = cli.Fmt("on %s", cli.Str(*v.Branch))
		}
		t.KeyValue(2, "code", cli.Fmt("%s %s, %s", cli.Hex(*v.Commit, 7), where, cli.Str(state)))
	}
	if v.Patch != nil {
		t.KeyValue(2, "patch", cli.Hex(*v.Patch, 12))
	}
	for _, d := range v.Data {
		t.KeyValue(2, "data", cli.Fmt("%s %s", cli.Path(d.Name), cli.Hex(d.ID, 12)))
	}
}

// runNumbersText tells parameters and metrics, several to a line for people.
func runNumbersText(v runShown, t *cli.Text) {
	var params, metrics []cli.Cell
	for _, k := range sortedKeys(v.Params) {
		params = append(params, cli.Fmt("%s %s", cli.Str(k), paramCell(v.Params[k])))
	}
	for _, k := range sortedKeys(v.Metrics) {
		if t.TTY() && v.hasCurve(k) {
			continue // its last value stands beside the curve
		}
		metrics = append(metrics, cli.Fmt("%s %s", cli.Str(k), cli.Float(float64(v.Metrics[k]))))
	}
	keyValues(t, "params", params)
	keyValues(t, "metrics", metrics)
}

// keyValues writes values under one key: four to a line on a terminal, one to a line for programs.
func keyValues(t *cli.Text, key string, cells []cli.Cell) {
	size := 1
	if t.TTY() {
		size = 4
	}
	for line := range slices.Chunk(cells, size) {
		t.KeyValue(2, key, line...)
		if t.TTY() {
			key = ""
		}
	}
}

// machineCell says where a run executed and how much memory it took.
func machineCell(v run.View) cli.Cell {
	format, cells := "%s %s, %s CPU", []cli.Cell{cli.Str(v.Machine.OS), cli.Str(v.Machine.Arch), cli.Count(int64(v.Machine.CPUs))}
	if v.Machine.MemoryBytes != nil {
		format += ", %s"
		cells = append(cells, cli.Memory(*v.Machine.MemoryBytes))
	}
	if v.Environment != nil {
		format += ", %s"
		cells = append(cells, gpuCell(v.Environment.GPUs))
	}
	if v.PeakMemoryBytes != nil {
		format += "; peak %s"
		cells = append(cells, cli.Bytes(*v.PeakMemoryBytes))
	}
	return cli.Fmt(format, cells...)
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// refOf is a Ref of JSON views.
func refOf(kind, id, name string) fault.Ref { return fault.Ref{Kind: kind, ID: id, Name: name} }
