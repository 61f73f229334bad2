package snapshot

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/disk"
)

// Magic lines, each with the algorithm byte behind it: a tree or a recipe can never be taken for the other.
const (
	treeMagic   = "mlx tree 1\n" + algorithm
	recipeMagic = "mlx recipe 1\n" + algorithm

	algorithm = "\x01" // of every digest that follows: SHA-256
)

// Bounds on what a tree or a recipe may state.
const (
	maxSize  = 1 << 50 // bytes of a file
	maxName  = 4096    // bytes; the largest that any file system in use takes is 1,020
	maxLevel = 3
	maxDepth = 4096 // folders inside one another
)

// treeEntry is one name in a folder.
type treeEntry struct {
	Name   string
	Kind   disk.Kind
	Size   int64         // bytes of the file, of the symlink's target, or of all files below the folder
	Sum    object.Digest // SHA-256 of the whole file, of the target, or of the encoded tree
	Recipe object.Digest // how to put it together; zero where it is a single chunk, whose digest is Sum
}

// same says whether two entries have equal content and kind.
func (e *treeEntry) same(o *treeEntry) bool { return e.Kind == o.Kind && e.Sum == o.Sum }

// appendTree appends the encoding of entries, which must be sorted by name.
func appendTree(dst []byte, entries []treeEntry) []byte {
	dst = append(dst, treeMagic...)
	for i := range entries {
		e := &entries[i]
		kind := byte(e.Kind)
		if !e.Recipe.IsZero() {
			kind |= 0x80
		}
		dst = append(dst, kind)
		dst = binary.AppendUvarint(dst, uint64(e.Size))
		dst = append(dst, e.Sum[:]...)
		if !e.Recipe.IsZero() {
			dst = append(dst, e.Recipe[:]...)
		}
		dst = binary.AppendUvarint(dst, uint64(len(e.Name)))
		dst = append(dst, e.Name...)
	}
	return dst
}

