package snapshot

import (
	"encoding/binary"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// CheckTable compares the bytes of a table with its name, and its rows with the indexes of the packs that the catalog has
// and the table names. All indexes must be loaded.
func (c *Catalog) CheckTable(info TableInfo, b []byte) error {
	if int64(len(b)) != info.Bytes || object.Sum(b) != info.Name {
		return fault.New(fault.Integrity, "damaged table: its bytes do not have its digest")
	}
	packs, err := parseTableHead(b, info)
	if err != nil {
		return err
	}
	rows := b[info.rows():]
	if err := checkRows(rows, len(packs)); err != nil {
		return err
	}
	found := make([]map[[8]byte]bool, len(packs))
	for i, p := range packs {
		if k := c.packs[p.Name]; k != nil && k.x != nil {
			if k.info != p {
				return fault.New(fault.Integrity, "the table states other numbers of pack %s than the log", p.Name.Short())
			}
			found[i] = make(map[[8]byte]bool, k.x.Len())
			for row := range k.x.Len() {
				d := k.x.Row(row).ID
				found[i][[8]byte(d[:8])] = false
			}
		}
	}
	for ; len(rows) > 0; rows = rows[tableRow:] {
		n := binary.LittleEndian.Uint32(rows[8:])
		prefix := [8]byte(rows[:8])
		if found[n] == nil {
			continue // a pack that is gone
		}
		if _, ok := found[n][prefix]; !ok {
			return fault.New(fault.Integrity, "the table says that pack %s has an object which it has not", packs[n].Name.Short())
		}
		found[n][prefix] = true
	}
	for i := range found {
		for _, seen := range found[i] {
			if !seen {
				return fault.New(fault.Integrity, "the table does not name an object of pack %s", packs[i].Name.Short())
			}
		}
	}
	return nil
}
