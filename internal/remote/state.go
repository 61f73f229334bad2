package remote

import (
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// state is what the log says after one of its entries: a pure fold. Its encoding is a roll.
type state struct {
	V      int           `json:"v"`
	Seq    uint64        `json:"seq"`
	Head   object.Digest `json:"head"` // hash of entry Seq
	Remote string        `json:"remote"`
	Ledger string        `json:"ledger"`

	Size     uint64          `json:"size"` // of the Merkle tree
	Root     object.Digest   `json:"root"`
	Records  []RecordPack    `json:"records"`
	Redacted []object.Digest `json:"redacted"`

	Packs  []pack  `json:"packs"`
	Roots  []held  `json:"roots"`
	Tables []Table `json:"tables"`
}

// pack is a pack of chunks and how gc thinks of it.
type pack struct {
	ChunkPack
	Fate  fate   `json:"fate,omitempty"`
	Since string `json:"since,omitempty"` // time of the entry that decided it
}

// fate is what a gc has decided of a pack.
type fate string

const (
	fateCondemned fate = "condemned" // not to be relied on; deleted in the end unless spared
	fateDropped   fate = "dropped"   // the same, and not read any more
	fateDeleted   fate = "deleted"   // its object may go at any instant
)

// held is a root, when it came, and when it last came again.
type held struct {
	Root
	At string `json:"at"`
}

func (h held) time() time.Time {
	t, _ := time.Parse(timeForm, h.At) // checked with the entry
	return t
}

func (s *state) begun() bool { return s.V != 0 }

// pack returns the pack of a name, or nil.
func (s *state) pack(name object.Digest) *pack {
	for i := range s.Packs {
		if s.Packs[i].Pack == name {
			return &s.Packs[i]
		}
	}
	return nil
}

func (s *state) holds(root object.Digest) bool {
	return slices.ContainsFunc(s.Roots, func(h held) bool { return h.Root.Root == root })
}

// apply folds an entry, whose hash is given. The records themselves are judged by whoever fetches them.
func (s *state) apply(e *Entry, hash object.Digest) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Integrity, "the log of the remote is damaged or was changed: entry %d "+format, append([]any{e.Seq}, args...)...)
	}
	if !s.begun() {
		if e.Seq != 0 {
			return bad("is not the first")
		}
		s.V, s.Remote, s.Ledger = 1, e.Begin.Remote, e.Begin.Ledger
		s.Root = lineage.NewTree().Root()
		if e.Root != s.Root || e.N != 0 || e.From != 0 {
			return bad("states a tree that is not empty")
		}
	} else if e.Seq != s.Seq+1 || e.Prev != s.Head {
		return bad("does not follow entry %d", s.Seq)
	}
	if e.From != s.Size || e.N == 0 && e.Root != s.Root {
		return bad("counts %d records before it, not %d", e.From, s.Size)
	}
	if err := s.applyPacks(e, bad); err != nil {
		return err
	}
	s.Seq, s.Head = e.Seq, hash
	s.Size, s.Root = s.Size+e.N, e.Root
	s.applyRecords(e)
	s.Redacted = append(s.Redacted, e.Redacted...)
	if e.Tables != nil {
		s.Tables = e.Tables
	}
	return nil
}

// applyRecords puts packs at the end, or in the place of those that they replace: the order of ids stays.
func (s *state) applyRecords(e *Entry) {
	gone := func(p RecordPack) bool { return slices.Contains(e.Replaced, p.Pack) }
	at := slices.IndexFunc(s.Records, gone)
	if at < 0 {
		at = len(s.Records)
	}
	var fresh []RecordPack
	for _, p := range e.Records {
		if gone(p) || !slices.ContainsFunc(s.Records, func(q RecordPack) bool { return q.Pack == p.Pack }) {
			fresh = append(fresh, p)
		}
	}
	before, after := s.Records[:at], s.Records[at:]
	s.Records = append(append(slices.Clone(before), fresh...), slices.DeleteFunc(slices.Clone(after), gone)...)
}

