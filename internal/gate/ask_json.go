package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"mlx/internal/dataset"
	"mlx/internal/object"
)

// encodeInstances writes {"instances": [{column: value, ...}, ...]}, as TensorFlow Serving and KServe read it.
func encodeInstances(f *askFrame) ([]byte, error) {
	b := appendJSONList([]byte(`{"instances":[`), f.rows, func(b []byte, row int) []byte {
		b = appendJSONList(append(b, '{'), len(f.columns), func(b []byte, i int) []byte {
			b = append(appendJSONText(b, f.columns[i].Name), ':')
			return f.columns[i].appendJSON(b, row)
		})
		return append(b, '}')
	})
	return append(b, `]}`...), nil
}

// appendJSONList writes n items with commas between them.
func appendJSONList(b []byte, n int, item func(b []byte, i int) []byte) []byte {
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, i)
	}
	return b
}

// encodeMLflow writes {"dataframe_split": {"columns": [...], "data": [[...], ...]}}.
func encodeMLflow(f *askFrame) ([]byte, error) {
	b := appendJSONList([]byte(`{"dataframe_split":{"columns":[`), len(f.columns), func(b []byte, i int) []byte {
		return appendJSONText(b, f.columns[i].Name)
	})
	b = appendJSONList(append(b, `],"data":[`...), f.rows, func(b []byte, row int) []byte {
		b = appendJSONList(append(b, '['), len(f.columns), func(b []byte, i int) []byte { return f.columns[i].appendJSON(b, row) })
		return append(b, ']')
	})
	return append(b, `]}}`...), nil
}

// appendJSON writes a value: null for one that is missing, NaN or infinite, for which JSON has no word.
func (c *askColumn) appendJSON(b []byte, row int) []byte {
	switch {
	case c.missing[row] || c.Type == dataset.Null:
		return append(b, "null"...)
	case c.Type == dataset.Float && (math.IsNaN(c.floats[row]) || math.IsInf(c.floats[row], 0)):
		return append(b, "null"...)
	case c.Type == dataset.Float:
		return strconv.AppendFloat(b, c.floats[row], 'g', -1, 64)
	case c.Type == dataset.Nested && json.Valid([]byte(c.texts[row])):
		return append(b, c.texts[row]...)
	case c.Type >= dataset.Bool && c.Type <= dataset.Decimal:
		return append(b, c.text(row)...)
	}
	return appendJSONText(b, c.text(row))
}

func appendJSONText(b []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(b, `""`...) // a string is always encoded
	}
	return append(b, quoted...)
}

// decodePredictions reads {"predictions": [...]} or a bare list, one item a row.
func decodePredictions(body []byte) ([]answer, error) {
	body = object.QuoteWords(bytes.TrimSpace(body))
	var items []any
	if len(body) > 0 && body[0] == '{' {
		var whole struct {
			Predictions []any `json:"predictions"`
		}
		if err := json.Unmarshal(body, &whole); err != nil {
			return nil, err
		}
		if items = whole.Predictions; items == nil {
			return nil, fmt.Errorf(`it has no list "predictions"`)
		}
	} else if err := json.Unmarshal(body, &items); err != nil {
		return nil, err
	}
	all := make([]answer, len(items))
	for i, item := range items {
		a, err := answerOf(item)
		if err != nil {
			return nil, fmt.Errorf("prediction %d: %w", i+1, err)
		}
		all[i] = a
	}
	return all, nil
}

// answerOf reads one prediction: a number, a word, the scores of the classes, or an object that holds one of them.
func answerOf(item any) (answer, error) {
	switch v := item.(type) {
	case float64:
		return answer{number: v}, nil
	case bool:
		if v {
			return answer{number: 1}, nil
		}
		return answer{}, nil
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil && math.IsNaN(n-n) { // NaN and infinities, which JSON has no word for
			return answer{number: n}, nil
		}
		return answer{word: v, isWord: true}, nil
	case nil:
		return answer{number: math.NaN()}, nil
	case []any:
		return answerOfScores(v)
	case map[string]any:
		return answerOfObject(v)
	}
	return answer{}, fmt.Errorf("%T is no prediction", item)
}

// answerOfScores reads the scores of the classes: of two that of the second, of more the number of the highest.
func answerOfScores(scores []any) (answer, error) {
	if len(scores) == 1 {
		if _, nested := scores[0].([]any); !nested {
			return answerOf(scores[0])
		}
	}
	best, at := math.Inf(-1), -1
	for i, s := range scores {
		v, ok := s.(float64)
		if !ok {
			return answer{}, fmt.Errorf("item %d of %d is no number", i+1, len(scores))
		}
		if v > best {
			best, at = v, i
		}
	}
	switch {
	case at < 0:
		return answer{}, fmt.Errorf("an empty list is no prediction")
	case len(scores) == 2:
		return answer{number: scores[1].(float64)}, nil //nolint:forcetypeassert // seen above
	}
	return answer{number: float64(at)}, nil
}

// answerOfObject reads the first of the usual names, else the only value.
func answerOfObject(v map[string]any) (answer, error) {
	for _, name := range []string{"score", "probability", "class", "prediction", "label", "predictions", "0"} {
		if item, ok := v[name]; ok {
			if _, again := item.(map[string]any); !again {
				return answerOf(item)
			}
		}
	}
	if len(v) == 1 {
		for _, item := range v {
			if _, again := item.(map[string]any); !again {
				return answerOf(item)
			}
		}
	}
	return answer{}, fmt.Errorf("an object without score, class or prediction")
}
