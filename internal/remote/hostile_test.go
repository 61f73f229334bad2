package remote

import (
	"bytes"
	"fmt"
	"testing"

	"mlx/internal/bucket"
	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
)

func mustEncode(t testing.TB, e *Entry) []byte {
	t.Helper()
	raw, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestNothingOfAnotherLedgerArrives: what is refused must not be in the ledger afterwards, and erasures least of all.
func TestNothingOfAnotherLedgerArrives(t *testing.T) {
	for _, n := range []int{1, 2 * testRoll} { // by the hint alone, and by a roll
		d := buckettest.Memory()
		a, b := newClone(t, d), newClone(t, d)
		for range n {
			a.note(1)
			a.push()
		}
		b.change = func(o *Options) { o.ID = "0000000000000000" }
		for range 2 {
			if _, err := b.remote().Sync(t.Context()); fault.KindOf(err) != fault.Conflict || b.size() != 0 {
				t.Errorf("%d records of another ledger, %v", b.size(), err)
			}
		}
	}
}

// TestFailedCheckpointIsNotForgotten: the second try must not find what the first one refused among what is known.
func TestFailedCheckpointIsNotForgotten(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	a.note(2)
	a.push()
	for what, harm := range map[string]func(*Head){
		"entry":  func(h *Head) { h.Entry[0] ^= 1 },
		"root":   func(h *Head) { h.Root[0] ^= 1 },
		"remote": func(h *Head) { h.Remote = "00000000000000000000000000000000" },
		"seq":    func(h *Head) { h.Seq += 5 },
	} {
		bad, _ := a.remote().Head()
		harm(&bad)
		b := newClone(t, d)
		b.change = func(o *Options) { o.Checkpoint = &bad }
		for range 2 {
			wantIntegrity(t, b, what)
		}
		if _, seen := b.remote().Head(); seen {
			t.Errorf("%s: a log that was refused is remembered", what)
		}
		wantIntegrityAt(t, a, &bad, what+", of a clone that knows the log")
	}
}

func wantIntegrityAt(t *testing.T, c *clone, h *Head, what string) {
	t.Helper()
	r := c.remote()
	r.Expect(h)
	if _, err := r.Sync(t.Context()); fault.KindOf(err) != fault.Integrity {
		t.Errorf("%s: %v", what, err)
	}
}

// TestForgedHint: who may write the hint and nothing else brings nothing into a ledger.
func TestForgedHint(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	a.note(1)
	a.push()
	forger := newClone(t, copied(t, d))
	forger.note(1)
	forger.push()
	for _, key := range keys(t, forger.driver, recordFolder) {
		mustWrite(t, d, key, mustRead(t, forger.driver, key))
	}
	mustWrite(t, d, tailKey, mustRead(t, forger.driver, tailKey))
	b := newClone(t, d)
	if b.pull(); b.size() != 1 {
		t.Errorf("%d records, one of which the log does not have", b.size())
	}
}

// copied returns another place with the same objects.
func copied(t *testing.T, d bucket.Driver) bucket.Driver {
	t.Helper()
	to := buckettest.Memory()
	for key, b := range contents(t, d) {
		mustWrite(t, to, key, b)
	}
	return to
}

// TestHugeHint is about memory: each empty line would cost a slice.
func TestHugeHint(t *testing.T) {
	if _, err := parseTail(bytes.Repeat([]byte("\n"), 1<<20)); fault.KindOf(err) != fault.Integrity {
		t.Errorf("a million lines: %v", err)
	}
}

// TestStrangeKeysInTheLog: what merely looks like a number must not be waited for, nor memory be spent on it.
func TestStrangeKeysInTheLog(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	a.note(1)
	a.push()
	b.pull()
	for _, key := range []string{logKey(0) + "000000000009", logKey(1)[:len(logKey(1))-1] + "x", logKey(0) + "9999", "log/+000000000000009"} {
		mustWrite(t, d, key, []byte("x"))
	}
	b.pull()
	a.note(1)
	a.push()
	if b.pull(); b.size() != 2 {
		t.Errorf("%d records", b.size())
	}
	c := newClone(t, d)
	if c.pull(); c.size() != 2 {
		t.Errorf("%d records", c.size())
	}
}

// TestAwayForLong: a clone that has not looked for some hundred entries gets all of them at once.
func TestAwayForLong(t *testing.T) {
	d := buckettest.Memory()
	a, b := newClone(t, d), newClone(t, d)
	a.change = func(o *Options) { o.Ledger = nil }
	b.change = a.change
	a.push()
	b.pull()
	r := a.remote()
	if err := r.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 230 {
		if ok, err := r.append(t.Context(), &Entry{Do: DoPush}, nil); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	want, _ := r.Head()
	if got, _ := b.pull().Head(); got != want {
		t.Errorf("entry %d, not %d", got.Seq, want.Seq)
	}
}

// TestGap: an entry that is missing is not the end of the log, neither for who reads it first nor for who pushes.
func TestGap(t *testing.T) {
	for _, missing := range []uint64{0, 2} {
		d := buckettest.Memory()
		a := newClone(t, d)
		for range 3 {
			a.note(1)
			a.push()
		}
		mustDelete(t, d, logKey(missing))
		mustDelete(t, d, tailKey)
		b := newClone(t, d)
		wantIntegrity(t, b, fmt.Sprintf("entry %d is missing", missing))
		if _, err := b.remote().Push(t.Context(), PushOptions{}); fault.KindOf(err) != fault.Integrity {
			t.Errorf("a push into the gap: %v", err)
		}
	}
}

// TestReplacedPacksWithoutHint: who reads a log from its beginning meets entries whose packs of records are gone.
func TestReplacedPacksWithoutHint(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	for range 3 {
		a.note(1)
		a.push()
	}
	r := a.remote()
	if err := r.advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := r.known.state.Records
	if err := r.replaceRecords(t.Context(), old, r.known.ids); err != nil {
		t.Fatal(err)
	}
	for _, p := range old {
		mustDelete(t, d, p.key())
	}
	mustDelete(t, d, tailKey)
	b := newClone(t, d)
	if b.pull(); b.size() != 3 {
		t.Errorf("%d records", b.size())
	}
}