func (s *state) applyPacks(e *Entry, bad func(string, ...any) error) error {
	at := s.places()
	for _, name := range e.Relies {
		if i, ok := at[name]; !ok || s.Packs[i].Fate != "" {
			return bad("relies on pack %s, which is not there", name.Short())
		}
	}
	if s.prune(e.time()) {
		at = s.places()
	}
	deleting := s.deleting()
	for _, p := range e.Packs {
		if deleting[p.Pack.Hex()] || deleting[p.key()] {
			return bad("adds pack %s, which is being deleted", p.Pack.Short())
		}
		if i, ok := at[p.Pack]; ok {
			s.Packs[i] = pack{ChunkPack: p} // whatever a gc has thought of it
			continue
		}
		at[p.Pack] = len(s.Packs)
		s.Packs = append(s.Packs, pack{ChunkPack: p})
	}
	if err := s.applyFates(e, at, bad); err != nil {
		return err
	}
	s.applyRoots(e)
	return nil
}

// applyFates decides about packs. Each step follows the one before it, and not too soon: only an erasure deletes at once.
func (s *state) applyFates(e *Entry, at map[object.Digest]int, bad func(string, ...any) error) error {
	repaired := map[object.Digest]bool{} // a damaged pack is condemned and dropped at once
	for _, name := range e.Condemned {
		i, ok := at[name]
		if !ok { // an object that no entry has named: a push that was killed
			i = len(s.Packs)
			at[name] = i
			s.Packs = append(s.Packs, pack{ChunkPack: ChunkPack{Pack: name}})
		} else if s.Packs[i].Fate != "" {
			return bad("condemns pack %s, which is %s", name.Short(), s.Packs[i].Fate)
		}
		repaired[name] = true
		s.Packs[i].Fate, s.Packs[i].Since = fateCondemned, e.At
	}
	for _, step := range []struct {
		names []object.Digest
		fate  fate
		may   func(p *pack) bool
	}{
		{e.Spared, "", func(p *pack) bool { return (p.Fate == fateCondemned || p.Fate == fateDropped) && p.Bytes > 0 }},
		{e.Dropped, fateDropped, func(p *pack) bool {
			return p.Fate == fateCondemned && (repaired[p.Pack] || p.since(e.time()) >= condemnGrace)
		}},
		{e.Deleted, fateDeleted, func(p *pack) bool {
			return e.Do == DoErase || p.Fate == fateDeleted || p.Fate == fateDropped && p.since(e.time()) >= dropGrace
		}},
	} {
		for _, name := range step.names {
			i, ok := at[name]
			if !ok || !step.may(&s.Packs[i]) {
				return bad("does with pack %s what may not be done with it yet", name.Short())
			}
			p := &s.Packs[i]
			if p.Fate, p.Since = step.fate, e.At; step.fate == "" {
				p.Since = ""
			}
		}
	}
	return nil
}

// since is for how long a pack has had its fate.
func (k *pack) since(now time.Time) time.Duration {
	t, _ := time.Parse(timeForm, k.Since) // checked
	return now.Sub(t)
}

// applyRoots takes versions away and puts others, and those that come again, at the end.
func (s *state) applyRoots(e *Entry) {
	if len(e.Released)+len(e.Roots) == 0 {
		return
	}
	released, again := make(map[object.Digest]bool, len(e.Released)), make(map[Root]int, len(e.Roots))
	for _, d := range e.Released {
		released[d] = true
	}
	for i, root := range e.Roots {
		again[root] = i
	}
	s.Roots = slices.DeleteFunc(s.Roots, func(h held) bool {
		_, ok := again[h.Root]
		return ok || released[h.Root.Root]
	})
	for i, root := range e.Roots {
		if again[root] == i {
			s.Roots = append(s.Roots, held{Root: root, At: e.At})
		}
	}
}

// places returns where each pack stands.
func (s *state) places() map[object.Digest]int {
	at := make(map[object.Digest]int, len(s.Packs))
	for i := range s.Packs {
		at[s.Packs[i].Pack] = i
	}
	return at
}

// prune forgets packs that were deleted long ago: their names are free again. It says whether there were any.
func (s *state) prune(now time.Time) bool {
	n := len(s.Packs)
	s.Packs = slices.DeleteFunc(s.Packs, func(k pack) bool { return k.Fate == fateDeleted && !k.taken(now) })
	return len(s.Packs) < n
}

