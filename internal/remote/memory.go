package remote

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// memory is what a clone remembers of a remote: the head of its log, the fold up to there, and the ids of its records in
// log order. The head is what notices a log that was rolled back or forked; all else could be read again.
type memory struct {
	file  string
	state state
	ids   []object.Digest
	seen  seen
	tail  [][]byte // raw entries since the newest roll
	roll  uint64   // number of that roll; 0 for none

	sealed bool     // the remote is encrypted
	keys   []string // ids of its keys, oldest first

	index map[object.Digest]bool // of ids, when it was needed
	tree  *lineage.Tree          // of ids, when it was needed
}

// seen is how the newest entry looked in a listing.
type seen struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// memoryHead is the first line of the file; the ids follow, 32 bytes each.
type memoryHead struct {
	V     int      `json:"v"`
	State state    `json:"state"`
	Seen  seen     `json:"seen"`
	Tail  []string `json:"tail"`
	Roll  uint64   `json:"roll"`
	Seal  bool     `json:"sealed"`
	Keys  []string `json:"keys,omitempty"`
	IDs   int      `json:"ids"`
	Tree  []byte   `json:"tree"` // right edge of the Merkle tree over the ids
}

// fileOf is where the memory of a place lies.
func fileOf(dir, place string) string {
	return filepath.Join(dir, object.Sum([]byte(place)).Hex()[:16], "head")
}

// remember reads what this clone knows of the remote at a place.
func remember(dir, place string) (*memory, error) {
	m := &memory{file: fileOf(dir, place)}
	b, err := os.ReadFile(m.file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read what is known of the remote: %w", err)
	}
	if err := m.parse(b); err != nil {
		return nil, fault.New(fault.Integrity, "cannot read what is known of the remote: %s is damaged", m.file).
			Hint("rm %s   # forgets the head of its log: a rollback before now would go unnoticed", m.file)
	}
	return m, nil
}

var errMemory = errors.New("not a memory")

// parse reads the bytes of the file.
func (m *memory) parse(b []byte) error {
	if len(b) < 8 {
		return errMemory
	}
	n := binary.LittleEndian.Uint64(b)
	if b = b[8:]; n > uint64(len(b)) {
		return errMemory
	}
	var h memoryHead
	ids := b[n:]
	if json.Unmarshal(b[:n], &h) != nil || h.V != 1 || len(ids)%len(object.Digest{}) != 0 || h.IDs != len(ids)/len(object.Digest{}) || uint64(h.IDs) != h.State.Size {
		return errMemory
	}
	if h.State.begun() && h.State.check() != nil {
		return errMemory
	}
	m.state, m.seen, m.roll, m.sealed, m.keys = h.State, h.Seen, h.Roll, h.Seal, h.Keys
	if t, err := lineage.TreeOf(h.Tree); err == nil && t.Root() == h.State.Root {
		m.tree = t // else it is made again
	}
	m.ids = make([]object.Digest, h.IDs)
	for i := range m.ids {
		m.ids[i] = object.Digest(ids[32*i:])
	}
	for _, t := range h.Tail {
		m.tail = append(m.tail, []byte(t))
	}
	return nil
}

// save writes the memory, unless another process has seen a later head of the same log meanwhile. A reader without a ledger
// has no ids to remember.
func (m *memory) save(place string) error {
	if uint64(len(m.ids)) != m.state.Size {
		return nil
	}
	if now, err := remember(filepath.Dir(filepath.Dir(m.file)), place); err == nil && now.state.begun() {
		if err := m.agrees(now); err != nil {
			return err
		}
		if now.state.Seq > m.state.Seq {
			return nil
		}
	}
	h := memoryHead{V: 1, State: m.state, Seen: m.seen, Roll: m.roll, Seal: m.sealed, Keys: m.keys, IDs: len(m.ids), Tail: []string{}}
	if len(m.ids) > 0 {
		h.Tree = m.merkle().State()
	}
	for _, t := range m.tail {
		h.Tail = append(h.Tail, string(t))
	}
	head, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("remember the remote: %w", err)
	}
	var b bytes.Buffer
	b.Grow(8 + len(head) + 32*len(m.ids))
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(head))))
	b.Write(head)
	for i := range m.ids {
		b.Write(m.ids[i][:])
	}
	if err := writeFile(m.file, b.Bytes()); err != nil {
		return fault.New(fault.KindOf(err), "cannot remember the remote: %w", err)
	}
	return nil
}

// agrees refuses a log of which another process of this clone has seen another history meanwhile.
func (m *memory) agrees(now *memory) error {
	older, newer := m, now
	if m.state.Seq > now.state.Seq {
		older, newer = now, m
	}
	same := now.state.Remote == m.state.Remote
	if older.state.Seq == newer.state.Seq {
		same = same && older.state.Head == newer.state.Head
	} else if at := newer.state.Seq - older.state.Seq; same && at < uint64(len(newer.tail)) { // the tail ends with the head
		same = object.Sum(newer.tail[uint64(len(newer.tail))-1-at]) == older.state.Head
	}
	if same {
		return nil
	}
	return fault.New(fault.Integrity, "the log of the remote was rolled back or changed: another process of this clone has seen another entry %d", older.state.Seq).
		Hint("mlx verify -r NAME   # reads all of it")
}

// Forget removes what is remembered of the remote at a place: the next who reads it believes what it finds.
func Forget(dir, place string) error {
	if err := os.RemoveAll(filepath.Dir(fileOf(dir, place))); err != nil {
		return fault.New(fault.KindOf(err), "cannot forget the remote: %w", err)
	}
	return nil
}

// writeFile replaces a file in one step; it is durable when this returns.
func writeFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+"-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// has says whether the log has a record.
func (m *memory) has(id object.Digest) bool {
	if m.index == nil {
		m.index = make(map[object.Digest]bool, len(m.ids))
		for _, id := range m.ids {
			m.index[id] = true
		}
	}
	return m.index[id]
}

// grow adds the ids that are not there yet and returns how many these were.
func (m *memory) grow(ids []object.Digest) (n uint64) {
	for _, id := range ids {
		if !m.has(id) {
			m.index[id] = true
			m.ids = append(m.ids, id)
			m.merkle().Add(id)
			n++
		}
	}
	return n
}

// merkle returns the tree over all ids.
func (m *memory) merkle() *lineage.Tree {
	if m.tree == nil || m.tree.Size() != uint64(len(m.ids)) {
		m.tree = lineage.NewTree()
		m.tree.Add(m.ids...)
	}
	return m.tree
}

// blank is a memory of nothing but whether the remote is encrypted, and by which keys.
func (m *memory) blank() *memory { return &memory{file: m.file, sealed: m.sealed, keys: m.keys} }

// clone returns a copy to try an entry on.
func (m *memory) clone() *memory {
	c := *m
	c.state = *m.state.clone()
	c.ids, c.tail = slices.Clip(m.ids), slices.Clip(m.tail) // what is appended goes elsewhere
	m.index, m.tree = nil, nil                              // they change with the copy; the original makes its own again
	return &c
}
