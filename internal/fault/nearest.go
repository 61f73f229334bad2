package fault

import "strings"

// Nearest returns the known word most like word, or "" when none is close enough to be a slip of the hand: at most a
// third of the letters may differ, a swap of neighbours counting once. Failing that, a known word of three letters or
// more that word lengthens or shortens is meant ("minimum" for "min").
func Nearest(word string, known []string) string {
	best, limit := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k, limit); d < limit {
			best, limit = k, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, k := range known {
		if len(k) >= 3 && len(k) > len(best) && (strings.HasPrefix(word, k) || strings.HasPrefix(k, word)) {
			best = k
		}
	}
	return best
}

// distance is the restricted Damerau-Levenshtein distance of a and b in bytes, or limit when it is not below that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, prev[j]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return min(prev[len(b)], limit)
}
