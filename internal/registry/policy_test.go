package registry

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

func newKey(t *testing.T) (lineage.Signer, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := lineage.ReadSigner(pem.EncodeToMemory(block), nil)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, string(ssh.MarshalAuthorizedKey(line))
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// scene is a version with evidence for everything, and the needs of production.
type scene struct {
	proof Proof
	needs []Need
	sec   lineage.Signer
	risk  lineage.Signer
}

func (s scene) judge(now time.Time) Decision { return s.proof.Judge(s.needs, now) }

func signed(t *testing.T, by lineage.Signer, kind string, digest object.Digest, at time.Time) SignedOff {
	t.Helper()
	s, err := SignOff{Kind: kind, Digest: digest, Root: digest, Model: "flights", Version: 9, SignedAt: at, Message: "looked at it"}.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	return SignedOff{SignOff: s, Record: object.Sum([]byte(kind)), At: at.Add(time.Second), By: "ana"}
}

func good(t *testing.T) scene {
	t.Helper()
	sec, _ := newKey(t)
	risk, _ := newKey(t)
	digest := object.Sum([]byte("model"))
	return scene{
		sec: sec, risk: risk,
		needs: []Need{{Gate: "release"}, {Scan: "clean"}, {SignOff: "security"}, {SignOff: "ethics", By: "risk-team", MaxAge: 90 * day, AgeText: "90d"}},
		proof: Proof{Version: "flights@v9", Digest: digest, Run: "run:4ad0917be2c6", Rules: "2",
			Gates:    []GateProof{{Gate: "release", Verdict: Pass, Subject: "run", Record: object.Sum([]byte("gate")), At: noon.Add(-2 * time.Hour), Now: true}},
			Scans:    []ScanProof{{Scan: Scan{Digest: digest, Verdict: "pass", Rules: "2"}, Record: object.Sum([]byte("scan")), At: noon.Add(-2 * time.Hour)}},
			SignOffs: []SignedOff{signed(t, sec, "security", digest, noon.Add(-day)), signed(t, risk, "ethics", digest, noon.Add(-10*day))},
			Signers:  []Signer{{Fingerprint: sec.Fingerprint(), Names: []string{"ana"}}, {Fingerprint: risk.Fingerprint(), Names: []string{"risk-team"}}}},
	}
}

// TestEveryCombination leaves away, spoils or ages each piece of evidence, alone and together with every other.
func TestEveryCombination(t *testing.T) {
	type state struct {
		name    string
		verdict Verdict
		said    string
		spoil   func(*scene)
	}
	gates := []state{
		{"good", Pass, "PASS", func(*scene) {}},
		{"none", Inconclusive, "no verdict", func(s *scene) { s.proof.Gates = nil }},
		{"failed", Fail, "FAIL", func(s *scene) { s.proof.Gates[0].Verdict = Fail }},
		{"unknown word", Inconclusive, "INCONCLUSIVE", func(s *scene) { s.proof.Gates[0].Verdict = "maybe" }},
		{"other checks", Inconclusive, "other checks", func(s *scene) { s.proof.Gates[0].Now = false }},
		{"other gate", Inconclusive, "no verdict", func(s *scene) { s.proof.Gates[0].Gate = "data" }},
		{"newer fail", Fail, "FAIL", func(s *scene) {
			s.proof.Gates = append([]GateProof{{Gate: "release", Verdict: Fail, Subject: "run", Now: true, At: noon}}, s.proof.Gates...)
		}},
		{"fail elsewhere", Fail, "FAIL", func(s *scene) {
			s.proof.Gates = append(s.proof.Gates, GateProof{Gate: "release", Verdict: Fail, Subject: "version", Now: true, At: noon.Add(-9 * day)})
		}},
		{"older fail", Pass, "PASS", func(s *scene) {
			s.proof.Gates = append(s.proof.Gates, GateProof{Gate: "release", Verdict: Fail, Subject: "run", Now: true, At: noon.Add(-9 * day)})
		}},
	}
	scans := []state{
		{"good", Pass, "clean", func(*scene) {}},
		{"none", Inconclusive, "none", func(s *scene) { s.proof.Scans = nil }},
		{"found", Fail, "2 found", func(s *scene) { s.proof.Scans[0].Verdict, s.proof.Scans[0].Count = "fail", 2 }},
		{"unclear", Inconclusive, "told", func(s *scene) { s.proof.Scans[0].Verdict = "inconclusive" }},
		{"older rules", Inconclusive, "older rules", func(s *scene) { s.proof.Scans[0].Rules = "1" }},
		{"two answers", Fail, "found", func(s *scene) {
			other := s.proof.Scans[0]
			other.Verdict = "fail"
			s.proof.Scans = append(s.proof.Scans, other)
		}},
	}
	signs := []state{
		{"good", Pass, "signed by ana", func(*scene) {}},
		{"none", Inconclusive, "none for these bytes", func(s *scene) { s.proof.SignOffs = s.proof.SignOffs[1:] }},
		{"other kind", Inconclusive, "none for these bytes", func(s *scene) { s.proof.SignOffs[0] = signed(t, s.sec, "legal", s.proof.Digest, noon) }},
		{"other bytes", Inconclusive, "none for these bytes", func(s *scene) { s.proof.SignOffs[0] = signed(t, s.sec, "security", object.Sum(nil), noon) }},
		{"withdrawn", Inconclusive, "withdrawn by li", func(s *scene) { s.proof.SignOffs[0].Over = &Over{By: "li", Withdrawn: true, At: noon} }},
		{"revoked", Inconclusive, "revoked", func(s *scene) { s.proof.Signers[0].Revoked = true }},
		{"stranger", Inconclusive, "nobody here trusts", func(s *scene) { s.proof.Signers = s.proof.Signers[1:] }},
		{"forged", Inconclusive, "does not hold", func(s *scene) { s.proof.SignOffs[0].Message = "changed" }},
		{"future", Inconclusive, "in the future", func(s *scene) { s.proof.SignOffs[0] = signed(t, s.sec, "security", s.proof.Digest, noon.Add(day)) }},
		{"a withdrawal alone", Inconclusive, "none for these bytes", func(s *scene) { s.proof.SignOffs[0].Withdrawn = true }},
	}
	ethics := []state{
		{"good", Pass, "signed by risk-team", func(*scene) {}},
		{"expired", Inconclusive, "expired (older than 90d)", func(s *scene) {
			s.proof.SignOffs = append(s.proof.SignOffs[:len(s.proof.SignOffs)-1], signed(t, s.risk, "ethics", s.proof.Digest, noon.Add(-94*day)))
		}},
		{"by another", Inconclusive, "signed by ana not by risk-team", func(s *scene) {
			s.proof.SignOffs = append(s.proof.SignOffs[:len(s.proof.SignOffs)-1], signed(t, s.sec, "ethics", s.proof.Digest, noon))
		}},
		{"nobody has the name", Inconclusive, "no key here is called", func(s *scene) { s.proof.Signers[len(s.proof.Signers)-1].Names = nil }},
		{"two have the name", Inconclusive, "2 keys here", func(s *scene) {
			s.proof.Signers = append(s.proof.Signers, Signer{Fingerprint: "SHA256:x", Names: []string{"risk-team"}})
		}},
	}
	for _, g := range gates {
		for _, c := range scans {
			for _, n := range signs {
				for _, e := range ethics {
					if n.name == "stranger" && e.name == "by another" {
						continue // the same key
					}
					s := good(t)
					for _, spoil := range []func(*scene){e.spoil, g.spoil, c.spoil, n.spoil} {
						spoil(&s)
					}
					d := s.judge(noon)
					want := []state{g, c, n, e}
					verdict := Pass
					for i, a := range d.Needs {
						if n.name == "revoked" && e.name == "by another" && i == 3 {
							want[3].said = "whose key was revoked"
						}
						if a.Verdict != want[i].verdict || !strings.Contains(a.Said+" "+a.More, want[i].said) {
							t.Fatalf("gate %s, scan %s, security %s, ethics %s: %s is %s %q %q", g.name, c.name, n.name, e.name, a.What, a.Verdict, a.Said, a.More)
						}
						if (a.Verdict == Pass) != (a.Command == "") {
							t.Fatalf("%s %s: command %q", a.What, a.Verdict, a.Command)
						}
						if a.Verdict == Fail || a.Verdict == Inconclusive && verdict != Fail {
							verdict = a.Verdict
						}
					}
					if d.Verdict != verdict || d.Allowed != (verdict == Pass) {
						t.Fatalf("gate %s, scan %s, security %s, ethics %s: %s", g.name, c.name, n.name, e.name, d.Verdict)
					}
				}
			}
		}
	}
}

func TestFreshness(t *testing.T) {
	s := good(t)
	at := noon.Add(-10 * day)
	end := at.Add(90 * day)
	for now, want := range map[time.Time]Verdict{
		at: Pass, end.Add(-time.Nanosecond): Pass, end: Inconclusive, end.Add(400 * day): Inconclusive,
		at.Add(-4 * time.Minute): Pass, at.Add(-6 * time.Minute): Inconclusive,
	} {
		a := s.proof.Judge(s.needs[3:], now).Needs[0]
		if a.Verdict != want {
			t.Errorf("at %v: %s %s", now, a.Verdict, a.Said)
		}
		if a.Said != "dated in the future:" && (a.ExpiresAt == nil || !a.ExpiresAt.Equal(end)) {
			t.Errorf("at %v: expires %v, not %v", now, a.ExpiresAt, end)
		}
	}
	s.proof.SignOffs[1].At = noon // recorded late: it is as old as it was signed
	if a := s.proof.Judge(s.needs[3:], end).Needs[0]; a.Verdict != Inconclusive {
		t.Errorf("recording a sign-off late made it younger: %s", a.Said)
	}
	s.proof.SignOffs[1].At = noon.Add(-80 * day) // the record is older than it says that it was signed
	if a := s.proof.Judge(s.needs[3:], noon.Add(11*day)).Needs[0]; a.Verdict != Inconclusive {
		t.Errorf("a later date made a sign-off younger: %s", a.Said)
	}
}

func TestUnknownRecordsAreNotPassedOver(t *testing.T) {
	s := good(t)
	if !s.judge(noon).Allowed {
		t.Fatal("the evidence is good")
	}
	s.proof.Unknown = []Unknown{{Kind: "quarantine.set/v1", Record: object.Sum(nil)}}
	if d := s.judge(noon); d.Allowed || d.Verdict != Inconclusive {
		t.Errorf("%+v", d)
	}
	s.needs = nil
	if d := s.judge(noon); d.Allowed {
		t.Error("without a policy it does not count")
	}
	s.proof.Unknown = nil
	s.proof.Digest = object.Digest{}
	if d := s.judge(noon); !d.Allowed {
		t.Error("without a policy nothing is needed")
	}
	s.needs = []Need{{Gate: "release"}}
	if d := s.judge(noon); d.Allowed {
		t.Error("evidence for bytes that nobody has")
	}
}

// TestOneBitVoids flips each bit of the digest that was signed, and each bit of what a sign-off says.
func TestOneBitVoids(t *testing.T) {
	s := good(t)
	for i := range len(s.proof.Digest) * 8 {
		p := s.proof
		p.Digest[i/8] ^= 1 << (i % 8)
		if d := p.Judge(s.needs[2:], noon); d.Allowed || d.Needs[0].Verdict == Pass || d.Needs[1].Verdict == Pass {
			t.Fatalf("bit %d: %+v", i, d)
		}
	}
	flip := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		b[i/8] ^= 1 << (i % 8)
		return b
	}
	text := func(get func(*SignOff) *string) func(*SignOff, int) bool {
		return func(o *SignOff, i int) bool {
			at := get(o)
			if i >= len(*at)*8 {
				return false
			}
			*at = string(flip([]byte(*at), i))
			return true
		}
	}
	fields := map[string]func(*SignOff, int) bool{
		"kind": text(func(o *SignOff) *string { return &o.Kind }), "model": text(func(o *SignOff) *string { return &o.Model }),
		"message":     text(func(o *SignOff) *string { return &o.Message }),
		"fingerprint": text(func(o *SignOff) *string { return &o.Fingerprint }), "signature": text(func(o *SignOff) *string { return &o.Signature }),
		"digest":    func(o *SignOff, i int) bool { o.Digest[i/8%32] ^= 1 << (i % 8); return i < 256 },
		"root":      func(o *SignOff, i int) bool { o.Root[i/8%32] ^= 1 << (i % 8); return i < 256 },
		"version":   func(o *SignOff, i int) bool { o.Version ^= 1 << i; return i < 31 },
		"signed_at": func(o *SignOff, i int) bool { o.SignedAt = o.SignedAt.Add(1 << i); return i < 50 },
		"withdrawn": func(o *SignOff, i int) bool { o.Withdrawn = !o.Withdrawn; return i < 1 },
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for i := 0; ; i++ {
			p := s.proof
			p.SignOffs = slices.Clone(p.SignOffs)
			if !fields[name](&p.SignOffs[0].SignOff, i) {
				break
			}
			if a := p.Judge(s.needs[2:3], noon).Needs[0]; a.Verdict == Pass && !sameArmor(name, p.SignOffs[0].Signature, s.proof.SignOffs[0].Signature) {
				t.Errorf("bit %d of %s: %s", i, name, a.Said)
			}
		}
	}
}

