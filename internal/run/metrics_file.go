package run

// ReadMetricsFile reads the results that a command wrote to a JSON file of its own: one object of numbers, or one a line.
func ReadMetricsFile(path string) (map[string]Number, error) { return readMetrics(path) }
