package snapshot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/index"
)

// Checkout makes o.Path equal to o.To, touching only what differs. Files that are in neither version stay. A change that
// is in no version is a conflict, found before anything is touched, unless o.Force. A checkout that was stopped half-way
// is finished by doing it again.
func (s *Store) Checkout(ctx context.Context, o CheckoutOptions) (CheckedOut, error) {
	r, err := s.reader()
	if err != nil {
		return CheckedOut{}, err
	}
	r.count = &census{}
	c := &checkout{s: s, o: o, r: r}
	defer func() { c.idx.Close() }()
	if err := c.load(ctx); err != nil {
		return CheckedOut{}, err
	}
	if err := c.plan(ctx); err != nil {
		return CheckedOut{}, err
	}
	if c.ops.empty() && c.half == nil && c.disk != nil && c.idx != nil && c.idx.Root == o.To { // as it is known to be: nothing to write down
		c.done.Summary.Kind = o.Kind
		return c.done, nil
	}
	if err := c.begin(); err != nil {
		return CheckedOut{}, err
	}
	if err := c.apply(ctx); err != nil {
		return CheckedOut{}, err
	}
	return c.done, c.end()
}

// checkout is one checkout: what stands on disk, what shall stand there, and what to do about the difference.
type checkout struct {
	s      *Store
	o      CheckoutOptions
	r      *reader
	top    string // folder on disk
	only   string // the single name, where a file is tracked
	from   object.Digest
	idx    *index.Index
	half   *journal // of a checkout that was stopped
	known  []*previous
	target []treeEntry
	disk   *folder // nil where nothing stands there
	now    *folder // what the index will know
	ops    ops
	done   CheckedOut
	buf    []byte

	foldsKnown *bool

	partial bool // paths were left out
}

// load reads the target and what stands on disk.
func (c *checkout) load(ctx context.Context) error {
	entries, err := c.r.root(c.o.To)
	if err != nil {
		return err
	}
	c.target, c.top, c.now = entries, c.o.Path, &folder{}
	if c.o.Kind == File {
		if len(entries) != 1 || entries[0].Kind == kindDirectory {
			return fault.New(fault.Integrity, "version %s is not that of a single file", c.o.To.Short())
		}
		c.top, c.only = filepath.Dir(c.o.Path), filepath.Base(c.o.Path)
		entries[0].Name = c.only
	}
	path := c.s.indexPath(c.o.Path)
	if c.idx, err = index.Load(path); err != nil {
		return err
	}
	if c.half, err = loadJournal(path); err != nil {
		return err
	}
	c.from = c.o.Base
	if c.idx != nil && !c.idx.Root.IsZero() {
		c.from = c.idx.Root
	}
	roots := []object.Digest{c.o.Base}
	if c.half != nil {
		roots = append(roots, c.half.roots...)
	}
	for _, d := range roots {
		if !d.IsZero() {
			c.known = append(c.known, &previous{r: c.r, root: d, rename: c.only})
		}
	}
	return c.scanDisk(ctx)
}

// scanDisk walks what stands there, if anything does.
func (c *checkout) scanDisk(ctx context.Context) error {
	if !present(c.o.Path) {
		return nil
	}
	kind, err := kindOf(c.o.Path)
	if err != nil {
		return err
	}
	if kind != c.o.Kind {
		return fault.New(fault.Conflict, "a %s stands where the version has a %s", kind, c.o.Kind)
	}
	sc := scan{ignore: c.o.Ignore, idx: c.idx, keep: true}
	if err := sc.run(ctx, c.o.Path, kind); err != nil {
		return err
	}
	c.disk = sc.root
	return nil
}

// begin writes the journal: from now on a file is clean if it is as in the version before or as in the one to come.
func (c *checkout) begin() error {
	if c.ops.empty() {
		return nil
	}
	if err := os.MkdirAll(c.top, 0o777); err != nil {
		return fmt.Errorf("make %s: %w", c.top, err)
	}
	var j journal
	if c.half != nil {
		j = *c.half
	}
	j.add(c.from)
	j.add(c.o.To)
	return j.save(c.s.indexPath(c.o.Path))
}

// end writes the index of the new state, then drops the journal.
func (c *checkout) end() error {
	path := c.s.indexPath(c.o.Path)
	stamp, err := index.Stamp(path)
	if err != nil {
		return err
	}
	packs, err := c.s.usable(nil)
	if err != nil {
		return err
	}
	is := c.o.To
	if c.partial { // the index knows files of several versions: it is that of none
		is = object.Digest{}
	}
	if err := c.s.saveIndex(c.o.Path, c.now, is, stamp, packs); err != nil {
		return err
	}
	c.done.Summary.Kind = c.o.Kind
	err = os.Remove(path + journalSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end the checkout: %w", err)
	}
	return nil
}

// journal says which checkout is under way: the versions whose files may stand on disk, the one to come last. After
// several that were stopped there are more than two.
type journal struct{ roots []object.Digest }

const (
	journalSuffix = ".checkout"
	journalRoots  = 64 // of more stopped checkouts the oldest are forgotten: then their files are conflicts
)

// add makes d the last of the versions.
func (j *journal) add(d object.Digest) {
	j.roots = slices.DeleteFunc(slices.Clone(j.roots), func(o object.Digest) bool { return o == d })
	j.roots = append(j.roots, d)
	j.roots = j.roots[max(0, len(j.roots)-journalRoots):]
}

func (j journal) save(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("begin the checkout: %w", err)
	}
	var b []byte
	for _, d := range j.roots {
		b = fmt.Appendln(b, d.Hex())
	}
	return index.Replace(path+journalSuffix, b)
}

// loadJournal returns the checkout that was stopped, nil for none. A damaged journal is none: then what the checkout had
// written is a conflict.
func loadJournal(path string) (*journal, error) {
	b, err := os.ReadFile(path + journalSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkout under way: %w", err)
	}
	return parseJournal(string(b)), nil
}

func parseJournal(text string) *journal {
	var j journal
	for line := range strings.Lines(text) {
		hex, whole := strings.CutSuffix(line, "\n")
		d, err := object.ParseDigest(hex)
		if err != nil || !whole || len(j.roots) == journalRoots {
			return nil
		}
		j.roots = append(j.roots, d)
	}
	if len(j.roots) == 0 {
		return nil
	}
	return &j
}

// tempPrefix begins the names of files that a checkout is about to rename. No scan sees them.
const tempPrefix = ".mlx-tmp-"

func tempName() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name a temporary file: %w", err)
	}
	return tempPrefix + hex.EncodeToString(b[:]), nil
}

// isTemp says whether a name is that of such a file.
func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// sameKind says whether two entries are of one kind where the executable bit may not exist.
func sameKind(a, b disk.Kind) bool {
	return a == b || !disk.HasExecutable && a.Regular() && b.Regular()
}
