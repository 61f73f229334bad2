package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"mlx/internal/fault"
)

// Defaults of asking a model.
const (
	askBatch = 256
	askTime  = time.Minute // one request, or the whole command
	askRows  = 1000
)

// asking is how one gate asks its model: the server that was started for it, and loads that were measured already.
type asking struct {
	served *served
	loads  map[string]*loadRun
	drawn  map[string]*askRowsDrawn
}

// close stops what the gate has started.
func (s *session) close() {
	if s.asking.served != nil {
		s.asking.served.stop()
	}
	s.asking = asking{}
}

// asker asks a model for a prediction of every row, in their order.
type asker interface {
	ask(ctx context.Context, rows *askFrame) ([]answer, error)
}

// answer is what a model says of one row: a number, or a word for a class.
type answer struct {
	number float64
	word   string
	isWord bool
}

func (a answer) text() string {
	if a.isWord {
		return a.word
	}
	return classText(a.number)
}

// refusal is the error for an answer that the model gave and that is none: a status, too few rows, NaN. The model is at work and did
// not want these rows; that it cannot be reached is no refusal.
type refusal struct{ cause error }

func (r *refusal) Error() string { return r.cause.Error() }
func (r *refusal) Unwrap() error { return r.cause }

func refused(format string, args ...any) error { return &refusal{fmt.Errorf(format, args...)} }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// model finds out how the gate asks its model.
func (s *session) model(ctx context.Context, about Subject, r Rule) (asker, error) {
	m := s.spec.Model
	if err := s.soundModel(r); err != nil {
		return nil, err
	}
	if m.Command != "" {
		return &commandAsker{session: s, about: about, rule: r}, nil
	}
	base, err := s.serving(ctx, about, r)
	if err != nil {
		return nil, err
	}
	return newHTTPAsker(*m, base)
}

// soundModel refuses a model: of the gate that cannot be asked as it is written.
func (s *session) soundModel(r Rule) error {
	m := s.spec.Model
	if m == nil {
		return s.wrong(r, "%s asks the model, and the gate does not say how", r.quoted()).
			Hint("model: {command: python predict.py}   # or serve: or url:")
	}
	ways := 0
	for _, way := range []string{m.Command, m.Serve, m.URL} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return s.wrong(r, "model has exactly one of command, serve and url")
	case m.Command != "" && (m.Protocol != "" || m.Ready != "" || m.Name != ""):
		return s.wrong(r, "protocol, name and ready of model are for serve and url; a command reads and writes CSV")
	case m.Protocol == "v2" && m.Name == "":
		return s.wrong(r, "protocol v2 needs the name of the model").Hint("model: {protocol: v2, name: NAME, …}")
	}
	return nil
}

// predictions asks the model for all rows of a frame, in batches, and checks what it answers.
func (s *session) predictions(ctx context.Context, a asker, rows *askFrame) ([]answer, error) {
	batch := cmp.Or(s.spec.Model.Batch, askBatch)
	if _, whole := a.(*commandAsker); whole {
		batch = max(rows.rows, 1) // a command starts once
	}
	all := make([]answer, 0, rows.rows)
	for from, request := 0, 1; from < rows.rows; from, request = from+batch, request+1 {
		to := min(from+batch, rows.rows)
		got, err := a.ask(ctx, rows.slice(from, to))
		if err == nil {
			err = soundAnswers(got, to-from)
		}
		if err != nil {
			return nil, s.unanswered(err, request, from, to)
		}
		all = append(all, got...)
	}
	words := 0
	for _, one := range all {
		if one.isWord {
			words++
		}
	}
	if words > 0 && words < len(all) {
		return nil, refused("cannot judge %s: the model answers some rows with numbers and some with words", s.spec.Name)
	}
	return all, nil
}

// unanswered says which request went wrong, and keeps whether it is a refusal.
func (s *session) unanswered(err error, request, from, to int) error {
	text := fmt.Errorf("cannot judge %s: the model did not answer request %d (rows %d to %d): %w", s.spec.Name, request, from+1, to, err)
	if isRefusal(err) {
		return &refusal{text}
	}
	return fault.New(fault.KindOf(err), "%w", text)
}

// soundAnswers holds that there is one answer a row and that each says something.
func soundAnswers(got []answer, rows int) error {
	if len(got) != rows {
		return refused("%d answers for %d rows", len(got), rows)
	}
	for i, a := range got {
		if !a.isWord && (math.IsNaN(a.number) || math.IsInf(a.number, 0)) {
			return refused("the answer for row %d of the request is %v", i+1, a.number)
		}
	}
	return nil
}
