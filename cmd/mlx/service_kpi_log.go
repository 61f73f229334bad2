package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"mlx/internal/audit"
	"mlx/internal/dataset"
	"mlx/internal/deploy"
	"mlx/internal/drift"
	"mlx/internal/fault"
)

// firstAsk is the first request of a user of an A/B test.
type firstAsk struct {
	at     time.Time
	bucket int
}

// visitsLate is how late a request may be read in the log.
const visitsLate = 2 * time.Minute

// logsAll says whether the log has every request.
func (s *served) logsAll() bool { return s.logged() == deploy.All }

// logged is the share of the requests that the log keeps.
func (s *served) logged() deploy.Share { return loggedShare(s.cfg.Log) }

// visits are the first requests of all users since the step began, by the word that stands in the log, and named gives a word that form; nil
// where the log has not all of them. What has been read is not read again.
func (s *served) visits(ctx context.Context, r deploy.Rollout) (all map[string]firstAsk, named func(string) string, err error) {
	if !s.logsAll() {
		return nil, nil, nil
	}
	log, closes, err := s.app.predictionLog(s.name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, closes.Close()) }()
	if named, err = audit.Words(log.Dir); err != nil {
		return nil, nil, err
	}
	k, now := &s.kpi, s.app.now()
	if k.visits == nil {
		k.visits, k.upTo = map[string]firstAsk{}, r.Began
	}
	for row, err := range log.Rows(ctx, audit.Window{From: later(r.Began, k.upTo.Add(-visitsLate))}) {
		if err != nil {
			return nil, nil, err
		}
		a, ok := row.Asked()
		if !ok || a.Word == "" || a.Generation < r.First {
			continue
		}
		if v, known := k.visits[a.Word]; !known || a.At.Before(v.at) {
			k.visits[a.Word] = firstAsk{a.At, a.Bucket}
		}
	}
	k.upTo = now
	return k.visits, named, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// usersByLabel adds up the labels of what each user was told. Who has no label yet does not count yet.
func (s *served) usersByLabel(ctx context.Context, r deploy.Rollout) (events []deploy.Event, err error) {
	if !s.logsAll() {
		return nil, fault.New(fault.Usage, "labels are joined to the log of predictions, which does not keep all of them").Hint("log: {share: 100%%}")
	}
	log, closes, err := s.app.predictionLog(s.name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closes.Close()) }()
	some := false
	for _, err := range log.Rows(ctx, audit.Window{From: r.Began}) {
		if err != nil {
			return nil, err
		}
		some = true
		break
	}
	if !some {
		return nil, nil
	}
	file := dataset.File{Name: refService + ":" + s.name, Size: -1, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return askedLines(ctx, log, r), nil
	}}
	text := func(name string) dataset.Field { return dataset.Field{Name: name, Type: dataset.Text} }
	t, err := dataset.Open(ctx, []dataset.File{file}, dataset.Options{Format: "jsonl", Temp: s.app.scratch(),
		Schema: dataset.Schema{text("id"), text("word"), {Name: "bucket", Type: dataset.Int}, {Name: "at", Type: dataset.Int}}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	return s.eventsOf(ctx, t, r)
}

// askedLines writes who asked as JSON lines.
func askedLines(ctx context.Context, log *audit.Log, r deploy.Rollout) io.ReadCloser {
	in, out := io.Pipe()
	go func() {
		w := json.NewEncoder(out)
		for row, err := range log.Rows(ctx, audit.Window{From: r.Began}) {
			if err != nil {
				_ = out.CloseWithError(err) // it never fails
				return
			}
			a, ok := row.Asked()
			if !ok || a.Word == "" || a.Generation < r.First {
				continue
			}
			if w.Encode(map[string]any{"id": a.ID, "word": a.Word, "bucket": a.Bucket, "at": a.At.UnixMicro()}) != nil {
				return // nobody reads any more
			}
		}
		_ = out.Close() // it never fails
	}()
	return in
}

// eventsOf joins who asked with the labels that have arrived.
func (s *served) eventsOf(ctx context.Context, t *dataset.Table, r deploy.Rollout) (events []deploy.Event, err error) {
	labels, done, err := s.labelsOf(ctx, r.Users.Monitor)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	p := drift.Predictions{Source: drift.Source{Name: refService + ":" + s.name, Table: t}, ID: "id"}
	labelled, err := p.Labelled(ctx, labels, nil, drift.LabelOptions{Temp: s.app.scratch()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, labelled.Close()) }()
	if labelled.Labelled == 0 {
		return nil, nil
	}
	request := dataset.Request{Columns: []string{"word", "bucket", "at", labelled.LabelColumn}}
	err = dataset.Fold(ctx, labelled.Table, request, dataset.Folding[[]deploy.Event]{
		Start: func() { events = nil },
		Part:  func(b *dataset.Batch) ([]deploy.Event, error) { return labelEvents(b, r) },
		Merge: func(_ dataset.Span, part []deploy.Event) error { events = append(events, part...); return nil },
	})
	return events, err
}

func labelEvents(b *dataset.Batch, r deploy.Rollout) ([]deploy.Event, error) {
	events := make([]deploy.Event, b.Rows)
	word, bucket, at, label := &b.Columns[0], &b.Columns[1], &b.Columns[2], &b.Columns[3]
	for i := range events {
		text := string(label.AppendText(nil, i))
		v := label.Number(i)
		if v-v != 0 {
			var err error
			if v, err = strconv.ParseFloat(text, 64); err != nil || v-v != 0 {
				return nil, fmt.Errorf("the label %.60q is no number", text)
			}
		}
		events[i] = deploy.Event{User: string(word.AppendText(nil, i)), At: time.UnixMicro(int64(at.Number(i))), Candidate: bucket.Number(i) < float64(r.Share()), Value: v}
	}
	return events, nil
}

// labelsOf opens the labels of a monitor that have arrived. done lets go of them.
func (s *served) labelsOf(ctx context.Context, monitor string) (all []drift.LabelTable, done func() error, err error) {
	config, err := s.config()
	if err != nil {
		return nil, nil, err
	}
	m, ok := config.Monitors.Get(monitor)
	if !ok {
		return nil, nil, fault.New(fault.NotFound, "there is no monitor %q", monitor).Hint("mlx drift list")
	}
	records, err := s.app.labelRecords(ctx, monitor)
	if err != nil {
		return nil, nil, err
	}
	before := len(s.app.opened)
	done = func() error {
		var err error
		for _, c := range s.app.opened[before:] {
			err = errors.Join(err, c.Close())
		}
		s.app.opened = s.app.opened[:before]
		return err
	}
	if all, err = s.app.knownLabels(ctx, monitor, m, records); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return all, done, nil
}
