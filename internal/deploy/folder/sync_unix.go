//go:build unix

package folder

import (
	"errors"
	"os"
)

// sync makes the names in a folder durable.
func sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
