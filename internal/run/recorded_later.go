package run

import (
	"context"
	"maps"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Addition is what was added to a run after it had ended.
type Addition struct {
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Metrics []string  `json:"metrics,omitempty"` // names, sorted
	Outputs []string  `json:"outputs,omitempty"` // paths
}

// RecordLater adds metrics and outputs to a run that ended, in a further record that repeats the last one. What a run has
// is never replaced: verdicts may rest on it. changed is false where all of it was there already.
func (r Runner) RecordLater(ctx context.Context, id object.Digest, by string, rec Recording, outs []Out) (v View, changed bool, err error) {
	heads, err := r.heads(ctx, id)
	if err != nil {
		return View{}, false, err
	}
	body, err := merged(heads)
	if err != nil {
		return View{}, false, err
	}
	added := Addition{By: text(by), At: r.Now().UTC().Truncate(time.Microsecond)}
	if err := body.addMetrics(rec.Metrics, &added); err != nil {
		return View{}, false, err
	}
	release, err := r.addOutputs(ctx, &body, outs, &added)
	defer func() { release() }()
	if err != nil {
		return View{}, false, err
	}
	if len(added.Metrics)+len(added.Outputs) == 0 {
		return viewOf(id, heads[0], body), false, nil
	}
	body.Added = append(body.Added, added)
	written, err := r.follow(ctx, body, heads)
	if err != nil {
		return View{}, false, err
	}
	for range 3 { // whoever adds at the same moment follows the same record: the two become one again
		if heads, err = r.heads(ctx, id); err != nil || len(heads) < 2 {
			break
		}
		if body, err = merged(heads); err == nil {
			written, err = r.follow(ctx, body, heads)
		}
	}
	return viewOf(id, written, body), true, err
}

func (r Runner) follow(ctx context.Context, body Body, heads []lineage.Record) (lineage.Record, error) {
	prev := make([]object.Digest, 0, len(heads))
	for _, h := range heads {
		prev = append(prev, h.ID)
	}
	return Ended.Append(ctx, r.Ledger, lineage.Entry[Body]{Body: body, Prev: prev, In: inputs(body)})
}

// heads returns the records of the end of a run that no other of them follows, newest first.
func (r Runner) heads(ctx context.Context, id object.Digest) ([]lineage.Record, error) {
	var all []lineage.Record
	followed := make(map[object.Digest]bool)
	for rec, err := range r.Ledger.Referring(ctx, id) {
		if err != nil {
			return nil, err
		}
		if of, ok := IDOf(rec); ok && of == id && Ended.Is(rec) {
			all = append(all, rec)
			for _, p := range rec.Prev {
				followed[p] = true
			}
		}
	}
	all = slices.DeleteFunc(all, func(rec lineage.Record) bool { return followed[rec.ID] })
	if len(all) == 0 {
		return nil, fault.New(fault.Conflict, "cannot record: the end of run %s is not recorded", id.Short())
	}
	return all[:min(len(all), maxHeads)], nil
}

// maxHeads is how many records one may follow.
const maxHeads = 8

// merged is what several ends of one run say together: each began as a copy of the same and only added to it.
func merged(heads []lineage.Record) (Body, error) {
	body, err := Ended.Decode(heads[0])
	if err != nil {
		return Body{}, err
	}
	for _, h := range heads[1:] {
		other, err := Ended.Decode(h)
		if err != nil {
			return Body{}, err
		}
		for name, n := range other.Metrics {
			if _, known := body.Metrics[name]; !known {
				body.setMetric(name, n)
			}
		}
		for _, o := range other.Outputs {
			if !slices.ContainsFunc(body.Outputs, func(k Output) bool { return k.Path == o.Path }) {
				body.Outputs = append(body.Outputs, o)
			}
		}
		for _, a := range other.Added {
			if !slices.ContainsFunc(body.Added, func(k Addition) bool { return k.At.Equal(a.At) && k.By == a.By }) {
				body.Added = append(body.Added, a)
			}
		}
	}
	slices.SortStableFunc(body.Added, func(a, b Addition) int { return a.At.Compare(b.At) })
	return body, nil
}

func (b *Body) setMetric(name string, stored any) {
	if b.Metrics == nil {
		b.Metrics = map[string]any{}
	}
	b.Metrics[name] = stored
}

func (b *Body) addMetrics(metrics map[string]Number, added *Addition) error {
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		n := metrics[name].stored()
		if old, known := b.Metrics[name]; known && old != n {
			return fault.New(fault.Conflict, "cannot record %s=%v: the run that ended has %v", name, n, old).
				Hint("mlx record --run %s %s.later=%v   # under a name of its own", b.Run.Short(), name, n)
		} else if known {
			continue
		}
		b.setMetric(name, n)
		added.Metrics = append(added.Metrics, name)
	}
	if len(b.Metrics) > maxMetrics {
		return fault.New(fault.Usage, "cannot record more than %d metrics", maxMetrics)
	}
	return nil
}

// addOutputs saves outputs now. release lets gc have them again, once they are recorded or given up.
func (r Runner) addOutputs(ctx context.Context, body *Body, outs []Out, added *Addition) (release func(), err error) {
	var releases []func() error
	release = func() {
		for _, free := range releases {
			_ = free() // it is recorded, or it is not needed: what stays behind is removed by gc
		}
	}
	for _, out := range outs {
		saved, free, err := r.save(ctx, out)
		if err != nil {
			return release, err
		}
		releases = append(releases, free)
		at := slices.IndexFunc(body.Outputs, func(o Output) bool { return o.Path == saved.Path })
		switch {
		case at < 0:
			body.Outputs = append(body.Outputs, saved)
			added.Outputs = append(added.Outputs, saved.Path)
		case body.Outputs[at].Root != saved.Root:
			return release, fault.New(fault.Conflict, "cannot record %s: the run that ended has another version of it", out.Path).
				Hint("mlx diff %s:%s %s", body.Run.Short(), out.Path, out.Path)
		}
	}
	if len(body.Outputs) > maxRecordedOuts+len(body.Outs) {
		return release, fault.New(fault.Usage, "cannot record more than %d outputs in a run", maxRecordedOuts).
			Hint("mlx record -o FOLDER   # keeps all that is in it")
	}
	return release, nil
}
