package remote

import (
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// Entry is one entry of the log, docs/format/remote.md. Its hash is the SHA-256 of its canonical JSON.
type Entry struct {
	V    int           `json:"v"`
	Seq  uint64        `json:"seq"`
	Prev object.Digest `json:"prev,omitzero"`
	Do   Do            `json:"do"`
	At   string        `json:"at"`
	By   string        `json:"by"`

	Begin *Begin `json:"begin,omitempty"`

	Records  []RecordPack    `json:"records,omitempty"`
	From     uint64          `json:"from"`
	N        uint64          `json:"n"`
	Root     object.Digest   `json:"root"`
	Replaced []object.Digest `json:"replaced,omitempty"`
	Redacted []object.Digest `json:"redacted,omitempty"`

	Packs     []ChunkPack     `json:"packs,omitempty"`
	Roots     []Root          `json:"roots,omitempty"`
	Relies    []object.Digest `json:"relies,omitempty"`
	Condemned []object.Digest `json:"condemned,omitempty"`
	Spared    []object.Digest `json:"spared,omitempty"`
	Dropped   []object.Digest `json:"dropped,omitempty"`
	Deleted   []object.Digest `json:"deleted,omitempty"`
	Released  []object.Digest `json:"released,omitempty"`
	Tables    []Table         `json:"tables,omitempty"`

	Roll object.Digest `json:"roll,omitzero"`
	Key  string        `json:"key,omitempty"`
	Sig  string        `json:"sig,omitempty"`
}

// Do is what an entry does.
type Do string

// What entries do.
const (
	DoBegin   Do = "begin"
	DoPush    Do = "push"
	DoCondemn Do = "condemn" // condemns packs, and takes condemnations back
	DoDrop    Do = "drop"    // condemned packs are not to be relied on any more
	DoDelete  Do = "delete"  // dropped packs are about to be deleted
	DoReplace Do = "replace" // packs of records by others that hold the same ids, redacted or joined
	DoErase   Do = "erase"   // content is gone at once
)

// Begin stands in the first entry: which remote this is, and whose history it holds.
type Begin struct {
	Remote string `json:"remote"` // 32 random hex digits
	Ledger string `json:"ledger"`
}

// RecordPack is a pack of records. Object is the digest of the stored bytes where these are encrypted.
type RecordPack struct {
	Pack    object.Digest `json:"pack"`
	Object  object.Digest `json:"object,omitzero"`
	Bytes   int64         `json:"bytes"` // as stored
	Records int           `json:"records"`
}

// ChunkPack is a pack of chunks. Bytes and Index are those of the plain pack. Where it is encrypted, Object is the digest
// of the stored bytes and Plain that of the plain ones.
type ChunkPack struct {
	Pack   object.Digest `json:"pack"`
	Object object.Digest `json:"object,omitzero"`
	Plain  object.Digest `json:"plain,omitzero"`
	Bytes  int64         `json:"bytes"`
	Index  int64         `json:"index"` // offset of the index
	Chunks int64         `json:"chunks"`
}

// Info is the pack as the store knows it.
func (p ChunkPack) Info() snapshot.PackInfo {
	return snapshot.PackInfo{Name: p.Pack, Bytes: p.Bytes, Index: p.Index, Chunks: p.Chunks}
}

// Root is a version that is whole at the remote.
type Root struct {
	Root object.Digest `json:"root"`
	Path string        `json:"path"` // of the data, from the root of the repository
	Kind snapshot.Kind `json:"kind"`
}

// Table is a derived list of which pack has which chunk.
type Table struct {
	Table  object.Digest `json:"table"`
	Object object.Digest `json:"object,omitzero"`
	Bytes  int64         `json:"bytes"` // of the plain table
	Chunks int64         `json:"chunks"`
	Packs  int64         `json:"packs"`
}

// Info is the table as the store knows it.
func (t Table) Info() snapshot.TableInfo {
	return snapshot.TableInfo{Name: t.Table, Bytes: t.Bytes, Chunks: t.Chunks, Packs: t.Packs}
}

const (
	maxEntry = 16 << 20
	timeForm = "2006-01-02T15:04:05.000000Z"
)

// encode returns the only encoding of an entry.
func (e *Entry) encode() ([]byte, error) {
	b, err := object.Encode(e)
	if err == nil && len(b) > maxEntry {
		err = fault.New(fault.Usage, "cannot push so much at once: an entry of the log would have %d bytes", len(b)).
			Hint("mlx push PATH   # a part at a time")
	}
	return b, err
}

// unsigned returns the bytes that a signature covers.
func (e Entry) unsigned() ([]byte, error) {
	e.Sig = ""
	return object.Encode(&e)
}

// parseEntry reads an entry and refuses every encoding but the one that encode makes.
func parseEntry(b []byte) (*Entry, error) {
	var e Entry
	if len(b) > maxEntry {
		return nil, fault.New(fault.Integrity, "an entry of %d bytes is too long", len(b))
	}
	if err := object.DecodeWithin(b, maxEntry, &e); err != nil {
		return nil, fault.New(fault.Integrity, "not an entry of a log: %w", err)
	}
	if e.V != 1 {
		return nil, fault.New(fault.Conflict, "the log of the remote has version %d, which this mlx does not know", e.V).
			Hint("mlx version   # a newer mlx may know it")
	}
	again, err := object.Encode(&e)
	if err != nil || string(again) != string(b) {
		return nil, fault.New(fault.Integrity, "not an entry of a log in its only form")
	}
	return &e, e.check()
}

// check refuses what no writer of this version makes, whatever came before.
func (e *Entry) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Integrity, "entry %d of the log: "+format, append([]any{e.Seq}, args...)...)
	}
	if (e.Seq == 0) != (e.Do == DoBegin) || (e.Begin != nil) != (e.Do == DoBegin) || (e.Seq == 0) != e.Prev.IsZero() {
		return bad("only the first begins")
	}
	if e.Begin != nil && (len(e.Begin.Remote) != 32 || len(e.Begin.Ledger) > 64) {
		return bad("it names no remote")
	}
	if !isTime(e.At) {
		return bad("its time is no time")
	}
	if err := e.checkDo(bad); err != nil {
		return err
	}
	for _, p := range e.Packs {
		if !p.sane() {
			return bad("pack %s makes no sense", p.Pack.Short())
		}
	}
	if err := checkNamed(e.Records, e.Tables, bad); err != nil {
		return err
	}
	for _, r := range e.Roots {
		if !r.sane() {
			return bad("root %s makes no sense", r.Root.Short())
		}
	}
	if len(e.Redacted) > 0 && (e.Sig == "" || e.Key == "") {
		return bad("it redacts records and is not signed")
	}
	return nil
}

