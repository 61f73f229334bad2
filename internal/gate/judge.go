package gate

import (
	"context"
	"slices"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Job is what to judge, and how to find the subject of a gate.
type Job struct {
	Specs   []Spec
	Subject func(ctx context.Context, s Spec) (Subject, error)
	Version string // of mlx
	Code    string // commit of the project
	// Known finds the newest report with these inputs; nil judges whatever is known.
	Known func(ctx context.Context, inputs object.Digest) (lineage.Record, bool, error)
}

// Answer is a report, and the record that keeps it already if its inputs had been judged before.
type Answer struct {
	Report Report
	Record *lineage.Record
}

// turn is one gate on its way.
type turn struct {
	spec    Spec
	session *session
	checks  []Check
	subject Subject
	reads   []Ref
}

// Judge judges every gate, whatever becomes of the others. With any error there is no report: a verdict over half of
// the gates would be read as one over all.
func (j Job) Judge(ctx context.Context) (Answer, []error) {
	var troubles []error
	turns := make([]turn, 0, len(j.Specs))
	for _, spec := range j.Specs {
		t, err := j.turn(ctx, spec)
		if err != nil {
			troubles = append(troubles, err)
			continue
		}
		turns = append(turns, t)
	}
	if len(troubles) > 0 { // the others are judged all the same: whoever mends this gate wants to know of theirs
		return Answer{}, append(troubles, new(Report).judge(ctx, turns)...)
	}
	config, err := ConfigOf(j.Specs)
	if err != nil {
		return Answer{}, []error{err}
	}
	inputs, err := j.inputs(config, turns)
	if err != nil {
		return Answer{}, []error{err}
	}
	if rec, ok, err := j.known(ctx, inputs); err != nil {
		return Answer{}, []error{err}
	} else if ok {
		report, err := Judged.Decode(rec)
		if err != nil {
			return Answer{}, []error{err}
		}
		return Answer{Report: report, Record: &rec}, nil
	}
	r := Report{MlxVersion: j.Version, Code: j.Code, Config: config, Inputs: inputs}
	if troubles := r.judge(ctx, turns); len(troubles) > 0 {
		return Answer{}, troubles
	}
	return Answer{Report: r}, nil
}

// turn compiles a gate, finds its subject and names the bytes that it reads.
func (j Job) turn(ctx context.Context, spec Spec) (turn, error) {
	shared := &session{spec: spec}
	checks, err := shared.compile()
	if err != nil {
		return turn{}, err
	}
	subject, err := j.Subject(ctx, spec)
	if err != nil {
		return turn{}, err
	}
	t := turn{spec: spec, session: shared, checks: checks, subject: subject}
	for _, where := range spec.Reads() {
		ref, err := subject.World.Identify(ctx, where)
		if err != nil {
			return turn{}, fault.New(fault.KindOf(err), "cannot judge %s: %w", spec.Name, err)
		}
		t.reads = append(t.reads, ref)
	}
	return t, nil
}

func (j Job) known(ctx context.Context, inputs object.Digest) (lineage.Record, bool, error) {
	if j.Known == nil || inputs.IsZero() {
		return lineage.Record{}, false, nil
	}
	return j.Known(ctx, inputs)
}

// inputs digests everything that goes into the verdict. It is zero when a gate asks commands, servers or the clock.
func (j Job) inputs(config object.Digest, turns []turn) (object.Digest, error) {
	type subject struct {
		For     Ref               `json:"for"`
		Data    []Ref             `json:"data"`
		Metrics map[string]string `json:"metrics"`
		Unknown []object.Digest   `json:"unknown"`
		Reads   []Ref             `json:"reads"`
		Against *Ref              `json:"against"`
		Day     string            `json:"day"`               // while a waiver may end
		Meaning *Meaning          `json:"meaning,omitempty"` // of the columns of a table that is judged itself
	}
	var all []subject
	for _, t := range turns {
		if t.spec.volatile() {
			return object.Digest{}, nil
		}
		s := subject{For: t.subject.For, Data: t.subject.Data, Metrics: map[string]string{}, Reads: t.reads}
		for name, v := range t.subject.Metrics {
			s.Metrics[name] = strconv.FormatFloat(v, 'g', -1, 64)
		}
		for _, rec := range t.subject.Unknown {
			s.Unknown = append(s.Unknown, rec.ID)
		}
		if t.subject.Against != nil {
			s.Against = &t.subject.Against.For
		}
		if slices.ContainsFunc(t.spec.Rules, func(r Rule) bool { return r.Waiver != nil }) {
			s.Day = t.subject.World.Now.UTC().Format(time.DateOnly)
		}
		if meaning := t.subject.World.Meaning; meaning != nil && t.subject.Table != "" {
			if m, ok := meaning(t.subject.Table); ok {
				s.Meaning = &m
			}
		}
		all = append(all, s)
	}
	canonical, err := object.Encode(struct {
		Version  string        `json:"version"`
		Config   object.Digest `json:"config"`
		Subjects []subject     `json:"subjects"`
	}{j.Version, config, all})
	if err != nil {
		return object.Digest{}, fault.New(fault.Usage, "cannot judge: %w", err)
	}
	return object.Sum(canonical), nil
}

// judge fills the report. The troubles of all gates are returned together.
func (r *Report) judge(ctx context.Context, turns []turn) (troubles []error) {
	for _, t := range turns {
		result, errs := t.judge(ctx)
		troubles = append(troubles, errs...)
		r.Gates = append(r.Gates, result)
		for _, d := range slices.Concat(t.subject.Data, t.reads) {
			if !slices.Contains(r.Data, d) {
				r.Data = append(r.Data, d)
			}
		}
		if r.Against == nil {
			r.Against = result.Against
		}
	}
	if len(troubles) > 0 || len(r.Gates) == 0 {
		return troubles
	}
	verdicts := make([]Verdict, len(r.Gates))
	for i, g := range r.Gates {
		verdicts[i] = g.Verdict
	}
	r.Verdict, r.For, r.Counts = worst(verdicts), r.Gates[0].For, count(r.Gates)
	return troubles
}

func (t turn) judge(ctx context.Context) (Result, []error) {
	result := Result{Name: t.spec.Name, For: t.subject.For}
	if t.subject.Against != nil {
		result.Against, result.As = &t.subject.Against.For, t.subject.Against.As
	}
	for _, rec := range t.subject.Unknown {
		result.Checks = append(result.Checks, unknown(t.spec, rec))
	}
	if len(result.Checks) > 0 {
		result.Verdict = Inconclusive // also where a check would fail: the record may say that it does not count
		return result, nil
	}
	defer t.session.close()
	var troubles []error
	for _, c := range t.checks {
		findings, err := c.Check(ctx, t.subject)
		if err != nil {
			if !slices.ContainsFunc(troubles, func(e error) bool { return e.Error() == err.Error() }) {
				troubles = append(troubles, err)
			}
			continue
		}
		for _, f := range findings {
			f.Waiver = f.inForce(t.subject.World.Now)
			result.Checks = append(result.Checks, f)
		}
	}
	result.Verdict = fold(result.Checks)
	return result, troubles
}

// inForce is the waiver of a finding on the day of the judgement, when the finding needs one.
func (f Finding) inForce(now time.Time) *Waiver {
	if f.Waiver == nil || f.Verdict == Pass || now.UTC().Format(time.DateOnly) > f.Waiver.Until {
		return nil
	}
	return f.Waiver
}

// unknown is the finding for a record about the subject that a newer mlx wrote, and that says of itself that nobody may
// judge without it.
func unknown(spec Spec, rec lineage.Record) Finding {
	return Finding{Name: rec.Kind, Subject: "record", Verdict: Inconclusive, Severity: SeverityFail, Shown: "record " + rec.ID.Short(),
		Needs: "a version of mlx that knows this kind", At: spec.At}
}

// Keep returns the record of the answer: the one that keeps it already, else a new one.
func (a Answer) Keep(ctx context.Context, l *lineage.Ledger) (lineage.Record, error) {
	if a.Record != nil {
		return *a.Record, nil
	}
	return a.Report.record(ctx, l)
}

// record appends the report. The judged things and their data are inputs of the record, so that lineage finds it.
func (r Report) record(ctx context.Context, l *lineage.Ledger) (lineage.Record, error) {
	entry := lineage.Entry[Report]{Body: r.fitted()}
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

// Earlier finds the newest record of a judgement with these inputs: nothing else goes into a verdict, so that it still counts.
func Earlier(ctx context.Context, l *lineage.Ledger, inputs object.Digest) (lineage.Record, bool, error) {
	where := "inputs == " + strconv.Quote(inputs.String())
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"gate"}, Where: where}) {
		if err != nil {
			return lineage.Record{}, false, err
		}
		if Judged.Is(rec) {
			return rec, true, nil
		}
	}
	return lineage.Record{}, false, nil
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
	Tool       string        `json:"-"` // what judged, as reports of CI name it; gate when empty
}
