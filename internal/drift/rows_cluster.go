package drift

import (
	"cmp"
	"math"
	"slices"
	"time"

	"mlx/internal/dataset"
)

const (
	maxClusters  = 100_000 // that are told apart; of more, some count as one
	maxGroups    = 4_000   // of a side that rows are counted by; of more clusters, several are one group, which are as independent as they
	fewestGroups = 200     // that are left where there were as many
)

// clusters numbers the clusters of one side in the order in which they first come.
type clusters struct {
	known map[uint64]uint32
	rows  *stream[uint32]
	codes []uint32

	groups uint32
	starts []int64 // of each group the rows of those that came before
}

func newClusters(s *store) *clusters {
	return &clusters{known: make(map[uint64]uint32), rows: newStream[uint32](s)}
}

// add numbers rows by the keys of their clusters.
func (c *clusters) add(keys []uint64) error {
	c.codes = c.codes[:0]
	for _, key := range keys {
		code, ok := c.known[key]
		switch {
		case ok:
		case len(c.known) < maxClusters:
			code = uint32(len(c.known))
			c.known[key] = code
		default:
			code = uint32(mix(key) % maxClusters)
		}
		c.codes = append(c.codes, code)
	}
	return c.rows.add(c.codes)
}

// count is the number of clusters, as far as they were told apart.
func (c *clusters) count() int64 { return int64(len(c.known)) }

// group is that of a cluster.
func (c *clusters) group(code uint32) uint32 { return code % c.groups }

// groupClusters puts clusters into groups when there are too many of them: as many on both sides, so that what could be exchanged still can.
func groupClusters(a, b *clusters) error {
	size := (max(a.count(), b.count()) + maxGroups - 1) / maxGroups
	for _, c := range []*clusters{a, b} {
		own := max(min(size, c.count()/fewestGroups), 1)
		c.groups = uint32(max((c.count()+own-1)/own, 1))
		if err := c.order(); err != nil {
			return err
		}
	}
	return nil
}

// order finds out how many rows come before those of a group, in the order in which groups first come.
func (c *clusters) order() error {
	size, first := make([]int64, c.groups), make([]int64, c.groups)
	p := puller[uint32]{s: c.rows}
	for row := range c.rows.n {
		g := c.group(p.next())
		if size[g] == 0 {
			first[g] = row
		}
		size[g]++
	}
	order := make([]int, len(size))
	for g := range order {
		order[g] = g
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(first[a], first[b]) })
	c.starts = make([]int64, len(size))
	before := int64(0)
	for _, g := range order {
		c.starts[g] = before
		before += size[g]
	}
	return p.err
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
	of    *loading
	at    int // place of the column in the batch
	days  bool
	times *rowFilter
	zone  zoneDays
	text  []byte
}

const noCluster = math.MaxUint64 - 1

// dayKeys are those of the days of a column of times, which stands at a place of each batch.
func dayKeys(t *dataset.Table, column string, zone *time.Location, at int) (clusterKeys, error) {
	f, err := timeField(t, column)
	return clusterKeys{at: at, days: true, times: newRowFilter(Rows{Time: column, Zone: zone}, f, at), zone: zoneDays{zone: zone}}, err
}

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
