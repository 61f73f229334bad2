package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// convertedBody is the body of model.converted/v1: what a conversion changed.
type convertedBody struct {
	Model       string          `json:"model"`
	Version     int             `json:"version"`
	Digest      object.Digest   `json:"digest"` // of the result
	From        registry.Parent `json:"from"`
	Run         object.Digest   `json:"run"`
	BytesBefore int64           `json:"bytes_before"`
	BytesAfter  int64           `json:"bytes_after"`
	Measured    []measured      `json:"measured,omitempty"`
	Unmeasured  []unmeasured    `json:"unmeasured,omitempty"` // gates that could not tell, and why; none at all: no gate was asked
}

// measured is what a check of a gate found of both versions.
type measured struct {
	Gate   string   `json:"gate"`
	Check  string   `json:"check"`
	Unit   string   `json:"unit,omitempty"`
	Before *float64 `json:"before"` // null: it could not be told
	After  *float64 `json:"after"`
}

type unmeasured struct {
	Gate string `json:"gate"`
	Why  string `json:"why"`
}

// maxMeasured bounds what a record keeps.
const maxMeasured = 200

func refersTo(v *registry.Version) registry.Parent {
	return registry.Parent{Model: v.Model, Version: v.Version, Digest: v.Digest, Record: v.Record}
}

// compareConverted has gates judge both versions. A gate that cannot judge one of them is named with the reason, and is no error: the
// conversion is done.
func (a *app) compareConverted(ctx context.Context, names []string, from, to *registry.Version, body *convertedBody) error {
	config, err := a.config()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		for name, g := range config.Gates.All() {
			if g.Model.At.Line != 0 {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		sides := [2]map[string]gate.Finding{}
		for i, v := range []*registry.Version{from, to} {
			found, err := a.judgedBy(ctx, name, v)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				body.Unmeasured = append(body.Unmeasured, unmeasured{name, v.Name() + ": " + err.Error()})
				break
			}
			sides[i] = found
		}
		if sides[1] == nil {
			continue
		}
		for _, check := range slices.Sorted(maps.Keys(sides[1])) {
			before, after := sides[0][check], sides[1][check]
			if before.Value == nil && after.Value == nil || len(body.Measured) >= maxMeasured {
				continue
			}
			body.Measured = append(body.Measured, measured{name, check, after.Unit, before.Value, after.Value})
		}
	}
	return nil
}

// judgedBy is what a gate finds of a version, by the names of its checks. The verdict is recorded as that of mlx gate.
func (a *app) judgedBy(ctx context.Context, name string, v *registry.Version) (map[string]gate.Finding, error) {
	file, config, err := gateConfig(a, "")
	if err != nil {
		return nil, err
	}
	specs, err := a.specsOf(ctx, file, config, []string{name})
	if err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	job := gate.Job{Specs: specs, Subject: a.gateSubject(gateOptions{subject: v.Name()}, config), Version: mlxVersion(),
		Known: func(ctx context.Context, inputs object.Digest) (lineage.Record, bool, error) {
			return gate.Earlier(ctx, l, inputs)
		}}
	judgement, troubles := job.Judge(ctx)
	if len(troubles) > 0 {
		return nil, troubles[0]
	}
	rec, err := judgement.Keep(ctx, l)
	if err != nil {
		return nil, err
	}
	view, err := gate.ViewOf(rec)
	if err != nil {
		return nil, err
	}
	found := map[string]gate.Finding{}
	for _, g := range view.Report.Gates {
		for _, f := range g.Checks {
			check := f.Name
			for _, column := range sortedKeys(f.Slice) {
				check += fmt.Sprintf(" %s=%s", column, f.Slice[column])
			}
			found[check] = f
		}
	}
	return found, nil
}

// convertedView is converted/v1.
type convertedView struct {
	row
	Model       fault.Ref    `json:"model"`
	From        fault.Ref    `json:"from"`
	Run         fault.Ref    `json:"run"`
	BytesBefore int64        `json:"bytes_before"`
	BytesAfter  int64        `json:"bytes_after"`
	Measured    []measured   `json:"measured"`
	Unmeasured  []unmeasured `json:"unmeasured"`
}

func viewOfConverted(rec lineage.Record, b convertedBody) convertedView {
	e := event{rec: rec, id: rec.ID}
	v := convertedView{Model: refOf(refModel, "", b.Model+"@v"+numberWord(b.Version)), From: refOfParent(b.From), Run: refOf(refRun, b.Run.Hex(), ""),
		BytesBefore: b.BytesBefore, BytesAfter: b.BytesAfter, Measured: append([]measured{}, b.Measured...), Unmeasured: append([]unmeasured{}, b.Unmeasured...)}
	for _, in := range rec.In {
		if in.Role == "version" {
			v.Model.ID = in.ID.Hex()
		}
	}
	e.text = cli.Sentence(append([]cli.Cell{cli.Fmt("converted %s", cli.Str(v.Model.Name))}, v.cells()...)...)
	v.row = e.row("converted/v1")
	return v
}

