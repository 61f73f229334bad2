package audit

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"mlx/internal/object"
)

// timeLayout writes times to the microsecond, all with the same length.
const timeLayout = "2006-01-02T15:04:05.000000Z"

const (
	maxID   = 256 // bytes of the id of a request; a longer one becomes its digest
	maxWord = 256 // of what else is said in words
)

// encoder turns predictions into rows. It belongs to one goroutine.
type encoder struct {
	service  string
	writer   string
	in       grid   // of the request that is being written
	out      answer // and of its answer
	redactor *redactor
	said     []byte                 // the text of the answer
	common   []byte                 // what the rows of a request have in common
	releases map[releaseName][]byte // what is written of each
	maxBody  int                    // a longer one is written by its digest
}

// maxRequest bounds the rows of one request. Names of columns stand in each of them, and so they may be longer than its body.
const maxRequest = 4 << 20

// maxReleases bounds what is remembered of releases.
const maxReleases = 64

// rows appends the rows of a prediction, a line an instance, and returns how many they are.
func (e *encoder) rows(b []byte, number uint64, p *Prediction) ([]byte, int) {
	c := content{read: e.features(&p.Request), told: e.answer(p)}
	start := len(b)
	b, n := e.each(b, number, p, c)
	if len(b)-start > maxRequest {
		return e.each(b[:start], number, p, content{})
	}
	return b, n
}

// content says what could be read of a request: its features, what the model said.
type content struct{ read, told bool }

func (e *encoder) each(b []byte, number uint64, p *Prediction, c content) ([]byte, int) {
	rows := 1
	if c.read {
		rows = e.in.rows
	} else if c.told {
		rows = e.out.rows
	}
	start := len(b)
	e.common = e.tail(e.common[:0], p, c)
	for i := range rows {
		b = e.head(b, number, i, rows > 1, p)
		b = append(b, e.common...)
		if c.read && e.redactor.policy.Features != None {
			b = append(b, `,"features":`...)
			b = e.object(b, &e.in, i, nil)
		}
		switch {
		case c.told && e.out.rows == rows:
			b = e.instance(b, &e.out, i)
		case c.told && i == 0:
			b = e.raw(b)
		}
		if i == 0 {
			b = e.explanation(b, p, c)
		}
		if b = append(b, '}', '\n'); len(b)-start > maxRequest {
			break
		}
	}
	return b, rows
}

// features reads those of a request, where its body has some.
func (e *encoder) features(body *Body) bool {
	text, ok := e.text(body)
	return ok && e.in.read(text)
}

// answer reads what the model said, unless what was sent is an error.
func (e *encoder) answer(p *Prediction) bool {
	if p.Status < 200 || p.Status > 299 {
		return false
	}
	text, ok := e.text(&p.Answer)
	e.said = text
	return ok && e.out.read(text)
}

// text is the JSON of a body, where it may be some and is not too long.
func (e *encoder) text(body *Body) ([]byte, bool) {
	b := body.Bytes
	if len(b) == 0 || len(b) > e.maxBody || !isJSON(body.Type) {
		return nil, false
	}
	switch strings.ToLower(body.Coding) {
	case "", "identity":
	case "gzip":
		in, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, false
		}
		if b, err = io.ReadAll(io.LimitReader(in, int64(e.maxBody)+1)); err != nil || len(b) > e.maxBody {
			return nil, false
		}
	default:
		return nil, false
	}
	return object.QuoteWords(b), true
}

// isJSON says whether a media type may be one of JSON. Many clients say nothing, or that it is a form or text.
func isJSON(mediaType string) bool {
	if mediaType == "" || mediaType == "application/json" {
		return true
	}
	word, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return false
	}
	return strings.HasSuffix(word, "json") || word == "text/plain" || word == "application/x-www-form-urlencoded"
}

// head writes what a reader that looks for rows needs first: number, id, place in the request, time, release.
func (e *encoder) head(b []byte, number uint64, i int, many bool, p *Prediction) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, number, 10)
	b = append(b, `,"id":`...)
	switch {
	case p.ID == "":
		b = append(append(append(b, '"'), e.writer...), '-')
		b = append(strconv.AppendUint(b, number, 10), '"')
	case len(p.ID) > maxID:
		b = append(append(append(b, '"'), object.Sum([]byte(p.ID)).String()...), '"')
	default:
		b = appendText(b, p.ID)
	}
	if many {
		b = append(b[:len(b)-1], '#')
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `","k":`...)
		b = strconv.AppendInt(b, int64(i), 10)
	}
	b = append(b, `,"at":"`...)
	b = p.At.UTC().AppendFormat(b, timeLayout)
	b = append(b, `",`...)
	return append(b, e.release(p.Release)...)
}

// release is what is written of a release and the service.
func (e *encoder) release(r *Release) []byte {
	if r == nil {
		r = &Release{}
	}
	name := releaseName{r.Key, r.Model, r.Version}
	if text, ok := e.releases[name]; ok {
		return text
	}
	if len(e.releases) >= maxReleases {
		clear(e.releases)
	}
	text, err := json.Marshal(r)
	if err != nil {
		text = []byte(`{"release":""}`)
	}
	text = append(text[1:len(text)-1], `,"service":`...)
	text = appendText(text, e.service)
	e.releases[name] = text
	return text
}

