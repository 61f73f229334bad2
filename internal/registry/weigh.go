package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// gate answers by the newest verdict on each thing that was judged. A no beats a yes elsewhere.
func (p Proof) gate(n Need, now time.Time) Answer {
	command := "mlx gate " + shellWord(n.Gate)
	if p.Run == "" {
		command = ""
	} else {
		command += " --for " + shellWord(p.Run)
	}
	best := Answer{Verdict: Inconclusive, Said: "no verdict on these bytes", Command: command}
	if p.Run == "" {
		best.Said = "no run is known that wrote these bytes, and gates judge runs"
	}
	seen := map[string]bool{}
	rank := 0
	for _, g := range p.Gates {
		if g.Gate != n.Gate || seen[g.Subject] {
			continue
		}
		seen[g.Subject] = true
		at, id := g.At, g.Record
		a := Answer{Verdict: g.Verdict, Said: verdictWord(g.Verdict), At: &at, Evidence: &id, Command: command}
		if !g.Now {
			a.Verdict, a.Said, a.More = Inconclusive, verdictWord(g.Verdict), "judged by other checks than mlx.yaml has now"
		} else if g.Verdict != Pass && g.Verdict != Fail {
			a.Verdict = Inconclusive // also a word that is not known
		}
		if a = n.stale(a, at, now); a.weight() > rank {
			best, rank = a, a.weight()
		}
	}
	return best.done()
}

// weight orders answers of the same kind: no beats yes, yes beats cannot tell.
func (a Answer) weight() int {
	switch a.Verdict {
	case Fail:
		return 3
	case Pass:
		return 2
	case Inconclusive:
	}
	return 1
}

// done leaves the command away where nothing is missing.
func (a Answer) done() Answer {
	if a.Verdict == Pass {
		a.Command, a.Who = "", ""
	}
	return a
}

func verdictWord(v Verdict) string {
	switch v {
	case Pass:
		return "PASS"
	case Fail:
		return "FAIL"
	case Inconclusive:
	}
	return "INCONCLUSIVE"
}

// scan answers by the scans that today's rules made: they are of the same bytes, so that one no among them is no. Those by other rules
// say nothing.
func (p Proof) scan(n Need, now time.Time) Answer {
	command := "mlx model scan " + shellWord(p.Version)
	best := Answer{Verdict: Inconclusive, Said: "none of these bytes", Command: command}
	rank := 0
	for _, s := range p.Scans {
		at, id := s.At, s.Record
		a := Answer{At: &at, Evidence: &id, Command: command}
		switch {
		case p.Rules != "" && s.Rules != p.Rules:
			a.Verdict, a.Said, a.More = Inconclusive, "scanned", "by older rules"
		case Verdict(s.Verdict) == Pass:
			a.Verdict, a.Said = Pass, "clean"
		case Verdict(s.Verdict) == Fail:
			a.Verdict, a.Said, a.Command = Fail, fmt.Sprintf("%d found", s.Count), "mlx show "+s.Record.Short()
		default:
			a.Verdict, a.Said = Inconclusive, "could not be told"
		}
		if a = n.stale(a, at, now); a.weight() > rank {
			best, rank = a, a.weight()
		}
	}
	return best.done()
}

// signers are the fingerprints whose sign-offs meet a need, and why there are none.
func (p Proof) signers(by string) (allowed []string, why string) {
	for _, s := range p.Signers {
		if !s.Revoked && (by == "" || s.Fingerprint == by || slices.Contains(s.Names, by)) && !slices.Contains(allowed, s.Fingerprint) {
			allowed = append(allowed, s.Fingerprint)
		}
	}
	switch {
	case by != "" && len(allowed) == 0:
		return nil, fmt.Sprintf("no key here is called %s", by)
	case by != "" && len(allowed) > 1:
		return nil, fmt.Sprintf("%d keys here are called %s: name one by its fingerprint", len(allowed), by)
	}
	return allowed, ""
}

// NameOf is what a key is called here; its fingerprint where it has no name.
func (p Proof) NameOf(fingerprint string) string {
	for _, s := range p.Signers {
		if s.Fingerprint == fingerprint && len(s.Names) > 0 {
			return s.Names[0]
		}
	}
	return fingerprint
}

func (p Proof) revoked(fingerprint string) bool {
	known, gone := false, true
	for _, s := range p.Signers {
		if s.Fingerprint == fingerprint {
			known, gone = true, gone && s.Revoked
		}
	}
	return known && gone
}

// signOff answers by the sign-offs of the kind: one that counts is enough. Of those that do not, the reason that is nearest to yes is told.
func (p Proof) signOff(n Need, now time.Time) Answer {
	allowed, why := p.signers(n.By)
	best := Answer{Verdict: Inconclusive, Said: "none for these bytes", Who: n.By, Command: "mlx model sign " + shellWord(p.Version) + " --kind " + shellWord(n.SignOff)}
	if why != "" {
		best.Said, best.Command, best.Who = why, "mlx key list", ""
		return best
	}
	rank := 0
	for _, s := range p.SignOffs {
		if s.Kind != n.SignOff || s.Withdrawn {
			continue
		}
		a, weight := p.weigh(s, allowed, n, now)
		if a.Command, a.Who = best.Command, best.Who; weight > rank {
			best, rank = a, weight
		}
	}
	return best.done()
}

// weigh says what one sign-off is worth.
func (p Proof) weigh(s SignedOff, allowed []string, n Need, now time.Time) (Answer, int) {
	at, id := s.At, s.Record
	if s.SignedAt.Before(at) {
		at = s.SignedAt // nobody makes it younger by recording it later
	}
	a := Answer{Verdict: Inconclusive, At: &at, Evidence: &id}
	switch {
	case s.Digest != p.Digest:
		return a, 0
	case s.Over != nil:
		a.Said, a.At = "withdrawn by "+s.Over.By, &s.Over.At
		if s.Over.Message != "" {
			a.More = fmt.Sprintf("%q", s.Over.Message)
		}
		if !s.Over.Withdrawn {
			a.Said, a.More = "replaced by a later one", ""
		}
		return a, 5
	case s.Verify() != nil:
		a.Said, a.More = "the signature does not hold", "of record "+s.Record.Short()
		return a, 1
	case p.revoked(s.Fingerprint):
		a.Said, a.More = "signed by "+p.NameOf(s.Fingerprint), "whose key was revoked"
		return a, 3
	case !slices.ContainsFunc(p.Signers, func(k Signer) bool { return k.Fingerprint == s.Fingerprint }):
		a.Said, a.More = "signed by "+s.Fingerprint, "whom nobody here trusts"
		return a, 2
	case !slices.Contains(allowed, s.Fingerprint):
		a.Said, a.More = "signed by "+p.NameOf(s.Fingerprint), "not by "+n.By
		return a, 4
	}
	a.Verdict, a.Said = Pass, "signed by "+p.NameOf(s.Fingerprint)
	if s.SignedAt.After(now.Add(skew)) {
		at = s.SignedAt
	}
	if a = n.stale(a, at, now); a.Verdict == Pass {
		return a, 7
	}
	return a, 6
}

// shellWord quotes a word of a command where a shell would read it as more than one.
func shellWord(text string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@=,+%~", c)
	}
	if text != "" && !strings.ContainsFunc(text, func(c rune) bool { return !plain(c) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
