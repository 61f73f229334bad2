package snapshot

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/pack"
)

// maxTree bounds the encoded size of one folder: about 10 million names.
const maxTree = 512 << 20

// reader reads files and trees out of the packs. It belongs to one goroutine.
type reader struct {
	*pack.Reader
	inner func(object.Digest) // when not nil, told of the chunks that hold recipes
	count *census             // when not nil, of the folders that tree reads

	over map[object.Digest][]byte // chunks that are in memory only

	loose bool // a walk goes on where folders or recipes are absent
	holes int  // how often it had to
}

// absent says whether a walk goes on past an error: that something is not on this machine.
func (r *reader) absent(err error) bool {
	if !r.loose || fault.KindOf(err) != fault.NotFound {
		return false
	}
	r.holes++
	return true
}

// Read returns the bytes of a chunk. They are valid until the next call.
func (r *reader) Read(d object.Digest) ([]byte, error) {
	if b, ok := r.over[d]; ok {
		return b, nil
	}
	return r.Reader.Read(d)
}

// census counts the entries of the folders that are read, for a version whose folders name one another so that few of
// them unfold into more than any memory holds.
type census struct {
	seen              map[object.Digest]struct{}
	entries, distinct int
}

// A version may repeat itself this often, once it has this many entries.
const (
	repeatLimit = 1000
	repeatFrom  = 1 << 18
)

func (c *census) enter(sum object.Digest, n int) error {
	c.entries += n + 1
	if _, ok := c.seen[sum]; !ok {
		if c.seen == nil {
			c.seen = map[object.Digest]struct{}{}
		}
		c.seen[sum] = struct{}{}
		c.distinct += n + 1
	}
	if c.entries > repeatFrom && c.entries/repeatLimit > c.distinct {
		return fault.New(fault.Integrity, "folder %s is one of %d that unfold into more than %d entries", sum.Short(), len(c.seen), c.entries)
	}
	return nil
}

// reader opens the packs and returns a new reader of them.
func (s *Store) reader() (*reader, error) {
	if err := s.refresh(); err != nil {
		return nil, err
	}
	r, err := s.set.NewReader()
	if err != nil {
		return nil, err
	}
	return &reader{Reader: r}, nil
}

// rows yields the chunks of a file in order. They add up to size bytes.
func (r *reader) rows(sum, recipe object.Digest, size int64) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if recipe.IsZero() {
			if size > 0 {
				yield(row{ID: sum, Len: int(size)}, nil)
			}
			return
		}
		var total int64
		err := r.expand(recipe, maxLevel+1, func(w row) bool {
			total += int64(w.Len)
			return yield(w, nil)
		})
		if err == nil && total != size {
			err = fault.New(fault.Integrity, "damaged recipe %s: %d bytes, the tree says %d", recipe.Short(), total, size)
		}
		if err != nil && err != errStop { //nolint:errorlint // our own sentinel
			yield(row{}, err)
		}
	}
}

// errStop ends an expansion that its consumer has left.
var errStop = fmt.Errorf("stopped")

// expand calls yield with the chunks of the content behind a recipe, whose level must be below the given one.
func (r *reader) expand(id object.Digest, below int, yield func(row) bool) error {
	b, err := r.Read(id)
	if err != nil {
		return err
	}
	p := rowParser{below: below}
	if err := p.feed(bytes.Clone(b), yield); err != nil {
		return err
	}
	return r.descend(&p, yield)
}

// descend ends a recipe. Where its chunks are those of the recipe one level down, it goes through that.
func (r *reader) descend(p *rowParser, yield func(row) bool) error {
	if err := p.end(); err != nil || p.head.Level == 0 {
		return err
	}
	lower := rowParser{below: p.head.Level, exact: true}
	for _, w := range p.upper {
		if r.inner != nil {
			r.inner(w.ID)
		}
		b, err := r.Read(w.ID)
		if err != nil {
			return err
		}
		if len(b) != w.Len {
			return fault.New(fault.Integrity, "damaged recipe: a chunk has %d bytes, not %d", len(b), w.Len)
		}
		if err := lower.feed(bytes.Clone(b), yield); err != nil {
			return err
		}
	}
	return r.descend(&lower, yield)
}

// rowParser parses the encoding of a recipe that arrives in pieces. Rows of a higher level are collected.
type rowParser struct {
	below int
	exact bool // the level is the next one down, not any below
	carry []byte
	head  *recipe
	seen  int
	size  int64
	upper []row
}

// maxUpper bounds the rows of a higher level: a file of 100 TiB has as many, on average.
const maxUpper = 1 << 20

