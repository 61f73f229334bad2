package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Span is one request that was answered.
type Span struct {
	Context Context
	Parent  [8]byte // zero: none
	Name    string
	Client  bool // the router asks; else it is asked
	Start   time.Time
	End     time.Time
	Failed  bool
	Facts   []Fact
}

// Fact is an attribute of a span, by the names of OpenTelemetry's conventions.
type Fact struct {
	Name   string
	Text   string
	Number int64
	IsText bool
}

// Text and Number make facts.
func Text(name, value string) Fact         { return Fact{Name: name, Text: value, IsText: true} }
func Number(name string, value int64) Fact { return Fact{Name: name, Number: value} }

// Bounds of an exporter.
const (
	queued   = 4096
	batch    = 512
	every    = time.Second
	patience = 10 * time.Second
)

// Exporter sends spans in batches. One that cannot be sent in time is dropped and counted: no request waits for it.
type Exporter struct {
	endpoint, service string
	client            *http.Client
	spans             chan Span
	done              chan struct{}
	Dropped, Sent     atomic.Int64
}

// NewExporter sends to an endpoint such as http://127.0.0.1:4318/v1/traces until ctx ends, and then what is left.
func NewExporter(ctx context.Context, endpoint, service string) *Exporter {
	e := &Exporter{endpoint: endpoint, service: service, client: &http.Client{Timeout: patience}, spans: make(chan Span, queued), done: make(chan struct{})}
	go e.work(ctx)
	return e
}

// Add never waits.
func (e *Exporter) Add(s Span) {
	select {
	case e.spans <- s:
	default:
		e.Dropped.Add(1)
	}
}

// Done is closed when the last spans are sent.
func (e *Exporter) Done() <-chan struct{} { return e.done }

func (e *Exporter) work(ctx context.Context) {
	defer close(e.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var list []Span
	for {
		select {
		case s := <-e.spans:
			if list = append(list, s); len(list) < batch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			for len(e.spans) > 0 {
				list = append(list, <-e.spans)
			}
			e.send(context.WithoutCancel(ctx), list)
			return
		}
		e.send(ctx, list)
		list = list[:0]
	}
}

func (e *Exporter) send(ctx context.Context, list []Span) {
	if len(list) == 0 {
		return
	}
	if err := e.post(ctx, Encode(e.service, list)); err != nil {
		e.Dropped.Add(int64(len(list)))
		return
	}
	e.Sent.Add(int64(len(list)))
}

func (e *Exporter) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode >= 300 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// The messages of opentelemetry/proto/trace/v1 as protobuf's JSON has them, but that ids are hexadecimal: so says OTLP.
type (
	exportRequest struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name string `json:"name"`
	}
	span struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		Parent     string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     status      `json:"status"`
	}
	status struct {
		Code int `json:"code,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		Text   *string `json:"stringValue,omitempty"`
		Number *string `json:"intValue,omitempty"`
	}
)

// Encode is the body of an ExportTraceServiceRequest.
func Encode(service string, list []Span) []byte {
	const server, client, failed = 2, 3, 2
	spans := make([]span, len(list))
	for i, s := range list {
		spans[i] = span{
			TraceID: hex.EncodeToString(s.Context.Trace[:]), SpanID: hex.EncodeToString(s.Context.Span[:]), Name: s.Name, Kind: server,
			Start: strconv.FormatInt(s.Start.UnixNano(), 10), End: strconv.FormatInt(s.End.UnixNano(), 10), Attributes: attributes(s.Facts),
		}
		if s.Client {
			spans[i].Kind = client
		}
		if s.Parent != [8]byte{} {
			spans[i].Parent = hex.EncodeToString(s.Parent[:])
		}
		if s.Failed {
			spans[i].Status.Code = failed
		}
	}
	body, _ := json.Marshal(exportRequest{[]resourceSpans{{ // nothing in it can fail
		Resource:   resource{attributes([]Fact{Text("service.name", service)})},
		ScopeSpans: []scopeSpans{{scope{"mlx.router"}, spans}},
	}}})
	return body
}

func attributes(facts []Fact) []attribute {
	list := make([]attribute, len(facts))
	for i, f := range facts {
		list[i].Key = f.Name
		if f.IsText {
			list[i].Value.Text = &f.Text
			continue
		}
		number := strconv.FormatInt(f.Number, 10)
		list[i].Value.Number = &number
	}
	return list
}
