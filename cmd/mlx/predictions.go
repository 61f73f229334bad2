package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/audit"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// refService is the kind of a Ref to the log of a service: its ID is of which rows of which segments are meant.
const refService = "service"

// predictionSpool is the folder in which the predictions of a service wait to be sealed.
func (a *app) predictionSpool(service string) (string, error) {
	r, err := a.repo()
	if err != nil {
		return "", err
	}
	return filepath.Join(r.Home, "predictions", url.PathEscape(service)), nil
}

// predictionOptions are how the predictions of a service are kept, as mlx.yaml says.
func (a *app) predictionOptions(name string, s repo.Service) (audit.Options, error) {
	dir, err := a.predictionSpool(name)
	if err != nil {
		return audit.Options{}, err
	}
	store, err := a.store()
	if err != nil {
		return audit.Options{}, err
	}
	ledger, err := a.ledger()
	if err != nil {
		return audit.Options{}, err
	}
	to, err := predictionSink(name, s)
	if err != nil {
		return audit.Options{}, err
	}
	flush := time.Duration(0) // as it is used to
	if s.Log.Strict {
		flush = strictFlush
	}
	return audit.Options{
		Service: name, Dir: dir, Sink: to, Strict: s.Log.Strict, Flush: flush, Now: a.now, Ledger: ledger, Policy: audit.Policy{Features: s.Log.Features, Mask: s.Log.Mask},
		Keep: func(ctx context.Context, path string) (object.Digest, func() error, error) {
			kept, err := store.Save(ctx, snapshot.SaveOptions{Path: path, Once: true})
			return kept.Root, kept.Release, err
		},
		Alarm: func(err error) {
			if err != nil {
				a.streams.Note("%v", err)
				return
			}
			a.streams.Note("predictions of %s are kept again", name)
		},
	}, nil
}

// strictFlush is how soon an answer of a service is on the disk that answers nothing that is not kept. Who kills its router kills so much.
const strictFlush = 100 * time.Millisecond

// predictionLog is the log of a service. Segments that are not here are fetched. What it opened is let go of by closes.
func (a *app) predictionLog(service string) (*audit.Log, closers, error) {
	dir, err := a.predictionSpool(service)
	if err != nil {
		return nil, nil, err
	}
	ledger, err := a.ledger()
	if err != nil {
		return nil, nil, err
	}
	gone, err := a.predictionsGone()
	if err != nil {
		return nil, nil, err
	}
	o, err := a.hereOrigin()
	if err != nil {
		return nil, nil, err
	}
	return &audit.Log{Service: service, Dir: dir, Ledger: ledger, Gone: gone, Open: func(ctx context.Context, e audit.Entry) (audit.File, int64, error) {
		return a.openSegment(ctx, o, e)
	}}, closers{o.close}, nil
}

// openSegment opens a segment that is in the store, or is brought there.
func (a *app) openSegment(ctx context.Context, o *origin, e audit.Entry) (f audit.File, size int64, err error) {
	p := piece{located: located{Path: "predictions of " + e.Service, Root: e.Kept}, from: o}
	err = a.reading(ctx, p, nil, func() error {
		here, err := o.store.HasFile(ctx, e.Kept, e.Name())
		if err != nil {
			return err
		}
		if !here {
			return fault.New(fault.NotFound, "cannot read segment %s: its bytes are not here", e.Name())
		}
		tree, err := o.store.FS(ctx, e.Kept)
		if err != nil {
			return err
		}
		opened, err := tree.Open(e.Name())
		if err != nil {
			return err
		}
		info, err := opened.Stat()
		if err != nil {
			return errors.Join(err, opened.Close())
		}
		random, ok := opened.(segmentFile)
		if !ok {
			return errors.Join(fault.New(fault.Internal, "cannot read segment %s anywhere", e.Name()), opened.Close())
		}
		f, size = random, info.Size()
		return nil
	})
	return f, size, err
}

// segmentFile is a file of a version.
type segmentFile interface {
	fs.File
	audit.File
}

// predictionsGone says of a segment that it is not to be read any more: it was erased, or the time for which its service keeps predictions is over.
func (a *app) predictionsGone() (func(audit.Entry) bool, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	erased, err := store.Erased()
	if err != nil {
		return nil, err
	}
	over, err := a.predictionsOver()
	return func(e audit.Entry) bool { return erased[e.Kept] || over(e.Sealed) }, err
}

// predictionsOver says of a segment that the time is over for which mlx.yaml keeps it. What mlx.yaml does not name is kept.
func (a *app) predictionsOver() (func(audit.Sealed) bool, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	now := a.now()
	return func(s audit.Sealed) bool {
		service, known := config.Service(s.Service)
		keep := service.Log.Keep.Duration
		return known && keep > 0 && s.To.Before(now.Add(-keep))
	}, nil
}