// tail writes what all rows of a request have in common behind the release.
func (e *encoder) tail(b []byte, p *Prediction, c content) []byte {
	b = append(b, `,"generation":`...)
	b = strconv.AppendUint(b, p.Generation, 10)
	b = append(b, `,"role":`...)
	b = appendText(b, cut(p.Role))
	if p.Word != "" {
		b = append(b, `,"bucket":`...)
		b = strconv.AppendInt(b, int64(p.Bucket), 10)
		b = e.redactor.appendHash(append(b, `,"word":`...), []byte(p.Word))
	}
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.Status), 10)
	b = append(b, `,"latency_us":`...)
	b = strconv.AppendInt(b, max(0, p.Latency.Microseconds()), 10)
	if p.Cost > 0 && p.Cost < 1e15 {
		b = append(b, `,"cost":`...)
		b = strconv.AppendFloat(b, p.Cost, 'g', -1, 64)
		if p.Currency != "" {
			b = appendText(append(b, `,"currency":`...), cut(p.Currency))
		}
	}
	if p.Retried != "" {
		b = appendText(append(b, `,"retried_from":`...), cut(p.Retried))
	}
	if p.Stage != "" {
		b = appendText(append(b, `,"stage":`...), cut(p.Stage))
	}
	if p.Schema != "" {
		b = appendText(append(b, `,"schema":`...), cut(p.Schema))
	}
	if p.Why != "" && e.explains() && (e.redactor.policy.Features == Full || !personal([]byte(p.Why))) { // it may name a value
		b = appendText(append(b, `,"schema_why":`...), cut(p.Why))
	}
	b = e.body(b, `,"request":`, &p.Request, c.read)
	return e.body(b, `,"answer":`, &p.Answer, c.told)
}

// explanation writes that of an answer, with the first of its rows.
func (e *encoder) explanation(b []byte, p *Prediction, c content) []byte {
	said := []byte(p.Explanation)
	if p := e.redactor.policy; len(said) == 0 && c.told && p.Features == Full && len(p.Mask) == 0 { // it may hold values as they were sent
		said = e.out.explained
	}
	if len(said) == 0 || !e.explains() || len(said) > maxExplanation {
		return b
	}
	if n, err := parse(said); err == nil && bytes.IndexByte(n.raw, '\n') < 0 {
		b = append(append(b, `,"explanation":`...), n.raw...)
	}
	return b
}

// explains says whether explanations are written: they speak of the values of features.
func (e *encoder) explains() bool {
	return e.redactor.policy.Features == Full || e.redactor.policy.Features == Masked
}

// maxExplanation bounds the explanation of an answer.
const maxExplanation = 64 << 10

// cut shortens what somebody else may have made too long.
func cut(s string) string {
	if len(s) <= maxWord {
		return s
	}
	return strings.ToValidUTF8(s[:maxWord], "")
}

// body writes how long a body was. What it was is said by its digest where its content is not in the row, or all of it is: a digest of what
// was left out on purpose would let it be guessed.
func (e *encoder) body(b []byte, name string, body *Body, read bool) []byte {
	if body.size() == 0 {
		return b
	}
	b = append(append(b, name...), `{"bytes":`...)
	b = strconv.AppendInt(b, body.size(), 10)
	if body.Type != "" && !read {
		b = appendText(append(b, `,"type":`...), cut(body.Type))
	}
	if d := body.digest(); !d.IsZero() && (!read || e.redactor.policy.Features == Full) {
		b = append(append(append(b, `,"digest":"`...), d.String()...), '"')
	}
	return append(b, '}')
}

// object writes a row of a grid without some of its columns.
func (e *encoder) object(b []byte, g *grid, row int, without func(column int) bool) []byte {
	b = append(b, '{')
	for i := range g.columns {
		if cell := g.columns[i].cells[row]; cell != nil && (without == nil || !without(i)) {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(append(b, g.columns[i].name...), ':')
			b = e.redactor.appendCell(b, g.columns[i].name, cell)
		}
	}
	return append(b, '}')
}

// instance writes what the model said of an instance.
func (e *encoder) instance(b []byte, a *answer, row int) []byte {
	others := len(a.columns)
	if a.score >= 0 {
		b = e.redactor.appendOutput(append(b, `,"score":`...), a.columns[a.score].cells[row])
		others--
	}
	if a.class >= 0 && a.columns[a.class].cells[row] != nil {
		b = e.redactor.appendOutput(append(b, `,"class":`...), a.columns[a.class].cells[row])
		others--
	}
	if others == 0 || e.redactor.policy.Features == None {
		return b
	}
	return e.object(append(b, `,"outputs":`...), &a.grid, row, func(i int) bool { return i == a.score || i == a.class })
}

// raw writes an answer that does not have an item for each instance as it came.
func (e *encoder) raw(b []byte) []byte {
	n, err := parse(e.said)
	if err != nil || e.redactor.policy.Features == None || len(n.raw) > maxCell || bytes.IndexByte(n.raw, '\n') >= 0 {
		return b
	}
	return e.redactor.appendCell(append(b, `,"output":`...), []byte(`"output"`), n.raw)
}
