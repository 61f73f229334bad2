package gate

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"mlx/internal/dataset"
	"mlx/internal/object"
)

// encodeV2 writes a request of the Open Inference Protocol: a tensor a column, of shape rows x 1. The content type tells servers that
// know it, as MLServer, that the tensors are the columns of one table.
func encodeV2(f *askFrame) ([]byte, error) {
	b := appendJSONList([]byte(`{"parameters":{"content_type":"pd"},"inputs":[`), len(f.columns), func(b []byte, i int) []byte {
		c := &f.columns[i]
		datatype := c.v2Type()
		b = append(b, `{"name":`...)
		b = appendJSONText(b, c.Name)
		b = append(b, `,"shape":[`...)
		b = strconv.AppendInt(b, int64(f.rows), 10)
		b = append(b, `,1],"datatype":"`+datatype+`"`...)
		if datatype == "BYTES" {
			b = append(b, `,"parameters":{"content_type":"str"}`...)
		}
		b = appendJSONList(append(b, `,"data":[`...), f.rows, func(b []byte, row int) []byte { return c.appendV2(b, row, datatype) })
		return append(b, `]}`...)
	})
	return append(b, `]}`...), nil
}

// v2Type is the datatype of a column. Whole numbers of which some are missing are floats: no tensor of integers has a hole.
func (c *askColumn) v2Type() string {
	holes := slices.Contains(c.missing, true)
	switch c.Type {
	case dataset.Bool:
		if !holes {
			return "BOOL"
		}
		return "FP64"
	case dataset.Int:
		if !holes {
			return "INT64"
		}
		return "FP64"
	case dataset.Uint:
		if !holes {
			return "UINT64"
		}
		return "FP64"
	case dataset.Float, dataset.Decimal, dataset.Null:
		return "FP64"
	default:
		return "BYTES"
	}
}

func (c *askColumn) appendV2(b []byte, row int, datatype string) []byte {
	if datatype == "BYTES" {
		return appendJSONText(b, c.text(row))
	}
	if c.Type == dataset.Bool && datatype == "FP64" && !c.missing[row] {
		return strconv.AppendInt(b, c.ints[row], 10)
	}
	return c.appendJSON(b, row)
}

// v2Output is one tensor of an answer.
type v2Output struct {
	Name     string  `json:"name"`
	Shape    []int64 `json:"shape"`
	Datatype string  `json:"datatype"`
	Data     []any   `json:"data"`
}

// decodeV2 reads the answer of the Open Inference Protocol: the tensor called score, predict_proba or class, else the first.
func decodeV2(body []byte) ([]answer, error) {
	var reply struct {
		Outputs []v2Output `json:"outputs"`
	}
	if err := json.Unmarshal(object.QuoteWords(body), &reply); err != nil {
		return nil, err
	}
	if len(reply.Outputs) == 0 {
		return nil, fmt.Errorf("it has no outputs")
	}
	at := 0
	for _, name := range []string{"score", "probability", "predict_proba", "class"} {
		if i := slices.IndexFunc(reply.Outputs, func(o v2Output) bool { return o.Name == name }); i >= 0 {
			at = i
			break
		}
	}
	return reply.Outputs[at].answers()
}

// answers takes the rows of a tensor of one or two dimensions.
func (o v2Output) answers() ([]answer, error) {
	rows, width := int64(0), int64(1)
	switch len(o.Shape) {
	case 1:
		rows = o.Shape[0]
	case 2:
		rows, width = o.Shape[0], o.Shape[1]
	default:
		return nil, fmt.Errorf("output %q has the shape %v, not one of rows or rows x classes", o.Name, o.Shape)
	}
	data := flattened(o.Data)
	if rows < 0 || width < 1 || width > math.MaxInt32 || rows > math.MaxInt32 || rows*width != int64(len(data)) {
		return nil, fmt.Errorf("output %q has %d values and the shape %v", o.Name, len(data), o.Shape)
	}
	all := make([]answer, rows)
	for i := range all {
		item := any(data[int64(i)*width : (int64(i)+1)*width])
		if width == 1 {
			item = data[i]
		}
		a, err := answerOf(item)
		if err != nil {
			return nil, fmt.Errorf("output %q, row %d: %w", o.Name, i+1, err)
		}
		all[i] = a
	}
	return all, nil
}

// flattened takes nested lists apart: the protocol allows both forms.
func flattened(data []any) []any {
	flat := make([]any, 0, len(data))
	for _, item := range data {
		if list, ok := item.([]any); ok {
			flat = append(flat, list...)
			continue
		}
		flat = append(flat, item)
	}
	return flat
}
