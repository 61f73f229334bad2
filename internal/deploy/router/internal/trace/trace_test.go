package trace

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestParse(t *testing.T) {
	c, ok := Parse(example)
	if !ok || !c.Sampled || c.String() != example {
		t.Errorf("read %+v: %s", c, c)
	}
	for _, later := range []string{"01" + example[2:], "cc" + example[2:] + "-more"} {
		if got, ok := Parse(later); !ok || got != c {
			t.Errorf("%s is refused", later)
		}
	}
	for _, bad := range []string{"", "00-0-0-01", "ff" + example[2:], strings.ToUpper(example), example + "-more", example + "x", strings.Replace(example, "-", "_", 1),
		"00-" + strings.Repeat("0", 32) + example[35:], example[:36] + strings.Repeat("0", 16) + "-01", "zz" + example[2:]} {
		if _, ok := Parse(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
	one, two := New(false), New(true)
	if one.Trace == two.Trace || one.Sampled || !two.Sampled || one.Child().Trace != one.Trace || one.Child().Span == one.Span {
		t.Errorf("%s, %s", one, two)
	}
	if again, ok := Parse(two.String()); !ok || again != two {
		t.Errorf("%s is read as %s", two, again)
	}
}

func TestExport(t *testing.T) {
	bodies := make(chan []byte, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" && r.Header.Get("Content-Type") == "application/json" {
			body, _ := io.ReadAll(r.Body)
			bodies <- body
		}
	}))
	defer server.Close()
	ctx, end := context.WithCancel(t.Context())
	e := NewExporter(ctx, server.URL+"/v1/traces", "flights")
	c, _ := Parse(example)
	at := time.Unix(1, 5)
	e.Add(Span{Context: c.Child(), Parent: c.Span, Name: "POST", Start: at, End: at.Add(time.Second), Failed: true, Facts: []Fact{Number("http.response.status_code", 502)}})
	end() // what is left is sent
	<-e.Done()
	var sent struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes []map[string]any }
			ScopeSpans []struct{ Spans []map[string]any }
		}
	}
	if err := json.Unmarshal(<-bodies, &sent); err != nil {
		t.Fatal(err)
	}
	span := sent.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if span["traceId"] != example[3:35] || span["parentSpanId"] != example[36:52] || span["startTimeUnixNano"] != "1000000005" || span["endTimeUnixNano"] != "2000000005" {
		t.Errorf("sent %v", span)
	}
	if status := span["status"].(map[string]any); status["code"] != 2.0 || span["kind"] != 2.0 {
		t.Errorf("sent %v", span)
	}
	if e.Sent.Load() != 1 || e.Dropped.Load() != 0 {
		t.Errorf("%d sent, %d dropped", e.Sent.Load(), e.Dropped.Load())
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	ctx, end := context.WithCancel(t.Context())
	e := NewExporter(ctx, server.URL, "flights")
	e.Add(Span{})
	end()
	<-e.Done()
	server.Close()
	if e.Dropped.Load() != 1 {
		t.Errorf("%d are dropped", e.Dropped.Load())
	}
	full := &Exporter{spans: make(chan Span, 1)}
	full.Add(Span{})
	full.Add(Span{})
	if full.Dropped.Load() != 1 {
		t.Error("a full queue drops nothing")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("cc" + example[2:] + "-more")
	f.Fuzz(func(t *testing.T, header string) {
		if c, ok := Parse(header); ok && header[:2] == "00" && c.String()[:53] != header[:53] {
			t.Fatalf("%q is written as %s", header, c)
		}
	})
}
