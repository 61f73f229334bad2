package drift

import "math"

// learn measures how far each chunk of the reference is from the rest of it, by the method that decides.
func (p *pairing) learn(m *Measured, of rowBins) error {
	method, err := p.spec.MethodOf(m.Name, m.Kind)
	if err != nil {
		return err
	}
	chunkOf, chunks := p.chunks()
	if m.Kind == Numbers && (method == KS || method == Wasserstein) {
		return p.learnSorted(m, method, chunkOf, chunks)
	}
	counts := countsByGroup(chunks, of.none+1)
	err = p.eachRow(0, p.sides[0].clusters, func(r rowAt) { counts[chunkOf(r)][of.bin(0, r)]++ })
	if err != nil {
		return err
	}
	bins := of.none
	if p.spec.NullBin {
		bins++
	}
	whole := make([]int64, bins)
	for _, chunk := range counts {
		for b := range whole {
			whole[b] += int64(chunk[b])
		}
	}
	for _, chunk := range counts {
		part, rest := make([]int64, bins), make([]int64, bins)
		for b := range whole {
			part[b] = int64(chunk[b])
			rest[b] = whole[b] - part[b]
		}
		v, err := p.distance(method, p.cuts.summed(rest), p.cuts.summed(part))
		if err != nil {
			return err
		}
		m.Learnt = append(m.Learnt, v)
	}
	return nil
}

// chunks cuts the reference into parts of contiguous rows, or of whole clusters in the order in which they come.
func (p *pairing) chunks() (of func(rowAt) int, n int) {
	chunks := int64(max(p.spec.Learn.Chunks, 2))
	rows := p.sides[0].rows
	place := func(before int64) int { return int(min(before*chunks/max(rows, 1), chunks-1)) }
	if p.sides[0].clusters == nil {
		return func(r rowAt) int { return place(r.row) }, int(chunks)
	}
	starts := p.sides[0].clusters.starts
	return func(r rowAt) int { return place(starts[r.group]) }, int(chunks)
}

// learnSorted measures what needs the order of values. The gap of a chunk to the rest is that to the whole, times n/(n - rows of the chunk).
func (p *pairing) learnSorted(m *Measured, method Method, chunkOf func(rowAt) int, chunks int) error {
	keys := make([][]uint64, chunks)
	err := p.eachRow(0, p.sides[0].clusters, func(r rowAt) {
		if r.class == rowValue {
			key := r.key
			if convert := p.convert[0]; convert != nil {
				key = convert(key)
			}
			at := chunkOf(r)
			keys[at] = append(keys[at], key)
		}
	})
	if err != nil {
		return err
	}
	all := p.reference.moments(false)
	n := float64(all.n)
	for _, chunk := range keys {
		part := &sorted{axis: p.axis, n: int64(len(chunk)), mem: p.w.sorter.sort(chunk)}
		g := gapsOf(part, p.reference)
		k := float64(part.n)
		up := n / (n - k)
		if k == n {
			up = math.NaN() // there is no rest
		}
		if method == KS {
			m.Learnt = append(m.Learnt, g.d*up)
			continue
		}
		some := part.moments(false)
		mean := (n*all.mean - k*some.mean) / (n - k)
		square := func(m moments, n float64) float64 { return n * (m.std*m.std + (m.mean-mean)*(m.mean-mean)) }
		std := math.Sqrt(max(square(all, n)-square(some, k), 0) / (n - k))
		m.Learnt = append(m.Learnt, g.area*up/max(std, 0.001))
	}
	return p.reference.err
}
