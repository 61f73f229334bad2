package gate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// settled computes everything from the points, which it lets go.
//
// Nobody notes when the generator began; it began when the request that was least late would have been sent in time.
func (r *loadRun) settled() *loadRun {
	for i, p := range r.points {
		began := p.sentAt.Add(-time.Duration(p.seq) * r.interval)
		if i == 0 || began.Before(r.began) {
			r.began = began
		}
		if end := p.sentAt.Add(p.latency); end.After(r.ended) {
			r.ended = end
		}
	}
	for _, p := range r.points {
		lag := time.Duration(0)
		if r.interval > 0 {
			lag = p.sentAt.Sub(r.began.Add(time.Duration(p.seq) * r.interval))
		}
		r.lags = append(r.lags, lag)
		r.sent++
		if p.failed {
			r.failed++
			continue
		}
		r.latencies, r.service = append(r.latencies, p.latency+lag), append(r.service, p.latency)
	}
	slices.Sort(r.lags)
	slices.Sort(r.latencies)
	slices.Sort(r.service)
	r.points = nil
	return r
}

// fromSent is the same load with latencies that count from the moment of sending.
func (r *loadRun) fromSent() *loadRun {
	other := *r
	other.latencies = r.service
	return &other
}

func (r *loadRun) answered() int { return len(r.latencies) }

// weak says why the load tells nothing: less was sent than was to be sent, though the server had taken it.
func (r *loadRun) weak() string {
	if r.sent == 0 {
		return "nothing was sent"
	}
	if r.rate > 0 && float64(r.sent) < loadGoodRate*float64(r.total) && !r.saturated {
		return fmt.Sprintf("the load generator sent %s/s of %s/s", rateText(r.sentRate()), rateText(r.rate))
	}
	return ""
}

func (r *loadRun) sentRate() float64 { return float64(r.sent) / r.time.Seconds() }

func (r *loadRun) lag(q float64) time.Duration { return quantileOf(r.lags, q, len(r.lags)) }

// quantileOf is the smallest value that at least the share q of n values do not exceed; values that are not there, of requests that
// failed, are greater than all others. It is negative when it is one of those.
func quantileOf(sorted []time.Duration, q float64, n int) time.Duration {
	at := max(int(math.Ceil(q*float64(n)-1e-9))-1, 0)
	if at >= len(sorted) {
		return -1
	}
	return sorted[at]
}

// measure is the value of a measure in its unit, and in words; or why it cannot be told.
func (r *loadRun) measure(name string) (value float64, shown, why string) {
	if q, ok := loadQuantiles()[name]; ok {
		return r.quantile(q)
	}
	switch name {
	case "latency_mean":
		if r.answered() == 0 {
			return math.Inf(1), "no answer", ""
		}
		sum := 0.0
		for _, l := range r.latencies {
			sum += l.Seconds()
		}
		mean := sum / float64(r.answered())
		return mean, spanText(time.Duration(mean * 1e9)), ""
	case "throughput":
		seconds := r.ended.Sub(r.began).Seconds()
		if !(seconds > 0) {
			return math.NaN(), "", "nothing was sent"
		}
		v := float64(r.answered()*r.batch) / seconds
		return v, rateText(v) + " predictions/s", ""
	case "errors":
		if r.sent == 0 {
			return math.NaN(), "", "nothing was sent"
		}
		v := float64(r.failed) / float64(r.sent)
		shown = fmt.Sprintf("%s of %d requests failed", shareText(v), r.sent)
		if r.first != "" {
			shown += ", first: " + r.first
		}
		return v, shown, ""
	}
	return r.used(name)
}

func (r *loadRun) quantile(q float64) (value float64, shown, why string) {
	if need := int(math.Ceil(1/(1-q) - 1e-9)); q < 1 && r.sent < need {
		return math.NaN(), "", fmt.Sprintf("%d requests are too few, it takes %d", r.sent, need)
	}
	l := quantileOf(r.latencies, q, r.sent)
	if l < 0 {
		return math.Inf(1), fmt.Sprintf("%s of the requests were not answered", shareText(float64(r.failed)/float64(max(r.sent, 1)))), ""
	}
	return l.Seconds(), spanText(l), ""
}

// used is what the server used.
func (r *loadRun) used(name string) (value float64, shown, why string) {
	u := r.usage
	if u == nil {
		return math.NaN(), "", "mlx did not start this server, and sees nothing of it"
	}
	switch name {
	case "cpu":
		if !u.Known || r.answered() == 0 {
			return math.NaN(), "", "nothing is known of its CPU time"
		}
		v := r.cpu.Seconds() / float64(r.answered()*r.batch) * 1000
		return v, strconv.FormatFloat(v, 'g', 3, 64) + " CPU s for 1000 predictions", ""
	case "memory":
		if !u.Known || u.Memory == 0 {
			return math.NaN(), "", "nothing is known of its memory"
		}
		return float64(u.Memory), bytesText(float64(u.Memory)) + " at most", ""
	case "gpu":
		if u.GPU == nil {
			return math.NaN(), "", "there is no GPU, or no nvidia-smi to ask"
		}
		return *u.GPU, shareText(*u.GPU) + " at most", ""
	}
	if u.GPUMem == nil {
		return math.NaN(), "", "there is no GPU, or no nvidia-smi to ask"
	}
	return float64(*u.GPUMem), bytesText(float64(*u.GPUMem)) + " at most", ""
}

// told says how the load was sent.
func (r *loadRun) told() string {
	if r.rate == 0 {
		return fmt.Sprintf("%d requests by %d clients as fast as they were answered", r.sent, loadClients)
	}
	text := fmt.Sprintf("%d requests at %s/s", r.sent, rateText(r.sentRate()))
	if lag := r.lag(0.99); lag >= time.Millisecond {
		text += ", sent late by " + spanText(lag) + " (p99)"
	}
	return text
}

// plot draws the latency over the share of requests.
func (r *loadRun) plot() *Plot {
	if r.answered() == 0 {
		return nil
	}
	line := PlotLine{Name: "latency"}
	for i := range 100 {
		q := float64(i+1) / 100
		if i == 99 {
			q = 0.999
		}
		if l := quantileOf(r.latencies, q, r.sent); l >= 0 {
			line.X, line.Y = append(line.X, q*100), append(line.Y, l.Seconds()*1000)
		}
	}
	return &Plot{Kind: "latency", XLabel: "percent of requests", YLabel: "milliseconds", Lines: []PlotLine{line}}
}

// spanText writes a time span with three digits: 41.2 ms, 2.01 s.
func spanText(d time.Duration) string {
	switch {
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1e3, 'g', 3, 64) + " ms"
	}
	return strconv.FormatFloat(d.Seconds()*1e6, 'f', 0, 64) + " us"
}

func rateText(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
