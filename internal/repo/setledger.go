package repo

import (
	"bytes"

	"mlx/internal/fault"
)

// SetLedger writes another ledger id into mlx.yaml: from then on the project belongs to that history.
func (r *Repo) SetLedger(id string) error {
	if !validLedgerID(id) {
		return fault.New(fault.Integrity, "cannot write %s: ledger %q is not 16 hex digits", ConfigName, id)
	}
	_, err := r.editConfig(func(text []byte, c *Config) ([]byte, error) {
		var out bytes.Buffer
		done := false
		for line := range bytes.Lines(text) {
			if rest, ok := bytes.CutPrefix(line, []byte("ledger:")); ok && !done {
				line = append([]byte("ledger:"), bytes.Replace(rest, []byte(c.Ledger), []byte(id), 1)...)
				done = true
			}
			out.Write(line)
		}
		if !done {
			return nil, fault.New(fault.NotFound, "cannot write %s: it names no ledger", ConfigName).Hint("mlx init   # adds one")
		}
		return out.Bytes(), nil
	})
	return err
}
