package deploy

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Buckets of a Histogram: values below 32 have one each; above, each power of two is cut into 32, so that a value is known within 1.6 %.
const (
	bucketBits = 5
	perOctave  = 1 << bucketBits

	// NumBuckets is how many buckets there are. The last one holds all that is 2^53 and more.
	NumBuckets = (53-bucketBits)*perOctave + perOctave + 1
)

// Bucket is the bucket that a whole number from 0 up is counted in.
func Bucket(v int64) int {
	if v < perOctave {
		return int(max(v, 0))
	}
	octave := bits.Len64(uint64(v)) - 1 - bucketBits // 0 for 32 to 63
	return min((octave+1)*perOctave+int(v>>octave)-perOctave, NumBuckets-1)
}

// bucketRange is what a bucket holds: from low up to, without, high.
func bucketRange(b int) (low, high float64) {
	if b < perOctave {
		return float64(b), float64(b + 1)
	}
	octave := b/perOctave - 1
	width := math.Ldexp(1, octave)
	low = float64(perOctave+b%perOctave) * width
	return low, low + width
}

// Histogram counts whole numbers from 0 up. The zero value is empty. In JSON it is a list of [bucket, count], in order.
type Histogram struct {
	buckets []bucketCount // ordered, no count is 0
	count   int64
}

type bucketCount struct {
	bucket int
	count  int64
}

// NewHistogram makes one of the counts of all buckets, in order.
func NewHistogram(counts []int64) Histogram {
	var h Histogram
	for b, n := range counts {
		if n > 0 {
			h.buckets = append(h.buckets, bucketCount{b, n})
			h.count += n
		}
	}
	return h
}

// Count is how many numbers there are.
func (h Histogram) Count() int64 { return h.count }

// Quantile is the number below which a share q of all lies, from 0 to 1; NaN of none. Within a bucket numbers are taken as evenly spread.
func (h Histogram) Quantile(q float64) float64 {
	if h.count == 0 {
		return math.NaN()
	}
	rank := q * float64(h.count)
	var below float64
	for _, c := range h.buckets {
		if n := float64(c.count); below+n >= rank {
			low, high := bucketRange(c.bucket)
			return low + (high-low)*(rank-below)/n
		}
		below += float64(c.count)
	}
	_, high := bucketRange(h.buckets[len(h.buckets)-1].bucket)
	return high
}

// Below is how many numbers are less than v; those in its bucket count in part.
func (h Histogram) Below(v float64) float64 {
	var n float64
	for _, c := range h.buckets {
		low, high := bucketRange(c.bucket)
		switch {
		case v >= high:
			n += float64(c.count)
		case v > low:
			n += float64(c.count) * (v - low) / (high - low)
		}
	}
	return n
}

// Since is what was counted after an earlier state of the same histogram.
func (h Histogram) Since(earlier Histogram) Histogram {
	return combine(h, earlier, func(a, b int64) int64 { return max(a-b, 0) })
}

// And is what both count together.
func (h Histogram) And(other Histogram) Histogram {
	return combine(h, other, func(a, b int64) int64 { return a + b })
}

func combine(a, b Histogram, count func(a, b int64) int64) Histogram {
	var h Histogram
	add := func(bucket int, n int64) {
		if n > 0 {
			h.buckets = append(h.buckets, bucketCount{bucket, n})
			h.count += n
		}
	}
	i, k := 0, 0
	for i < len(a.buckets) || k < len(b.buckets) {
		switch {
		case k == len(b.buckets) || i < len(a.buckets) && a.buckets[i].bucket < b.buckets[k].bucket:
			add(a.buckets[i].bucket, count(a.buckets[i].count, 0))
			i++
		case i == len(a.buckets) || a.buckets[i].bucket > b.buckets[k].bucket:
			add(b.buckets[k].bucket, count(0, b.buckets[k].count))
			k++
		default:
			add(a.buckets[i].bucket, count(a.buckets[i].count, b.buckets[k].count))
			i, k = i+1, k+1
		}
	}
	return h
}

// MarshalJSON writes the buckets that are not empty.
func (h Histogram) MarshalJSON() ([]byte, error) {
	pairs := make([][2]int64, len(h.buckets))
	for i, c := range h.buckets {
		pairs[i] = [2]int64{int64(c.bucket), c.count}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads them, and refuses what MarshalJSON does not write. Records hold thousands of these pairs, so they are read by hand.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	r := pairReader{text: text}
	counts := Histogram{}
	if r.next() == 'n' { // null: encoding/json has seen that it is whole
		*h = counts
		return nil
	}
	r.take('[')
	for !r.bad && !r.has(']') {
		if len(counts.buckets) > 0 {
			r.take(',')
		}
		r.take('[')
		bucket := r.number()
		r.take(',')
		n := r.number()
		r.take(']')
		last := int64(-1)
		if len(counts.buckets) > 0 {
			last = int64(counts.buckets[len(counts.buckets)-1].bucket)
		}
		if r.bad || bucket <= last || bucket >= NumBuckets || n < 1 || n > math.MaxInt64-counts.count {
			return fmt.Errorf("%.40q holds what is no bucket of a histogram", text)
		}
		counts.buckets = append(counts.buckets, bucketCount{int(bucket), n})
		counts.count += n
	}
	if r.next(); r.bad || r.at < len(r.text) {
		return fmt.Errorf("%.40q is no histogram", text)
	}
	counts.buckets = slices.Clip(counts.buckets)
	*h = counts
	return nil
}

// pairReader reads the signs and whole numbers of a text that encoding/json takes for a value.
type pairReader struct {
	text []byte
	at   int
	bad  bool
}

// next is the next sign after blanks; 0 is the end.
func (r *pairReader) next() byte {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// has takes a sign if it comes next.
func (r *pairReader) has(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

func (r *pairReader) take(c byte) { r.bad = !r.has(c) || r.bad }

// number is a whole number from 0 up.
func (r *pairReader) number() (n int64) {
	r.next()
	begin := r.at
	for ; r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9'; r.at++ {
		digit := int64(r.text[r.at] - '0')
		if n > (math.MaxInt64-digit)/10 {
			r.bad = true
			return 0
		}
		n = n*10 + digit
	}
	r.bad = r.bad || r.at == begin
	return n
}
