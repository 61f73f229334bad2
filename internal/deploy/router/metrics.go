package router

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// bounds are those of the histogram of latencies, in seconds.
var bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

func (r *router) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, r.metrics()) // the other side may be gone
}

// metrics is what Prometheus reads.
func (r *router) metrics() string {
	t := r.table.Load()
	m := &metricText{service: r.o.Service}
	m.one("mlx_router_generation", "gauge", "Generation of the routing that is obeyed.", float64(t.desired.Generation))
	m.one("mlx_router_reverted", "gauge", "1 if all was given to stable without being told.", truth(t.reverted != nil))
	m.one("mlx_router_in_flight", "gauge", "Requests under way.", float64(r.all.inside()))
	m.one("mlx_router_queued", "gauge", "Requests that wait for a place.", float64(r.all.waiting.Load()))
	m.one("mlx_router_connections", "gauge", "Connections of clients.", float64(r.conns.Load()))
	m.one("mlx_router_kept_bytes", "gauge", "Bytes of request bodies in memory.", float64(r.kept.Load()))
	m.one("mlx_router_shadow_queue", "gauge", "Copies that wait to be sent.", float64(len(r.copies.queue)))
	m.one("mlx_router_queue_full_total", "counter", "Requests refused because too many waited.", float64(r.shared.N[cellFull].Load()))
	m.one("mlx_router_too_long_total", "counter", "Requests refused because of the length of their body.", float64(r.shared.N[cellTooLong].Load()))
	m.one("mlx_router_uncounted_total", "counter", "Requests without a word, which an experiment does not count.", float64(r.shared.N[cellUncounted].Load()))
	m.one("mlx_router_nobody_total", "counter", "Requests that no release serves.", float64(r.shared.N[cellNobody].Load()))
	if r.o.Kept != nil {
		kept := r.o.Kept()
		m.one("mlx_router_unlogged_total", "counter", "Requests refused because the log could not have kept them.", float64(r.shared.N[cellUnlogged].Load()))
		m.one("mlx_router_log_kept_total", "counter", "Requests that this process has handed to the log.", float64(kept.Kept))
		m.one("mlx_router_log_dropped_total", "counter", "Requests that were answered and not kept, since this process began.", float64(kept.Dropped))
		m.one("mlx_router_log_troubled", "gauge", "1 if the log cannot be written, sealed or sent on.", truth(kept.Trouble != ""))
	}
	if r.spans != nil {
		m.one("mlx_router_spans_total", "counter", "Spans that were sent.", float64(r.spans.Sent.Load()))
		m.one("mlx_router_spans_dropped_total", "counter", "Spans that could not be sent in time.", float64(r.spans.Dropped.Load()))
	}
	r.armMetrics(m, t)
	return m.String()
}

func (r *router) armMetrics(m *metricText, t *table) {
	arms := t.arms()
	each := func(name, kind, help string, value func(*arm) float64) {
		m.head(name, kind, help)
		for _, a := range arms {
			m.line(name, a, "", value(a))
		}
	}
	now := r.clock()
	each("mlx_router_share", "gauge", "Part of the traffic, from 0 to 1.", func(a *arm) float64 { return a.given.Float() })
	each("mlx_router_servers_ready", "gauge", "Servers that seem well.", func(a *arm) float64 { return float64(a.pool.serving.Load().ready(now)) })
	each("mlx_router_arm_in_flight", "gauge", "Requests under way at an arm.", func(a *arm) float64 { return float64(a.pool.gate.inside()) })
	for _, c := range []struct {
		name, help string
		cell       int
	}{
		{"requests", "Requests that the release was chosen for.", cellRequests},
		{"answers", "Answers with a status below 500.", cellAnswers},
		{"errors", "Answers with a status of 500 and above, or none.", cellErrors},
		{"retried", "Of the errors: stable answered in its place.", cellRetried},
		{"refused", "Requests that do not fit the signature of the model.", cellRefused},
		{"schema", "Answers that do not fit it.", cellSchema},
		{"left", "Clients that went before the answer.", cellLeft},
	} {
		each("mlx_router_"+c.name+"_total", "counter", c.help, func(a *arm) float64 { return float64(a.pool.count.N[c.cell].Load()) })
	}
	const name = "mlx_router_latency_seconds"
	m.head(name, "histogram", "From the first byte to the server to the last byte back.")
	for _, a := range arms {
		m.histogram(name, a, a.pool.count)
	}
	if t.shadow == nil {
		return
	}
	for _, c := range []struct {
		name, help string
		cell       int
	}{
		{"eligible", "Requests that a copy was to be made of.", cellEligible},
		{"compared", "Pairs of answers that were compared.", cellCompared},
		{"dropped", "Copies that were given up.", cellDropped},
		{"unlike", "Pairs that cannot be compared.", cellUnlike},
		{"failed", "Pairs whose shadow failed.", cellFailed},
		{"disagreed", "Pairs that differ.", cellDisagreed},
	} {
		full := "mlx_router_pairs_" + c.name + "_total"
		m.head(full, "counter", c.help)
		m.line(full, t.shadow, "", float64(t.shadow.pool.count.N[c.cell].Load()))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metricText writes the format of Prometheus, version 0.0.4.
type metricText struct {
	strings.Builder
	service string
}

func (m *metricText) head(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (m *metricText) one(name, kind, help string, v float64) {
	m.head(name, kind, help)
	fmt.Fprintf(m, "%s{service=%s} %s\n", name, quoteLabel(m.service), number(v))
}

// line writes a value of an arm; more are further labels, with a comma before them.
func (m *metricText) line(name string, a *arm, more string, v float64) {
	fmt.Fprintf(m, "%s{service=%s,role=%s,model=%s,release=%s%s} %s\n", name, quoteLabel(m.service), quoteLabel(string(a.Role)),
		quoteLabel(a.Release.Name()), quoteLabel(a.Release.Key), more, number(v))
}

func (m *metricText) histogram(name string, a *arm, c *counters) {
	h := c.histogram(cellLatency)
	for _, bound := range bounds {
		m.line(name+"_bucket", a, `,le="`+number(bound)+`"`, math.Round(h.Below(bound*1e6)))
	}
	m.line(name+"_bucket", a, `,le="+Inf"`, float64(h.Count()))
	m.line(name+"_sum", a, "", float64(c.N[cellMicros].Load())/1e6)
	m.line(name+"_count", a, "", float64(h.Count()))
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func quoteLabel(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