// feed parses b. Each row of level 0 goes to yield, which returns false to stop.
func (p *rowParser) feed(b []byte, yield func(row) bool) error {
	p.carry = append(p.carry, b...)
	if p.head == nil {
		if len(p.carry) < recipeHead {
			return nil
		}
		h, err := parseRecipeHead(p.carry)
		if err != nil {
			return err
		}
		if h.Level >= p.below || p.exact && h.Level != p.below-1 || h.Level > 0 && h.Count > maxUpper {
			return fault.New(fault.Integrity, "damaged recipe: level %d inside level %d", h.Level, p.below)
		}
		p.head, p.carry = &h, p.carry[recipeHead:]
	}
	for len(p.carry) >= rowSize {
		w := parseRow(p.carry)
		p.carry = p.carry[rowSize:]
		if p.seen++; p.seen > p.head.Count {
			return fault.New(fault.Integrity, "damaged recipe: more rows than it states")
		}
		if w.Len < chunk.Min && p.seen < p.head.Count {
			return fault.New(fault.Integrity, "damaged recipe: a chunk of %d bytes before the last", w.Len)
		}
		p.size += int64(w.Len)
		if p.head.Level > 0 {
			p.upper = append(p.upper, w)
		} else if !yield(w) {
			return errStop
		}
	}
	return nil
}

// end checks that the recipe was whole.
func (p *rowParser) end() error {
	if p.head == nil || p.seen != p.head.Count || p.size != p.head.Size || len(p.carry) > 0 {
		return fault.New(fault.Integrity, "damaged recipe: cut short")
	}
	return nil
}

// bytes reads a whole object that has at most limit bytes.
func (r *reader) bytes(sum, recipe object.Digest, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fault.New(fault.Integrity, "object %s of %d bytes is larger than any that mlx writes", sum.Short(), size)
	}
	var out []byte
	for w, err := range r.rows(sum, recipe, size) {
		if err != nil {
			return nil, err
		}
		b, err := r.Read(w.ID)
		if err != nil {
			return nil, err
		}
		if len(b) != w.Len {
			return nil, fault.New(fault.Integrity, "object %s has %d bytes, not %d", w.ID.Short(), len(b), w.Len)
		}
		out = append(out, b...)
	}
	if sha256.Sum256(out) != sum {
		return nil, fault.New(fault.Integrity, "object %s does not have its digest", sum.Short())
	}
	return out, nil
}

// root reads the tree that a root digest names: the tree itself, or the recipe of a long one.
func (r *reader) root(id object.Digest) ([]treeEntry, error) {
	b, err := r.Read(id)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte(recipeMagic)) {
		if b, err = r.longRoot(id); err != nil {
			return nil, err
		}
	}
	entries, err := parseTree(b)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", id.Short(), err)
	}
	return entries, nil
}

func (r *reader) longRoot(id object.Digest) ([]byte, error) {
	var out []byte
	err := r.expandInto(id, &out)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r *reader) expandInto(id object.Digest, out *[]byte) error {
	var ids []row
	seen := map[object.Digest]bool{}
	bad := false
	total := 0
	err := r.expand(id, maxLevel+1, func(w row) bool {
		bad = bad || seen[w.ID] || total > maxTree // names are in order: no two chunks are equal
		ids, seen[w.ID] = append(ids, w), true
		total += w.Len
		return !bad
	})
	if bad {
		return fault.New(fault.Integrity, "object %s is no tree that mlx writes", id.Short())
	}
	if err != nil {
		return err
	}
	for _, w := range ids {
		b, err := r.Read(w.ID)
		if err != nil {
			return err
		}
		if *out = append(*out, b...); len(b) != w.Len || !bytes.HasPrefix(*out, []byte(treeMagic)) {
			return fault.New(fault.Integrity, "object %s is no tree that mlx writes", id.Short())
		}
	}
	return nil
}

// tree reads the folder that an entry of another tree names.
func (r *reader) tree(e *treeEntry) ([]treeEntry, error) {
	b, err := r.Read(e.Sum)
	if !e.Recipe.IsZero() {
		b, err = r.longRoot(e.Recipe)
		if err == nil && sha256.Sum256(b) != e.Sum {
			err = fault.New(fault.Integrity, "object %s does not have its digest", e.Sum.Short())
		}
	}
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(b)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", e.Sum.Short(), err)
	}
	if r.count != nil {
		err = r.count.enter(e.Sum, len(entries))
	}
	return entries, err
}

// walk calls visit with every entry below a root, folders before what is in them, in the order of names. visit returns
// false to leave a folder out.
func (r *reader) walk(root object.Digest, visit func(path string, e *treeEntry) (bool, error)) error {
	entries, err := r.root(root)
	if err != nil {
		return err
	}
	r.count = &census{}
	return r.walkEntries("", entries, 0, visit)
}

func (r *reader) walkEntries(dir string, entries []treeEntry, depth int, visit func(string, *treeEntry) (bool, error)) error {
	if depth > maxDepth {
		return fault.New(fault.Integrity, "folders more than %d deep", maxDepth)
	}
	for i := range entries {
		e := &entries[i]
		path := join(dir, e.Name)
		into, err := visit(path, e)
		if err != nil {
			return err
		}
		if e.Kind != disk.Directory || !into {
			continue
		}
		sub, err := r.tree(e)
		if r.absent(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := r.walkEntries(path, sub, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// join joins two slash-separated paths.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
