package run

// readStart fills buf from the beginning of a file and returns how many bytes there were.
func readStart(file string, buf []byte) (int, bool) {
	head, ok := readHead(file, int64(len(buf)))
	return copy(buf, head), ok
}
