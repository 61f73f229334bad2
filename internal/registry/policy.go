package registry

import (
	"fmt"
	"time"

	"mlx/internal/object"
)

// Verdict is the answer to a need, or to all of them.
type Verdict string

// The verdicts. Cannot tell is never yes.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Need is one condition of a move. Exactly one of Gate, Scan and SignOff is set.
type Need struct {
	Gate    string
	Scan    string        // clean
	SignOff string        // kind
	By      string        // who must have signed: the name of a key, or its fingerprint
	MaxAge  time.Duration // 0: evidence does not grow old
	AgeText string        // MaxAge as it was written: 90d
}

// What is the need in words.
func (n Need) What() string {
	switch {
	case n.Gate != "":
		return "gate " + n.Gate
	case n.Scan != "":
		return "scan"
	}
	return "sign-off " + n.SignOff
}

// GateProof is what a gate said of the bytes, or of the run that wrote them.
type GateProof struct {
	Gate    string
	Verdict Verdict
	Subject string // what was judged; of several verdicts on one subject the first in the list is the newest
	Record  object.Digest
	At      time.Time
	Now     bool // it was judged by the checks that mlx.yaml has now
}

// ScanProof is a scan of the bytes.
type ScanProof struct {
	Scan
	Record object.Digest
	At     time.Time
}

// Signer is a key that this clone knows.
type Signer struct {
	Fingerprint string
	Names       []string // that by: may mean
	Revoked     bool
}

// Proof is all that is known about the bytes of a version, each list newest first.
type Proof struct {
	Version  string        // as a person types it
	Digest   object.Digest // of the bytes
	Run      string        // what gates judge: the run that wrote them; empty: nobody knows one
	Gates    []GateProof
	Scans    []ScanProof
	Rules    string // by which scans are made now; empty: nobody knows
	SignOffs []SignedOff
	Signers  []Signer
	Unknown  []Unknown // what must not be passed over and is not understood
}

// Unknown is a record about the version whose kind this mlx does not know, and that says that nobody may judge without it.
type Unknown struct {
	Kind   string
	Record object.Digest
}

// Decision says whether a version may move to a stage.
type Decision struct {
	Allowed bool
	Verdict Verdict
	Model   string // the version as a person types it
	Digest  object.Digest
	Record  object.Digest // that registered it
	From    Stage
	To      Stage
	Needs   []Answer
}

// Answer says whether one need is met, and why.
type Answer struct {
	What      string
	Verdict   Verdict
	Said      string         // in words, up to a time: "PASS", "clean", "none for these bytes"
	At        *time.Time     // when that was
	More      string         // in words, after it
	Evidence  *object.Digest // the record that it rests on
	ExpiresAt *time.Time
	Command   string // that would supply it; empty: there is none
	Who       string // whose it is to give, for the command; empty: anybody
}

// Evidence is what a move rests on, as it is recorded.
func (d Decision) Evidence() []Evidence {
	var all []Evidence
	for _, a := range d.Needs {
		if a.Evidence != nil && a.Verdict == Pass {
			all = append(all, Evidence{What: a.What, Record: *a.Evidence})
		}
	}
	return all
}

// Judge weighs what is known against what is needed. It is pure: the same proof at the same time gives the same decision.
func (p Proof) Judge(needs []Need, now time.Time) Decision {
	d := Decision{Model: p.Version, Digest: p.Digest, Needs: []Answer{}, Verdict: Pass}
	for _, u := range p.Unknown {
		id := u.Record
		d.Needs = append(d.Needs, Answer{What: "record " + u.Kind, Verdict: Inconclusive, Said: "needs a version of mlx that knows this kind", Evidence: &id})
	}
	for _, n := range needs {
		d.Needs = append(d.Needs, p.answer(n, now))
	}
	for _, a := range d.Needs {
		switch {
		case a.Verdict == Fail:
			d.Verdict = Fail
		case a.Verdict != Pass && d.Verdict == Pass:
			d.Verdict = Inconclusive
		}
	}
	d.Allowed = d.Verdict == Pass
	return d
}

func (p Proof) answer(n Need, now time.Time) Answer {
	var a Answer
	switch {
	case p.Digest.IsZero():
		a = Answer{Verdict: Inconclusive, Said: "mlx does not have its bytes, and evidence is for exact bytes"}
	case n.Gate != "":
		a = p.gate(n, now)
	case n.Scan == "clean":
		a = p.scan(n, now)
	case n.SignOff != "":
		a = p.signOff(n, now)
	default:
		a = Answer{Verdict: Inconclusive, Said: fmt.Sprintf("this version of mlx does not know the need %q", n.Scan)}
	}
	a.What = n.What()
	return a
}

// stale turns yes into cannot tell where evidence is older than the need allows, or claims to be from the future. It never mends a no.
func (n Need) stale(a Answer, at, now time.Time) Answer {
	if a.Verdict != Pass {
		return a
	}
	if at.After(now.Add(skew)) {
		a.Verdict, a.Said, a.At, a.More = Inconclusive, "dated in the future:", &at, ""
		return a
	}
	if n.MaxAge <= 0 {
		return a
	}
	end := at.Add(n.MaxAge)
	a.ExpiresAt = &end
	if !now.Before(end) {
		a.Verdict, a.Said, a.At, a.More = Inconclusive, "expired", &end, "(older than "+n.AgeText+")"
	}
	return a
}

// skew is how far the clocks of two machines may be apart.
const skew = 5 * time.Minute
