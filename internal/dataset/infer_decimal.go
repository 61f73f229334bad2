package dataset

import "math"

// pow10 are the powers of ten that an int64 holds.
var pow10 = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// splitDecimal takes a plain decimal apart: sign, digits before and after the point, without needless zeros.
func splitDecimal(v []byte) (negative bool, before, after []byte, ok bool) {
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		negative, v = v[0] == '-', v[1:]
	}
	i := 0
	for i < len(v) && v[i]-'0' <= 9 {
		i++
	}
	before = v[:i]
	if i < len(v) {
		if v[i] != '.' {
			return false, nil, nil, false
		}
		after = v[i+1:]
	}
	for _, c := range after {
		if c-'0' > 9 {
			return false, nil, nil, false
		}
	}
	if len(before)+len(after) == 0 {
		return false, nil, nil, false
	}
	for len(before) > 0 && before[0] == '0' {
		before = before[1:]
	}
	for len(after) > 0 && after[len(after)-1] == '0' {
		after = after[:len(after)-1]
	}
	return negative, before, after, true
}

// parseDecimal reads a decimal of at most 18 digits, times 10^scale. More digits after the point than the scale has do not fit.
func parseDecimal(v []byte, scale int) (int64, bool) {
	negative, before, after, ok := splitDecimal(v)
	if !ok || len(after) > scale || len(before)+scale > 18 {
		return 0, false
	}
	var n int64
	for _, c := range before {
		n = n*10 + int64(c-'0')
	}
	for _, c := range after {
		n = n*10 + int64(c-'0')
	}
	n *= pow10[scale-len(after)]
	if negative {
		n = -n
	}
	return n, true
}

// wideDecimal appends a decimal of any size in plain digits, with scale of them after the point.
func wideDecimal(dst, v []byte, scale int) ([]byte, bool) {
	negative, before, after, ok := splitDecimal(v)
	if !ok || len(after) > scale || scale > math.MaxUint16 {
		return dst, false
	}
	if negative && len(before)+len(after) > 0 {
		dst = append(dst, '-')
	}
	if len(before) == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, before...)
	if scale == 0 {
		return dst, true
	}
	dst = append(append(dst, '.'), after...)
	for range scale - len(after) {
		dst = append(dst, '0')
	}
	return dst, true
}
