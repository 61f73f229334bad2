package answer

import (
	"bytes"
	"fmt"
	"math"
	"mime"
	"slices"

	"mlx/internal/deploy/router/internal/jsonpart"
	"mlx/internal/deploy/router/internal/npy"
)

// Rule is when two numbers are the same: |a-b| <= Absolute + Relative*max(|a|,|b|).
type Rule struct {
	Pointer            jsonpart.Pointer
	Absolute, Relative float64
	Limit              int // bytes of a body that is unpacked
}

// Verdict of a comparison.
type Verdict string

// The verdicts.
const (
	Same      Verdict = "same"
	Different Verdict = "different"
	Unlike    Verdict = "unlike" // nobody can tell: of two kinds, a stream, not decoded
)

// Result is what a comparison found.
type Result struct {
	Verdict Verdict `json:"verdict"`
	// Where is the place of the first difference, and how it differs; of Unlike why.
	Where string `json:"where,omitempty"`
	// Largest is the largest |a-b| of two numbers.
	Largest float64 `json:"largest"`
}

// maxNumbers bounds how many differences of one pair of answers are handed on one by one.
const maxNumbers = 10_000

// Compare says whether b answers as a does. Each |a-b| is handed to seen, those of 10,000 numbers at most.
func (r Rule) Compare(a, b Answer, seen func(difference float64)) Result {
	if a.Status != b.Status {
		return Result{Verdict: Different, Where: fmt.Sprintf("status %d, %d", a.Status, b.Status)}
	}
	bodyA, okA := Plain(a.Encoding, a.Body, r.Limit)
	bodyB, okB := Plain(b.Encoding, b.Body, r.Limit)
	form, other := FormOf(a.Type, bodyA), FormOf(b.Type, bodyB)
	switch {
	case !okA || !okB:
		return Result{Verdict: Unlike, Where: "an encoding that is not read, or too long"}
	case form == Stream || other == Stream:
		return Result{Verdict: Unlike, Where: "a stream"}
	case form != other || form == Other && mediaType(a.Type) != mediaType(b.Type):
		return Result{Verdict: Unlike, Where: fmt.Sprintf("type %.60q, %.60q", a.Type, b.Type)}
	}
	d := &differ{rule: r, seen: seen}
	switch form {
	case JSON:
		if unlike := d.documents(bodyA, bodyB); unlike != "" {
			return Result{Verdict: Unlike, Where: unlike}
		}
	case Array:
		if unlike := d.arrays(bodyA, bodyB); unlike != "" {
			return Result{Verdict: Unlike, Where: unlike}
		}
	default:
		if !bytes.Equal(bodyA, bodyB) {
			d.differ("", "the bytes")
		}
	}
	if d.where != "" {
		return Result{Different, d.where, d.largest}
	}
	return Result{Same, "", d.largest}
}

func mediaType(contentType string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind
}

// differ walks two answers at once.
type differ struct {
	rule    Rule
	seen    func(float64)
	numbers int
	largest float64
	where   string
}

func (d *differ) differ(path, how string) {
	if d.where == "" {
		d.where = fmt.Sprintf("%.200s: %.200s", path, how)
	}
}

func (d *differ) number(path func() string, a, b float64) {
	gap := math.Abs(a - b)
	if a == b || math.IsNaN(a) && math.IsNaN(b) { // the same infinity too
		gap = 0
	}
	if d.numbers++; d.numbers <= maxNumbers && d.seen != nil && !math.IsNaN(gap) {
		d.seen(gap)
	}
	d.largest = max(d.largest, gap) // NaN stays: one of the two is no number
	if bound := d.rule.Absolute + d.rule.Relative*max(math.Abs(a), math.Abs(b)); gap != 0 && (!(gap <= bound) || math.IsInf(bound, 0)) {
		d.differ(path(), fmt.Sprintf("%v, %v", a, b))
	}
	if math.IsNaN(d.largest) || math.IsInf(d.largest, 0) {
		d.largest = math.MaxFloat64 // JSON has no word for it
	}
}

// documents compares what is judged of two JSON answers.
func (d *differ) documents(a, b []byte) (unlike string) {
	docA, okA := jsonpart.Document(a)
	docB, okB := jsonpart.Document(b)
	switch {
	case !okA && !okB:
		return "both are no JSON"
	case !okA || !okB:
		d.differ("", "one of them is no JSON")
		return ""
	}
	partA, partB := Predictions(docA, d.rule.Pointer), Predictions(docB, d.rule.Pointer)
	switch {
	case partA == nil && partB == nil:
		return "neither has what is compared"
	case partA == nil || partB == nil:
		d.differ("", "one of them lacks what is compared")
		return ""
	}
	if tensorsA, tensorsB := tensors(partA), tensors(partB); tensorsA != nil && tensorsB != nil {
		d.tensors(tensorsA, tensorsB)
		return ""
	}
	d.values("", partA, partB, 0)
	return ""
}