// cells tell a conversion in one line: from what, and the change in size and in the first measures.
func (v convertedView) cells() []cli.Cell {
	cells := []cli.Cell{cli.Fmt("from %s", cli.Str(v.From.Name)), cli.Fmt("size %s", moveCell(float64(v.BytesBefore), float64(v.BytesAfter)))}
	for _, m := range v.Measured {
		if m.Before != nil && m.After != nil && len(cells) < 5 {
			cells = append(cells, cli.Fmt("%s %s", cli.Str(m.Check), moveCell(*m.Before, *m.After)))
		}
	}
	return cells
}

// moveCell is a change in percent where there is one.
func moveCell(before, after float64) cli.Cell {
	if before == after {
		return cli.Str("unchanged")
	}
	if share := (after - before) / math.Abs(before); before != 0 && !math.IsInf(share, 0) && !math.IsNaN(share) {
		return cli.Str(percentWord(100*share) + " %")
	}
	return cli.Fmt("%s -> %s", cli.Float(before), cli.Float(after))
}

// converted tells a conversion.
func (t *teller) converted(e *event) error {
	b, err := modelConverted.Decode(e.rec)
	if err != nil {
		return err
	}
	v := viewOfConverted(e.rec, b)
	e.what = append([]cli.Cell{cli.Fmt("converted %s", cli.Str(v.Model.Name))}, v.cells()...)
	e.text = cli.Sentence(e.what...)
	v.row = e.row("converted/v1")
	e.value = v
	return nil
}

// conversionOf is how a version was converted from another; nil: it was not.
func (a *app) conversionOf(ctx context.Context, v *registry.Version) (*convertedView, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	var newest *convertedView
	var at lineage.Record
	for rec, err := range l.Referring(ctx, v.Record) {
		if err != nil {
			return nil, err
		}
		if !modelConverted.Is(rec) || newest != nil && rec.LC < at.LC {
			continue
		}
		b, err := modelConverted.Decode(rec)
		if err != nil {
			return nil, err
		}
		if b.From.Record != v.Record && b.Digest == v.Digest {
			view := viewOfConverted(rec, b)
			newest, at = &view, rec
		}
	}
	return newest, nil
}

func (a *app) emitConverted(rec lineage.Record, b convertedBody) error {
	v := viewOfConverted(rec, b)
	return a.streams.EmitVerdict(v, false, func(t *cli.Text) {
		t.Line(cli.Fmt("converted %s", cli.Str(v.Model.Name)), cli.ID(b.Digest), cli.Fmt("from %s", cli.Str(v.From.Name)), cli.Fmt("run %s", cli.ID(b.Run)))
		t.Indented(2, cli.Str("size"), cli.Fmt("%s -> %s", cli.Bytes(v.BytesBefore), cli.Bytes(v.BytesAfter)), moveCell(float64(v.BytesBefore), float64(v.BytesAfter)))
		for _, m := range v.Measured {
			change := cli.Fmt("%s -> %s", measuredCell(m.Before, m.Unit), measuredCell(m.After, m.Unit))
			if m.Unit != "" && m.Unit != unitBytes {
				change = cli.Fmt("%s %s", change, cli.Str(m.Unit))
			}
			cells := []cli.Cell{cli.Str(m.Check), change}
			if m.Before != nil && m.After != nil {
				cells = append(cells, moveCell(*m.Before, *m.After))
			}
			t.Indented(2, append(cells, cli.Fmt("gate %s", cli.Str(m.Gate)))...)
		}
		for _, u := range v.Unmeasured {
			t.Indented(2, cli.Word(cli.RoleWarn, "not measured"), cli.Fmt("gate %s", cli.Str(u.Gate)), cli.Str(u.Why))
		}
		if len(v.Measured)+len(v.Unmeasured) == 0 {
			t.Indented(2, cli.Word(cli.RoleWarn, "not measured"), cli.Str("latency and quality: no gate says how the model is asked, and --gate names none"))
		}
	})
}

// unitBytes is the unit of gates that is shown as the size that it is.
const unitBytes = "bytes"

// measuredCell is a number of a gate, which may be unknown.
func measuredCell(n *float64, unit string) cli.Cell {
	switch {
	case n == nil:
		return cli.Str("unknown")
	case unit == unitBytes:
		return cli.Bytes(int64(*n))
	}
	return cli.Float(*n)
}