// parseTree reads a tree and refuses every encoding but the one that appendTree makes.
func parseTree(b []byte) ([]treeEntry, error) {
	bad := func(why string) ([]treeEntry, error) { return nil, fault.New(fault.Integrity, "damaged tree: %s", why) }
	if !bytes.HasPrefix(b, []byte(treeMagic)) {
		return bad("wrong first line or digest algorithm")
	}
	b = b[len(treeMagic):]
	entries := make([]treeEntry, 0, min(len(b)/48, 4<<10))
	for len(b) > 0 {
		var e treeEntry
		recipe := b[0]&0x80 != 0
		e.Kind = disk.Kind(b[0] &^ 0x80)
		if e.Kind < disk.File || e.Kind > disk.Directory {
			return bad("unknown kind")
		}
		size, rest, ok := uvarint(b[1:])
		if !ok || size > 1<<62 || len(rest) < 32 {
			return bad("cut short")
		}
		e.Size, e.Sum = int64(size), object.Digest(rest[:32])
		rest = rest[32:]
		if recipe {
			if len(rest) < 32 {
				return bad("cut short")
			}
			if e.Recipe, rest = object.Digest(rest[:32]), rest[32:]; e.Recipe.IsZero() {
				return bad("empty recipe")
			}
		}
		n, rest, ok := uvarint(rest)
		if !ok || n > uint64(len(rest)) || n > maxName {
			return bad("cut short")
		}
		e.Name, b = string(rest[:n]), rest[n:]
		if err := checkName(e.Name); err != nil {
			return nil, err
		}
		if k := len(entries); k > 0 && entries[k-1].Name >= e.Name {
			return bad("names are out of order")
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// uvarint reads a number in its shortest form.
func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// checkName refuses the names that no tree may hold: those that would leave the folder, and the folders that git and
// mlx keep for themselves, also as NTFS and HFS+ would fold them.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
	case strings.ContainsAny(name, "/\x00"):
	case reserved(name, ".git"), reserved(name, ".mlx"), reserved(name, "git~1"), reserved(name, "mlx~1"):
	case strings.ContainsRune(name, '\\') && escapes(name):
	default:
		return nil
	}
	return fault.New(fault.Integrity, "the name %q is refused", name)
}

// Holds says whether a version can hold a file or folder of this name.
func Holds(name string) bool { return checkName(name) == nil }

// escapes says whether a name with backslashes would be a path out of the folder, or into .git, on Windows.
func escapes(name string) bool {
	for part := range strings.SplitSeq(name, `\`) {
		if part != "" && part != "." && checkName(part) != nil {
			return true
		}
	}
	return false
}

// reserved compares as NTFS does (case, trailing dots and spaces, streams) and as HFS+ does (ignorable code points).
func reserved(name, word string) bool {
	if len(name) < len(word) {
		return false
	}
	if i := strings.IndexByte(name, ':'); i > 0 {
		name = name[:i]
	}
	name = strings.TrimRight(name, ". ")
	if strings.EqualFold(name, word) {
		return true
	}
	ascii := true
	for i := range len(name) {
		ascii = ascii && name[i] < utf8.RuneSelf
	}
	if ascii {
		return false
	}
	folded := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	return folded == word
}

// row is one chunk of a recipe.
type row struct {
	ID  object.Digest
	Len int
	Cut uint64 // hash (46 bits) of the 32 bytes before the chunk; finds the base of a delta
}

const (
	rowSize = 32 + 8
	lenBits = 18
)

// recipe is the head of an encoded recipe. The chunks of level 0 are the content; those of a higher level are the
// encoding of the recipe one level below.
type recipe struct {
	Level int
	Size  int64 // bytes that the rows add up to
	Count int
}

// appendRecipe appends the encoding of a recipe.
func appendRecipe(dst []byte, level int, size int64, rows []row) []byte {
	dst = append(dst, recipeMagic...)
	dst = append(dst, chunk.ID, byte(level))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(size))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(rows)))
	for i := range rows {
		dst = append(dst, rows[i].ID[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(rows[i].Len-1)|rows[i].Cut<<lenBits)
	}
	return dst
}

const recipeHead = len(recipeMagic) + 2 + 8 + 8

// parseRecipeHead reads the head of a recipe.
func parseRecipeHead(b []byte) (recipe, error) {
	if len(b) < recipeHead || !bytes.HasPrefix(b, []byte(recipeMagic)) {
		return recipe{}, fault.New(fault.Integrity, "damaged recipe: wrong first line or digest algorithm")
	}
	b = b[len(recipeMagic):]
	if b[0] != chunk.ID {
		return recipe{}, fault.New(fault.Integrity, "the recipe names chunker %d, which this version does not know", b[0]).Hint("mlx version   # a newer mlx may know it")
	}
	size, count := binary.LittleEndian.Uint64(b[2:]), binary.LittleEndian.Uint64(b[10:])
	// A chunk has at least one byte and at most chunk.Max.
	if b[1] > maxLevel || size > maxSize || count > size/chunk.Min+1 || (size-1)/chunk.Max >= count || count == 0 || size == 0 {
		return recipe{}, fault.New(fault.Integrity, "damaged recipe: its numbers do not fit")
	}
	return recipe{Level: int(b[1]), Size: int64(size), Count: int(count)}, nil
}

// parseRow reads one row: digest, then length less one (18 bits) and hash of the cut (46 bits).
func parseRow(b []byte) row {
	w := binary.LittleEndian.Uint64(b[32:])
	return row{ID: object.Digest(b[:32]), Len: int(w&(1<<lenBits-1)) + 1, Cut: w >> lenBits}
}

// cutHash is the upper 46 bits of FNV-1a over the last 32 bytes before a cut. Source: Fowler, Noll, Vo; RFC 9923.
func cutHash(before []byte) uint64 {
	if len(before) > 32 {
		before = before[len(before)-32:]
	}
	h := uint64(14695981039346656037)
	for _, c := range before {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h >> lenBits
}
