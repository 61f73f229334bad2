package cascade

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"mlx/internal/deploy"
)

// said is a stage of an ensemble that has answered.
type said struct {
	stage *stage
	reply *reply
	value any
	took  time.Duration
}

// ensemble asks all stages at once, and answers by what they say together.
func (a asking) ensemble(w http.ResponseWriter) {
	all := make([]said, len(a.stages))
	var asked sync.WaitGroup
	for i, s := range a.stages {
		asked.Go(func() {
			began := a.o.Now()
			all[i] = said{stage: s, reply: a.ask(s)}
			all[i].took = a.o.Now().Sub(began)
		})
	}
	asked.Wait()
	defer func() {
		for _, one := range all {
			one.reply.close()
		}
	}()
	if a.req.Context().Err() != nil {
		return // nobody waits for it
	}
	var good []said
	var misfit *said // what does not fit a model
	for i := range all {
		one := &all[i]
		err := one.hear(a.o.Plan.Combine.By)
		if err == nil && one.reply.status >= 300 && one.reply.status < http.StatusInternalServerError {
			one.stage.counts.add(passed, false, one.took)
			if misfit == nil {
				misfit = one
			}
			continue
		}
		if err == nil {
			one.stage.counts.add(sure, false, one.took)
			good = append(good, *one)
			continue
		}
		one.reply.err = err
		one.stage.counts.add(wrong, one.reply.late, one.took)
		a.say("stage %s: %v", one.stage.Name, err)
		switch one.stage.OnError {
		case deploy.OnErrorFail:
			one.reply.fail(w, one.stage.Name)
			return
		case deploy.OnErrorReply:
			own := said{stage: one.stage, reply: ownReply(one.stage)}
			if own.hear(a.o.Plan.Combine.By) == nil {
				good = append(good, own)
			}
		}
	}
	a.combine(w, good, misfit)
}

// combine answers by what stages said.
func (a asking) combine(w http.ResponseWriter, good []said, misfit *said) {
	quorum := a.o.Plan.Combine.Quorum
	if quorum == 0 {
		quorum = len(a.stages)/2 + 1
	}
	if len(good) == 0 && misfit != nil {
		misfit.reply.give(w, misfit.stage.Name)
		return
	}
	if len(good) < quorum {
		refuse(w, http.StatusBadGateway, fmt.Sprintf("%d of %d stages have answered, and %d are needed", len(good), len(a.stages), quorum))
		return
	}
	first := good[0]
	var names []string
	values, weights := make([]any, 0, len(good)), make([]float64, 0, len(good))
	for _, one := range good {
		weight := one.stage.Weight
		if a.o.Plan.Combine.By != deploy.CombineWeighted || weight == 0 {
			weight = 1
		}
		names, values, weights = append(names, one.stage.Name), append(values, one.value), append(weights, weight)
	}
	together, err := join(a.o.Plan.Combine.By, values, weights)
	var body []byte
	if err == nil {
		body, err = put(first.reply.body, first.stage.answer, together)
	}
	if err != nil {
		a.say("what the stages say cannot be combined: %v", err)
		refuse(w, http.StatusBadGateway, "what the stages say cannot be combined: "+err.Error())
		return
	}
	r := *first.reply
	r.body = body
	r.give(w, strings.Join(names, ","))
}

// hear reads the prediction of an answer.
func (o *said) hear(by string) error {
	r := o.reply
	switch {
	case r.err != nil:
		return r.err
	case r.status >= http.StatusInternalServerError:
		return fmt.Errorf("it answers %d", r.status)
	case r.status < 200 || r.status > 299:
		return nil // it is the request that does not fit
	case r.stream != nil || r.header.Get("Content-Encoding") != "":
		return errors.New("its answer cannot be read")
	}
	var err error
	if o.value, err = valueAt(r.body, o.stage.answer); err != nil {
		return fmt.Errorf("its answer has no prediction at %s: %w", o.stage.answer, err)
	}
	return combinable(by, o.value, 0)
}

// maxDepth bounds how deep lists of predictions are in each other.
const maxDepth = 16

// combinable refuses what cannot be combined, whatever the others say.
func combinable(by string, v any, depth int) error {
	switch v := v.(type) {
	case []any:
		if depth == maxDepth {
			return errors.New("its prediction is a list of lists of lists")
		}
		for _, one := range v {
			if err := combinable(by, one, depth+1); err != nil {
				return err
			}
		}
		return nil
	case float64:
		return nil
	case string, bool:
		if by == deploy.CombineMean {
			return fmt.Errorf("its prediction %.40q is no number", fmt.Sprint(v))
		}
		return nil
	}
	return errors.New("its prediction is neither a number, a word nor a list of them")
}

// join combines predictions of one shape: numbers to their mean, or what most of them say.
func join(by string, values []any, weights []float64) (any, error) {
	if lists := sliced(values); lists != nil {
		joined := make([]any, len(lists[0]))
		for i := range joined {
			column := make([]any, len(lists))
			for k, list := range lists {
				if len(list) != len(joined) {
					return nil, fmt.Errorf("one has %d predictions, another %d", len(joined), len(list))
				}
				column[k] = list[i]
			}
			var err error
			if joined[i], err = join(by, column, weights); err != nil {
				return nil, err
			}
		}
		return joined, nil
	}
	numbers, whole := 0, 0.0
	sum := 0.0
	votes, order := map[any]float64{}, []any{}
	for i, v := range values {
		if _, isList := v.([]any); isList {
			return nil, errors.New("one is a list, another is none")
		}
		if n, ok := v.(float64); ok {
			numbers++
			sum += n * weights[i]
		}
		whole += weights[i]
		if _, ok := votes[v]; !ok {
			order = append(order, v)
		}
		votes[v] += weights[i]
	}
	if by != deploy.CombineVote && numbers == len(values) {
		return sum / whole, nil
	}
	if by != deploy.CombineVote && numbers > 0 {
		return nil, errors.New("one is a number, another a word")
	}
	best := order[0] // of two with as many votes that of the stage that stands first
	for _, v := range order {
		if votes[v] > votes[best] {
			best = v
		}
	}
	return best, nil
}

// sliced are values that all are lists; nil: one of them is none.
func sliced(values []any) [][]any {
	all := make([][]any, len(values))
	for i, v := range values {
		list, ok := v.([]any)
		if !ok {
			return nil
		}
		all[i] = list
	}
	return all
}

// put writes a value at a place of a text. All else stays as it is, byte by byte.
func put(text []byte, pointer string, value any) ([]byte, error) {
	from, to, err := place(text, pointer)
	if err != nil {
		return nil, err
	}
	word, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("they make no number: %w", err)
	}
	out := make([]byte, 0, len(text)-(to-from)+len(word))
	return append(append(append(out, text[:from]...), word...), text[to:]...), nil
}
