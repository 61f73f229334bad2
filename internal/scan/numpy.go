package scan

import (
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

var (
	npyHeader = regexp.MustCompile(`^\{'descr': (.+), 'fortran_order': (?:True|False), 'shape': \(([0-9, ]*)\), ?\}\s*$`)
	npySimple = regexp.MustCompile(`^'([<>|=]?[a-zA-Z?][0-9]*(?:\[[0-9a-zA-Z]+\])?)'$`)
	npyField  = regexp.MustCompile(`^\('[^'\\]*', '([^'\\]*)'(?:, \(([0-9, ]*)\))?\)$`)
	npyObject = regexp.MustCompile(`['"][<>|=]?O[0-9]*['"]`)
)

// npy judges an array of numpy. An array of objects is a pickle, which numpy.load(allow_pickle=True) runs.
func (s *inspection) npy(p place, b blob) (bool, error) {
	s.format("npy")
	h := b.head(12)
	if len(h) < 12 {
		s.unclear(p, 0, "is an array without a header")
		return true, nil
	}
	length, start := int64(h[8])|int64(h[9])<<8, int64(10)
	if h[6] > 1 {
		length, start = length|int64(h[10])<<16|int64(h[11])<<24, 12
	}
	if h[6] < 1 || h[6] > 3 || length > window || start+length > b.size {
		s.unclear(p, 0, "is an array with a header that numpy does not write")
		return true, nil
	}
	header := string(b.at(start, int(length)))
	data := b.part(start+length, b.size)
	m := npyHeader.FindStringSubmatch(header)
	if npyObject.MatchString(header) || m == nil && strings.Contains(header, "O") {
		return true, s.npyObjects(p, data)
	}
	if m == nil {
		s.unclear(p, 0, "is an array with a header that numpy does not write")
		return true, nil
	}
	item, boxed := npyItem(m[1])
	if boxed {
		return true, s.npyObjects(p, data)
	}
	if n, ok := npySize(m[2], item); !ok || n != data.size {
		s.unclear(p, start+length, "is an array whose header tells another size than the file has")
	}
	return true, nil
}

// npyObjects judges the pickle that holds the items of an array.
func (s *inspection) npyObjects(p place, data blob) error {
	is, err := s.pickles(p, data)
	if err == nil && !is {
		s.unclear(p, 0, "is an array of objects that is no pickle")
	}
	return err
}

// npyItem reads the description of an item: bytes, and whether it holds Python objects.
func npyItem(descr string) (int64, bool) {
	if m := npySimple.FindStringSubmatch(descr); m != nil {
		return itemSize(m[1])
	}
	inner, ok := strings.CutPrefix(descr, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !ok || !closed {
		return 0, false
	}
	var total int64
	for _, field := range strings.SplitAfter(inner+", ", "), ") {
		if field == "" {
			continue
		}
		m := npyField.FindStringSubmatch(strings.TrimSuffix(field, ", "))
		if m == nil {
			return 0, false
		}
		n, boxed := itemSize(m[1])
		if n, ok = npySize(m[2], n); boxed || !ok {
			return 0, boxed
		}
		total += n
	}
	return total, false
}

// npySize multiplies a shape, written as a tuple without its brackets, and the bytes of an item.
func npySize(shape string, item int64) (int64, bool) {
	n := uint64(item)
	for _, dim := range strings.Split(shape, ",") {
		if dim = strings.TrimSpace(dim); dim == "" {
			continue
		}
		d, err := strconv.ParseUint(dim, 10, 62)
		hi, lo := bits.Mul64(n, d)
		if err != nil || hi != 0 || lo > 1<<62 {
			return 0, false
		}
		n = lo
	}
	return int64(n), item > 0
}
