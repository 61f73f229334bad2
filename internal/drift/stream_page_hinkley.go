package drift

// pageHinkley is the test of Page and Hinkley (Page 1954): the sum of the differences to the mean so far, each less delta, against its
// minimum; a change where it is above it by lambda. For falls the same with signs changed. Nothing is forgotten.
type pageHinkley struct {
	delta, lambda float64
	warmup        int
	both          bool

	n                 int
	mean              float64
	up, down          float64
	upLeast, downMost float64
}

func (p *pageHinkley) add(x float64) (change, up bool) {
	p.n++
	p.mean += (x - p.mean) / float64(p.n)
	p.up += x - p.mean - p.delta
	p.down += x - p.mean + p.delta
	if p.n == 1 || p.up < p.upLeast {
		p.upLeast = p.up
	}
	if p.n == 1 || p.down > p.downMost {
		p.downMost = p.down
	}
	if p.n < p.warmup {
		return false, false
	}
	rise, fall := p.up-p.upLeast > p.lambda, p.both && p.downMost-p.down > p.lambda
	if !rise && !fall {
		return false, false
	}
	*p = pageHinkley{delta: p.delta, lambda: p.lambda, warmup: p.warmup, both: p.both}
	return true, rise
}

func (p *pageHinkley) warned() bool { return false }
