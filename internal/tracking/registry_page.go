package tracking

// pageSize checks how many are wanted at once.
func pageSize(n, usual, most int) (int, error) {
	switch {
	case n == 0:
		return usual, nil
	case n < 0:
		return 0, failf(InvalidParameterValue, "Invalid value %d for parameter 'max_results' supplied: It must be a positive integer", n)
	case n > most:
		return 0, failf(InvalidParameterValue, "Invalid value for max_results. It must be at most %d, but got value %d", most, n)
	}
	return n, nil
}