// predictionTable is the log of a service as the files of a table; nil where no prediction of the window is there. bare leaves only the time and
// the features.
func (a *app) predictionTable(ctx context.Context, service string, w audit.Window, bare bool) (*tableFiles, error) {
	log, closes, err := a.predictionLog(service)
	if err != nil {
		return nil, err
	}
	table, err := log.Table(ctx, w, bare)
	if err != nil {
		return nil, errors.Join(err, closes.Close())
	}
	closes = append(closes, table.Close)
	if len(table.Files) == 0 {
		return nil, closes.Close()
	}
	ref := gate.Ref{Kind: refService, ID: table.ID, Name: refService + ":" + service}
	return &tableFiles{files: table.Files, named: &ref, closes: closes}, nil
}

// driftService finds the rows of the log of a service that were asked for in a span; all without one. Its time is at: a window of another
// column is cut as one of a table is.
func (t *driftTurn) driftService(ctx context.Context, where string, span *drift.Span, bare bool) (driftData, error) {
	d := driftData{name: where, table: where}
	var w audit.Window
	ofLog := t.monitor.Time == "" || t.monitor.Time == predictionTime
	if span != nil && ofLog {
		w = audit.Window{From: span.From, To: span.To}
	}
	found, err := t.app.predictionTable(ctx, where[len(refService)+1:], w, bare)
	if err != nil {
		return d, fault.New(fault.KindOf(err), "cannot read %s: %w", where, err).In(t.monitor.At)
	}
	if found == nil {
		d.gone = []string{where}
		return d, nil
	}
	if span != nil && !ofLog {
		d.rows = drift.Rows{Time: t.monitor.Time, From: span.From, To: span.To, Zone: t.calendar.Zone}
	}
	d.found, d.ref, d.parts = found, *found.named, []gate.Ref{*found.named}
	return d, d.means(t.app)
}

// predictionTime is the column of a log with the time of the request.
const predictionTime = "at"

// betweenLogs is how a side that is the log of a service is compared. What says how a request was routed is not compared, and its time groups
// rows only where the other side has one as well.
func (t *driftTurn) betweenLogs(ref, cur drift.Source) drift.Spec {
	spec := t.spec
	if !strings.HasPrefix(t.monitor.Current, refService+":") && !strings.HasPrefix(t.monitor.Predictions.Table, refService+":") || cur.Table == nil {
		return spec
	}
	has := func(s drift.Source, column string) bool { return s.Table != nil && s.Table.Schema().Index(column) >= 0 }
	spec.Ignore = slices.Clone(spec.Ignore)
	for _, column := range audit.RoutingColumns() {
		if has(ref, column) || has(cur, column) {
			spec.Ignore = append(spec.Ignore, column)
		}
	}
	if spec.Time == predictionTime && !has(ref, predictionTime) {
		spec.Time = ""
		spec.Ignore = append(spec.Ignore, predictionTime)
	}
	return spec
}

// everyLogged opens all predictions of a service; nil where there are none yet. They stay open until the command ends.
func (a *app) everyLogged(ctx context.Context, where string) (*openedTable, error) {
	found, err := a.predictionTable(ctx, where[len(refService)+1:], audit.Window{}, false)
	if err != nil || found == nil {
		return nil, err
	}
	opts, err := a.tableOptions(where, a.tableMeaning)
	if err != nil {
		return nil, found.close(err)
	}
	opts.Temp = a.scratch()
	t, err := found.open(ctx, opts, true)
	if err != nil {
		return nil, err
	}
	a.opened = append(a.opened, t)
	return t, nil
}

// predictionPath names a segment among the paths of versions.
func predictionPath(s audit.Sealed) string {
	return "predictions/" + s.Service + "/" + audit.Entry{Sealed: s}.Name()
}

// verifyPredictions checks that the segments of the logs of services follow each other, and that the store has for each the bytes that its
// record names.
func (a *app) verifyPredictions(ctx context.Context, l *lineage.Ledger, v *verifyView) error {
	problems, err := audit.VerifyChain(ctx, l)
	if fault.KindOf(err) == fault.Integrity {
		return nil // a damaged ledger is told of by itself
	}
	if err != nil {
		return err
	}
	entries, err := audit.Entries(ctx, l, "")
	if err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	for _, e := range entries {
		here, err := store.HasTrees(ctx, e.Kept)
		if err != nil || !here {
			continue // damage of the store is told of by itself
		}
		if is, err := store.FileDigest(ctx, e.Kept, e.Name()); err != nil || is != e.Segment {
			problems = append(problems, audit.Problem{Segment: e.Name(), What: "version " + e.Kept.Short() + " does not hold it"})
		}
	}
	for _, p := range problems {
		v.Ledger.Damage = append(v.Ledger.Damage, problemView{File: "predictions/" + p.Segment, What: p.What})
	}
	v.Clean = v.Clean && len(problems) == 0
	return nil
}

// explainSealed finds the version of a segment.
func explainSealed(m lineage.Match) (target, bool) {
	body, err := audit.SegmentSealed.Decode(m.Record)
	return target{Kind: refSnapshot, ID: m.ID, Name: predictionPath(body), Record: m.Record}, err == nil && body.Kept == m.ID
}