// sameArmor says of a changed signature whether it holds the same bytes: another line end is no other signature.
func sameArmor(field, a, b string) bool {
	if field != "signature" {
		return false
	}
	x, _ := pem.Decode([]byte(a))
	y, _ := pem.Decode([]byte(b))
	return x != nil && y != nil && bytes.Equal(x.Bytes, y.Bytes)
}

// TestSSHKeygenVerifies checks a sign-off as docs/sign-offs.md says that anybody can: with ssh-keygen alone.
func TestSSHKeygenVerifies(t *testing.T) {
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	for _, kind := range []string{"ed25519", "ecdsa"} {
		dir := t.TempDir()
		key := filepath.Join(dir, "id")
		if out, err := exec.Command(program, "-q", "-t", kind, "-N", "", "-C", "ana", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		private, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		by, err := lineage.ReadSigner(private, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := signed(t, by, "security", object.Sum([]byte("model")), noon)
		for name, text := range map[string]string{"allowed": "ana " + string(public), "signature": s.Signature} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verify := func(text []byte) error {
			cmd := exec.Command(program, "-Y", "verify", "-f", "allowed", "-I", "ana", "-n", "mlx-sign-off", "-s", "signature")
			cmd.Dir, cmd.Stdin = dir, bytes.NewReader(text)
			return cmd.Run()
		}
		if err := verify(s.Text()); err != nil {
			t.Errorf("%s: ssh-keygen does not believe it: %v\n%s", kind, err, s.Text())
		}
		s.Version++
		if verify(s.Text()) == nil {
			t.Errorf("%s: ssh-keygen believes another text", kind)
		}
	}
}

func TestSignOffsInTheLedger(t *testing.T) {
	r := clone(t, "ana")
	v := register(t, r, "flights", "one")
	by, _ := newKey(t)
	other, _ := newKey(t)
	put := func(by lineage.Signer, kind string, withdraw bool) lineage.Record {
		t.Helper()
		s, err := SignOff{Kind: kind, Digest: v.Digest, Root: v.Root, SignedAt: r.Now(), Message: "m", Withdrawn: withdraw}.Sign(by)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.SignOff(t.Context(), s, v)
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	standing := func() string {
		t.Helper()
		all, err := r.SignOffs(t.Context(), v.Digest)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, s := range slices.Backward(all) {
			if s.Over == nil && !s.Withdrawn {
				words = append(words, fmt.Sprint(s.Kind, " ", s.Fingerprint == by.Fingerprint()))
			}
		}
		return strings.Join(words, ", ")
	}
	first := put(by, "security", false)
	put(other, "security", false)
	put(by, "ethics", false)
	again := put(by, "security", false)
	if !slices.Contains(again.Prev, first.ID) || len(again.Prev) != 1 {
		t.Errorf("signing again follows %v", again.Prev)
	}
	if got, want := standing(), "security false, ethics true, security true"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	put(by, "security", true)
	if got := standing(); got != "ethics true" {
		t.Errorf("after it was withdrawn: %s", got)
	}
	for _, old := range []lineage.Record{first, again} { // somebody copies what was taken back
		body, err := Signed.Decode(old)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Signed.Append(t.Context(), r.Ledger, lineage.Entry[SignOff]{Body: body, In: old.In}); err != nil {
			t.Fatal(err)
		}
	}
	if got := standing(); got != "ethics true" {
		t.Errorf("a copy brought back: %s", got)
	}
	if s, err := (SignOff{Kind: "legal", Digest: v.Digest, Withdrawn: true}).Sign(by); err != nil {
		t.Fatal(err)
	} else if _, err := r.SignOff(t.Context(), s, v); fault.KindOf(err) != fault.NotFound {
		t.Errorf("nothing to withdraw: %v", err)
	}
}

func TestKinds(t *testing.T) {
	for _, bad := range []string{"", "Security", "a b", "a\nb", "-k", "sécurité", strings.Repeat("a", 65)} {
		if CheckSignOffKind(bad) == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
	if err := CheckSignOffKind("privacy-2"); err != nil {
		t.Error(err)
	}
}