// checkDo refuses what entries of its kind do not do.
func (e *Entry) checkDo(bad func(string, ...any) error) error {
	decides := len(e.Condemned)+len(e.Spared)+len(e.Dropped)+len(e.Deleted)+len(e.Released) > 0
	replaces := len(e.Replaced)+len(e.Redacted) > 0
	data := len(e.Packs)+len(e.Roots)+len(e.Relies)+len(e.Tables) > 0
	wrong := false
	switch e.Do {
	case DoBegin:
		wrong = decides || replaces || data || len(e.Records) > 0
	case DoPush:
		wrong = decides || replaces
	case DoReplace:
		wrong = decides || data || e.N != 0
	case DoCondemn, DoDrop, DoDelete, DoErase:
		wrong = replaces || len(e.Roots) > 0
	default:
		wrong = true
	}
	if wrong {
		return bad("%.20q does something else as well", string(e.Do))
	}
	var records uint64
	for _, p := range e.Records {
		records += uint64(max(0, p.Records)) //nolint:gosec // not negative
	}
	if e.N > records {
		return bad("it counts %d records in packs of %d", e.N, records)
	}
	if len(e.Roots) > 0 && len(e.Packs)+len(e.Relies) == 0 {
		return bad("it names versions and no pack that has them")
	}
	return nil
}

func (p ChunkPack) sane() bool {
	return !p.Pack.IsZero() && p.Index > 0 && p.Bytes > p.Index && p.Chunks > 0 && p.Bytes <= maxPack
}

func (r Root) sane() bool {
	return !r.Root.IsZero() && (r.Kind == snapshot.Directory || r.Kind == snapshot.File)
}

func checkNamed(records []RecordPack, tables []Table, bad func(string, ...any) error) error {
	for _, p := range records {
		if p.Pack.IsZero() || p.Records <= 0 || p.Records > maxRecords || p.Bytes <= 0 || p.Bytes > maxRecords {
			return bad("pack of records %s makes no sense", p.Pack.Short())
		}
	}
	for _, t := range tables {
		if t.Table.IsZero() || t.Bytes <= 0 || t.Chunks < 0 || t.Packs < 0 {
			return bad("table %s makes no sense", t.Table.Short())
		}
	}
	return nil
}

// isTime says whether a text is a time in its only form.
func isTime(text string) bool {
	t, err := time.Parse(timeForm, text)
	return err == nil && t.Format(timeForm) == text
}

// Bounds on what an entry may state; a reader allocates nothing by them that the bytes do not fill.
const (
	maxPack    = 1 << 40
	maxRecords = 512 << 20
)

// time is when the writer says it wrote the entry.
func (e *Entry) time() time.Time {
	t, _ := time.Parse(timeForm, e.At) // checked
	return t
}
