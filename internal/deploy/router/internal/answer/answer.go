// Package answer hides what an answer of a model server says: where its predictions stand, what the first of them is, and whether the
// answers of two servers to one request say the same.
package answer

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"strings"

	"mlx/internal/deploy/router/internal/jsonpart"
	"mlx/internal/deploy/router/internal/npy"
)

// Answer is what came back, whole.
type Answer struct {
	Status   int
	Type     string // Content-Type
	Encoding string // Content-Encoding
	Body     []byte
}

// Form is what kind of body it is.
type Form string

// The forms.
const (
	JSON   Form = "json"
	Array  Form = "npy"
	Stream Form = "stream"
	Other  Form = "other" // only its bytes say something
)

// FormOf says what a body is, by its type and its first bytes.
func FormOf(contentType string, body []byte) Form {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = ""
	}
	switch {
	case Streams(contentType):
		return Stream
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return JSON
	case bytes.HasPrefix(body, []byte(npy.Magic)):
		return Array
	case kind == "" || kind == "application/octet-stream":
		if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && (b[0] == '{' || b[0] == '[') {
			return JSON
		}
	}
	return Other
}

// Streams says of a Content-Type that what follows comes bit by bit, and perhaps never ends.
func Streams(contentType string) bool {
	for _, kind := range []string{"text/event-stream", "application/x-ndjson", "application/grpc", "multipart/"} {
		if len(contentType) >= len(kind) && strings.EqualFold(contentType[:len(kind)], kind) {
			return true
		}
	}
	return false
}

// Plain undoes gzip, up to limit bytes. Another encoding, or more bytes: not ok.
func Plain(encoding string, body []byte, limit int) (plain []byte, ok bool) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, true
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, false
		}
		plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
		return plain, err == nil && len(plain) <= limit
	}
	return nil, false
}

// Predictions is the part of a JSON answer that is judged: what the pointer names; without one "outputs" of the Open Inference Protocol,
// "predictions" of MLflow and TensorFlow Serving, and of any other document all of it. Nil: there is none.
func Predictions(document []byte, pointer jsonpart.Pointer) []byte {
	if len(pointer) > 0 {
		return pointer.Find(document)
	}
	for _, name := range []string{"outputs", "predictions"} {
		if v := jsonpart.Member(document, name); v != nil {
			return v
		}
	}
	return document
}

// First is the first number of an answer, or its first word if that comes sooner. A truth value is a word.
func (a Answer) First(pointer jsonpart.Pointer, limit int) (number float64, word string, isNumber, ok bool) {
	body, ok := Plain(a.Encoding, a.Body, limit)
	if !ok {
		return 0, "", false, false
	}
	switch FormOf(a.Type, body) {
	case JSON:
		document, ok := jsonpart.Document(body)
		if !ok {
			return 0, "", false, false
		}
		part := Predictions(document, pointer)
		if data := firstData(part); data != nil {
			part = data
		}
		return firstLeaf(part, 0)
	case Array:
		array, err := npy.Parse(body)
		if err != nil || array.Len() == 0 {
			return 0, "", false, false
		}
		return array.At(0), "", true, true
	default:
		return 0, "", false, false
	}
}

// firstData is the data of the first tensor of the Open Inference Protocol; nil if it is no list of tensors.
func firstData(part []byte) []byte {
	for tensor := range jsonpart.Elements(part) {
		return jsonpart.Member(tensor, "data")
	}
	return nil
}

const maxDepth = 64

func firstLeaf(value []byte, depth int) (number float64, word string, isNumber, ok bool) {
	if depth > maxDepth {
		return 0, "", false, false
	}
	switch jsonpart.KindOf(value) {
	case jsonpart.Number:
		number, ok = jsonpart.Float(value)
		return number, "", true, ok
	case jsonpart.String:
		word, ok = jsonpart.Text(value)
		return 0, word, false, ok
	case jsonpart.Bool:
		return 0, string(value), false, true
	case jsonpart.Array:
		for e := range jsonpart.Elements(value) {
			if number, word, isNumber, ok = firstLeaf(e, depth+1); ok {
				return number, word, isNumber, ok
			}
		}
	case jsonpart.Object:
		for _, e := range jsonpart.Members(value) {
			if number, word, isNumber, ok = firstLeaf(e, depth+1); ok {
				return number, word, isNumber, ok
			}
		}
	default:
	}
	return 0, "", false, false
}
