//go:build unix

package local

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// writeJSON writes a file so that it is there as a whole or not at all, also after the machine has lost its power.
func writeJSON(name string, v any) (err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := private(filepath.Dir(name)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what went wrong is told already
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}
