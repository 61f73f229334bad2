package run

import (
	"context"
	"errors"
	"iter"
	"os"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Foreign is a run that happened outside mlx, as whoever reads the history of another tool tells it. Body is that of its end:
// Imported says where it comes from, and what the fields below bring is filled in here.
type Foreign struct {
	Body      Body
	Points    iter.Seq2[ForeignPoint, error] // nil: none
	Artifacts string                         // folder of all files that it logged; empty: none are here
	Outs      []Out
	Models    []ForeignModel
	Output    string // file of what it printed; empty: none is here
}

// ForeignPoint is one value of a metric.
type ForeignPoint struct {
	Name  string
	Step  int64
	MS    int64 // milliseconds since 1970, 0 where it is not known
	Value float64
}

// ForeignModel is a model that a run logged, and the folder that its files are in; an empty one: they are not here.
type ForeignModel struct {
	LoggedModel
	Dir string
}

// Brought counts what an Importer brought.
type Brought struct {
	Runs   int   // that were not known
	Points int64 // values of metrics
	Files  int64 // of artifacts, outputs and models
	Bytes  int64
}

// Limits of a group of records that are written at once.
const (
	importGroup      = 200
	importGroupBytes = 8 << 20
)

// Importer writes down runs that happened elsewhere, many at a time. Close makes the last of them durable.
type Importer struct {
	Brought Brought                       // so far; what waits is not in it
	Left    func(there string, why error) // told what of a run could not be brought; nil: nobody is

	runner  Runner
	from    string
	known   map[string]knownRun // by the id there
	waiting []waiting
	bytes   int
	points  *pointWriter
	added   map[string]bool // the ids of waiting
}

type knownRun struct {
	id    object.Digest
	ended bool
}

// waiting is a run that is about to be recorded.
type waiting struct {
	body     Body
	bytes    int
	pieces   []bundle // that are saved together with those of others
	releases []func() error
}

// Importer begins to import runs of one tool. What was imported of it before is known, also where that was cut off.
func (r Runner) Importer(ctx context.Context, from string) (*Importer, error) {
	if err := os.MkdirAll(r.Tmp, 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot import: %w", err)
	}
	i := &Importer{runner: r, from: from, known: make(map[string]knownRun), points: &pointWriter{tmp: r.Tmp}, added: make(map[string]bool)}
	rows, err := r.Ledger.Values(ctx, lineage.Query{Nouns: []string{"run"}, Where: `imported.from == "` + from + `"`}, "imported.id", "run")
	if err != nil {
		return nil, err
	}
	for row, err := range rows.Rows {
		if err != nil {
			return nil, err
		}
		there, _ := row.Values[0].(string)
		known := knownRun{id: row.ID}
		if word, ok := row.Values[1].(string); ok {
			if known.id, err = object.ParseDigest(word); err != nil {
				return nil, err
			}
			known.ended = true
		}
		if old := i.known[there]; !old.ended {
			i.known[there] = known
		}
	}
	return i, nil
}

// ID is the run that an id there became; false while it is not imported. Flush makes runs known that were added.
func (i *Importer) ID(there string) (object.Digest, bool) {
	k, ok := i.known[there]
	return k.id, ok
}

// Done reports whether a run was imported before, whole.
func (i *Importer) Done(there string) bool { return i.known[there].ended }

// Add imports one run. Its parent, if it has one, must be known already. false: it was known, and nothing was read.
func (i *Importer) Add(ctx context.Context, f Foreign) (bool, error) {
	if f.Body.Imported == nil || f.Body.Imported.ID == "" || f.Body.Imported.From != i.from {
		return false, fault.New(fault.Internal, "cannot import a run that does not say where it comes from")
	}
	there := f.Body.Imported.ID
	if i.Done(there) || i.added[there] {
		return false, nil
	}
	w := waiting{body: f.Body}
	err := i.fill(ctx, f, &w)
	if err == nil {
		w.bytes, err = i.fits(ctx, &w)
	}
	if err != nil {
		return false, errors.Join(fault.New(fault.KindOf(err), "cannot import run %.80s: %w", there, err), release(w.releases))
	}
	i.waiting = append(i.waiting, w)
	i.added[there] = true
	i.bytes += w.bytes
	if len(i.waiting) < importGroup && i.bytes < importGroupBytes {
		return true, nil
	}
	return true, i.Flush(ctx)
}

func (i *Importer) left(w *waiting, why error) {
	if i.Left != nil {
		i.Left(w.body.Imported.ID, why)
	}
}

// fits makes the body one that a record holds and returns how long it is about.
func (i *Importer) fits(ctx context.Context, w *waiting) (int, error) {
	b := &w.body
	b.Attempt = max(1, b.Attempt)
	if b.Command == nil {
		b.Command = []string{}
	}
	b.StartedAt = b.StartedAt.UTC().Truncate(time.Microsecond)
	if b.EndedAt != nil {
		ended := b.EndedAt.UTC().Truncate(time.Microsecond)
		if b.EndedAt = &ended; !b.StartedAt.IsZero() {
			b.DurationS = max(0, ended.Sub(b.StartedAt).Seconds())
		}
	}
	b.Cause, b.Machine.Host = text(b.Cause), text(b.Machine.Host)
	fitTracking(b.Tracking)
	if err := b.fit(); err == nil {
		if encoded, err := object.Encode(b); err == nil && len(encoded) < maxEnded {
			return len(encoded), nil
		}
	}
	return i.shorten(ctx, w)
}

// Flush writes what was added: first that each run started, then how it ended. Whoever is cut off in between leaves runs without
// an end, which the next import of the same history completes.
func (i *Importer) Flush(ctx context.Context) (err error) {
	all := i.waiting
	if len(all) == 0 {
		return nil
	}
	i.waiting, i.bytes = nil, 0
	clear(i.added)
	defer func() {
		for _, w := range all {
			err = errors.Join(err, release(w.releases))
		}
	}()
	free, err := i.saveAll(ctx, all)
	defer func() { err = errors.Join(err, release(free)) }()
	if err != nil {
		return err
	}
	if err := i.start(ctx, all); err != nil {
		return err
	}
	ended := make([]lineage.Draft, len(all))
	for at := range all {
		b := &all[at].body
		id := i.known[b.Imported.ID].id
		b.Run = &id
		ended[at] = Ended.Draft(lineage.Entry[Body]{Body: *b, Prev: []object.Digest{id}, In: inputs(*b), Op: i.op(b) + ":end"})
	}
	if _, err := i.runner.Ledger.AppendAll(ctx, ended...); err != nil {
		return fault.New(fault.KindOf(err), "cannot record runs: %w", err)
	}
	for _, w := range all {
		i.known[w.body.Imported.ID] = knownRun{*w.body.Run, true}
	}
	i.Brought.Runs += len(all)
	return nil
}

// start records the beginning of those of which none is recorded.
func (i *Importer) start(ctx context.Context, all []waiting) error {
	var drafts []lineage.Draft
	var ids []string
	for _, w := range all {
		if _, known := i.known[w.body.Imported.ID]; known {
			continue
		}
		begun := beginning(w.body)
		drafts = append(drafts, Started.Draft(lineage.Entry[Body]{Body: begun, In: inputs(begun), Op: i.op(&begun)}))
		ids = append(ids, w.body.Imported.ID)
	}
	recs, err := i.runner.Ledger.AppendAll(ctx, drafts...)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot record runs: %w", err)
	}
	for at, rec := range recs {
		i.known[ids[at]] = knownRun{id: rec.ID}
	}
	return nil
}

func (i *Importer) op(b *Body) string {
	return "import:" + i.from + ":" + object.Sum([]byte(b.Imported.ID)).Hex()[:32]
}

// beginning is what the first record of a run says: nothing of what came out.
func beginning(b Body) Body {
	b.State, b.EndedAt, b.DurationS, b.ExitStatus, b.Signal, b.Cause = Running, nil, 0, nil, "", ""
	b.CPUSeconds, b.PeakMemoryBytes = 0, 0
	b.Metrics, b.Outputs, b.Log, b.Series, b.Tracking, b.Models = nil, nil, nil, nil, nil, nil
	return b
}

func release(all []func() error) error {
	var errs []error
	for _, free := range all {
		errs = append(errs, free())
	}
	return errors.Join(errs...)
}

// Close writes what is left and removes temporary files.
func (i *Importer) Close(ctx context.Context) error {
	return errors.Join(i.Flush(ctx), i.points.close())
}
