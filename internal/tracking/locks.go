package tracking

import "sync"

// locks makes those wait for each other who change the same thing.
type locks struct {
	mu  sync.Mutex
	all map[string]*waiting
}

type waiting struct {
	sync.Mutex
	n int // who holds it or waits for it
}

// lock takes the lock of a name, and returns how it is given back.
func (l *locks) lock(name string) func() {
	l.mu.Lock()
	if l.all == nil {
		l.all = map[string]*waiting{}
	}
	w := l.all[name]
	if w == nil {
		w = &waiting{}
		l.all[name] = w
	}
	w.n++
	l.mu.Unlock()
	w.Lock()
	return func() {
		w.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.n--; w.n == 0 {
			delete(l.all, name)
		}
	}
}