// taken says whether the object of a pack is perhaps just being deleted.
func (k *pack) taken(now time.Time) bool {
	since, err := time.Parse(timeForm, k.Since)
	return k.Fate == fateDeleted && (err != nil || now.Sub(since) < forget)
}

// deleting returns the packs whose objects are about to be deleted: the digests, and the keys of their objects. The object
// of an encrypted pack may have been condemned before an entry named it.
func (s *state) deleting() map[string]bool {
	out := map[string]bool{}
	for i := range s.Packs {
		if k := &s.Packs[i]; k.Fate == fateDeleted {
			out[k.Pack.Hex()], out[k.key()] = true, true
		}
	}
	return out
}

// sharesObject says whether a pack that counts has the same object as k: the object of an encrypted pack may have been
// condemned before an entry named it.
func (s *state) sharesObject(k pack) bool {
	return slices.ContainsFunc(s.Packs, func(p pack) bool { return p.Pack != k.Pack && p.Fate != fateDeleted && p.key() == k.key() })
}

// usable returns the packs that an entry may rely on.
func (s *state) usable() []ChunkPack {
	var out []ChunkPack
	for _, p := range s.Packs {
		if p.Fate == "" {
			out = append(out, p.ChunkPack)
		}
	}
	return out
}

// readable returns the packs whose objects are there.
func (s *state) readable() []ChunkPack {
	var out []ChunkPack
	for _, p := range s.Packs {
		if (p.Fate == "" || p.Fate == fateCondemned) && p.Bytes > 0 {
			out = append(out, p.ChunkPack)
		}
	}
	return out
}

// clone returns a copy that shares nothing which apply changes.
func (s *state) clone() *state {
	c := *s
	c.Records, c.Redacted = slices.Clone(s.Records), slices.Clone(s.Redacted)
	c.Packs, c.Roots, c.Tables = slices.Clone(s.Packs), slices.Clone(s.Roots), slices.Clone(s.Tables)
	return &c
}

// roll returns the encoding of the state; every clone makes the same.
func (s *state) roll() ([]byte, error) { return object.Encode(s) }

const maxRoll = 256 << 20

// parseRoll reads a roll, whose digest the log has given.
func parseRoll(b []byte, want object.Digest) (*state, error) {
	if object.Sum(b) != want {
		return nil, fault.New(fault.Integrity, "the log of the remote is damaged or was changed: a roll is not the one that the log names")
	}
	var s state
	if err := object.DecodeWithin(b, maxRoll, &s); err != nil {
		return nil, fault.New(fault.Integrity, "a roll of the remote's log cannot be read: %w", err)
	}
	if s.V != 1 {
		return nil, fault.New(fault.Conflict, "the log of the remote has version %d, which this mlx does not know", s.V)
	}
	return &s, s.check()
}

// check refuses a state to which no entries lead.
func (s *state) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Integrity, "a roll of the remote's log makes no sense: "+format, args...)
	}
	if len(s.Remote) != 32 || len(s.Ledger) > 64 || s.Head.IsZero() {
		return bad("it names no remote")
	}
	if err := checkNamed(s.Records, s.Tables, bad); err != nil {
		return err
	}
	seen := make(map[object.Digest]bool, len(s.Packs))
	for _, p := range s.Packs {
		orphan := p.ChunkPack == ChunkPack{Pack: p.Pack} && p.Fate != ""
		if seen[p.Pack] || !orphan && !p.sane() {
			return bad("pack %s", p.Pack.Short())
		}
		seen[p.Pack] = true
		switch p.Fate {
		case "", fateCondemned, fateDropped, fateDeleted:
		default:
			return bad("pack %s has the fate %.20q", p.Pack.Short(), p.Fate)
		}
		if (p.Fate == "") != (p.Since == "") || p.Since != "" && !isTime(p.Since) {
			return bad("pack %s, since %.40q", p.Pack.Short(), p.Since)
		}
	}
	for _, h := range s.Roots {
		if !h.sane() || !isTime(h.At) {
			return bad("root %s", h.Root.Root.Short())
		}
	}
	return nil
}
