package train

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The bases of a number that is told of a job.
const (
	BasisMeasured  = "measured"  // read from a meter
	BasisEstimated = "estimated" // of what was asked for or measured, and a price that somebody wrote down
	BasisAssumed   = "assumed"   // something was not known and taken to be usual
)

// Price is what a backend costs, in one currency.
type Price struct {
	Currency   string
	GPUHour    float64 // of one GPU
	CPUHour    float64 // of one processor
	MemoryHour float64 // of one GiB
	NodeHour   float64 // of one node, whatever it has
	JobHour    float64 // of all that the job has, spot or not, as the backend itself says
	Spot       float64 // share of the price that a spot machine costs, 0 to 1; 0 is not known
}

// Cost is an amount of money, and what it rests on.
type Cost struct {
	Amount   float64
	Currency string
	Basis    string
	How      string // the sum in words
}

// Known says whether anything has a price.
func (p Price) Known() bool { return p.GPUHour+p.CPUHour+p.MemoryHour+p.NodeHour+p.JobHour > 0 }

// Of returns the cost of resources over a time: for each kind that has a price, its number on all nodes, times the hours,
// times the price of an hour. What has a price and was not asked for counts as one processor and as no GPU or memory, and
// makes the sum an assumed one. A spot machine whose share is not known costs the full price, likewise assumed.
func (p Price) Of(r Resources, spot bool, lasted time.Duration) Cost {
	c := Cost{Currency: p.Currency, Basis: BasisEstimated}
	nodes, hours := float64(max(1, r.Nodes)), lasted.Hours()
	var terms []string
	add := func(number, price float64, what string) {
		if price == 0 || number == 0 {
			return
		}
		c.Amount += number * hours * price
		terms = append(terms, fmt.Sprintf("%s %s x %s h x %s %s", short(number), what, short(hours), short(price), p.Currency))
	}
	cpus := float64(r.CPUs)
	if p.CPUHour > 0 && cpus == 0 {
		cpus, c.Basis = 1, BasisAssumed
	}
	if p.MemoryHour > 0 && r.Memory == 0 {
		c.Basis = BasisAssumed
	}
	add(nodes*float64(r.GPUs), p.GPUHour, "GPU")
	add(nodes*cpus, p.CPUHour, "CPU")
	add(nodes*float64(r.Memory)/(1<<30), p.MemoryHour, "GiB")
	add(nodes, p.NodeHour, "node")
	c.How = strings.Join(terms, " + ")
	switch {
	case p.JobHour > 0: // the backend knows how many there are, and of what kind
		c.Amount, c.Basis = hours*p.JobHour, BasisEstimated
		c.How = fmt.Sprintf("%s h x %s %s, as the backend says", short(hours), short(p.JobHour), p.Currency)
	case spot && p.Spot > 0:
		c.Amount *= p.Spot
		c.How = "(" + c.How + ") x " + short(p.Spot) + " for spot"
	case spot:
		c.Basis, c.How = BasisAssumed, c.How+", spot at the full price"
	}
	return c
}

// longest is a time that no job takes: what would be paid for beyond it is no limit, and more would not fit into every backend's number
// of seconds.
const longest = 50 * 365 * 24 * time.Hour

// Affords returns how long resources may be used for an amount: the time limit that keeps a job below it. 0: nothing has a
// price, so no time is too long.
func (p Price) Affords(r Resources, spot bool, amount float64) time.Duration {
	hour := p.Of(r, spot, time.Hour).Amount
	if hour <= 0 {
		return 0
	}
	return time.Duration(min(amount/hour, longest.Hours()) * float64(time.Hour)).Truncate(time.Second)
}

func short(f float64) string { return Plain(f, 4) }

// Plain writes a number with so many digits that are not leading zeros, and without an exponent.
func Plain(f float64, digits int) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', digits, 64), 64) // what was written can be read
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// Use is for how long a job had its place: in each attempt, those that were lost as well. The time in a queue is none of it.
type Use struct {
	Lasted   time.Duration
	Attempts int
	Assumed  bool // nobody saw one of them end
}

// Used adds up attempts. The end of one that nobody saw end is taken to be the beginning of the next, and of the last one last.
func Used(attempts []Span, last time.Time) Use {
	var u Use
	for i, a := range attempts {
		ended := a.Ended
		if ended.IsZero() {
			u.Assumed, ended = true, last
			if i+1 < len(attempts) {
				ended = attempts[i+1].Began
			}
		}
		if !a.Began.IsZero() {
			u.Lasted += max(0, ended.Sub(a.Began))
		}
		u.Attempts++
	}
	return u
}

// Span is an attempt. A zero time is not known.
type Span struct{ Began, Ended time.Time }

// OfUse returns the cost of resources for as long as they were used.
func (p Price) OfUse(r Resources, spot bool, u Use) Cost {
	c := p.Of(r, spot, u.Lasted)
	if c.How != "" && u.Attempts > 1 {
		c.How += fmt.Sprintf(", %d attempts", u.Attempts)
	}
	if u.Assumed {
		c.Basis = BasisAssumed
	}
	return c
}

// worse is the weaker of two bases.
func worse(a, b string) string {
	for _, basis := range []string{BasisAssumed, BasisEstimated, BasisMeasured} {
		if a == basis || b == basis {
			return basis
		}
	}
	return ""
}
