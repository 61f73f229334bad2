package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// loadCheck measures a served model under load.
type loadCheck struct {
	session *session
	rule    Rule
}

// loadQuantiles are the measures that are quantiles of the latency.
func loadQuantiles() map[string]float64 {
	return map[string]float64{"latency_p50": 0.5, "latency_p90": 0.9, "latency_p95": 0.95, "latency_p99": 0.99, "latency_p999": 0.999, "latency_max": 1}
}

// loadUnits are the units that the limits of the measures may have, beside plain numbers for those marked so.
func loadUnits() map[string]string {
	units := map[string]string{"latency_mean": "s", "throughput": "", "errors": "share", "cpu": "s", "memory": "bytes", "gpu": "share", "gpu_memory": "bytes"}
	for name := range loadQuantiles() {
		units[name] = "s"
	}
	return units
}

// loadMeasures are all measures of a served model.
func loadMeasures() []string {
	return []string{"latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_p999", "latency_max", "latency_mean", "throughput", "errors",
		"cpu", "memory", "gpu", "gpu_memory"}
}

// Bounds of a load.
const (
	loadTime     = 10 * time.Second
	loadTimeout  = 30 * time.Second
	loadBatches  = 16
	loadMost     = 4_000_000 // requests of one load
	loadLongest  = time.Hour
	loadGoodRate = 0.99 // of the rate must have been sent, else the generator was too weak to say anything
	loadClients  = 8    // that ask as fast as it goes, without a rate
)

func (s *session) load(r Rule) (Check, error) {
	if err := s.only(r, "min", "max", "load", "table", "rows", "min_samples"); err != nil {
		return nil, err
	}
	if r.Min == nil && r.Max == nil {
		return nil, s.wrong(r, "%s has no limit", r.quoted())
	}
	unit := loadUnits()[r.Name]
	for _, b := range []*Bound{r.Min, r.Max} {
		if b != nil && b.Unit != unit && (b.Unit != "" || unit == "s" || unit == "bytes") {
			example := map[string]string{"s": "100ms", "bytes": "512MiB", "share": "1%", "": "1000"}[unit]
			return nil, s.wrong(r, "%s is bounded by what is written like %s, not %s", r.quoted(), example, b.Text)
		}
	}
	return loadCheck{s, r}, s.soundLoad(r)
}

// soundLoad refuses a load that cannot be sent.
func (s *session) soundLoad(r Rule) error {
	if err := s.soundModel(r); err != nil {
		return err
	}
	if s.spec.Model.Command != "" {
		return s.wrong(r, "%s needs a served model", r.quoted()).Hint("model: {serve: python serve.py, ready: /health}   # or url:")
	}
	l := s.loadOf(r)
	for _, b := range l.Batch {
		if b < 1 || b > askMost {
			return s.wrong(r, "a batch has 1 to %d rows, not %d", askMost, b)
		}
	}
	switch {
	case len(l.Batch) > loadBatches:
		return s.wrong(r, "at most %d batch sizes are measured", loadBatches)
	case l.Time <= 0 || l.Time > loadLongest:
		return s.wrong(r, "a load lasts at most %s", loadLongest)
	case l.Rate < 0 || l.Rate*l.Time.Seconds() > loadMost:
		return s.wrong(r, "a load has at most %d requests", loadMost)
	case l.Rate > 0 && l.Rate*l.Time.Seconds() < 1:
		return s.wrong(r, "in %s nothing is sent at this rate", l.Time)
	}
	return nil
}

// loadOf is the load of a rule, with the defaults.
func (s *session) loadOf(r Rule) Load {
	l := Load{}
	if r.Load != nil {
		l = *r.Load
	}
	if l.Time == 0 {
		l.Time = loadTime
	}
	if len(l.Batch) == 0 {
		l.Batch = []int{1}
	}
	return l
}

// Check puts the load on the server, once for each batch size; checks of the same load share what was measured.
func (c loadCheck) Check(ctx context.Context, about Subject) ([]Finding, error) {
	return c.session.eachLoad(ctx, about, c.rule, c.judged)
}

// eachLoad judges the load of a rule, once for each batch size.
func (s *session) eachLoad(ctx context.Context, about Subject, r Rule, judged func(*loadRun) Finding) ([]Finding, error) {
	l := s.loadOf(r)
	var all []Finding
	for _, batch := range l.Batch {
		run, err := s.loaded(ctx, about, r, batch)
		if err != nil {
			return nil, err
		}
		f := judged(run)
		if len(l.Batch) > 1 {
			f.Slice = map[string]string{"batch": strconv.Itoa(batch)}
		}
		all = append(all, f)
	}
	return all, nil
}

