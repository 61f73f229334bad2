package train

import (
	"math"
	"testing"
	"time"
)

func TestCost(t *testing.T) {
	gpu := Price{Currency: "EUR", GPUHour: 2.10}
	for _, c := range []struct {
		name   string
		price  Price
		r      Resources
		spot   bool
		lasted time.Duration
		amount float64
		basis  string
		how    string
	}{
		{"two GPUs, half an hour", gpu, Resources{GPUs: 2}, false, 30 * time.Minute, 2.10, BasisEstimated, "2 GPU x 0.5 h x 2.1 EUR"},
		{"on three nodes", gpu, Resources{GPUs: 2, Nodes: 3}, false, time.Hour, 12.60, BasisEstimated, "6 GPU x 1 h x 2.1 EUR"},
		{"no GPU asked for", gpu, Resources{}, false, time.Hour, 0, BasisEstimated, ""},
		{"a processor is assumed", Price{Currency: "USD", CPUHour: 0.04}, Resources{}, false, time.Hour, 0.04, BasisAssumed, "1 CPU x 1 h x 0.04 USD"},
		{"all kinds", Price{Currency: "USD", CPUHour: 0.04, MemoryHour: 0.005, NodeHour: 1}, Resources{CPUs: 8, Memory: 32 << 30, Nodes: 2}, false, time.Hour,
			2*8*0.04 + 2*32*0.005 + 2, BasisEstimated, "16 CPU x 1 h x 0.04 USD + 64 GiB x 1 h x 0.005 USD + 2 node x 1 h x 1 USD"},
		{"a moment", gpu, Resources{GPUs: 1}, false, 72 * time.Millisecond, 0.000042, BasisEstimated, "1 GPU x 0.00002 h x 2.1 EUR"},
		{"spot", Price{Currency: "EUR", GPUHour: 2, Spot: 0.3}, Resources{GPUs: 1}, true, time.Hour, 0.6, BasisEstimated, "(1 GPU x 1 h x 2 EUR) x 0.3 for spot"},
		{"spot of unknown share", Price{Currency: "EUR", GPUHour: 2}, Resources{GPUs: 1}, true, time.Hour, 2, BasisAssumed, "1 GPU x 1 h x 2 EUR, spot at the full price"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.price.Of(c.r, c.spot, c.lasted)
			if math.Abs(got.Amount-c.amount) > 1e-9 || got.Basis != c.basis || got.How != c.how {
				t.Errorf("got %+v, want %v %s %q", got, c.amount, c.basis, c.how)
			}
		})
	}
	if got := gpu.Affords(Resources{GPUs: 4}, false, 8.40); got != time.Hour {
		t.Errorf("8.40 EUR afford %v of 4 GPUs, want 1h", got)
	}
	if got := gpu.Affords(Resources{GPUs: 1}, false, 1e12); got < 20*365*24*time.Hour || got.Seconds() > math.MaxInt32 {
		t.Errorf("an amount without end affords %v", got)
	}
	if got := gpu.Affords(Resources{}, false, 1); got != 0 {
		t.Errorf("what costs nothing is limited to %v", got)
	}
}

func TestPriceOfBackend(t *testing.T) {
	sky := Price{Currency: "USD", JobHour: 7.34}
	for _, spot := range []bool{false, true} { // the backend has told the price of just these machines
		got := sky.Of(Resources{Nodes: 2, GPUs: 8}, spot, 30*time.Minute)
		if math.Abs(got.Amount-3.67) > 1e-9 || got.Basis != BasisEstimated || got.How != "0.5 h x 7.34 USD, as the backend says" {
			t.Errorf("%+v", got)
		}
	}
	if got := sky.Affords(Resources{Nodes: 2}, true, 14.68); got != 2*time.Hour {
		t.Errorf("%v", got)
	}
}

// What was lost costs as well, and what waited does not.
func TestUse(t *testing.T) {
	at := func(minutes int) time.Time { return time.Date(2026, 11, 26, 12, minutes, 0, 0, time.UTC) }
	gpu := Price{Currency: "EUR", GPUHour: 2}
	for _, c := range []struct {
		name     string
		attempts []Span
		last     time.Time
		want     Use
		how      string
	}{
		{"one", []Span{{at(5), at(35)}}, at(35), Use{30 * time.Minute, 1, false}, "2 GPU x 0.5 h x 2 EUR"},
		{"two, with a queue in between", []Span{{at(0), at(10)}, {at(40), at(60)}}, at(60), Use{30 * time.Minute, 2, false}, "2 GPU x 0.5 h x 2 EUR, 2 attempts"},
		{"one that nobody saw end", []Span{{at(0), time.Time{}}, {at(20), at(30)}}, at(30), Use{30 * time.Minute, 2, true}, "2 GPU x 0.5 h x 2 EUR, 2 attempts"},
		{"the last one, which goes on", []Span{{at(0), at(10)}, {at(20), time.Time{}}}, at(40), Use{30 * time.Minute, 2, true}, "2 GPU x 0.5 h x 2 EUR, 2 attempts"},
		{"one that never began", []Span{{}}, at(40), Use{0, 1, true}, "2 GPU x 0 h x 2 EUR"},
		{"never", nil, at(40), Use{}, "2 GPU x 0 h x 2 EUR"},
		{"a clock that went back", []Span{{at(10), at(0)}}, at(40), Use{0, 1, false}, "2 GPU x 0 h x 2 EUR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := Used(c.attempts, c.last)
			if u != c.want {
				t.Errorf("got %+v, want %+v", u, c.want)
			}
			basis := BasisEstimated
			if c.want.Assumed {
				basis = BasisAssumed
			}
			cost := gpu.OfUse(Resources{GPUs: 2}, false, u)
			if math.Abs(cost.Amount-4*u.Lasted.Hours()) > 1e-9 || cost.How != c.how || cost.Basis != basis {
				t.Errorf("%+v", cost)
			}
		})
	}
}
