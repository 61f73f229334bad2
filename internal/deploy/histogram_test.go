package deploy

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func histogramOf(values ...int64) Histogram {
	counts := make([]int64, NumBuckets)
	for _, v := range values {
		counts[Bucket(v)]++
	}
	return NewHistogram(counts)
}

func TestBucketsHoldWhatFallsInThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	last := -1
	for b := range NumBuckets - 1 {
		low, high := bucketRange(b)
		if Bucket(int64(low)) != b || Bucket(int64(high)-1) != b {
			t.Fatalf("bucket %d is from %v to %v, and these are in %d and %d", b, low, high, Bucket(int64(low)), Bucket(int64(high)-1))
		}
		if b >= perOctave && (high-low)/low > 1.0/perOctave {
			t.Fatalf("bucket %d from %v to %v is too wide", b, low, high)
		}
		if Bucket(int64(low)) != last+1 {
			t.Fatalf("bucket %d does not follow %d", b, last)
		}
		last = b
	}
	for _, v := range []int64{math.MaxInt64, 1 << 53, 1 << 60} {
		if Bucket(v) != NumBuckets-1 {
			t.Errorf("%d is in bucket %d", v, Bucket(v))
		}
	}
	if Bucket(-5) != 0 {
		t.Errorf("-5 is in bucket %d", Bucket(-5))
	}
	for range 1000 {
		v := random.Int64N(1 << 53)
		if low, high := bucketRange(Bucket(v)); float64(v) < low || float64(v) >= high {
			t.Fatalf("%d is in the bucket from %v to %v", v, low, high)
		}
	}
}

func TestQuantilesAreWithinABucket(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	values := make([]int64, 10_000)
	for i := range values {
		values[i] = int64(math.Exp(random.NormFloat64()*1.5 + 9))
	}
	h := histogramOf(values...)
	slices.Sort(values)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		want := float64(values[int(q*float64(len(values)))-1])
		if got := h.Quantile(q); math.Abs(got-want)/want > 0.04 {
			t.Errorf("quantile %v is %v, it should be about %v", q, got, want)
		}
		if got := h.Below(want) / float64(len(values)); math.Abs(got-q) > 0.01 {
			t.Errorf("%v are below %v, not %v", got, want, q)
		}
	}
	if !math.IsNaN(Histogram{}.Quantile(0.5)) {
		t.Error("nothing has a median")
	}
}

func TestHistogramsAddAndSubtract(t *testing.T) {
	a, b := histogramOf(1, 5, 5, 700, 1<<40), histogramOf(5, 9, 700, 700)
	if both := a.And(b); both.Count() != 9 || len(both.buckets) != 5 {
		t.Errorf("together: %+v", both)
	}
	if got := a.And(b).Since(b); !slices.Equal(got.buckets, a.buckets) || got.Count() != a.Count() {
		t.Errorf("(a+b)-b is %+v, not %+v", got, a)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back Histogram
	if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back.buckets, a.buckets) || back.Count() != a.Count() {
		t.Errorf("%s is read as %+v, %v", text, back, err)
	}
	for _, empty := range []string{`[]`, ` [ ] `, `null`} {
		if err := json.Unmarshal([]byte(empty), &back); err != nil || back.Count() != 0 || len(back.buckets) > 0 {
			t.Errorf("%s is read as %+v, %v", empty, back, err)
		}
	}
	if err := json.Unmarshal([]byte(" [ [ 1 , 2 ] ,\n[ 3, 4 ] ] "), &back); err != nil || back.Count() != 6 || len(back.buckets) != 2 {
		t.Errorf("with blanks: %+v, %v", back, err)
	}
	for _, bad := range []string{`[[1,0]]`, `[[-1,1]]`, `[[5,1],[5,1]]`, `[[9,1],[5,1]]`, `[[100000,1]]`, `[[1,9223372036854775807],[2,1]]`, `{}`, `[[1,9223372036854775808]]`,
		`[[1,1],]`, `[,[1,1]]`, `[[1,1][2,1]]`, `[[1]]`, `[[1,1,1]]`, `[[1.0,1]]`, `[[1,1e2]]`, `[["1",1]]`, `[[1,1]`, `[[,1]]`, `1`, `"a"`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
