package remote

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"mlx/internal/bucket/buckettest"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// logOf is a log that a test writes by hand.
type logOf struct {
	t   testing.TB
	s   state
	now time.Time

	raws [][]byte
}

func newLog(t testing.TB) *logOf {
	l := &logOf{t: t, now: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
	e := &Entry{Do: DoBegin, Begin: &Begin{Remote: "00112233445566778899aabbccddeeff", Ledger: testLedger}}
	if err := l.add(e); err != nil {
		t.Fatal(err)
	}
	return l
}

// add folds an entry as a reader does.
func (l *logOf) add(e *Entry) error {
	l.t.Helper()
	e.V, e.At, e.By, e.From, e.Root = 1, l.now.Format(timeForm), "ana", l.s.Size, l.s.Root
	if l.s.begun() {
		e.Seq, e.Prev = l.s.Seq+1, l.s.Head
	} else {
		e.Root = emptyRoot
	}
	raw := mustEncode(l.t, e)
	e, err := parseEntry(raw)
	if err != nil {
		return err
	}
	trial := l.s.clone()
	if err := trial.apply(e, object.Sum(raw)); err != nil {
		return err
	}
	l.s, l.raws = *trial, append(l.raws, raw)
	return nil
}

var emptyRoot = (&memory{}).merkle().Root()

func digest(i int) object.Digest { return object.Sum(fmt.Append(nil, i)) }

func chunkPack(i int) ChunkPack {
	return ChunkPack{Pack: digest(i), Bytes: 100, Index: 50, Chunks: 1}
}

func version(i int) Root { return Root{Root: digest(i), Path: "data", Kind: snapshot.Directory} }

// TestFatesFollowEachOther: nobody makes a clone believe that a pack may go, or is there, out of turn.
func TestFatesFollowEachOther(t *testing.T) {
	name := []object.Digest{digest(1)}
	condemn, spare := &Entry{Do: DoCondemn, Condemned: name}, &Entry{Do: DoCondemn, Spared: name}
	drop, del := &Entry{Do: DoDrop, Dropped: name}, &Entry{Do: DoDelete, Deleted: name}
	rely := &Entry{Do: DoPush, Relies: name, Roots: []Root{version(9)}}
	add := &Entry{Do: DoPush, Packs: []ChunkPack{chunkPack(1)}}
	day, month := func(l *logOf) { l.now = l.now.Add(condemnGrace) }, func(l *logOf) { l.now = l.now.Add(dropGrace) }
	for what, steps := range map[string][]any{
		"!rely on what nobody pushed":           {rely},
		"rely":                                  {add, rely},
		"!rely on what is condemned":            {add, condemn, rely},
		"rely on what was spared":               {add, condemn, spare, rely},
		"rely on what was pushed again":         {add, condemn, add, rely},
		"!spare what is not condemned":          {add, spare},
		"!spare what nobody pushed":             {condemn, spare},
		"!condemn twice":                        {add, condemn, condemn},
		"!drop what is not condemned":           {add, day, drop},
		"!drop too soon":                        {add, condemn, drop},
		"drop":                                  {add, condemn, day, drop},
		"!condemn what is dropped":              {add, condemn, day, drop, condemn},
		"!delete what is not dropped":           {add, month, del},
		"!delete what is condemned":             {add, condemn, month, del},
		"!delete too soon":                      {add, condemn, day, drop, day, del},
		"delete":                                {add, condemn, day, drop, month, del},
		"delete an orphan":                      {condemn, day, drop, month, del},
		"!spare what is deleted":                {add, condemn, day, drop, month, del, spare},
		"!push what is deleted":                 {add, condemn, day, drop, month, del, add},
		"push a day after it was deleted":       {add, condemn, day, drop, month, del, day, add, rely},
		"erase at once":                         {add, &Entry{Do: DoErase, Deleted: name}},
		"!erase what nobody pushed":             {&Entry{Do: DoErase, Deleted: name}},
		"drop a damaged one at once":            {add, &Entry{Do: DoCondemn, Condemned: name, Dropped: name}},
		"!condemn in a push":                    {add, &Entry{Do: DoPush, Condemned: name}},
		"!delete in a push":                     {add, &Entry{Do: DoPush, Deleted: name}},
		"!release in a push":                    {add, rely, &Entry{Do: DoPush, Released: []object.Digest{digest(9)}}},
		"!replace in a push":                    {&Entry{Do: DoPush, Replaced: name}},
		"!name a version without a pack":        {&Entry{Do: DoPush, Roots: []Root{version(9)}}},
		"!name a version in another entry":      {add, &Entry{Do: DoCondemn, Roots: []Root{version(9)}, Relies: name}},
		"!do what nobody knows":                 {&Entry{Do: "vanish"}},
		"!count records that no pack can have":  {&Entry{Do: DoPush, N: 1}},
		"!replace and add":                      {&Entry{Do: DoReplace, N: 1, Records: []RecordPack{{Pack: digest(2), Bytes: 9, Records: 1}}}},
		"!begin again":                          {&Entry{Do: DoBegin, Begin: &Begin{Remote: "00112233445566778899aabbccddeeff"}}},
		"name a released version again":         {add, rely, &Entry{Do: DoCondemn, Released: []object.Digest{digest(9)}}, rely},
		"!a pack whose index is outside of it":  {&Entry{Do: DoPush, Packs: []ChunkPack{{Pack: digest(1), Bytes: 10, Index: 10, Chunks: 1}}}},
		"!a table of a negative number of rows": {&Entry{Do: DoPush, Tables: []Table{{Table: digest(3), Bytes: 5, Chunks: -1}}}},
	} {
		l := newLog(t)
		var err error
		for i, step := range steps {
			if err != nil {
				t.Errorf("%s: step %d: %v", what, i-1, err)
			}
			switch step := step.(type) {
			case *Entry:
				e := *step
				err = l.add(&e)
			case func(*logOf):
				step(l)
			}
		}
		if refused := what[0] == '!'; refused != (fault.KindOf(err) == fault.Integrity) || !refused && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRollsOfAllClonesAreEqual: who folds all entries and who begins at any roll have the same bytes in the end.
func TestRollsOfAllClonesAreEqual(t *testing.T) {
	l := newLog(t)
	begun := []state{*l.s.clone()}
	for i, e := range []*Entry{
		{Do: DoPush, Packs: []ChunkPack{chunkPack(1), chunkPack(2)}, Roots: []Root{version(1), version(2), version(1)}},
		{Do: DoPush, Packs: []ChunkPack{chunkPack(1)}, Tables: []Table{{Table: digest(3), Bytes: 5, Chunks: 1, Packs: 1}}},
		{Do: DoCondemn, Condemned: []object.Digest{digest(2)}, Released: []object.Digest{digest(1), digest(2)}},
		{Do: DoDrop, Dropped: []object.Digest{digest(2)}},
		{Do: DoPush, Relies: []object.Digest{digest(1)}, Roots: []Root{version(1)}},
		{Do: DoErase, Deleted: []object.Digest{digest(1), digest(2)}, Released: []object.Digest{digest(1)}},
		{Do: DoPush},
	} {
		l.now = l.now.Add(condemnGrace)
		for k := range begun {
			at := &logOf{t: t, s: begun[k], now: l.now}
			copied := *e
			if err := at.add(&copied); err != nil {
				t.Fatalf("entry %d: %v", i+1, err)
			}
			begun[k] = at.s
		}
		b, err := begun[0].roll()
		if err != nil {
			t.Fatal(err)
		}
		for k := range begun {
			if other, err := begun[k].roll(); err != nil || !bytes.Equal(other, b) {
				t.Fatalf("entry %d: %s and %s, %v", i+1, b, other, err)
			}
		}
		again, err := parseRoll(b, object.Sum(b))
		if err != nil {
			t.Fatal(err)
		}
		begun, l.s = append(begun, *again), begun[0]
	}
}

// TestManyPacks is about growth: an entry of 10,000 packs on a remote of as many takes moments, not minutes.
func TestManyPacks(t *testing.T) {
	l := newLog(t)
	const n = 10_000
	e, more := &Entry{Do: DoPush}, &Entry{Do: DoPush}
	for i := range n {
		e.Packs, e.Roots = append(e.Packs, chunkPack(i)), append(e.Roots, version(i))
		more.Packs, more.Relies, more.Roots = append(more.Packs, chunkPack(n+i)), append(more.Relies, digest(i)), append(more.Roots, version(i))
	}
	start := time.Now()
	for _, e := range []*Entry{e, more} {
		if err := l.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > 20*time.Second || len(l.s.Packs) != 2*n || len(l.s.Roots) != n {
		t.Errorf("%v, %d packs, %d versions", d, len(l.s.Packs), len(l.s.Roots))
	}
}

// TestTwoProcessesOfOneClone: a place that shows each of two another entry is noticed by the second that remembers.
func TestTwoProcessesOfOneClone(t *testing.T) {
	d := buckettest.Memory()
	a := newClone(t, d)
	a.note(1)
	a.push()
	first, second := a.remote(), a.remote()
	d2 := copied(t, d)
	eve := newClone(t, d2)
	eve.pull()
	b := newClone(t, d)
	b.pull()
	for i := range 2 {
		eve.note(1)
		eve.push()
		b.note(i + 1)
		b.push()
	}
	if _, err := first.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, raw := range contents(t, d2) {
		mustWrite(t, d, key, raw)
	}
	if _, err := second.Sync(t.Context()); fault.KindOf(err) != fault.Integrity {
		t.Errorf("two histories: %v", err)
	}
}

// TestReaderWithoutLedgerLeavesNothingDamaged: it has no ids to remember.
func TestReaderWithoutLedgerLeavesNothingDamaged(t *testing.T) {
	a := newClone(t, buckettest.Memory())
	a.note(1)
	a.push()
	b := newClone(t, a.driver)
	b.change = func(o *Options) { o.Ledger = nil }
	b.pull()
	b.pull()
	b.change = nil
	if b.pull(); b.size() != 1 {
		t.Errorf("%d records", b.size())
	}
}

// seeds returns entries, the roll after them and a memory of them.
func seeds(f *testing.F) (tail, roll, known []byte) {
	l := newLog(f)
	for _, e := range []*Entry{
		{Do: DoPush, Packs: []ChunkPack{chunkPack(1), chunkPack(2)}, Roots: []Root{version(1)}, Tables: []Table{{Table: digest(3), Bytes: 5, Chunks: 1, Packs: 1}}},
		{Do: DoCondemn, Condemned: []object.Digest{digest(2)}},
		{Do: DoReplace, Records: []RecordPack{{Pack: digest(4), Bytes: 9, Records: 1}}, Replaced: []object.Digest{digest(5)}, Redacted: []object.Digest{digest(6)}, Key: "k", Sig: "s"},
	} {
		if err := l.add(e); err != nil {
			f.Fatal(err)
		}
	}
	roll, err := l.s.roll()
	if err != nil {
		f.Fatal(err)
	}
	m := &memory{file: fileOf(f.TempDir(), "test://team"), state: l.s, tail: l.raws, keys: []string{"00"}}
	if err := m.save("test://team"); err != nil {
		f.Fatal(err)
	}
	if known, err = os.ReadFile(m.file); err != nil {
		f.Fatal(err)
	}
	return bytes.Join(l.raws, []byte("\n")), roll, known
}

// FuzzEntry also folds what is parsed: neither may panic, and an entry has one form.
func FuzzEntry(f *testing.F) {
	tail, _, _ := seeds(f)
	f.Add(tail)
	f.Fuzz(func(t *testing.T, b []byte) {
		raws, err := parseTail(b)
		if err != nil {
			return
		}
		var s state
		for _, raw := range raws {
			e, err := parseEntry(raw)
			if err != nil {
				return
			}
			if again, err := e.encode(); err != nil || !bytes.Equal(again, raw) {
				t.Fatalf("%q has another form: %q, %v", raw, again, err)
			}
			if s.apply(e, object.Sum(raw)) != nil {
				return
			}
			if err := s.check(); err != nil {
				t.Fatalf("entries lead to what no roll may say: %v", err)
			}
		}
	})
}

func FuzzRoll(f *testing.F) {
	_, roll, _ := seeds(f)
	f.Add(roll)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseRoll(b, object.Sum(b))
		if err != nil {
			return
		}
		if _, err := s.roll(); err != nil {
			t.Fatal(err)
		}
		s.usable()
		s.readable()
	})
}

func FuzzMemory(f *testing.F) {
	_, _, known := seeds(f)
	f.Add(known)
	f.Add(known[:len(known)-1])
	text := []byte(`{"v":1,"state":{"size":576460752303423489},"ids":576460752303423489}`) // times 32 is 32
	f.Add(append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &memory{}
		if m.parse(b) != nil {
			return
		}
		m.merkle()
		m.has(object.Digest{})
		if uint64(len(m.ids)) != m.state.Size {
			t.Fatalf("%d ids of %d", len(m.ids), m.state.Size)
		}
	})
}
