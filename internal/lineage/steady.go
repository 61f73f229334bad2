package lineage

import (
	"context"
	"sync"
)

// steadyKey is where a context keeps its moment.
type steadyKey struct{}

// moment is the view of a ledger that all reads of one context share.
type moment struct {
	mu    sync.Mutex
	views map[*Ledger]*view
}

// Steady returns a context whose reads all see a ledger as it was at the first of them: one question that takes many reads gets
// one answer, and the folders are listed once. What is appended or arrives later is not seen, so whoever is about to decide
// something under a lock asks without it. Writing is not affected.
func Steady(ctx context.Context) context.Context {
	if momentOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, steadyKey{}, &moment{views: map[*Ledger]*view{}})
}

// unsteady returns a context whose reads see what is there now.
func unsteady(ctx context.Context) context.Context {
	return context.WithValue(ctx, steadyKey{}, (*moment)(nil))
}

func momentOf(ctx context.Context) *moment {
	m, _ := ctx.Value(steadyKey{}).(*moment)
	return m
}

// viewFor is what a read with this context sees.
func (l *Ledger) viewFor(ctx context.Context) (*view, error) {
	m := momentOf(ctx)
	if m == nil {
		return l.view()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.views[l]; v != nil && !v.indexDamaged() {
		return v, nil
	}
	v, err := l.view()
	if err == nil {
		m.views[l] = v
	}
	return v, err
}
