//go:build unix

package local

import "context"

// laidOut is what became of an attempt to lay a release out.
type laidOut struct {
	place Place
	err   error
}

// lay puts the releases that are to run where their servers find them, as far as they are not there. It changes nothing that others see.
func (s *supervisor) lay(ctx context.Context, a Arms) map[string]laidOut {
	laid := map[string]laidOut{}
	for _, w := range a.Arms {
		s.mu.Lock()
		have := s.arms[w.Release.Key]
		there := have != nil && have.place.Dir != ""
		s.mu.Unlock()
		if !there && w.Replicas > 0 {
			place, err := s.o.Lay(ctx, w.Release)
			laid[w.Release.Key] = laidOut{place, err}
		}
	}
	return laid
}

// note keeps where a release lies, or why it does not.
func (s *supervisor) note(a *arm, l laidOut) {
	if l.err == nil {
		a.place, a.trouble, a.failed = l.place, "", 0
		return
	}
	if a.trouble != l.err.Error() {
		s.o.log("%s: %v", a.wanted.Release.Name(), l.err)
	}
	a.trouble = l.err.Error()
	a.failed++
	a.rest = 1 << min(a.failed, mostRest)
}

// mostRest bounds how seldom a release is laid out again that could not be: every 2^4 looks.
const mostRest = 4