type tensor struct {
	name        string
	shape, data []byte
}

// tensors reads "outputs" of the Open Inference Protocol; nil if it is something else.
func tensors(part []byte) []tensor {
	var list []tensor
	for e := range jsonpart.Elements(part) {
		name, ok := jsonpart.Text(jsonpart.Member(e, "name"))
		t := tensor{name, jsonpart.Member(e, "shape"), jsonpart.Member(e, "data")}
		if !ok || t.data == nil || len(list) == 1000 {
			return nil
		}
		list = append(list, t)
	}
	return list
}

// tensors compares by name: in which order they stand, and what else is said of them, says nothing of the predictions.
func (d *differ) tensors(a, b []tensor) {
	if len(a) != len(b) {
		d.differ("/outputs", fmt.Sprintf("%d, %d of them", len(a), len(b)))
	}
	for _, t := range a {
		i := slices.IndexFunc(b, func(other tensor) bool { return other.name == t.name })
		if i < 0 {
			d.differ("/outputs/"+t.name, "only one has it")
			continue
		}
		if t.shape != nil && b[i].shape != nil {
			exact := &differ{}
			if exact.values("", t.shape, b[i].shape, 0); exact.where != "" {
				d.differ("/outputs/"+t.name+"/shape", exact.where)
			}
		}
		d.values("/outputs/"+t.name, t.data, b[i].data, 0)
	}
}

func (d *differ) values(path string, a, b []byte, depth int) {
	kind, other := jsonpart.KindOf(a), jsonpart.KindOf(b)
	if kind != other || depth > maxDepth {
		d.differ(path, fmt.Sprintf("%.60s, %.60s", a, b))
		return
	}
	switch kind {
	case jsonpart.Number:
		x, _ := jsonpart.Float(a)
		y, _ := jsonpart.Float(b)
		d.number(func() string { return path }, x, y)
	case jsonpart.String:
		x, _ := jsonpart.Text(a)
		if y, _ := jsonpart.Text(b); x != y {
			d.differ(path, fmt.Sprintf("%.60q, %.60q", x, y))
		}
	case jsonpart.Array:
		d.lists(path, a, b, depth)
	case jsonpart.Object:
		d.objects(path, a, b, depth)
	default:
		if !bytes.Equal(a, b) {
			d.differ(path, fmt.Sprintf("%s, %s", a, b))
		}
	}
}

func (d *differ) lists(path string, a, b []byte, depth int) {
	var list [][]byte
	for e := range jsonpart.Elements(b) {
		list = append(list, e)
	}
	n := 0
	for e := range jsonpart.Elements(a) {
		if n < len(list) {
			if x, ok := jsonpart.Float(e); ok && jsonpart.KindOf(list[n]) == jsonpart.Number { // no path is made for each of many numbers
				y, _ := jsonpart.Float(list[n])
				d.number(func() string { return fmt.Sprintf("%s/%d", path, n) }, x, y)
			} else {
				d.values(fmt.Sprintf("%s/%d", path, n), e, list[n], depth+1)
			}
		}
		n++
	}
	if n != len(list) {
		d.differ(path, fmt.Sprintf("%d, %d of them", n, len(list)))
	}
}

func (d *differ) objects(path string, a, b []byte, depth int) {
	members := map[string][]byte{}
	for name, v := range jsonpart.Members(b) {
		members[name] = v
	}
	n := 0
	for name, v := range jsonpart.Members(a) {
		other, ok := members[name]
		if !ok {
			d.differ(path+"/"+name, "only one has it")
			continue
		}
		n++
		d.values(path+"/"+name, v, other, depth+1)
	}
	if n < len(members) {
		d.differ(path, "only one has all its names")
	}
}

// arrays compares two of NumPy. Of which type the elements are does not count.
func (d *differ) arrays(a, b []byte) (unlike string) {
	x, errX := npy.Parse(a)
	y, errY := npy.Parse(b)
	switch {
	case errX != nil && errY != nil:
		return "both are no arrays: " + errX.Error()
	case errX != nil || errY != nil:
		d.differ("", "one of them is no array")
		return ""
	case !slices.Equal(x.Shape, y.Shape):
		d.differ("shape", fmt.Sprintf("%v, %v", x.Shape, y.Shape))
		return ""
	case x.Fortran != y.Fortran && len(x.Shape) > 1:
		return "their elements stand in another order"
	}
	for i := range x.Len() {
		d.number(func() string { return fmt.Sprint(i) }, x.At(i), y.At(i))
	}
	return ""
}