// loaded is the outcome of the load of a rule with one batch size.
func (s *session) loaded(ctx context.Context, about Subject, r Rule, batch int) (*loadRun, error) {
	l := s.loadOf(r)
	l.Batch = []int{batch}
	text, err := json.Marshal([]any{l, r.Table, r.Rows})
	if err != nil {
		return nil, s.wrong(r, "%v", err)
	}
	key := string(text)
	if run, ok := s.asking.loads[key]; ok {
		return run, nil
	}
	ask, err := s.model(ctx, about, r)
	if err != nil {
		return nil, err
	}
	drawn, err := s.draw(ctx, about, r, ask)
	if err != nil {
		return nil, err
	}
	target, ok := ask.(*httpAsker)
	if !ok || drawn.rows.rows == 0 {
		return nil, s.wrong(r, "%s has no rows to ask the model for", drawn.table)
	}
	g := generator{
		targets: []string{target.address}, kind: "application/json", decode: target.protocol.decode,
		rate: l.Rate, time: l.Time, timeout: cmp.Or(s.spec.Model.Timeout, loadTimeout), clients: loadClients,
	}
	if g.bodies, err = loadBodies(target, drawn.rows.project(drawn.features), batch); err != nil {
		return nil, s.wrong(r, "%v", err)
	}
	run, err := s.measureLoad(ctx, g, batch)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.spec.Name, err).In(r.At)
	}
	if s.asking.loads == nil {
		s.asking.loads = map[string]*loadRun{}
	}
	s.asking.loads[key] = run
	return run, nil
}

// measureLoad runs the generator, and reads what the server used meanwhile.
func (s *session) measureLoad(ctx context.Context, g generator, batch int) (*loadRun, error) {
	server := s.asking.served.server
	before := Usage{}
	if server != nil {
		before = server.Usage()
	}
	run, err := g.run(ctx)
	if err != nil {
		return nil, err
	}
	run.batch = batch
	if server == nil {
		return run, nil
	}
	after := server.Usage()
	run.usage = &after
	run.cpu = after.CPU - before.CPU
	if reply, over := server.Ended(); over {
		run.note = endedBadly("the server", reply)
	}
	return run, nil
}

// loadBodies are requests of batch rows each, at most as many as there are rows; what is short of a batch is filled from the start.
func loadBodies(target *httpAsker, rows *askFrame, batch int) ([][]byte, error) {
	const most = 256
	n := min(max(rows.rows/batch, 1), most)
	bodies := make([][]byte, n)
	for i := range bodies {
		pick := make([]int, batch)
		for j := range pick {
			pick[j] = (i*batch + j) % rows.rows
		}
		var err error
		if bodies[i], err = target.protocol.encode(rows.pick(pick)); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// judged is the finding of the rule about a load.
func (c loadCheck) judged(run *loadRun) Finding {
	r := c.rule
	value, shown, why := run.measure(r.Name)
	f := r.judged(value)
	f.Shown = shown
	sent := int64(run.sent)
	f.Rows = &sent
	note := joined(run.told(), run.note)
	switch weak := run.weak(); {
	case why != "":
		f.Verdict, f.Shown, f.Value = Inconclusive, "cannot tell: "+why, nil
	case weak != "":
		f.Verdict = Inconclusive
		note = joined("invalid: "+weak, note)
	case int64(run.answered()) < r.MinSamples:
		f.Verdict = Inconclusive
		note = joined(fmt.Sprintf("only %d answers", run.answered()), note)
	case f.Verdict == Fail && c.late(run):
		f.Verdict = Inconclusive
		note = joined("invalid: the load generator was late by "+spanText(run.lag(0.99))+" at the 99th percentile, which alone breaks the limit", note)
	}
	if strings.HasPrefix(r.Name, "latency") {
		f.Plot = run.plot()
	}
	f.Note = note
	return f
}

// late says whether a latency keeps the limit when it is counted from when the request was really sent: then it was the generator that
// was slow. While every client is waiting for the server, lateness is the server's.
func (c loadCheck) late(run *loadRun) bool {
	if run.saturated || !strings.HasPrefix(c.rule.Name, "latency") {
		return false
	}
	value, _, _ := run.fromSent().measure(c.rule.Name)
	return !math.IsNaN(value) && c.rule.within(value) == Pass
}
