package drift

import (
	"math"

	"mlx/internal/dataset"
)

const (
	maxGroups   = 10_000  // clusters that are counted on their own; of more, several are one group, which are as independent as they
	maxClusters = 100_000 // how far clusters are counted
)

// clusters numbers the clusters of one side in the order in which they first come.
type clusters struct {
	known map[uint64]uint32
	moved []uint32 // not nil: there are more than maxGroups; the group of each that came before that
	since int64    // first row that was numbered after that
	rows  *stream[uint32]
	codes []uint32
}

func newClusters(s *store) *clusters {
	return &clusters{known: make(map[uint64]uint32), rows: newStream[uint32](s)}
}

// add numbers rows by the keys of their clusters.
func (c *clusters) add(keys []uint64) error {
	c.codes = c.codes[:0]
	for _, key := range keys {
		code, ok := c.known[key]
		if !ok && len(c.known) < maxClusters {
			code = uint32(len(c.known))
			c.known[key] = code
		}
		if code >= maxGroups && c.moved == nil {
			c.fold(c.rows.n + int64(len(c.codes)))
		}
		if c.moved != nil {
			code = groupOf(key)
		}
		c.codes = append(c.codes, code)
	}
	return c.rows.add(c.codes)
}

// fold begins to put several clusters into one group.
func (c *clusters) fold(row int64) {
	c.since, c.moved = row, make([]uint32, maxGroups)
	for key, code := range c.known {
		if code < maxGroups {
			c.moved[code] = groupOf(key)
		}
	}
}

func groupOf(key uint64) uint32 { return uint32(mix(key) % maxGroups) }

// count is the number of clusters, as far as it was counted.
func (c *clusters) count() int64 { return int64(len(c.known)) }

// groups is the number of groups.
func (c *clusters) groups() int {
	if c.moved != nil {
		return maxGroups
	}
	return len(c.known)
}

// group is that of a row whose code is known.
func (c *clusters) group(row int64, code uint32) uint32 {
	if row < c.since {
		return c.moved[code]
	}
	return code
}

// mix spreads the bits of a key.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}

// hashText is the same in every process: groups of clusters do not change from one check to the next.
func hashText(text []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range text {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h)
}

// clusterKeys are those of the chosen rows of a batch. Rows without a cluster are one cluster.
type clusterKeys struct {
	at    int // place of the column in the batch
	days  bool
	times *rowFilter
	zone  zoneDays
	text  []byte
}

const noCluster = math.MaxUint64 - 1

func (c *clusterKeys) append(dst []uint64, b *dataset.Batch, rows chosen) []uint64 {
	from := &b.Columns[c.at]
	for k := range rows.n {
		i := rows.at(k)
		switch {
		case from.Type == dataset.Null || from.Missing.Has(i):
			dst = append(dst, noCluster)
		case c.days:
			dst = append(dst, uint64(c.day(from, i)))
		default:
			c.text = from.AppendText(c.text[:0], i)
			dst = append(dst, hashText(c.text))
		}
	}
	return dst
}

func (c *clusterKeys) day(from *dataset.Column, i int) int64 {
	v := c.times.nanos(from, i)
	if c.times.naive {
		return floorDiv(v, dayNanos)
	}
	return c.zone.day(v)
}
