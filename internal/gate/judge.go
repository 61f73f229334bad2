package gate

import (
	"context"
	"slices"
	"strconv"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Job is what to judge, and how to find the subject of a gate.
type Job struct {
	Specs   []Spec
	Subject func(ctx context.Context, s Spec) (Subject, error)
	Version string // of mlx
}

// Judge judges every gate, whatever becomes of the others. With any error there is no report: a verdict over half of
// the gates would be read as one over all.
func (j Job) Judge(ctx context.Context) (Report, []error) {
	r := Report{MlxVersion: j.Version}
	var troubles []error
	for _, spec := range j.Specs {
		result, data, errs := j.one(ctx, spec)
		troubles = append(troubles, errs...)
		r.Gates = append(r.Gates, result)
		for _, d := range data {
			if !slices.Contains(r.Data, d) {
				r.Data = append(r.Data, d)
			}
		}
	}
	config, err := digest(j.Specs)
	if err != nil {
		troubles = append(troubles, err)
	}
	if len(troubles) > 0 || len(r.Gates) == 0 {
		return Report{}, troubles
	}
	verdicts := make([]Verdict, len(r.Gates))
	for i, g := range r.Gates {
		verdicts[i] = g.Verdict
	}
	r.Verdict, r.For, r.Config, r.Counts = worst(verdicts), r.Gates[0].For, config, count(r.Gates)
	return r, nil
}

func (j Job) one(ctx context.Context, spec Spec) (Result, []Ref, []error) {
	checks, err := spec.compile()
	if err != nil {
		return Result{}, nil, []error{err}
	}
	subject, err := j.Subject(ctx, spec)
	if err != nil {
		return Result{}, nil, []error{err}
	}
	if len(subject.Metrics) == 0 {
		return Result{}, nil, []error{spec.noMetrics(subject)}
	}
	result := Result{Name: spec.Name, For: subject.For}
	for _, rec := range subject.Unknown {
		result.Checks = append(result.Checks, unknown(spec, rec))
	}
	if len(result.Checks) > 0 {
		result.Verdict = Inconclusive // also where a check would fail: the record may say that it does not count
		return result, subject.Data, nil
	}
	var troubles []error
	for _, c := range checks {
		finding, err := c.Check(ctx, subject)
		if err != nil {
			troubles = append(troubles, err)
			continue
		}
		result.Checks = append(result.Checks, finding)
	}
	result.Verdict = fold(result.Checks)
	return result, subject.Data, troubles
}

// unknown is the finding for a record about the subject that a newer mlx wrote, and that says of itself that nobody may
// judge without it.
func unknown(spec Spec, rec lineage.Record) Finding {
	return Finding{Name: rec.Kind, Subject: "record", Verdict: Inconclusive, Severity: SeverityFail, Shown: "record " + rec.ID.Short(),
		Needs: "a version of mlx that knows this kind", At: spec.At}
}

// Keep returns the record of the report: an earlier one of the same inputs unless fresh, else a new one.
func (r Report) Keep(ctx context.Context, l *lineage.Ledger, fresh bool) (rec lineage.Record, reused bool, err error) {
	if !fresh {
		if rec, reused, err = r.earlier(ctx, l); err != nil || reused {
			return rec, reused, err
		}
	}
	rec, err = r.record(ctx, l)
	return rec, false, err
}

// record appends the report. The judged things and their data are inputs of the record, so that lineage finds it.
func (r Report) record(ctx context.Context, l *lineage.Ledger) (lineage.Record, error) {
	entry := lineage.Entry[Report]{Body: r}
	seen := make(map[object.Digest]bool)
	add := func(role string, id object.Digest) {
		if !seen[id] {
			seen[id] = true
			entry.In = append(entry.In, lineage.Input{Role: role, ID: id})
		}
	}
	for _, g := range r.Gates {
		add("for", g.For.ID)
	}
	for _, d := range r.Data {
		add("data", d.ID)
	}
	return Judged.Append(ctx, l, entry)
}

// earlier finds the newest record of a judgement of the same things by the same gates and the same version of mlx.
// Nothing else goes into a verdict, so that it still counts.
func (r Report) earlier(ctx context.Context, l *lineage.Ledger) (lineage.Record, bool, error) {
	where := "config == " + strconv.Quote(r.Config.String()) + " and for.id == " + strconv.Quote(r.For.ID.String())
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"gate"}, Where: where}) {
		if err != nil {
			return lineage.Record{}, false, err
		}
		if !Judged.Is(rec) {
			continue
		}
		old, err := Judged.Decode(rec)
		if err != nil {
			return lineage.Record{}, false, err
		}
		if old.sameInputs(r) {
			return rec, true, nil
		}
	}
	return lineage.Record{}, false, nil
}

func (r Report) sameInputs(o Report) bool {
	return r.MlxVersion == o.MlxVersion && r.Config == o.Config && r.Verdict == o.Verdict && slices.Equal(r.Data, o.Data) &&
		slices.EqualFunc(r.Gates, o.Gates, func(a, b Result) bool { return a.Name == b.Name && a.For == b.For })
}

// View is gate/v1: a report and its record, with digests as 64 hex digits. A field is never left out.
type View struct {
	Kind       string        `json:"kind"` // "gate/v1"
	ID         string        `json:"id"`
	Verdict    Verdict       `json:"verdict"`
	Gates      []ViewGate    `json:"gates"`
	For        ViewRef       `json:"for"`
	Against    *ViewRef      `json:"against"`
	Data       []ViewRef     `json:"data"`
	Config     string        `json:"config"`
	Reused     bool          `json:"reused"`
	Mapped     *Verdict      `json:"mapped"` // what --inconclusive made of the exit status
	Counts     Counts        `json:"counts"`
	At         time.Time     `json:"at"`
	MlxVersion string        `json:"mlx_version"`
	Report     Report        `json:"-"`
	Record     object.Digest `json:"-"`
}
