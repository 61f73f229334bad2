package drift

import (
	"fmt"
	"math"
)

// fewestChunks of the reference are needed for a standard deviation that means something.
const fewestChunks = 3

// learnt is the threshold that the reference itself suggests: how far its chunks are from the rest of it. As NannyML it is the mean and
// so many standard deviations (which divide by n) above it.
func (j *judging) learnt(m *Measured) (threshold float64, why string) {
	n, sum := 0, 0.0
	for _, v := range m.Learnt {
		if isNumber(v) {
			n, sum = n+1, sum+v
		}
	}
	if n < fewestChunks {
		return math.NaN(), fmt.Sprintf("no threshold can be learnt: %d parts of the reference can be compared, %d are needed", n, fewestChunks)
	}
	mean, squares := sum/float64(n), 0.0
	for _, v := range m.Learnt {
		if isNumber(v) {
			squares += (v - mean) * (v - mean)
		}
	}
	return mean + j.Learn.Deviations*math.Sqrt(squares/float64(n)), ""
}
