package remote

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"mlx/internal/bucket/buckettest"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Many small packs of records become few; the ids, their order and everybody's head stay, and the old objects go in time.
func TestConsolidate(t *testing.T) {
	d := buckettest.Memory()
	a, behind := newClone(t, d), newClone(t, d)
	for i := range manyRecords + 10 {
		a.note(1)
		a.push()
		if i == 20 {
			behind.pull()
		}
	}
	r := a.remote()
	if n := len(r.known.state.Records); n > manyRecords {
		t.Fatalf("%d packs of records", n)
	}
	before := len(keys(t, d, recordFolder))
	fresh := newClone(t, d)
	fresh.pull()
	behind.pull()
	for what, c := range map[string]*clone{"behind": behind, "fresh": fresh} {
		if c.size() != manyRecords+10 {
			t.Errorf("%s: %d records", what, c.size())
		}
		c.note(1)
		c.push()
		if v := c.verify(VerifyOptions{}); !v.Clean() {
			t.Errorf("%s: %+v", what, v.Damage)
		}
	}
	if a.gc(GCOptions{}); len(keys(t, d, recordFolder)) < before {
		t.Error("a gc took packs of records that somebody may be about to read")
	}
	a.clock.pass(31 * 24 * time.Hour)
	a.gc(GCOptions{})
	if n := len(keys(t, d, recordFolder)); n >= before-manyRecords+5 {
		t.Errorf("%d packs of records are left of %d", n, before)
	}
	newClone(t, d).pull()
}

func testKey(t *testing.T) (private, public []byte) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(key)
}

func TestRedact(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	private, public := testKey(t)
	if _, err := a.ledger.AddKey(t.Context(), public, "ana"); err != nil {
		t.Fatal(err)
	}
	rec, err := noteMade.Append(t.Context(), a.ledger, lineage.Entry[noted]{Body: noted{"hunter2 is a secret"}})
	if err != nil {
		t.Fatal(err)
	}
	a.note(3)
	a.push()
	b.pull()
	if lines := recordLines(t, mustReadAll(t, d, a.remote().known.state.Records[0].key())); !strings.Contains(lines, "hunter2") {
		t.Fatal("the remote never had it")
	}
	if _, err := a.ledger.Redact(t.Context(), rec.ID, "a password", private, nil); err != nil {
		t.Fatal(err)
	}
	sign := func(text []byte) (string, error) {
		_, sig, err := a.ledger.Sign(private, nil, text, SignNamespace)
		return sig, err
	}
	key, _, err := a.ledger.Sign(private, nil, nil, SignNamespace)
	if err != nil {
		t.Fatal(err)
	}
	n, failed, err := a.remote().Redact(t.Context(), &Signer{Fingerprint: key, Sign: sign})
	if err != nil || n != 1 || len(failed) != 0 {
		t.Fatalf("%d packs, %v, %v", n, failed, err)
	}
	r := a.remote()
	for _, p := range r.known.state.Records {
		if lines := recordLines(t, mustReadAll(t, d, p.key())); strings.Contains(lines, "hunter2") {
			t.Error("the remote still has it")
		}
	}
	if got := len(keys(t, d, recordFolder)); got != len(r.known.state.Records) {
		t.Errorf("%d objects for %d packs", got, len(r.known.state.Records))
	}
	b.pull()
	fresh := newClone(t, d)
	fresh.pull()
	for what, c := range map[string]*clone{"b": b, "fresh": fresh} {
		if _, err := c.ledger.Get(t.Context(), rec.ID); err == nil || !strings.Contains(err.Error(), "a password") {
			t.Errorf("%s: %v", what, err)
		}
		if v := c.verify(VerifyOptions{}); !v.Clean() {
			t.Errorf("%s: %+v", what, v.Damage)
		}
	}
	if n, _, err := a.remote().Redact(t.Context(), &Signer{Fingerprint: key, Sign: sign}); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
}

// recordLines unpacks a pack of records.
func recordLines(t *testing.T, data []byte) string {
	t.Helper()
	c := newClone(t, buckettest.Memory())
	_, _, _ = c.ledger.Import(t.Context(), data, object.Sum(data)) // a line without its bytes may be refused: then nothing is there
	var out bytes.Buffer
	for rec, err := range c.ledger.Select(t.Context(), lineage.Query{All: true}) {
		if err == nil {
			out.Write(rec.Body)
		}
	}
	return out.String()
}
